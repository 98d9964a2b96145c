"""All runs as a list has them: a row of words and numbers for each, with a small curve of its loss, kept up to date.

`GET /lab/runs?epoch=&after=` answers with the rows that changed after a moment that an earlier answer named. What was
read of a run is kept, and only what is new of it is read again; curves that are not read yet come with later answers.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.live.hub import Hub
from app.people import owning
from app.setting import settle
from app.setting.fields import controls, words
from lstm_core.config import RunConfig
from lstm_core.recipes import PRESET_TITLES
from lstm_core.runs import telemetry
from lstm_core.runs.overview import Entry
from lstm_core.runs.records import OVER, StoreError
from lstm_core.runs.store import RunStore

FRESH = 0.5  # seconds for which what was read serves everyone who asks
BUDGET = 0.25  # seconds of an answer for reading curves that are not known yet
ROWS, POINTS = 512, 48  # kept of a curve, and drawn
WIDTH, HEIGHT = 100.0, 24.0  # of a drawn curve
CLIP = 3.0  # times the first loss: what is higher is drawn at the top
SHARES = ("accuracy", "exact")  # metrics of which more is better

_NONE = np.empty(0, np.int32)


@dataclass(frozen=True)
class Named:
    """What a run's settings are called."""

    title: str
    task: str
    task_title: str
    initializer: str
    metric: str
    unit: str
    words: str  # what a search looks through


@dataclass(frozen=True)
class Curve:
    """What is known of a run's telemetry: the loss over the steps in at most `ROWS` rows, and the best metric."""

    revision: int = 0
    seq: int = -1
    step: NDArray[Any] = field(default_factory=lambda: _NONE)
    loss: NDArray[Any] = field(default_factory=lambda: _NONE)
    best: float | None = None
    path: str = ""  # as it is drawn
    last: float | None = None  # the newest loss; None where there is none, or none that is a number

    def closed(self) -> Curve:
        """What there is to say of a run that is over; whether it goes on after all is decided by its `seq`."""
        return replace(self, step=_NONE, loss=_NONE)


class Listing:
    """The rows of all runs of a store, and when each changed. Safe to ask from several threads."""

    def __init__(self, store: Callable[[], RunStore]) -> None:
        self._store = store
        self._lock = threading.Lock()
        self.epoch = secrets.token_hex(4)  # a moment of one listing says nothing to another
        self._moment, self._read_at, self._more = 0, float("-inf"), False
        self._named: dict[str, Named] = {}
        self._curves: dict[str, Curve] = {}
        self._rows: dict[str, tuple[int, dict[str, Any]]] = {}  # id → (moment of its last change, row)
        self._gone: dict[str, int] = {}
        self._waiting: list[tuple[str, str, str]] = []  # the line: id, place in few words and in more

    def since(self, epoch: str = "", after: int = 0) -> dict[str, Any]:
        """What changed after the moment `after`; everything where `epoch` is not that of this listing."""
        with self._lock:
            if time.monotonic() - self._read_at > (0 if self._more else FRESH):
                self._read()
            known = after if epoch == self.epoch else 0
            return {
                "epoch": self.epoch,
                "at": self._moment,
                "rows": [row for moment, row in self._rows.values() if moment > known],
                "gone": [run_id for run_id, moment in self._gone.items() if moment > known],
                "waiting": self._waiting,
                "more": self._more,
                "now": time.time(),
            }

    def _read(self) -> None:
        store = self._store()
        entries = store.entries()
        self._moment += 1
        self._name(store, [entry.id for entry in entries if entry.id not in self._named])
        self._more = self._follow(store, entries)
        for entry in entries:
            row = _row(entry, self._named[entry.id], self._curves.get(entry.id))
            if entry.id not in self._rows or self._rows[entry.id][1] != row:
                self._rows[entry.id] = (self._moment, row)
        for run_id in self._rows.keys() - {entry.id for entry in entries}:
            del self._rows[run_id], self._named[run_id]
            self._curves.pop(run_id, None)
            self._gone[run_id] = self._moment
        self._waiting = [(run_id, place.brief, place.words) for run_id, place in store.queue().items()]
        self._read_at = time.monotonic()

    def _name(self, store: RunStore, run_ids: list[str]) -> None:
        for run_id, config in store.configs(run_ids).items() if run_ids else ():
            self._named[run_id] = named(settle.settle(config)[0])

    def _follow(self, store: RunStore, entries: list[Entry]) -> bool:
        """Read what is new of the curves, for a while; returns whether there is more."""
        until = time.monotonic() + BUDGET
        for entry in entries:
            curve = self._curves.get(entry.id)
            if curve is not None and (curve.revision, curve.seq) == (entry.revision, entry.seq):
                continue
            if time.monotonic() > until:
                return True
            found = follow(store, entry, curve, self._named[entry.id].metric)
            self._curves[entry.id] = found.closed() if entry.status in OVER else found
        return False


def named(config: RunConfig) -> Named:
    """The words for a run's settings."""
    task = config.task
    initializer = "given weights" if config.init.weights else PRESET_TITLES[config.init.preset]
    return Named(
        title=config.title,
        task=task.name,
        task_title=task.title,
        initializer=initializer,
        metric=task.metric,
        unit=task.metric_unit,
        words=" ".join([config.title, task.title, *_said(config)]).lower(),
    )


def _said(config: RunConfig) -> list[str]:
    """Every setting that is not as usual, as it is written and as it is called."""
    labels = {control.path: control.label for group in RunConfig.model_fields for control in controls(config, group)}
    return [f"{path}={text} {labels.get(path, '')} {words(text)}" for path, text in config.to_query().items()]


def follow(store: RunStore, entry: Entry, curve: Curve | None, metric: str) -> Curve:
    """The curve with what was recorded since; read from its beginning where something was taken back."""
    if curve is None or curve.revision != entry.revision or not len(curve.step):
        curve = Curve(entry.revision)
    value = f"{metric}/val"
    better = max if metric in SHARES else min
    pieces = store.columns(entry.id, ("loss/train", value), curve.seq)
    last = curve.step[-1] if len(curve.step) else -1
    steps, losses, best = [curve.step], [curve.loss], curve.best
    for piece in pieces:
        fresh = piece.columns["step"] > last
        steps.append(piece.columns["step"][fresh])
        losses.append(piece.columns["loss/train"][fresh])
        measured = piece.columns[value][np.isfinite(piece.columns[value])]
        if len(measured):
            found = float(measured.max() if better is max else measured.min())
            best = found if best is None else better(best, found)
        last = max(last, int(piece.columns["step"][-1]) if len(piece.columns["step"]) else -1)
    table = {"step": np.concatenate(steps), "loss": np.concatenate(losses).astype(np.float32)}
    if len(table["step"]) > ROWS:
        table = telemetry.thin(table, ROWS // 2)
    return Curve(entry.revision, entry.seq, table["step"], table["loss"], best, drawn(table), _last(table["loss"]))


def drawn(table: telemetry.Columns) -> str:
    """The loss as the path of a drawing of `WIDTH` × `HEIGHT`: from the first step to the newest, 0 at the bottom."""
    table = telemetry.thin(table, POINTS)
    measured = np.isfinite(table["loss"])
    step, loss = table["step"][measured].astype(float), table["loss"][measured].astype(float)
    if len(step) < 2:
        return ""
    top = min(float(loss.max()), CLIP * float(loss[0])) or 1.0
    across = (step - step[0]) / (step[-1] - step[0]) * WIDTH
    height = HEIGHT - np.clip(loss / top, 0, 1) * HEIGHT
    return "M" + "L".join(f"{x:.0f} {y:.1f}" for x, y in zip(across, height, strict=True))


def _row(entry: Entry, called: Named, curve: Curve | None) -> dict[str, Any]:
    """A run as the browser has it; what is not known of its telemetry is None."""
    row = asdict(entry) | asdict(called)
    row["by"] = owning.mark(row.pop("owner"))  # the answer is everybody's: who owns what is told to nobody
    going = entry.speed > 0 and entry.status == "running"
    return row | {
        "remaining": (entry.steps - entry.step) / entry.speed if going else None,
        "elapsed": entry.train_seconds,
        "curve": curve.path if curve is not None else None,
        "loss": curve.last if curve is not None else None,
        "best": curve.best if curve is not None else None,
    }


def _last(loss: NDArray[Any]) -> float | None:
    return float(loss[-1]) if len(loss) and np.isfinite(loss[-1]) else None


async def answer(hub: Hub, listing: Listing, request: Request) -> Response:
    """`GET /lab/runs`: the rows that changed since `after`, and who is next in the queue."""
    given: Mapping[str, str] = request.query_params
    after = given.get("after", "")
    place = int(after) if after.isdecimal() and len(after) < 16 else 0
    try:
        changed = await asyncio.to_thread(listing.since, given.get("epoch", ""), place)
    except StoreError as error:
        return JSONResponse({"type": "missing", "message": str(error)}, 503, headers={"Cache-Control": "no-store"})
    engine = {"engine": "ready" if hub.ready() else "starting"}
    return JSONResponse(changed | engine, headers={"Cache-Control": "no-store"})
