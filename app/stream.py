"""The routes below `/lab`: the live stream of a run, its polled fallback, kept snapshots, files for the browser.

A viewer opens `/lab/stream` and sends `{"watch": run, "sample": 0, "after": -1, "revision": -1}`, later perhaps
`{"sample": 2}` or another `watch`. It receives, as text, `state` (whenever something of it changed), `reset` (begin
again: the run's figures, unfilled, which a history frame and the newest pictures follow), `missing` and `trouble` (why
the store cannot be read, or null when it can again); as bytes, telemetry frames exactly as the worker wrote them.
Scalars come complete and in order, pictures only the newest. `after` and `revision` of the last frame that it had let a
viewer who comes back go on where it was.
Where a proxy blocks WebSockets, `live/fetch.py` answers with the same content to whoever asks again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.listing import rows
from app.live.fetch import SAMPLES, history, poll, snapshot
from app.live.hub import Hub
from app.live.topic import Topic, newest
from app.outside import counters
from app.outside.static import serve_static
from app.racing import route
from app.reports.exports import export
from app.reports.findings import Findings
from lstm_core.runs.records import ID, StoreError

__all__ = ["Hub", "routes"]

LONGEST = 2000  # characters of a message from a viewer

_log = logging.getLogger("lstm-lab")


class Ask(BaseModel):
    """What a viewer may say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    watch: str | None = Field(None, pattern=f"^{ID.pattern}$")
    sample: int | None = Field(None, ge=0, lt=SAMPLES)
    after: int = Field(-1, ge=-1)
    revision: int = Field(-1, ge=-1)


class Viewer:
    """One connection: what it watches and how far it has got."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.wake = asyncio.Event()
        self.asked: list[Ask] = []
        self.topic: Topic | None = None
        self.sample = 0
        self.troubled = ""

    def ask(self, ask: Ask) -> None:
        """Take a wish; it is followed when the connection is free to send."""
        if ask.watch is not None:
            self.asked.clear()
        del self.asked[1:]  # of a flood of wishes only the last counts
        self.asked.append(ask)
        self.wake.set()

    def leave(self) -> None:
        if self.topic is not None:
            self.hub.leave(self.topic, self.wake)
            self.topic = None

    def _follow(self, ask: Ask) -> None:
        if ask.sample is not None:
            self.sample = ask.sample
        if ask.watch is not None:
            self.leave()
            self.place, self.revision, self.returning = ask.after, ask.revision, ask.after >= 0
            self.version, self.missed = -1, ""
            self.snapshot_seen = self.sample_seen = ask.after
            counters.RECONNECTS.inc(self.returning)
            self.topic = self.hub.join(ask.watch, self.wake, self.sample)
            self.pictures = self.topic.pictures
        elif self.topic is not None:
            self.topic.watchers[self.wake] = self.sample
            self.sample_seen = -1

    async def due(self) -> list[str | bytes]:
        """Everything to send now; while the store cannot be read only that."""
        while self.asked:
            self._follow(self.asked.pop(0))
        told, self.troubled = self.troubled, self.hub.trouble
        said = [] if told == self.troubled else [json.dumps({"type": "trouble", "message": self.troubled or None})]
        return [*said, *([] if self.troubled else await self._news())]

    async def _news(self) -> list[str | bytes]:
        """What the run has that the viewer has not. Pictures never overtake the scalars written before them."""
        topic = self.topic
        if topic is None:
            return []
        if topic.missing is not None:
            told, self.missed = self.missed, topic.missing
            return [] if told == self.missed else [json.dumps({"type": "missing", "message": self.missed})]
        if topic.pulse is None:
            return []
        first: list[str | bytes] = []
        soon = self.returning and self.revision == topic.revision and self.place < topic.floor
        if soon and (found := await self.hub.missed(topic, self.place)) is not None:
            self.place, first = found[0], [*found[1]]
        if self._lost(topic):
            if self.version != topic.version:  # what the run does is said before its figures are drawn
                self.version = topic.version
                self.wake.set()
                return [topic.text]
            begin = await self.hub.beginning(topic)
            self.revision, self.place, self.snapshot_seen, self.sample_seen = begin.revision, begin.place, -1, -1
            first = [begin.reset, begin.history]
        await self.hub.picture(topic, self.sample)
        if self.revision != topic.revision or topic.pulse is None:  # meanwhile: what was read is of no use
            self.wake.set()
            return []
        # From here to the end nothing waits, so all of it is of one moment.
        self.returning = False
        messages: list[str | bytes] = [] if self.version == topic.version else [topic.text]
        self.version = topic.version
        messages += first
        frames = topic.after(self.place)
        messages += [frame for _, frame in frames]
        self.place = frames[-1][0] if frames else self.place
        messages += newest([topic.snapshot], self.snapshot_seen)
        messages += newest([topic.samples.get(self.sample)], self.sample_seen)
        if topic.snapshot is not None:
            self.snapshot_seen = topic.snapshot.seq
            counters.SKIPPED.inc(max(0, topic.pictures - self.pictures - 1))
            self.pictures = topic.pictures
        if (picture := topic.samples.get(self.sample)) is not None:
            self.sample_seen = picture.seq
        return messages

    def _lost(self, topic: Topic) -> bool:
        """Whether the viewer cannot go on from its place: it is new, far behind, or what it had was taken back."""
        ahead = self.returning and self.place > topic.seq
        return self.revision != topic.revision or self.place < topic.floor or ahead


async def watch(hub: Hub, socket: WebSocket) -> None:
    """`/lab/stream`: one viewer, from its first message to its end."""
    await socket.accept()
    viewer, refusal = Viewer(hub), ""
    sender = asyncio.create_task(_send(socket, viewer), name="viewer")
    try:
        while not refusal and (message := await socket.receive())["type"] == "websocket.receive":
            ask = _understand(message)
            if isinstance(ask, Ask):
                viewer.ask(ask)
            else:
                refusal = ask
    finally:
        viewer.leave()
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
    if refusal:
        with contextlib.suppress(WebSocketDisconnect):
            await socket.close(1008, refusal)


async def _send(socket: WebSocket, viewer: Viewer) -> None:
    try:
        while True:
            await viewer.wake.wait()
            viewer.wake.clear()
            for message in await viewer.due():
                counters.BYTES.inc(len(message))
                if isinstance(message, str):
                    await socket.send_text(message)
                else:
                    await socket.send_bytes(message)
    except WebSocketDisconnect:
        pass  # the receiving side ends the viewer
    except StoreError as error:
        _log.error("A viewer was sent away to come back later: %s", error)
        await socket.close(1011, "The run store cannot be read at the moment.")


def _understand(message: Mapping[str, Any]) -> Ask | str:
    """A viewer's message, or in one sentence (of at most 123 bytes) why it is refused."""
    text = message.get("text")
    if text is None or len(text) > LONGEST:
        return f"Send one JSON object as text of at most {LONGEST} characters."
    try:
        ask = Ask.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'message'}: {first['msg']}".encode()[:120].decode(errors="ignore")
    if ask.watch is None and ask.sample is None:
        return 'Send {"watch": "<run>"} or {"sample": 0}.'
    return ask


def routes(hub: Hub) -> list[BaseRoute]:
    """Every route of this module, bound to one hub."""
    return [
        WebSocketRoute("/lab/stream", partial(watch, hub)),
        Route("/lab/runs/{id}/snapshot/{step}", partial(snapshot, hub)),
        Route("/lab/runs/{id}/snapshot/{step}/{sample}", partial(snapshot, hub)),
        Route("/lab/runs/{id}/history/{array:path}", partial(history, hub)),
        Route("/lab/runs/{id}/poll", partial(poll, hub)),
        Route("/lab/runs/{id}/findings", Findings(hub.store).answer),
        Route("/lab/runs/{id}/export/{file}", partial(export, hub.store)),
        Route("/lab/runs", partial(rows.answer, hub, rows.Listing(hub.store))),
        *route.routes(hub.store),
        Route("/lab/static/{file}", serve_static),
        Route("/lab/static/{version}/{file}", serve_static),
    ]
