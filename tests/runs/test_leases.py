"""The worker's side of the store: one holder at a time, and what is left of one that died."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
import sqlalchemy as sa

from lstm_core.runs.branches import Branches
from lstm_core.runs.holder import is_dead, this_process
from lstm_core.runs.leased import LeasedWrites
from lstm_core.runs.records import Lease, LeaseLost
from lstm_core.runs.schema import Clock
from lstm_core.runs.store import RunStore
from tests.runs.conftest import picture, rows, small

BACKENDS = ("sqlite", "postgresql")

ELSEWHERE = "elsewhere:1:1.0"

WRITES: list[Callable[[RunStore, Lease], object]] = [
    lambda store, lease: store.append(lease, [rows(5, 6, 9)], step=6),
    lambda store, lease: store.checkpoint(lease, 7, b"zombie"),
    lambda store, lease: store.describe(lease, {"by": "zombie"}),
    lambda store, lease: store.rewind(lease, 0),
    lambda store, lease: store.apply_override(lease, 1, 3),
    lambda store, lease: store.release(lease, "finished"),
    lambda store, lease: store.wishes(lease),
    lambda store, lease: store.append(lease, []),  # what the heartbeat does
    lambda store, lease: store.report(lease, [rows(5, 9, 2)], step=9, speed=None, train_seconds=1.0),
    lambda store, lease: store.keep_state(lease, 7, b"zombie"),
    lambda store, lease: store.adopt(lease, store.create(small()), 3, True),
]


@pytest.mark.parametrize("write", WRITES)
def test_an_old_lease_writes_nothing(store: RunStore, run: str, write: Callable[[RunStore, Lease], object]) -> None:
    old = store.acquire(run, ELSEWHERE, seconds=-1.0)  # has already run out
    new = store.acquire(run, this_process())
    assert old is not None
    assert new is not None
    store.append(new, [rows(0, 4, 1)], step=4)
    store.checkpoint(new, 5, b"good")
    store.request_override(run, "clip", "norm")
    before = store.get(run)
    with pytest.raises(LeaseLost, match=run):
        write(store, old)
    assert store.get(run) == before
    assert store.load_checkpoint(run) == (5, b"good")
    assert store.scalars(run)["step"].tolist() == [0, 1, 2, 3, 4]
    assert store.overrides(run) == []
    assert store.kept_steps(run) == []


def test_every_write_under_a_lease_is_tried() -> None:
    takes_one = {
        name
        for each in (LeasedWrites, Branches)
        for name, method in vars(each).items()
        if inspect.isfunction(method) and "lease" in inspect.signature(method).parameters
    }
    tried = {name for write in WRITES for name in write.__code__.co_names}  # type: ignore[attr-defined]
    assert takes_one <= tried


def test_a_report_is_written_and_answered_at_once(store: RunStore, lease: Lease) -> None:
    store.request_override(lease.run_id, "clip", "norm")
    store.desire(store.create(small()), "running")
    told = store.report(lease, [rows(0, 4, 1)], step=4, speed=10.0, train_seconds=0.5)
    assert told == store.wishes(lease)
    assert [request.field for request in told.requests] == ["clip"]
    assert told.others_waiting == 1
    run = store.get(lease.run_id)
    assert (run.step, run.seq, run.speed, run.train_seconds) == (4, 1, 10.0, 0.5)
    assert store.scalars(lease.run_id)["step"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("write", WRITES)
def test_a_released_lease_writes_nothing(
    store: RunStore, lease: Lease, write: Callable[[RunStore, Lease], object]
) -> None:
    store.release(lease, "queued")
    with pytest.raises(LeaseLost):
        write(store, lease)


def test_a_run_has_one_holder(store: RunStore, run: str) -> None:
    assert store.acquire(run, ELSEWHERE) is not None
    assert store.acquire(run, "another:2:1.0") is None
    assert store.waiting() == []


def test_only_runs_that_are_to_run_are_taken(store: RunStore, run: str) -> None:
    store.desire(run, "paused")
    assert store.acquire(run, this_process()) is None
    lease = store.acquire(run, this_process(), claim=True)
    assert lease is not None
    assert (store.get(run).desired, store.get(run).status) == ("running", "running")
    store.release(lease, "finished")
    assert store.acquire(run, this_process(), claim=True) is None


def test_a_lease_that_runs_out_is_free_and_writing_renews_it(store: RunStore, run: str) -> None:
    lease = store.acquire(run, ELSEWHERE, seconds=100)
    assert lease is not None
    before = store.get(run).lease_until
    store.append(lease, [rows(0, 0, 1)], step=0)
    assert (store.get(run).lease_until or 0) > (before or 0)
    store.release(lease, "queued")
    store.acquire(run, ELSEWHERE, seconds=-1)
    assert store.waiting() == [run]
    assert store.acquire(run, this_process()) is not None


def test_the_lease_of_a_killed_process_is_free_at_once(store: RunStore, run: str) -> None:
    code = (
        "import sys, time; from lstm_core.runs.store import RunStore; from lstm_core.runs.holder import this_process;"
        "print(RunStore(sys.argv[1]).acquire(sys.argv[2], this_process()).fence, flush=True); time.sleep(600)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, store.url, run], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    with other, other.stdout:
        assert other.stdout.readline() == "1\n"
        holder = store.get(run).lease_holder
        assert store.acquire(run, this_process()) is None
        assert store.reap() == 0
        other.kill()
        other.wait()
    assert holder is not None
    assert is_dead(holder)
    assert store.reap() == 1
    assert (store.get(run).status, store.get(run).lease_holder) == ("interrupted", None)
    assert store.waiting() == [run]
    assert store.acquire(run, this_process()) is not None


def test_a_dead_worker_was_paused_in_the_end_if_that_was_wished(store: RunStore, run: str) -> None:
    store.acquire(run, ELSEWHERE, seconds=-1)
    store.desire(run, "paused")
    assert store.get(run).status == "paused"


def test_this_process_is_alive() -> None:
    assert not is_dead(this_process())
    host, pid, started = this_process().rsplit(":", 2)
    ticks, here = started.split("@")
    assert is_dead(f"{host}:{pid}:{int(ticks) - 1000}@{here}")
    assert not is_dead(f"elsewhere:{pid}:{started}")
    assert not is_dead(f"{host}:{pid}:{ticks}@another.start")


def test_attempts_count_until_a_slice_was_survived(store: RunStore, run: str) -> None:
    for attempt in (1, 2):
        lease = store.acquire(run, f"elsewhere:{attempt}:1.0", seconds=-1)
        assert lease is not None
        assert lease.attempts == attempt
    store.checkpoint(lease, 5, b"state")  # a run that dies after each little step would go on for ever
    assert store.get(run).attempts == 2
    assert store.acquire(run, lease.holder) is not None  # could not write for a while, but did not die
    assert store.get(run).attempts == 2
    again = store.acquire(run, lease.holder)
    assert again is not None
    store.release(again, "queued")
    assert store.get(run).attempts == 0


@pytest.mark.parametrize("step", [0, 1, 7, 10, 11, 150, 200])
def test_rewinding_takes_back_exactly_what_came_after(store: RunStore, run: str, lease: Lease, step: int) -> None:
    store.append(lease, [rows(0, 9, 1), *picture(0, 2), *picture(9, 4)], step=9)
    store.append(lease, [rows(10, 10, 6)], step=10)
    for seq in range(7, 97):
        store.append(lease, [rows(2 * seq - 3, 2 * seq - 2, seq)], step=2 * seq - 2)
    store.checkpoint(lease, step, b"state")  # merges
    revision = store.get(run).revision
    store.rewind(lease, step)
    np.testing.assert_array_equal(store.scalars(run).get("loss/train", []), np.arange(min(step, 191)))
    assert store.snapshot_steps(run) == [each for each in (0, 9) if each < step]
    assert (store.get(run).revision, store.get(run).step) == (revision + 1, step - 1)


def test_processes_write_at_the_same_time(store: RunStore) -> None:
    code = (
        "import sys; from lstm_core.runs.store import RunStore; from lstm_core.runs.holder import this_process\n"
        "from tests.runs.conftest import rows\n"
        "store = RunStore(sys.argv[1])\n"
        "taken = 0\n"
        "for run in sys.argv[2:]:\n"
        "    lease = store.acquire(run, this_process())\n"
        "    if lease is None: continue\n"
        "    taken += 1\n"
        "    for step in range(100): store.append(lease, [rows(step, step, step + 1)], step=step)\n"
        "    store.checkpoint(lease, 100, b'state'); store.release(lease, 'finished')\n"
        "print(taken)"
    )
    runs = [store.create(small()) for _ in range(6)]
    command = [sys.executable, "-c", code, store.url, *runs]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(writer.communicate()[0]) for writer in writers) == len(runs)
    for run in runs:
        np.testing.assert_array_equal(store.scalars(run)["step"], np.arange(100))
        assert store.get(run).status == "finished"


@pytest.mark.parametrize("then", [12.5, 99.25])
def test_a_file_goes_by_the_clock_of_this_host_and_a_server_by_its_own(
    store: RunStore, backend: str, monkeypatch: pytest.MonkeyPatch, then: float
) -> None:
    true = time.time()
    monkeypatch.setattr(time, "time", lambda: then)
    with store._database.read() as connection:
        now = store._database.now(connection)
        a_second_on = connection.scalar(sa.select(Clock() + 1.0)) or 0.0
    expected = then if backend == "sqlite" else pytest.approx(true, abs=60)
    assert now == expected
    assert a_second_on == (then + 1.0 if backend == "sqlite" else pytest.approx(now + 1.0, abs=60))
