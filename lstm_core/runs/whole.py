"""All that is known of a run at one moment, read from the store at once: for findings, reports and exports."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_core.config import Override
from lstm_core.runs import telemetry
from lstm_core.runs.records import Run
from lstm_core.runs.store import RunStore

SAMPLES = 4  # shown samples that are read


@dataclass(frozen=True)
class Whole:
    """A run's row, the columns of all its steps, the arrays of its newest snapshot (of step `at`) and of each sample
    that is shown in it, and the changes that were made while it went on."""

    run: Run
    columns: telemetry.Columns
    arrays: telemetry.Columns
    samples: list[telemetry.Columns]
    at: int | None
    overrides: list[Override]


def read(store: RunStore, run_id: str) -> Whole:
    """Raises RunNotFound and StoreError."""
    run = store.get(run_id)
    at = max(store.snapshot_steps(run_id), default=None)
    arrays = _picture(store, run_id, at, None)
    samples = [found for k in range(SAMPLES) if (found := _picture(store, run_id, at, k))]
    return Whole(run, store.scalars(run_id), arrays, samples, at, store.overrides(run_id))


def _picture(store: RunStore, run_id: str, step: int | None, sample: int | None) -> telemetry.Columns:
    data = None if step is None else store.snapshot(run_id, step, sample)
    return {} if data is None else telemetry.decode(data).arrays
