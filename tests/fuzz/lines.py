"""The live stream: what a viewer may send over `/lab/stream`, and what it may not."""

from __future__ import annotations

import contextlib
import json
import socket
from functools import partial
from random import Random
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.fuzz import inputs
from tests.fuzz.harness import Entry
from tests.fuzz.standing import Standing

Said = tuple[str, Any]  # how it is sent, what

SILENCE = 0.02  # seconds after which nothing more is expected of the server
ASK = {"watch": "Ab3dE5gH7j", "sample": 0, "after": -1, "revision": -1}


def messages(there: Standing, rng: Random) -> list[Said]:
    return [_message(there, rng) for _ in range(rng.choice((1, 1, 2, 5)))]


def _message(there: Standing, rng: Random) -> Said:
    kind = rng.randrange(12)
    ask = ASK | {"watch": there.run}
    if kind < 4:
        return "text", json.dumps(inputs.bent(rng, ask))
    if kind == 4:
        return "text", inputs.clean(inputs.text(rng))
    if kind == 5:
        return "text", inputs.damaged(rng, json.dumps(ask).encode()).decode(errors="replace")
    if kind == 6:
        return "binary", inputs.damaged(rng, json.dumps(ask).encode())
    if kind == 7:
        return "text", rng.choice(("[" * 1999, '{"watch":' * 200, "9" * 1999, " " * 2001, "x" * 2_000_000))
    if kind == 8:
        return "flood", json.dumps({"sample": rng.randrange(64)})
    if kind == 9:
        return "parts", json.dumps(ask)
    if kind == 10:
        frame = bytes([rng.randrange(256) for _ in range(rng.choice((1, 2, 6, 14)))])
        return "raw", rng.choice(
            (frame, b"\x81\xff" + b"\xff" * 8, b"\x81\x05abc", b"\x88\x01", b"\xc1\x80", b"\x01\x80\0\0\0\0")
        )
    return "text", json.dumps(ask)


def give(there: Standing, said: list[Said]) -> None:
    """Each connection ends with a sentence or goes on; the server stays as it is."""
    raw = [what for how, what in said if how == "raw"]
    if raw:
        _raw(there, b"".join(raw))
        there.quiet()
        return
    with connect(there.server.stream, open_timeout=20, close_timeout=1, max_size=None, compression=None) as line:
        end = None
        try:
            for how, what in said:
                _send(line, how, what)
            while True:
                line.recv(SILENCE)
        except TimeoutError:
            pass
        except ConnectionClosed as error:
            end = error.rcvd
    if end is not None:
        assert end.code not in (1006, 1011), f"closed with {end.code} {end.reason}"
        assert end.code != 1008 or len(end.reason) > 10, "closed without a reason"
    there.quiet()


def _raw(there: Standing, frames: bytes) -> None:
    """Bytes that need not be frames, behind a handshake that is one; the server ends what it cannot follow."""
    place = urlsplit(there.server.url)
    head = f"GET /lab/stream HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    head += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    with (
        socket.create_connection((place.hostname, place.port), timeout=10) as line,
        contextlib.suppress(ConnectionError),
    ):
        line.sendall(head.encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 101"), "no handshake"
        line.sendall(frames)
        line.shutdown(socket.SHUT_WR)
        while line.recv(4096):
            pass


def _send(line: ClientConnection, how: str, what: Any) -> None:
    if how == "flood":
        for _ in range(300):
            line.send(what)
    elif how == "parts":
        line.send([what[:10], what[10:]])
    else:
        line.send(what)


def entries(there: Standing) -> tuple[Entry, ...]:
    return (Entry("stream", 60, partial(messages, there), partial(give, there)),)
