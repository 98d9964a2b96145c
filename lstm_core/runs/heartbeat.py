"""A lease is renewed while its worker is alive, however long a single step of its run takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lstm_core.runs.records import Lease, LeaseLost, StoreError
from lstm_core.runs.store import RunStore

BEATS = 3  # renewals in the time that a lease lasts


@contextmanager
def alive(store: RunStore, lease: Lease) -> Iterator[None]:
    """Renew the lease from a thread of its own; it ends with the block, and with the process.

    Between two writes of the work itself lies at least one step, with all of validation, test and precision in it: of
    the largest networks that is minutes, after which the worker would be taken for dead. A lease that is lost is left
    for the work to find out.
    """
    done = threading.Event()

    def beat() -> None:
        while not done.wait(lease.seconds / BEATS):
            try:
                store.append(lease, [])
            except LeaseLost:
                return
            except StoreError:
                continue  # the work itself will say so, unless the store is back by then

    thread = threading.Thread(target=beat, name=f"lease of {lease.run_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
