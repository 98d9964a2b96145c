"""A race of all eight initializers with three seeds each, against the same runs one after the other in a plain script.

The script is the bare loop of `peers`: the same networks, batches and updates, and nothing else. It trains on one
thread, which is faster than two for networks of this size. Race and script take turns.
"""

from __future__ import annotations

import time

import torch

from lstm_core.config import RunConfig
from lstm_core.race_plan import Plan, plan
from lstm_core.recipes import PRESETS
from lstm_core.runs.engine import Engine
from lstm_core.runs.records import OVER
from lstm_core.runs.store import RunStore
from tests.bench.fairness import WORKERS, working
from tests.bench.peers import Bare
from tests.bench.report import Row

SEEDS = (1, 2, 3)
SETTINGS = {"training.validate_every": 100_000}  # all else as it is when the page Compare is opened


def measure(short: bool = True) -> list[Row]:
    """P9."""
    steps, turns = (300, 1) if short else (600, 5)
    race = plan(RunConfig().replace(**SETTINGS, **{"training.steps": steps}), "init.preset", tuple(PRESETS), SEEDS)
    with working() as (store, engine):
        ratios = [_script(race) / _race(store, engine, race) for _ in range(turns)]
    runs = len(PRESETS) * len(SEEDS)
    return [Row("P9", f"{runs} runs in a script ÷ as a race, {WORKERS} workers", ratios, "×", "≥ 1.8")]


def _race(store: RunStore, engine: Engine, race: Plan) -> float:
    """Seconds from the wish to the end of the last run."""
    began = time.perf_counter()
    runners = store.runners(store.create_race(race))
    engine.poke()
    while any(store.get(runner.run).status not in OVER for runner in runners):
        time.sleep(0.05)
    return time.perf_counter() - began


def _script(race: Plan) -> float:
    torch.set_num_threads(1)
    began = time.perf_counter()
    for value, seed in race.runs():
        train = Bare(race.settings(value, seed))
        for _ in range(race.config.training.steps):
            train()
    return time.perf_counter() - began
