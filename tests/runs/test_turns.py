"""Turns on a real worker: who was given a slice, in the order in which the database saw it."""

from __future__ import annotations

import sqlite3
import time
from itertools import pairwise
from pathlib import Path

from lstm_core.runs.engine import Engine
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.runs.turns import turns
from tests.runs.conftest import small
from tests.runs.test_engine import until
from tests.runs.test_slices import alone, assert_same

LOG = """
CREATE TABLE taken (place INTEGER PRIMARY KEY, run TEXT);
CREATE TRIGGER takes AFTER UPDATE OF fence ON runs WHEN new.lease_holder IS NOT NULL
BEGIN INSERT INTO taken (run) VALUES (new.id); END;
"""


def taken(store: RunStore) -> list[str]:
    """The runs in the order in which workers took them."""
    connection = sqlite3.connect(store.url.removeprefix("sqlite:///"), timeout=10)
    rows = connection.execute("SELECT run FROM taken ORDER BY place").fetchall()
    connection.close()
    return [run for (run,) in rows]


def watched(store: RunStore) -> None:
    connection = sqlite3.connect(store.url.removeprefix("sqlite:///"), timeout=10)
    connection.executescript(LOG)
    connection.close()


def test_one_persons_twenty_runs_hardly_delay_anothers_single_one(tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "runs.sqlite3"))
    watched(store)
    many = [store.create(small(1_000_000), owner="one") for _ in range(20)]
    engine = Engine(store, workers=1)
    engine.start()
    try:
        until(lambda: len(taken(store)) >= 4, "the first slices")
        single = store.create(small(1_000_000), owner="another")
        before = len(taken(store))
        engine.poke()
        until(lambda: taken(store).count(single) >= 6, "six slices of the single run")
    finally:
        for run in (*many, single):
            store.desire(run, "stopped")
        engine.close()
    order = taken(store)
    # One slice had begun; at most one more was given away when the run was not there yet.
    assert order.index(single) - before <= 1
    places = [place for place, run in enumerate(order) if run == single]
    assert max(later - earlier for earlier, later in pairwise(places)) <= 2
    assert set(order) <= {*many, single}
    store.close()


def test_a_worker_goes_on_with_whoever_is_next(store: RunStore) -> None:
    watched(store)
    config = small(150)
    runs = [store.create(config, owner=f"{k}") for k in range(3)]
    began = time.monotonic()
    while any(store.get(run).status != "finished" for run in runs):
        done = turns(store.url, store.waiting()[0], float("inf"))
        assert all(result.status for result in done)
        assert time.monotonic() - began < 300
    order = taken(store)
    assert order[:3] == runs
    for run in runs:  # in turns, and none the worse for it
        assert_same(store.scalars(run), alone(config))
    assert [result.status for result in turns(store.url, runs[0], float("inf"))] == [None]
    assert run_slice(store.url, runs[0]).status is None
