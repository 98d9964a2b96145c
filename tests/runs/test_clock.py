"""Somebody sets the clock of the machine while runs go on: nobody waits for that, and nobody is taken for dead."""

from __future__ import annotations

import time

import numpy as np
import psutil
import pytest
import torch

from lstm_core.runs.holder import is_dead, this_process
from lstm_core.runs.records import StoreError
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from tests.runs.conftest import small

HOUR = 3600.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which somebody has set the clock of this process."""
    ahead, real = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    return ahead


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_a_clock_that_is_set_costs_nobody_a_run(store: RunStore, clock: list[float], by: float) -> None:
    torch.set_num_threads(1)
    config = small(60)
    mine, other, waits = (store.create(config) for _ in range(3))
    dead = store.acquire(other, "elsewhere:1:1.0")
    assert dead is not None
    store.desire(waits, "running", target=10)
    assert run_slice(store.url, waits, seconds=600).status == "paused"
    assert waits not in store.waiting()
    store.desire(waits, "running")
    clock[0] = by
    assert store.reap() == 1  # nobody waits an hour for a worker that may be gone
    assert set(store.waiting()) == {mine, other, waits}
    served = []
    while store.waiting():
        served.append(store.waiting()[0])
        run_slice(store.url, served[-1], seconds=0.0, longest=0.0)
        assert len(served) < 10_000
    assert set(served[:6]) == {mine, other, waits}  # they take turns, whenever it is that they ran before
    for run in (mine, other, waits):
        assert store.get(run).status == "finished"
        np.testing.assert_array_equal(store.scalars(run)["step"], np.arange(61))
    clock[0] = 0.0
    lease = store.acquire(store.create(config), "elsewhere:1:1.0")
    assert lease is not None
    assert store.reap() == 0


def test_a_living_process_is_not_dead_by_a_clock_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = this_process()
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + HOUR)  # as it follows the clock
    assert not is_dead(holder)


@pytest.mark.parametrize("asked", ["soon", "0", "-3", "nan", "1e9"])
def test_a_length_of_leases_that_cannot_be_is_explained(
    store: RunStore, run: str, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv("LSTM_LAB_LEASE", asked)
    with pytest.raises(
        StoreError, match=f"LSTM_LAB_LEASE is '{asked}'; set it to a number of seconds from 0.5 to 3600"
    ):
        store.acquire(run, this_process())
