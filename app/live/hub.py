"""What is being watched: one task tails the store for all runs that have viewers and wakes those viewers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app.live.topic import KEEP, Beginning, Picture, Pulse, Reading, Topic, look, reset
from lstm_core.runs.records import StoreError
from lstm_core.runs.store import RunStore
from lstm_core.runs.telemetry import heading

TICK = 0.005  # seconds between two looks at whether something was written, where that costs next to nothing …
POLL = 0.025  # … and else between two queries while something changes …
REST = 0.06  # … while nothing changes …
AFTER_TROUBLE = 1.0  # … and after the store could not be read
EACH = 0.002  # at least this for every viewer between two queries, so that a class does not slow the training …
MOST = 0.2  # … up to this
POINTS = 4000  # rows of a history frame

Stamp = tuple[int, int] | None  # of `RunStore.stamp`

_log = logging.getLogger("lstm-lab")


class Hub:
    """The runs that someone watches in this process. `ready` says whether the engine works."""

    def __init__(self, store: Callable[[], RunStore], ready: Callable[[], bool] = lambda: True) -> None:
        self.store, self.ready = store, ready
        self.topics: dict[str, Topic] = {}
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        self.trouble = ""  # why the store cannot be read at the moment

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

    async def beginning(self, topic: Topic) -> Beginning:
        """What a new viewer of the run begins with; made once for viewers who come together."""
        async with topic.lock:
            kept = topic.beginning
            if kept is None or kept.revision != topic.revision or kept.place < topic.floor:
                kept = topic.beginning = await asyncio.to_thread(self._begin, topic.run_id, topic.pulse, topic.about)
            return kept

    def _begin(self, run_id: str, pulse: Pulse | None, about: dict[str, Any] | None) -> Beginning:
        revision, seq, _ = pulse or (-1, -1, -1)
        data = self.store().history(run_id, POINTS)
        return Beginning(revision, max(seq, heading(data).seq), json.dumps(reset(run_id, revision, about)), data)

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
                    store, stamp, read = await loop.run_in_executor(thread, self._look, topics)
                    for topic, reading in read:
                        topic.take(reading)
                    self._say("")
                    await self._rest(store, stamp, topics)
                except Exception as error:
                    if self._say(str(error) if isinstance(error, StoreError) else "The run store cannot be read."):
                        _log.error("The live stream cannot read the run store: %s", error)
                    await self._asked_within(AFTER_TROUBLE)
        finally:
            thread.shutdown(wait=False)

    async def _rest(self, store: RunStore, stamp: Stamp, topics: list[Topic]) -> None:
        """Until there may be something new: something was written, somebody came or went, or a while is over."""
        most = REST if stamp or all(time.monotonic() - topic.moved_at > 2 for topic in topics) else POLL
        end = time.monotonic() + most
        asked = await self._asked_within(min(MOST, EACH * self.viewers))
        while not asked and (left := end - time.monotonic()) > 0 and (stamp is None or store.stamp() == stamp):
            asked = await self._asked_within(min(left, TICK) if stamp else left)

    async def _asked_within(self, seconds: float) -> bool:
        """Whether somebody comes or goes within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                return await self._asked.wait()
        except TimeoutError:
            return False

    def _say(self, trouble: str) -> bool:
        """Let every viewer know of trouble, or that it is over; whether that is new."""
        new = trouble != self.trouble
        self.trouble = trouble
        for topic in self.topics.values() if new else ():
            topic.wake()
        return new

    def _look(self, topics: list[Topic]) -> tuple[RunStore, Stamp, list[tuple[Topic, Reading]]]:
        store = self.store()
        stamp = store.stamp()  # before the look: what is written meanwhile is to be looked at next
        return store, stamp, look(store, topics, self.ready())
