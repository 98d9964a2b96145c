"""A run of a million steps beside one of a thousand: opening it, one update while it goes on, and its size.

The telemetry is that of a real run of the main example, which goes on with the same figures and as much noise as its
last steps have; it is written frame by frame and merged as a worker would do it, only without the waiting.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import numpy as np
from playwright.async_api import Page

from lstm_core.config import RunConfig
from lstm_core.runs import frames, telemetry
from lstm_core.runs.holder import this_process
from lstm_core.runs.records import Lease
from lstm_core.runs.store import RunStore
from lstm_core.training import Snapshot, Step, TrainState, train
from lstm_core.updates import EVERY
from tests.bench.pages import opened
from tests.bench.report import Row
from tests.serving import serve

LONG, SHORT = 1_000_000, 1_000
ROWS = 25  # steps of a frame: 500 steps a second, 20 frames a second
AT_ONCE = 64  # frames that are written in one transaction
PICTURED = 3  # transactions for each picture, so that there are as many as are kept
LEFT = 5_000  # of the long run, to be written while it is looked at
LEARNED = 300  # steps of the real run
BYTES = 40  # MB

# Goes to another run as the browser's back button would, and tells after how many ms its curves are drawn.
OPEN = """async (run) => {
  const frame = () => new Promise(requestAnimationFrame), began = performance.now();
  const late = () => { if (performance.now() - began > 60000) throw new Error("the run is not drawn"); };
  history.pushState(null, "", `?run=${run}`);
  window.dispatchEvent(new PopStateEvent("popstate"));
  while (document.querySelector(".lab-board")?.dataset.run !== run) { late(); await frame(); }
  const draws = window.__lab.draws;
  while (window.__lab.draws === draws || window.__lab.step < 900) { late(); await frame(); }
  return performance.now() - began;
}"""
# Tells after how many ms a step that is written now is drawn.
DRAWN = """async ([step, since]) => {
  while (window.__lab.step < step) await new Promise(requestAnimationFrame);
  return Date.now() - since;
}"""


class Written:
    """A run that is written here, as if it had been trained."""

    def __init__(self, store: RunStore, config: RunConfig, steps: int) -> None:
        self.store, self.rng = store, np.random.default_rng(0)
        about, self.rows, self.snapshots = _learned(config)
        self.run = store.create(config)
        lease = store.acquire(self.run, this_process(), 3600, claim=True)
        assert lease is not None
        self.lease: Lease = lease
        store.describe(lease, about)
        self.seq, self.step = 0, 0
        many, pictures = self.frames(steps // ROWS), iter(self.snapshots)
        for turn in count():
            batch = list(islice(many, AT_ONCE))
            if not batch:
                break
            if turn % PICTURED == 0:
                batch += self.picture(next(pictures))
            with store._database.write() as connection:
                frames.write(connection, self.run, batch)
                frames.compact(connection, self.run)
        store.append(lease, [next(self.frames(1))], step=self.step - 1, train_seconds=self.step / 500)

    def frames(self, number: int) -> Iterator[bytes]:
        """The next frames: the real run's columns, and noise of the size that they have at its end."""
        for begin in range(0, number, AT_ONCE):
            few = min(AT_ONCE, number - begin)
            columns = self.columns(few * ROWS)
            for frame in range(few):
                some = telemetry.take(columns, slice(frame * ROWS, (frame + 1) * ROWS))
                self.seq += 1
                first, last = self.step, self.step + ROWS - 1
                self.step += ROWS
                yield telemetry.encode("scalars", some, self.seq, first, last, made=time.time())

    def picture(self, snapshot: Snapshot) -> Iterator[bytes]:
        """The frames of a snapshot, as one of the last step."""
        step = self.step - 1
        for sample, arrays in enumerate([snapshot.arrays, *snapshot.samples], -1):
            self.seq += 1
            kind = "snapshot" if sample < 0 else "sample"
            yield telemetry.encode(kind, arrays, self.seq, step, step, None if sample < 0 else sample)

    def columns(self, rows: int) -> telemetry.Columns:
        """So many steps from the present one on."""
        columns: telemetry.Columns = {"step": np.arange(self.step, self.step + rows, dtype=np.int32)}
        for name, (middle, spread, kinds) in self.rows.items():
            drawn = self.rng.normal(middle, spread, rows) if kinds is None else self.rng.choice(kinds, rows)
            column = np.abs(drawn).astype(np.float32)
            if name.startswith("update_ratio/"):
                column[columns["step"] % EVERY > 0] = np.nan
            columns[name] = telemetry.as_recorded(name, column)
        columns["grad_norm/clipped"] = columns["grad_norm/total"]  # nothing is clipped
        return columns

    def write(self) -> int:
        """One frame more, as a worker writes it; returns its last step."""
        self.store.append(self.lease, [next(self.frames(1))], step=self.step - 1)
        return self.step - 1


Column = tuple[float, float, np.ndarray | None]  # its mean and spread; its values where they are few


def _learned(config: RunConfig) -> tuple[dict[str, object], dict[str, Column], list[Snapshot]]:
    """What a real run is about, its columns, and its pictures."""
    state = TrainState(config)
    items = [item for step in range(LEARNED) for item in train(config, state, until=step)]
    columns = telemetry.table([(item.step, item.scalars) for item in items if isinstance(item, Step)][-200:])
    rows: dict[str, Column] = {}
    for name, column in columns.items():
        known = column[~np.isnan(column)]
        if name == "step" or name.endswith(("/val", "/test")) or not len(known):
            continue
        few = np.unique(known)
        rows[name] = (
            float(known.mean()),
            float(known.std()),
            few if len(few) < 50 and not name.startswith("update_ratio/") else None,
        )
    return state.about, rows, [item for item in items if isinstance(item, Snapshot)]


def measure(short: bool = True) -> list[Row]:
    """P8."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        serve(Path(folder), workers=0) as server,
    ):
        store = server.store()
        config = RunConfig().replace(**{"training.steps": LONG, "training.validate_every": 100_000})
        few = Written(store, config, SHORT)
        before = store.used()
        many = Written(store, config, LONG - LEFT)
        size = (store.used() - before) / 1e6
        rows = asyncio.run(_measure(server.url, few, many, 3 if short else 15))
        store.close()
    return [
        Row("P8", f"store of a run of {LONG:,} steps, {len(many.rows)} scalars a step", [size], "MB", f"≤ {BYTES}"),
        *rows,
    ]


async def _measure(url: str, few: Written, many: Written, turns: int) -> list[Row]:
    opening: dict[str, list[float]] = {few.run: [], many.run: []}
    updating: dict[str, list[float]] = {few.run: [], many.run: []}
    async with opened() as page:
        await page.goto(f"{url}/?run={few.run}")
        async with asyncio.timeout(60):
            while await page.evaluate("window.__lab?.step ?? -1") < 900:
                await asyncio.sleep(0.1)
        for turn in range(turns + 1):
            for written in (many, few):
                passed = float(await page.evaluate(OPEN, written.run))
                await asyncio.sleep(1.0)
                after = [await _update(page, written) for _ in range(10)]
                if turn:  # the first time modules and statements are new
                    opening[written.run].append(passed)
                    updating[written.run] += after
    return [
        Row("P8", f"opening a run of {SHORT:,} steps → drawn", opening[few.run], "ms", ""),
        Row("P8", f"opening a run of {LONG:,} steps → drawn", opening[many.run], "ms", "≤ 500"),
        Row("P8", f"an update written → drawn, {LONG:,} steps", updating[many.run], "ms", ""),
        Row(
            "P8",
            f"the same ÷ with {SHORT:,} steps",
            [float(np.median(updating[many.run]) / np.median(updating[few.run]))],
            "×",
            "≤ 1.2",
        ),
    ]


async def _update(page: Page, written: Written) -> float:
    since = 1000 * time.time()
    step = await asyncio.to_thread(written.write)
    passed = float(await page.evaluate(DRAWN, [step, since]))
    await asyncio.sleep(0.25)
    return passed
