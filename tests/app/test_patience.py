"""The server's patience with connections, on a server of its own that waits for a fraction of a second."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.outside import patience

SLOW = 1.2  # seconds that an answer of this server may take, four times as long as it waits for a request


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/slow":
        await asyncio.sleep(SLOW)
    body = await Request(scope, receive).body()
    await PlainTextResponse(body or b"here")(scope, receive, send)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(patience, "ASK_WITHIN", 0.3)
    listening = socket.create_server(("127.0.0.1", 0))
    settings = uvicorn.Config(echo, http=patience.Patient, log_config=None, lifespan="off", timeout_keep_alive=30)
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listening.close()


def ends(line: socket.socket, byte: bytes = b"") -> bool:
    """Whether the server ends the connection, even though a byte comes now and then."""
    line.settimeout(0.1)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            try:
                line.send(byte)
                if line.recv(1000) == b"":
                    return True
            except OSError as error:
                if isinstance(error, TimeoutError):
                    raise
                return True
    return False


def answered(line: socket.socket, last: bytes) -> bool:
    line.settimeout(10)
    told = b""
    while not told.endswith(last) and (more := line.recv(1000)):
        told += more
    return told.endswith(last)


def test_who_says_nothing_is_let_go(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as line:
        assert ends(line)


def test_who_never_comes_to_an_end_is_let_go(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
        assert ends(line, b"a")


def test_who_has_been_answered_is_not_waited_for_again(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answered(line, b"here")
        line.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert ends(line, b"a")


def test_a_slow_answer_and_a_slow_file_have_their_time(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answered(line, b"here")
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n")
        for byte in b"slowly":
            time.sleep(0.2)
            line.sendall(bytes([byte]))
        assert answered(line, b"slowly")
