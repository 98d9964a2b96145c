"""The table that a teacher would show: which cell, with which first weights, recalls the first token after how long.

`python -m tests.bench memory` trains them all: hidden 64, Adam 3e-3, batch 64; solved means what it means in a race.
Short runs are given 600 steps and two seeds, long ones 1000 and three.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
from tabulate import tabulate

from lstm_core.config import RunConfig
from lstm_core.race_results import WINDOW, solved_at
from tests.bench.report import Row

NETWORKS: dict[str, dict[str, Any]] = {
    "simple RNN, tanh, PyTorch default": {"model.cell": "rnn_tanh", "init.preset": "pytorch"},
    "simple RNN, ReLU, identity": {"model.cell": "rnn_relu", "init.preset": "irnn"},
    "LSTM, PyTorch default": {"model.cell": "lstm", "init.preset": "pytorch"},
    "LSTM, chrono": {"model.cell": "lstm", "init.preset": "chrono"},
}
LENGTHS = (20, 40, 80, 160)


def measure(short: bool = True) -> list[Row]:
    """Steps until solved, per network, length and seed; 0 where it never was."""
    steps, seeds = (600, 2) if short else (1000, 3)
    cases = list(product(NETWORKS, LENGTHS, range(1, seeds + 1)))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = dict(
            zip(cases, pool.map(_steps_to_solve, *zip(*cases, strict=True), [steps] * len(cases)), strict=True)
        )
    table = [
        [name, *(_in_words([found[name, length, seed] for seed in range(1, seeds + 1)]) for length in LENGTHS)]
        for name in NETWORKS
    ]
    print(tabulate(table, headers=["recall the first of T tokens", *(f"T = {length}" for length in LENGTHS)]))
    return [
        Row(
            "",
            f"recall T {length}, {name}: seeds solved in {steps} steps",
            [sum(found[name, length, seed] > 0 for seed in range(1, seeds + 1))],
            f"of {seeds}",
            "",
        )
        for name, length in product(NETWORKS, LENGTHS)
    ]


def _in_words(solved: list[int]) -> str:
    reached = [steps for steps in solved if steps]
    return f"{len(reached)} of {len(solved)}" + (f", after {int(np.median(reached))} steps" if reached else "")


def _steps_to_solve(name: str, length: int, seed: int, steps: int) -> int:
    from lstm_core.training import NonFinite, Step, train

    config = RunConfig().replace(
        **NETWORKS[name]
        | {"task.length": length, "training.seed": seed, "training.steps": steps, "training.validate_every": 100_000}
    )
    recent: list[float] = []
    try:
        for item in train(config, snapshot_seconds=1e9):
            if isinstance(item, Step):
                recent = [*recent[1 - WINDOW :], item.scalars["accuracy/train"]]
                if solved_at(np.array(recent)) is not None:
                    return item.step
    except NonFinite:
        return 0
    return 0
