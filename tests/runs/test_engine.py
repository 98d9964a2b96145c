"""The engine on real processes: runs go on whoever dies, and nothing stays behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch

from lstm_core.runs.engine import Engine, worker_count
from lstm_core.runs.slices import ATTEMPTS
from lstm_core.runs.store import RunStore
from tests.runs.conftest import small
from tests.runs.test_slices import alone, assert_same

PATIENCE = 120.0  # seconds after which a test gives up


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return RunStore(str(tmp_path_factory.mktemp("engine") / "runs.sqlite3"))


@pytest.fixture(scope="module")
def engine(shared: RunStore) -> Iterator[Engine]:
    torch.set_num_threads(1)
    running = Engine(shared, workers=2)
    running.start()
    assert running.wait(PATIENCE)
    yield running
    running.close()


def until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"gave up waiting: {what}"
        time.sleep(0.005)


def alive(process: psutil.Process) -> bool:
    """Whether a process still does something; one that only waits for its parent to notice its end does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def settled(store: RunStore, run: str, *status: str) -> None:
    until(lambda: store.get(run).status in status, f"{status} (is {store.get(run)})")


def worker_of(store: RunStore, run: str) -> int:
    """The process that works on the run now."""
    until(lambda: store.get(run).lease_holder, "a worker")
    holder = store.get(run).lease_holder
    return int(holder.split(":")[1]) if holder else worker_of(store, run)


def test_a_run_is_trained_in_another_process(shared: RunStore, engine: Engine) -> None:
    run = shared.create(small(300))
    engine.poke()
    assert worker_of(shared, run) != os.getpid()
    settled(shared, run, "finished")
    assert_same(shared.scalars(run), alone(small(300)))


def test_more_runs_than_workers_take_turns(shared: RunStore, engine: Engine) -> None:
    runs = [shared.create(small(100_000)) for _ in range(3)]
    engine.poke()
    until(lambda: all(shared.get(run).step > 0 for run in runs), "each run's first steps")
    for run in runs:
        shared.desire(run, "stopped")
    for run in runs:
        settled(shared, run, "stopped")


def test_pause_step_and_resume(shared: RunStore, engine: Engine) -> None:
    config = small(1200)
    run = shared.create(config)
    engine.poke()
    for _ in range(3):
        before = shared.get(run).step
        until(lambda before=before: shared.get(run).step > before + 100, "progress")  # type: ignore[misc]
        shared.desire(run, "paused")
        settled(shared, run, "paused")
        step = shared.get(run).step
        shared.desire(run, "running", target=step + 1)
        engine.poke()
        settled(shared, run, "paused")
        assert shared.get(run).step == step + 1
        shared.desire(run, "running")
        engine.poke()
    settled(shared, run, "finished")
    assert_same(shared.scalars(run), alone(config))


def test_a_worker_killed_twice_in_mid_slice_leaves_no_trace_in_the_curve(shared: RunStore, engine: Engine) -> None:
    config = small(3000, **{"task.length": 20, "training.clip": "norm"})
    run = shared.create(config)
    engine.poke()
    until(lambda: shared.get(run).step > 200, "the first steps")
    os.kill(worker_of(shared, run), signal.SIGKILL)
    revision = shared.get(run).revision
    until(lambda: shared.get(run).revision > revision, "the first return")

    def beyond_a_checkpoint() -> bool:
        checkpoint = shared.load_checkpoint(run)
        return checkpoint is not None and shared.get(run).step > checkpoint[0] + 50

    until(beyond_a_checkpoint, "steps after a checkpoint")
    os.kill(worker_of(shared, run), signal.SIGKILL)
    settled(shared, run, "finished", "failed")
    assert shared.get(run).revision == revision + 2
    assert_same(shared.scalars(run), alone(config))


def test_a_run_that_takes_its_worker_along_each_time_is_given_up_and_the_others_go_on(
    shared: RunStore, engine: Engine
) -> None:
    poison, other = shared.create(small(1_000_000)), shared.create(small(1_000_000))
    engine.poke()
    killed: set[str] = set()

    def take_the_worker_along() -> bool:
        found = shared.get(poison)
        if found.lease_holder and found.lease_holder not in killed:
            killed.add(found.lease_holder)
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(found.lease_holder.split(":")[1]), signal.SIGKILL)
        return found.status == "failed"

    until(take_the_worker_along, "the end of the tries")
    assert len(killed) >= ATTEMPTS
    found = shared.get(poison)
    assert found.error is not None
    assert "died 3 times in a row" in found.error["what"]
    assert found.error["again"]
    step = shared.get(other).step
    until(lambda: shared.get(other).step > step, "the other run")
    shared.desire(poison, "running")  # it was somebody who ended its workers by hand
    engine.poke()
    until(lambda: shared.get(poison).step > max(found.step, 0), "the run that was given up, going on")
    for run in (poison, other):
        shared.desire(run, "stopped")
        settled(shared, run, "stopped")
    assert shared.get(other).attempts == 0


def test_two_engines_share_one_store_and_one_goes_on_where_the_other_closes(shared: RunStore, engine: Engine) -> None:
    before = set(psutil.Process().children(recursive=True))
    second = Engine(shared, workers=1)
    second.start()
    assert second.wait(PATIENCE)
    started = set(psutil.Process().children(recursive=True)) - before
    configs = [small(400, **{"training.seed": seed}) for seed in range(4)]
    runs = [shared.create(config) for config in configs]
    endless = shared.create(small(1_000_000))
    engine.poke()
    second.poke()
    for run, config in zip(runs, configs, strict=True):
        settled(shared, run, "finished", "failed")
        assert_same(shared.scalars(run), alone(config))
    second.close()
    assert not second.ready
    until(lambda: not any(map(alive, started)), "the end of the second engine's processes")
    step = shared.get(endless).step
    until(lambda: shared.get(endless).step > step + 10, "progress with the first engine")
    shared.desire(endless, "stopped")
    settled(shared, endless, "stopped")


def test_an_engine_that_is_still_starting_closes_too(tmp_path: Path) -> None:
    engine = Engine(RunStore(str(tmp_path / "runs.sqlite3")), workers=1)
    before = set(psutil.Process().children(recursive=True))
    engine.start()
    until(lambda: set(psutil.Process().children(recursive=True)) - before, "a process")
    engine.close()
    until(lambda: not set(psutil.Process().children(recursive=True)) - before, "the end of all processes")


SERVER = """
import pathlib, sys, time
pathlib.Path(sys.argv[2]).open("a").write("imported\\n")
if __name__ == "__main__":
    from lstm_core.runs.engine import Engine, worker_count
    from lstm_core.runs.store import RunStore
    assert "torch" not in sys.modules
    engine = Engine(RunStore(sys.argv[1]), workers=1)
    engine.start()
    time.sleep(600)
"""


def test_a_killed_server_takes_its_processes_along_and_is_not_imported_by_them(tmp_path: Path) -> None:
    store = RunStore(str(tmp_path / "runs.sqlite3"))
    run = store.create(small(1_000_000))
    script, imports = tmp_path / "server.py", tmp_path / "imports"
    script.write_text(SERVER)
    server = subprocess.Popen([sys.executable, script, store.url, imports])
    until(lambda: store.get(run).step > 10, "the first steps")
    children = psutil.Process(server.pid).children(recursive=True)
    assert worker_of(store, run) in {child.pid for child in children}
    server.kill()
    server.wait()
    until(lambda: not any(map(alive, children)), "the end of all processes")
    assert imports.read_text() == "imported\n"
    given_back = store.get(run).status == "queued"  # its worker had the time for that
    assert store.reap() == (0 if given_back else 1)
    assert store.get(run).status == ("queued" if given_back else "interrupted")


@pytest.mark.parametrize(("asked", "count"), [("3", 3), (" 1 ", 1), ("0", 1), ("", min(2, os.cpu_count() or 1))])
def test_the_number_of_workers_can_be_set(monkeypatch: pytest.MonkeyPatch, asked: str, count: int) -> None:
    monkeypatch.setenv("LSTM_LAB_WORKERS", asked)
    assert worker_count() == count


def test_a_number_of_workers_that_is_none_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTM_LAB_WORKERS", "many")
    with pytest.raises(ValueError, match="LSTM_LAB_WORKERS is 'many'; set it to a number"):
        worker_count()
