"""What is being watched: one task tails the store for all runs that have viewers and wakes those viewers.

Everything that is the same for all viewers of a run is read and encoded once, here; a viewer only keeps its place.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from lstm_core.runs.records import Run, RunNotFound
from lstm_core.runs.store import RunStore
from lstm_core.runs.telemetry import heading

POLL = 0.025  # seconds between two looks at the store while something changes, …
REST = 0.06  # … while nothing does …
AFTER_TROUBLE = 1.0  # … and after the store could not be read
PROGRESS = 0.25  # seconds between two state messages that only report progress
CHANGE = 0.1  # and that report a change of state
KEEP = 200  # scalars frames kept per watched run; a viewer that lags by more starts again from the history
POINTS = 4000  # rows of a history frame

Pulse = tuple[int, int, int]  # revision, number of the last frame, version of the state

_log = logging.getLogger("lstm-lab")


@dataclass(frozen=True)
class Picture:
    """The newest frame of a snapshot, or of one sample in it."""

    seq: int
    step: int
    data: bytes


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
    samples: dict[int, Picture | None] = field(default_factory=dict)  # None: there is no such sample
    kept_history: tuple[int, int, bytes] | None = None  # revision, place, frame
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


class Hub:
    """The runs that someone watches in this process. `ready` says whether the engine works."""

    def __init__(self, store: Callable[[], RunStore], ready: Callable[[], bool] = lambda: True) -> None:
        self.store, self.ready = store, ready
        self.topics: dict[str, Topic] = {}
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        self._trouble = ""

    @property
    def tailing(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def viewers(self) -> int:
        return sum(len(topic.watchers) for topic in self.topics.values())

    def join(self, run_id: str, wake: asyncio.Event, sample: int) -> Topic:
        """Watch a run; `wake` is set whenever there is something new, the first reading included."""
        topic = self.topics.setdefault(run_id, Topic(run_id))
        topic.watchers[wake] = sample
        if not self.tailing:
            self._task = asyncio.create_task(self._tail(), name="stream")
        self._asked.set()
        return topic

    def leave(self, topic: Topic, wake: asyncio.Event) -> None:
        """Stop watching; the last one to leave ends the tailing."""
        topic.watchers.pop(wake, None)
        if not topic.watchers and self.topics.get(topic.run_id) is topic:
            del self.topics[topic.run_id]
        self._asked.set()

    async def close(self) -> None:
        """End the tailing whoever still watches."""
        self.topics.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def history(self, topic: Topic) -> tuple[int, int, bytes]:
        """(revision, place, a frame with all scalars up to that place); read once for viewers who come together."""
        async with topic.lock:
            kept = topic.kept_history
            if kept is None or kept[0] != topic.revision or kept[1] < topic.floor:
                revision, seq = topic.revision, topic.seq
                data = await asyncio.to_thread(self.store().history, topic.run_id, POINTS)
                kept = topic.kept_history = (revision, max(seq, heading(data).seq), data)
            return kept

    async def missed(self, topic: Topic, after: int) -> tuple[int, list[bytes]] | None:
        """(place, the scalars frames since `after`) for a viewer who comes back soon; None if they are too many."""
        seq = topic.seq
        if seq - after > 4 * KEEP:
            return None
        found = await asyncio.to_thread(self.store().frames, topic.run_id, after, ("scalars",))
        return (max([seq, *(each[0] for each in found)]), [each[-1] for each in found]) if len(found) <= KEEP else None

    async def picture(self, topic: Topic, sample: int) -> None:
        """See to it that the newest frame of this sample is at hand."""
        if topic.snapshot is not None and sample not in topic.samples:
            step, revision = topic.snapshot.step, topic.revision
            data = await asyncio.to_thread(self.store().snapshot, topic.run_id, step, sample)
            if topic.revision == revision and topic.snapshot is not None and topic.snapshot.step == step:
                topic.samples.setdefault(sample, None if data is None else Picture(heading(data).seq, step, data))

    async def _tail(self) -> None:
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, "stream")
        try:
            while self.topics:
                self._asked.clear()
                topics = list(self.topics.values())
                try:
                    for topic, reading in await loop.run_in_executor(thread, self._look, topics):
                        self._take(topic, reading)
                    self._trouble = ""
                    moving = any(time.monotonic() - topic.moved_at < 2 for topic in topics)
                    pause = POLL if moving else REST
                except Exception as error:
                    if str(error) != self._trouble:
                        self._trouble = str(error)
                        _log.error("The live stream cannot read the run store: %s", error)
                    pause = AFTER_TROUBLE
                try:
                    async with asyncio.timeout(pause):
                        await self._asked.wait()
                except TimeoutError:
                    pass
        finally:
            thread.shutdown(wait=False)

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _look(self, topics: list[Topic]) -> list[tuple[Topic, Reading]]:
        """Read what changed since the topics' last pulse. Only reads the topics; `_take` writes them."""
        store = self.store()
        pulses = store.pulse([topic.run_id for topic in topics])
        return [
            (topic, reading)
            for topic in topics
            if (reading := self._read(store, topic, pulses.get(topic.run_id))) is not None
        ]

    def _read(self, store: RunStore, topic: Topic, pulse: Pulse | None) -> Reading | None:
        try:
            if pulse is None:
                raise RunNotFound(topic.run_id)
            if topic.pulse is None or topic.pulse[0] != pulse[0]:
                return self._first(store, topic, pulse)
            reading = Reading(pulse)
            if pulse[1] != topic.pulse[1]:
                self._frames(store, topic, reading)
            if self._state_due(topic, pulse):
                reading.about, reading.state = self._describe(store, topic.run_id)
            return reading if pulse != topic.pulse or reading.state is not None else None
        except RunNotFound as error:
            return Reading(None, missing=str(error)) if topic.missing is None else None

    def _first(self, store: RunStore, topic: Topic, pulse: Pulse) -> Reading:
        reading = Reading(pulse)
        reading.about, reading.state = self._describe(store, topic.run_id)
        steps = reading.state["snapshots"]
        data = store.snapshot(topic.run_id, steps[-1], None) if steps else None
        if data is not None:
            reading.snapshot = Picture(heading(data).seq, steps[-1], data)
        return reading

    def _frames(self, store: RunStore, topic: Topic, reading: Reading) -> None:
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

    def _state_due(self, topic: Topic, pulse: Pulse) -> bool:
        age = time.monotonic() - topic.told_at
        if topic.told is None or pulse[2] != topic.told[2]:
            return age >= CHANGE
        if pulse != topic.told:
            return age >= PROGRESS
        # A place in the queue and the engine's warming up change without a change of this run.
        return age >= 1 and (topic.state.get("status") == "queued" or topic.state.get("engine") == "starting")

    def _describe(self, store: RunStore, run_id: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        run = store.get(run_id)
        return run.about, describe(store, run, self.ready())

    # -- in the event loop --------------------------------------------------------------------------------------------

    def _take(self, topic: Topic, reading: Reading) -> None:
        now = time.monotonic()
        before, topic.pulse, topic.missing = topic.pulse, reading.pulse, reading.missing
        if before is None or before[0] != topic.revision:
            topic.about = reading.about
            topic.ring.clear()
            topic.samples.clear()
            topic.snapshot, topic.floor = None, topic.seq
        for frame in reading.frames:
            topic.ring.append(frame)
            if len(topic.ring) > KEEP:
                topic.floor = topic.ring.popleft()[0]
        if reading.snapshot is not None:
            # Samples that nobody watched were not read: what is kept of them is of an older step now.
            topic.snapshot, topic.samples = reading.snapshot, {}
        topic.samples |= reading.samples
        if reading.state is not None:
            fresh = {**topic.state, "now": 0} != {**reading.state, "now": 0}
            topic.state, topic.told, topic.told_at = reading.state, reading.pulse, now
            if fresh:
                topic.text, topic.version = json.dumps(reading.state), topic.version + 1
        if before != topic.pulse:
            topic.moved_at = now
        topic.wake()


def describe(store: RunStore, run: Run, engine_ready: bool = True) -> dict[str, Any]:
    """The state message of a run: everything about it that is not telemetry."""
    overrides = [{"step": o.step, "field": o.field, "value": o.value} for o in store.overrides(run.id)]
    training = run.config.get("training", {})
    now = {name: training.get(name) for name in ("learning_rate", "clip", "clip_threshold")}
    now |= {str(o["field"]): o["value"] for o in overrides}
    waiting = store.waiting() if run.status in ("queued", "interrupted") else []
    place = waiting.index(run.id) + 1 if run.id in waiting else None
    return {
        "type": "state",
        "run": run.id,
        "revision": run.revision,
        "seq": run.seq,
        "name": run.name,
        "status": run.status,
        "desired": run.desired,
        "error": run.error,
        "step": run.step,
        "steps": run.steps,
        "target": run.target,
        "speed": run.speed,
        "elapsed": run.train_seconds,
        "remaining": run.remaining,
        "queue": None if place is None else {"place": place, "of": len(waiting)},
        **now,
        "overrides": overrides,
        "snapshots": store.snapshot_steps(run.id),
        "engine": "ready" if engine_ready else "starting",
        "now": time.time(),
    }


def newest(pictures: Iterable[Picture | None], after: int) -> list[bytes]:
    """The frames of those pictures that someone at `after` has not seen."""
    return [picture.data for picture in pictures if picture is not None and picture.seq > after]
