"""How fairly owners share the workers: first points, shares of steps, and the time that is not spent on training.

Against the engine alone, without pages. Workers are two, the network is recall T 40 H 32; what is not training is what
of the workers' time no run counts as its own: loading, keeping, the way from one slice to the next.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lstm_core.config import RunConfig
from lstm_core.runs.engine import Engine
from lstm_core.runs.store import RunStore
from tests.bench.report import Row

WORKERS = 2
CROWD = 30
SETTINGS = {"task.length": 40, "model.hidden_size": 32, "training.steps": 1_000_000}


def measure(short: bool = True) -> list[Row]:
    """First points and shares of thirty owners, and what taking turns costs with one to thirty runs."""
    rows, speeds = [], {}
    with working() as (store, engine):
        for count in (WORKERS, 4, CROWD):
            found, speeds[count] = _crowd(store, engine, count, (30.0 if count == CROWD else 10.0) if short else 60.0)
            rows += found
    for count, aim in ((4, "≥ 0.97"), (CROWD, "≥ 0.9")):
        # What the seconds of training hide: the states that are kept at the end of each slice.
        rows.append(
            Row("", f"steps per second, {count} runs ÷ {WORKERS} runs", [speeds[count] / speeds[WORKERS]], "×", aim)
        )
    return rows


@contextmanager
def working() -> Iterator[tuple[RunStore, Engine]]:
    """A store of its own, and an engine that is ready."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        store = RunStore(str(Path(folder) / "runs.sqlite3"))
        engine = Engine(store, WORKERS)
        engine.start()
        engine.wait(120)
        try:
            yield store, engine
        finally:
            engine.close()
            store.close()


def _crowd(store: RunStore, engine: Engine, count: int, seconds: float) -> tuple[list[Row], float]:
    config = RunConfig().replace(**SETTINGS)
    began = time.monotonic()
    waited = {store.create(config, owner=f"owner {k}"): float("nan") for k in range(count)}
    engine.poke()
    while missing := [run for run, value in waited.items() if value != value]:
        for run in missing:
            if store.get(run).step >= 0:
                waited[run] = time.monotonic() - began
        time.sleep(0.05)
    before = {run: store.get(run) for run in waited}
    began = time.monotonic()
    time.sleep(seconds)
    after = {run: store.get(run) for run in waited}
    passed = time.monotonic() - began
    for run in waited:
        store.desire(run, "stopped")
    while any(run.lease_holder for run in map(store.get, waited)):
        time.sleep(0.05)
    steps = {run: after[run].step - before[run].step for run in waited}
    equal = statistics.mean(steps.values())
    trained = sum(after[run].train_seconds - before[run].train_seconds for run in waited)
    wasted = 100 * (1 - trained / (passed * WORKERS))
    rows = [
        Row(
            "", f"first point, the last of {count} owners", [max(waited.values())], "s", "≤ 5" if count == CROWD else ""
        ),
        Row(
            "", f"share of steps ÷ equal share, {count} owners", [n / equal for n in steps.values()], "×", "0.85 … 1.15"
        ),
        Row("P10", f"time of workers that no run had, {count} runs", [wasted], "%", "≤ 3"),
    ]
    return rows, sum(steps.values()) / passed
