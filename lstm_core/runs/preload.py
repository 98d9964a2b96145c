"""What Dask calls in each of its worker processes: made ready before any work is given to it, and asked to end."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from lstm_core.config import RunConfig
from lstm_core.runs import kept
from lstm_core.runs.holder import this_process
from lstm_core.runs.leaving import leave, leave_on_sigterm
from lstm_core.runs.slices import work
from lstm_core.runs.store import RunStore


def dask_setup(_worker: object) -> None:
    """Make a new worker process ready before it is given work, by a tiny run in a store that is thrown away.

    A first run must not wait for imports.
    """
    if threading.current_thread() is threading.main_thread():
        leave_on_sigterm()
    small = {"task": {"length": 4}, "model": {"hidden_size": 4, "attention": "additive"}}
    config = RunConfig.model_validate({**small, "training": {"steps": 2, "batch_size": 4, "clip": "norm"}})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # In a file: a database in memory is another one for each thread, and the lease is renewed by a second one.
        store = RunStore(str(Path(folder) / "warm.sqlite3"))
        if lease := store.acquire(store.create(config), this_process()):
            work(store, lease)
        kept.forget()
        store.close()


def dask_teardown(_worker: object) -> None:
    """Let the slice in progress give its run back: Dask waits for it before the process ends."""
    leave()
