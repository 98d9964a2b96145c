"""The script of a fork begins where the first of its parents began, and gives the whole curve of the fork."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_core.config import RunConfig
from lstm_core.export import script_of
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.settings import Impossible
from tests.core.test_script import curves
from tests.runs.conftest import small

TEXT = {"task": {"name": "text", "length": 10}, "model": {"hidden_size": 6, "embedding_size": 4}}
STEPS = 16


def finish(store: RunStore, run: str) -> str:
    while run_slice(store.url, run).status != "finished":
        pass
    return run


def text_run(**values: Any) -> RunConfig:
    return RunConfig.model_validate({**TEXT, "training": {"batch_size": 8, "steps": STEPS, **values}})


def brief(**values: Any) -> RunConfig:
    training = {f"training.{name}": value for name, value in {"validate_every": 4, **values}.items()}
    return small(STEPS, **{"init.preset": "keras", **training})


# The settings of a run, and of each fork with the step at which it begins.
CHAINS: list[list[tuple[int, RunConfig]]] = [
    [(0, brief()), (5, brief(learning_rate=0.1, clip="norm", clip_threshold=0.05, weight_decay=0.1)), (9, brief())],
    [
        (0, brief(optimizer="sgd")),
        (6, brief(optimizer="adamw", batch_size=5, patience=1, validate_every=1, learning_rate=0.5)),
    ],
    [(0, brief(optimizer="rmsprop")), (6, brief(optimizer="rmsprop", momentum=0.5, schedule="cosine", bptt_length=3))],
    [(0, brief(optimizer="sgd", momentum=0.5)), (7, brief(optimizer="sgd", schedule="step", halve_every=3))],
    [(0, text_run()), (6, text_run(batch_size=5)), (11, text_run(batch_size=5, bptt_length=4, validate_every=3))],
    [(0, brief()), (9, brief(optimizer="sgd")), (4, brief(optimizer="rmsprop"))],  # from before the parent's own steps
]


def test_the_script_of_a_fork_gives_all_of_its_curve(store: RunStore, tmp_path: Path) -> None:
    runs = []
    for (_, first), *forks in CHAINS:
        run = finish(store, store.create(first))
        for step, config in forks:
            run = finish(store, store.fork(run, step, config))
        runs.append(run)
    store.extend(runs[0], STEPS + 7)
    finish(store, runs[0])
    found = curves([script_of(store, run) for run in runs], tmp_path)
    for run, curve in zip(runs, found, strict=True):
        columns = store.scalars(run)
        assert [row[0] for row in curve] == columns["step"].tolist()
        assert np.array_equal(np.float32([row[1] for row in curve]), columns["loss/train"])
        measured = np.float32([np.nan if row[2] is None else row[2] for row in curve])
        assert np.array_equal(measured, columns["loss/val"], equal_nan=True)
    assert len(found[0]) == STEPS + 8  # it was given more steps
    assert 6 < len(found[1]) < STEPS  # its patience ended


def test_a_fork_that_a_script_cannot_replay_is_refused_in_words(store: RunStore) -> None:
    parent = finish(store, store.create(brief()))
    other = store.fork(parent, 5, brief(seed=2))
    with pytest.raises(Impossible, match="another task, model or seed"):
        script_of(store, other)
    fork = store.fork(parent, 5, brief())
    store.delete(parent)
    with pytest.raises(Impossible, match="was deleted"):
        script_of(store, fork)
