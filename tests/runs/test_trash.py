"""Runs that were thrown away: gone from every page, to be had back for a while, then gone for good."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa

from lstm_core.runs.holder import this_process
from lstm_core.runs.records import Lease, LeaseLost, RunNotFound
from lstm_core.runs.schema import runs
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from tests.runs.conftest import picture, rows, small

BACKENDS = ("sqlite", "postgresql")


def thrown_away(store: RunStore, run: str) -> float | None:
    return next(entry.deleted for entry in store.entries() if entry.id == run)


def test_what_was_thrown_away_is_found_nowhere(store: RunStore, run: str) -> None:
    other = store.create(small())
    store.delete(run)
    assert [found.id for found in store.list()] == store.waiting() == [other]
    assert list(store.pulse([run, other])) == [other]
    assert store.acquire(other, this_process()) is not None
    for use in (
        store.get,
        store.delete,
        store.weights,
        lambda i: store.desire(i, "running"),
        lambda i: store.rename(i, "Mine"),
        lambda i: store.extend(i, 99),
        lambda i: store.request_override(i, "clip", "norm"),
        lambda i: store.fork(i, 0, small()),
        lambda i: store.acquire(i, this_process()),
    ):
        with pytest.raises(RunNotFound, match=run):
            use(run)


@pytest.mark.parametrize("write", ["append", "checkpoint", "wishes", "release"])
def test_a_worker_lets_go_of_what_was_thrown_away_and_taken_back(
    store: RunStore, run: str, lease: Lease, write: str
) -> None:
    store.append(lease, [rows(0, 4, 1), *picture(4, 2)], step=4)
    store.delete(run)
    store.restore(run)
    arguments = {"append": ([rows(5, 6, 9)],), "checkpoint": (7, b"zombie"), "release": ("finished",), "wishes": ()}
    with pytest.raises(LeaseLost):
        getattr(store, write)(lease, *arguments[write])
    assert (store.get(run).status, store.get(run).step) == ("stopped", 4)


def test_a_run_that_was_taken_back_is_as_it_was_and_goes_on(store: RunStore) -> None:
    run = store.create(small(steps=40), target=20)
    run_slice(store.url, run)
    before, scalars, snapshots = store.get(run), store.scalars(run), store.snapshot_steps(run)
    store.delete(run)
    store.restore(run)
    after = store.get(run)
    assert (after.step, after.config, after.about, after.name) == (20, before.config, before.about, before.name)
    assert (after.status, after.desired) == ("stopped", "stopped")
    assert store.scalars(run)["loss/train"].tolist() == scalars["loss/train"].tolist()
    assert store.snapshot_steps(run) == snapshots
    store.desire(run, "running")
    assert run_slice(store.url, run).status == "finished"
    assert store.get(run).step == 40


@pytest.mark.parametrize("status", ["finished", "stopped", "failed"])
def test_what_was_over_stays_so(store: RunStore, run: str, status: str) -> None:
    lease = store.acquire(run, this_process())
    assert lease is not None
    store.desire(run, "stopped")
    store.release(lease, status)  # type: ignore[arg-type]
    before = store.get(run).finished
    store.delete(run)
    store.restore(run)
    assert (store.get(run).status, store.get(run).finished) == (status, before)


def test_only_what_was_thrown_away_long_enough_ago_is_removed(store: RunStore) -> None:
    kept, old, new = (store.create(small()) for _ in range(3))
    store.delete(old)
    store.delete(new)
    with store._database.write() as connection:
        connection.execute(sa.update(runs).where(runs.c.id == old).values(deleted=time.time() - 90_000))
    assert store.purge() == 1
    assert {entry.id for entry in store.entries()} == {kept, new}
    store.restore(new)
    with pytest.raises(RunNotFound):
        store.restore(old)


def test_only_what_was_thrown_away_can_be_removed_or_restored(store: RunStore, run: str) -> None:
    for use in (store.restore, store.remove):
        with pytest.raises(RunNotFound):
            use(run)
    store.delete(run)
    store.remove(run)
    assert store.entries() == []


def test_a_worker_in_the_middle_of_a_slice_lets_go_and_the_run_can_go_on_later(store: RunStore) -> None:
    run = store.create(small(steps=100_000))
    ended: list[object] = []
    work = threading.Thread(target=lambda: ended.append(run_slice(store.url, run)))
    work.start()
    while store.get(run).step < 30:
        time.sleep(0.01)
    store.delete(run)
    work.join(20)
    assert not work.is_alive()
    reached = next(entry.step for entry in store.entries() if entry.id == run)
    assert thrown_away(store, run) is not None
    time.sleep(0.2)
    assert next(entry.step for entry in store.entries() if entry.id == run) == reached
    store.restore(run)
    store.desire(run, "running", target=reached + 20)
    assert run_slice(store.url, run).status == "paused"
    assert store.get(run).step == reached + 20


def test_the_glance_at_all_runs_says_what_the_runs_say(store: RunStore, run: str, lease: Lease) -> None:
    store.append(lease, [rows(0, 4, 1)], step=4, speed=3.0, train_seconds=2.0)
    other = store.create(small(), parent=run)
    store.delete(other)
    entries = {entry.id: entry for entry in store.entries()}
    said, found = vars(entries[run]), vars(store.get(run))
    assert {name: found[name] for name in said if name != "deleted"} == {
        name: value for name, value in said.items() if name != "deleted"
    }
    assert said["deleted"] is None
    assert entries[other].deleted == pytest.approx(time.time(), abs=60)
    assert [entry.id for entry in store.entries()] == [other, run]


def test_a_few_columns_are_those_of_the_frames(store: RunStore, run: str, lease: Lease) -> None:
    store.append(lease, [rows(0, 4, 1), *picture(4, 2), rows(5, 9, 4)], step=9)
    first, second = store.columns(run, ("loss/train", "accuracy/val"))
    assert (first.seq, second.seq) == (1, 4)
    assert second.columns["loss/train"].tolist() == second.columns["step"].tolist() == [5, 6, 7, 8, 9]
    assert all(value != value for value in second.columns["accuracy/val"])
    assert [piece.seq for piece in store.columns(run, (), after=1)] == [4]
