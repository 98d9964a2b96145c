"""Whoever is told to end gives back what it works on: every step that was recorded is in the state that is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from distributed import LocalCluster

from lstm_core.runs import keys, leaving
from lstm_core.runs.engine import Engine
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from tests.runs.conftest import small
from tests.runs.test_engine import until, worker_of
from tests.runs.test_slices import alone, assert_same
from tests.serving import serve

LONG = small(1_000_000)


def assert_given_back(store: RunStore, run: str) -> None:
    """The run waits for its next slice, and not one recorded step of it would be trained again."""
    found = store.get(run)
    kept = store.load_checkpoint(run)
    assert (found.status, found.lease_holder, found.attempts) == ("queued", None, 0)
    assert kept is not None
    assert kept[0] == found.step + 1
    assert run in store.waiting()


def test_a_server_that_ends_gives_its_runs_back(tmp_path: Path) -> None:
    with serve(tmp_path, workers=2) as server:
        store = server.store()
        runs = [store.create(LONG.replace(**{"training.seed": seed})) for seed in range(3)]
        until(lambda: min(store.get(run).step for run in runs) > 50, "each run's first steps")
        until(lambda: sum(store.get(run).lease_holder is not None for run in runs) == 2, "two slices")
        children = psutil.Process(server.process.pid).children(recursive=True)
        server.process.terminate()
        server.process.wait(30)
        assert not psutil.wait_procs(children, 30)[1]
        for run in runs:
            assert_given_back(store, run)
        store.close()


def test_a_run_in_a_terminal_is_given_back(own_store: RunStore) -> None:
    run = own_store.create(LONG, target=0)
    run_slice(own_store.url, run)
    command = [sys.executable, "-m", "lstm_core", "resume", run]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    until(lambda: own_store.get(run).step > 50, "the first steps")
    process.terminate()
    out, _ = process.communicate()
    assert process.returncode == 143
    assert f"Given back at step {own_store.get(run).step}. A server goes on with it" in out
    assert_given_back(own_store, run)


def test_a_worker_of_another_cluster_is_ended_and_another_goes_on(
    own_store: RunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "keys"
    keys.make(folder)
    monkeypatch.setenv("LSTM_LAB_TLS", str(folder))
    config = small(1500)
    run = own_store.create(config)
    scheduler = LocalCluster(
        n_workers=0,
        protocol="tls://",
        security=keys.security(),
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    )
    command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler.scheduler_address, "--nthreads", "1"]
    command += ["--no-dashboard", "--memory-limit", "0", "--preload", "lstm_core.runs.preload"]
    for option, name in (("--tls-ca-file", "ca.pem"), ("--tls-cert", "cert.pem"), ("--tls-key", "key.pem")):
        command += [option, str(folder / name)]
    workers = [subprocess.Popen([*command, *more], stderr=subprocess.DEVNULL) for more in ([], ["--no-nanny"])]
    engine = Engine(own_store, address=scheduler.scheduler_address)
    try:
        engine.start()
        left = []
        for _ in workers:
            until(lambda: own_store.get(run).step > 50, "the first steps")
            holder = psutil.Process(worker_of(own_store, run))
            (outer,) = [worker for worker in workers if worker.pid in (holder.pid, holder.ppid())]
            outer.terminate()
            assert outer.wait(30) is not None
            left.append(outer)
            if len(left) < len(workers):
                step = own_store.get(run).step
                until(lambda step=step: own_store.get(run).step > step, "the other worker")  # type: ignore[misc]
        assert_given_back(own_store, run)
    finally:
        engine.close()
        for worker in workers:
            worker.kill()
            worker.wait()
        scheduler.close()
    assert own_store.get(run).revision == 1
    while run_slice(own_store.url, run).status != "finished":
        pass
    assert_same(own_store.scalars(run), alone(config))


def test_a_process_that_leaves_begins_nothing(store: RunStore, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "_leaving", leaving.threading.Event())
    leaving.leave()
    assert run_slice(store.url, run).status is None
    assert store.get(run).attempts == 0
