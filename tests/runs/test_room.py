"""Room in the store: what is thinned and in which order, what stays, and when nothing new may begin."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from lstm_core.race_plan import plan
from lstm_core.runs import frames, room
from lstm_core.runs.limits import LimitReached, variable
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.training import TrainState, train
from tests.runs.conftest import finished, picture, rows, small

BACKENDS = ("sqlite", "postgresql")
LARGE = 200_000


def filled(store: RunStore, pictures: int = 20) -> str:
    """A run that is over, with so many large pictures and two states along its way."""
    run = store.create(small())
    lease = store.acquire(run, "a:1:1.0")
    assert lease is not None
    store.append(lease, [rows(0, 10 * pictures, 1)], step=10 * pictures)
    for k in range(pictures):
        store.append(lease, picture(10 * k, 2 + 2 * k, size=LARGE // 2))
    store.checkpoint(lease, 10 * pictures + 1, b"latest")
    for step in (5, 50):
        store.keep_state(lease, step, bytes(1000))
    store.release(lease, "finished")
    return run


def limit(monkeypatch: pytest.MonkeyPatch, store: RunStore, share: float) -> None:
    """Let the store be so many times as large as it is."""
    monkeypatch.setattr(room, "MIB", int(share * store.used()))
    monkeypatch.setenv(variable("store_mb"), "1")


def test_the_oldest_is_thinned_first_and_pinned_ones_never(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned, oldest, older, newest = (filled(store) for _ in range(4))
    going = store.create(small())
    store.pin(pinned)
    before = store.scalars(oldest)
    limit(monkeypatch, store, 0.9)
    assert store.make_room() == 2
    assert [store.get(run).thinned is not None for run in (pinned, oldest, older, newest, going)] == [
        False,
        True,
        True,
        False,
        False,
    ]
    steps = store.snapshot_steps(oldest)
    assert len(steps) == room.PICTURES
    assert (steps[0], steps[-1]) == (0, 190)
    assert max(np.diff(steps)) <= 30
    assert store.kept_steps(oldest) == []
    assert store.load_checkpoint(oldest) == (201, b"latest")
    np.testing.assert_array_equal(store.scalars(oldest)["loss/train"], before["loss/train"])
    assert store.snapshot(oldest, 0, 0) is not None
    assert store.snapshot_steps(pinned) == list(range(0, 200, 10))
    assert store.make_room() == 0


def test_nothing_begins_where_nothing_is_left_to_thin(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [filled(store) for _ in range(2)]
    limit(monkeypatch, store, 0.7)
    store.create(small(), owner="mine")
    assert all(store.get(run).thinned is not None for run in runs)  # room was made for it at once
    race = store.create_race(plan(small(), "init.preset", ["pytorch", "keras"], [1]), "mine")
    limit(monkeypatch, store, 0.1)
    with pytest.raises(LimitReached, match=r"The store of all runs is full.*LSTM_LAB_MAX_STORE_MB"):
        store.create(small(), owner="mine")
    assert all(store.get(run).status == "finished" for run in runs)
    with pytest.raises(LimitReached):
        store.add_seeds(race)
    store.create(small())
    monkeypatch.setenv(variable("store_mb"), "0")
    store.create(small(), owner="mine")


def test_a_pin_can_be_taken_out(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run = filled(store)
    store.pin(run)
    limit(monkeypatch, store, 0.9)
    assert store.make_room() == 0
    store.pin(run, False)
    assert store.make_room() == 1
    assert store.get(run).pinned == 0


def test_the_size_of_a_file_is_that_of_its_pages_in_use(store: RunStore) -> None:
    if not store.url.startswith("sqlite"):
        assert store.used() < 4096
        filled(store)
        assert store.used() > 19 * LARGE  # one of them was packed
        return
    empty = store.used()
    run = filled(store)
    full = store.used()
    assert full - empty > 19 * LARGE
    with sqlite3.connect(store.url.removeprefix("sqlite:///")) as raw:
        raw.execute("DELETE FROM runs")
        raw.execute("DELETE FROM frames")
        raw.execute("DELETE FROM checkpoints")
    raw.close()
    assert store.used() < empty + 20_000, run


def test_a_thinned_run_can_be_forked_and_trained_on(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = finished(store, small(120))
    monkeypatch.setattr(frames, "SNAPSHOTS", 200)
    store._thin(run)
    config = small(160)
    fork = store.fork(run, 60, config)
    assert run_slice(store.url, fork).status == "finished"
    alone = TrainState(config)
    losses = [item.scalars["loss/train"] for item in train(config, alone) if hasattr(item, "scalars")]
    np.testing.assert_array_equal(store.scalars(fork)["loss/train"], np.array(losses, np.float32))
    store.extend(run, 160)
    assert run_slice(store.url, run).status == "finished"
    np.testing.assert_array_equal(store.scalars(run)["loss/train"], np.array(losses, np.float32))
