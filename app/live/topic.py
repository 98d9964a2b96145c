"""One watched run: what its viewers share, and how it is read from the store.

Everything that is the same for all viewers of a run is read and encoded once; a viewer only keeps its place.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lstm_core.runs.records import Run, RunNotFound
from lstm_core.runs.store import RunStore
from lstm_core.runs.telemetry import heading

PROGRESS = 0.25  # seconds between two state messages that only report progress
CHANGE = 0.04  # and that report a change of state
KEEP = 200  # scalars frames kept per watched run; a viewer that lags by more starts again from the history

NO_FIGURES = '{"panels": []}'

Pulse = tuple[int, int, int]  # revision, number of the last frame, version of the state

_log = logging.getLogger("lstm-lab")


@dataclass(frozen=True)
class Picture:
    """The newest frame of a snapshot, or of one sample in it."""

    seq: int
    step: int
    data: bytes


@dataclass
class Reading:
    """What one look at the store brought; made in a thread, taken over in the event loop."""

    pulse: Pulse | None
    missing: str | None = None
    about: dict[str, Any] | None = None
    state: dict[str, Any] | None = None
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    snapshot: Picture | None = None
    samples: dict[int, Picture] = field(default_factory=dict)


class Beginning(NamedTuple):
    """What a viewer begins with: the reset message and a frame with all scalars, of a revision up to a place."""

    revision: int
    place: int
    reset: str
    history: bytes


@dataclass
class Topic:
    """One watched run: its recent frames and its state, as bytes ready to send."""

    run_id: str
    watchers: dict[asyncio.Event, int] = field(default_factory=dict)  # a viewer's wake-up → its chosen sample
    pulse: Pulse | None = None
    missing: str | None = None
    about: dict[str, Any] | None = None
    state: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    version: int = 0  # of `text`
    ring: deque[tuple[int, bytes]] = field(default_factory=deque)
    floor: int = -1  # every scalars frame with a greater number is in `ring`
    snapshot: Picture | None = None
    pictures: int = 0  # that `snapshot` has been so far
    samples: dict[int, Picture | None] = field(default_factory=dict)  # None: there is no such sample
    beginning: Beginning | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    told: Pulse | None = None  # the pulse that `text` describes
    told_at: float = 0.0
    moved_at: float = 0.0

    @property
    def revision(self) -> int:
        return self.pulse[0] if self.pulse else -1

    @property
    def seq(self) -> int:
        return self.pulse[1] if self.pulse else -1

    def after(self, place: int) -> list[tuple[int, bytes]]:
        """The scalars frames that a viewer at `place` has not had, in order."""
        if not self.ring or self.ring[-1][0] <= place:
            return []
        return [(seq, data) for seq, data in self.ring if seq > place]

    def wake(self) -> None:
        for event in self.watchers:
            event.set()

    def take(self, reading: Reading) -> None:
        """Take over what was read, and wake the viewers."""
        now = time.monotonic()
        before, self.pulse, self.missing = self.pulse, reading.pulse, reading.missing
        if before is None or before[0] != self.revision:
            self.about = reading.about
            self.ring.clear()
            self.samples.clear()
            self.snapshot, self.floor = None, self.seq
        for frame in reading.frames:
            self.ring.append(frame)
            if len(self.ring) > KEEP:
                self.floor = self.ring.popleft()[0]
        if reading.snapshot is not None:
            # Samples that nobody watched were not read: what is kept of them is of an older step now.
            self.snapshot, self.samples = reading.snapshot, {}
            self.pictures += 1
        self.samples |= reading.samples
        if reading.state is not None:
            fresh = {**self.state, "now": 0} != {**reading.state, "now": 0}
            self.state, self.told, self.told_at = reading.state, reading.pulse, now
            if fresh:
                self.text, self.version = json.dumps(reading.state), self.version + 1
        if before != self.pulse:
            self.moved_at = now
        self.wake()


def look(store: RunStore, topics: list[Topic], ready: bool) -> list[tuple[Topic, Reading]]:
    """Read what changed since the topics' last pulse. Only reads the topics: `Topic.take` writes them."""
    pulses = store.pulse([topic.run_id for topic in topics])
    return [
        (topic, reading)
        for topic in topics
        if (reading := _read(store, topic, pulses.get(topic.run_id), ready)) is not None
    ]


def _read(store: RunStore, topic: Topic, pulse: Pulse | None, ready: bool) -> Reading | None:
    try:
        if pulse is None:
            raise RunNotFound(topic.run_id)
        if topic.pulse is None or topic.pulse[0] != pulse[0]:
            return _first(store, topic, pulse, ready)
        reading = Reading(pulse)
        if pulse[1] != topic.pulse[1]:
            _frames(store, topic, reading)
        if _state_due(topic, pulse):
            run = store.get(topic.run_id)
            reading.about, reading.state = run.about, describe(store, run, ready)
        return reading if pulse != topic.pulse or reading.state is not None else None
    except RunNotFound as error:
        return Reading(None, missing=str(error)) if topic.missing is None else None


def _first(store: RunStore, topic: Topic, pulse: Pulse, ready: bool) -> Reading:
    reading = Reading(pulse)
    run = store.get(topic.run_id)
    reading.about, reading.state = run.about, describe(store, run, ready)
    steps = reading.state["snapshots"]
    data = store.snapshot(topic.run_id, steps[-1], None) if steps else None
    if data is not None:
        reading.snapshot = Picture(heading(data).seq, steps[-1], data)
    return reading


def _frames(store: RunStore, topic: Topic, reading: Reading) -> None:
    chosen = set(topic.watchers.copy().values())
    only = chosen.pop() if len(chosen) == 1 else None
    for seq, kind, sample, data in store.frames(topic.run_id, topic.seq, sample=only):
        if kind == "scalars":
            reading.frames.append((seq, data))
        elif kind == "snapshot":
            reading.snapshot = Picture(seq, heading(data).last, data)
        elif sample is not None:
            reading.samples[sample] = Picture(seq, heading(data).last, data)
        reading.pulse = (reading.pulse[0], max(reading.pulse[1], seq), reading.pulse[2]) if reading.pulse else None


def _state_due(topic: Topic, pulse: Pulse) -> bool:
    age = time.monotonic() - topic.told_at
    if topic.told is None or pulse[2] != topic.told[2]:
        return age >= CHANGE
    if pulse != topic.told:
        return age >= PROGRESS
    # A place in the queue and the engine's warming up change without a change of this run.
    return age >= 1 and (topic.state.get("status") == "queued" or topic.state.get("engine") == "starting")


def describe(store: RunStore, run: Run, engine_ready: bool = True) -> dict[str, Any]:
    """The state message of a run: everything about it that is not telemetry."""
    overrides = [{"step": o.step, "field": o.field, "value": o.value} for o in store.overrides(run.id)]
    training = run.config.get("training", {})
    now = {name: training.get(name) for name in ("learning_rate", "clip", "clip_threshold")}
    now |= {str(o["field"]): o["value"] for o in overrides}
    place = store.queue_place(run.id) if run.status in ("queued", "interrupted") else None
    return {
        "type": "state",
        "run": run.id,
        "revision": run.revision,
        "seq": run.seq,
        "name": run.name,
        "status": run.status,
        "desired": run.desired,
        "error": run.error,
        "thinned": run.thinned is not None,
        "step": run.step,
        "steps": run.steps,
        "target": run.target,
        "speed": run.speed,
        "elapsed": run.train_seconds,
        "remaining": run.remaining,
        "queue": None if place is None else {"place": place.place, "of": place.of, "words": place.words},
        **now,
        "overrides": overrides,
        "snapshots": store.snapshot_steps(run.id),
        "engine": "ready" if engine_ready else "starting",
        "now": time.time(),
    }


def newest(pictures: Iterable[Picture | None], after: int) -> list[bytes]:
    """The frames of those pictures that someone at `after` has not seen."""
    return [picture.data for picture in pictures if picture is not None and picture.seq > after]


def reset(run_id: str, revision: int, about: dict[str, Any] | None) -> dict[str, Any]:
    """The message after which a viewer begins again; under `figures`, as JSON text, what is to be filled from now on.

    Both are None for a run that no worker has described yet. The first call takes seconds: plotly is imported.
    """
    figures = None if about is None else _drawn(about)
    return {"type": "reset", "run": run_id, "revision": revision, "about": about, "figures": figures}


def _drawn(about: dict[str, Any]) -> str:
    from app.figures import specs  # the server is up before plotly is

    try:
        return specs(about)
    except Exception:
        _log.exception("The figures of a run cannot be drawn from what its worker said of it.")
        return NO_FIGURES
