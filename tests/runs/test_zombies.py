"""A worker that was stopped, and comes back when its run has long been finished by another, changes nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import sqlalchemy as sa
import torch

from lstm_core.runs.records import StoreError
from lstm_core.runs.schema import metadata
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from tests.runs.conftest import small
from tests.runs.test_engine import until
from tests.runs.test_slices import alone, assert_same

BACKENDS = ("sqlite", "postgresql")

WORKER = """
import sys
from lstm_core.runs.holder import this_process
from lstm_core.runs.records import LeaseLost
from lstm_core.runs.slices import work
from lstm_core.runs.store import RunStore
store = RunStore(sys.argv[1])
lease = store.acquire(sys.argv[2], this_process(), seconds=1.0)
print("begun", flush=True)
try:
    print(work(store, lease, longest=600.0))
except LeaseLost:
    print("lost")
"""


def everything(store: RunStore) -> dict[str, list[Any]]:
    """Every row of every table."""
    with store._database.read() as connection:
        return {table.name: list(connection.execute(sa.select(table))) for table in metadata.sorted_tables}


def stop_between_writes(process: subprocess.Popen[str], store: RunStore, run: str) -> None:
    """Stop a process where it does not hold up everybody else's writing."""
    while True:
        process.send_signal(signal.SIGSTOP)
        try:
            store.rename(run, None)
        except StoreError:
            process.send_signal(signal.SIGCONT)
        else:
            return


def test_a_worker_that_comes_back_from_being_stopped_writes_nothing(store: RunStore) -> None:
    torch.set_num_threads(1)
    config = small(1000, **{"training.clip": "norm"})
    run = store.create(config)
    zombie = subprocess.Popen([sys.executable, "-c", WORKER, store.url, run], stdout=subprocess.PIPE, text=True)
    assert zombie.stdout is not None
    with zombie, zombie.stdout:
        assert zombie.stdout.readline() == "begun\n"
        until(lambda: store.get(run).step > 50, "the first steps")
        store.request_override(run, "learning_rate", 0.01)
        until(lambda: store.overrides(run), "the change")
        stop_between_writes(zombie, store, run)
        assert run_slice(store.url, run).status is None  # the lease still holds
        until(lambda: store.reap(), "the end of the lease")
        assert store.get(run).status == "interrupted"
        while run_slice(store.url, run).status != "finished":
            pass
        assert_same(store.scalars(run), alone(config, tuple(store.overrides(run))))
        before = everything(store)
        zombie.send_signal(signal.SIGCONT)
        assert zombie.stdout.readline() == "lost\n"
        assert zombie.wait(60) == 0
    assert everything(store) == before
