"""What an engine counts, against what was done."""

from __future__ import annotations

import time
from pathlib import Path

from lstm_core.config import RunConfig
from lstm_core.runs.engine import Engine
from lstm_core.runs.statistics import Statistics, Tally
from lstm_core.runs.store import RunStore

SMALL = {"task": {"length": 5}, "model": {"hidden_size": 4}}


def test_a_tally_counts_between_its_bounds() -> None:
    tally = Tally(bounds=(1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 7.0):
        tally.add(value)
    assert tally.counts == [2, 1, 1]
    assert tally.total == 10.0


def test_who_wants_and_who_has_a_slice() -> None:
    done = Statistics()
    done.wanted(["a", "b"])
    assert done.waiting == 2
    time.sleep(0.02)
    done.began("a")
    done.wanted(["a", "b"])  # the store still calls a run waiting that no worker has taken yet
    assert done.waiting == 1
    assert done.longest_wait >= 0.02
    done.ended("a", 7)
    done.wanted(["b"])
    done.began("b")
    done.ended("b", None)
    done.wanted([])
    assert (done.steps, done.lost, done.waiting, done.longest_wait) == (7, 1, 0, 0.0)
    assert sum(done.slices.counts) == sum(done.waits.counts) == 2
    assert done.waits.total >= 0.04


def test_an_engine_counts_the_steps_of_its_runs(tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "runs.sqlite3"))
    runs = [store.create(RunConfig.model_validate({**SMALL, "training": {"steps": n}})) for n in (30, 50)]
    engine = Engine(store, workers=1)
    engine.start()
    try:
        deadline = time.monotonic() + 60
        while any(store.get(run).status != "finished" for run in runs) or sum(engine.statistics.slices.counts) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert engine.statistics.steps == sum(store.get(run).step + 1 for run in runs)
        assert engine.statistics.workers == 1
        assert engine.statistics.lost == 0
        assert engine.statistics.waiting == 0
    finally:
        engine.close()
        store.close()
    assert engine.statistics.workers == 0
