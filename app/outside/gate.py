"""Who is let in: requests to a name of this server, from its own pages, for something that there is to be had.

A browser sends what any page in it asks for. Of a page elsewhere it tells the Origin, and a page whose own name was
bent to this server's address (DNS rebinding) shows by the Host that it asked for. Programs send what they like: these
checks protect people behind browsers, not the server from people.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config as options
from streamlit import runtime

from app.outside import counters

# Names that nobody can have in the world's directory of names, so that no page elsewhere can go by them.
PRIVATE = ("localhost", "local", "lan", "internal", "home.arpa", "test")
# What Streamlit would answer, and nobody here needs: its own figures, and its door for programs that act as people.
CLOSED = ("/_stcore/metrics", "/_stcore/agent/", "/_stcore/script-health-check", "/component/")
UPLOAD = "/_stcore/upload_file/"  # the only place that takes something in; Streamlit asks for its token and the size
READING = ("GET", "HEAD", "OPTIONS")
HELD = 64 * 2**20  # bytes of uploads that wait in the memory of the server for one page …
ALL_HELD = 8 * HELD  # … and for all
LINES = 600  # WebSockets at once: two for each page

_log = logging.getLogger("lstm-lab.gate")


def listed_hosts(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """LSTM_LAB_HOSTS: the names under which the server is reached, with commas or blanks between them."""
    return tuple(
        name.lower().rstrip(".") for name in re.split(r"[,\s]+", environment.get("LSTM_LAB_HOSTS", "")) if name
    )


def ours(host: str | None, listed: tuple[str, ...]) -> bool:
    """Whether a request for this Host is meant for us.

    Without a list: every address in figures, every name that is known in this network only, and this machine's own.
    With one: those on it (`*.example.org` for all below, `*` for any), and this machine's loopback names.
    A request without a Host comes from no browser.
    """
    if host is None:
        return True
    name = hostname(host)
    if name is None:
        return False
    address = _address(name)
    if name == "localhost" or name.endswith(".localhost") or (address is not None and address.is_loopback):
        return True
    if listed:
        return any(one in ("*", name) or (one.startswith("*.") and name.endswith(one[1:])) for one in listed)
    private = "." not in name or name.endswith(tuple(f".{last}" for last in PRIVATE))
    return private or address is not None or name == socket.gethostname().lower()


def hostname(host: str) -> str | None:
    """The name in a Host header, without its port; None for what is no Host."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises where it is no port
    except ValueError:
        return None
    if parts.netloc != host or "@" in host or not parts.hostname:
        return None
    return parts.hostname.lower().rstrip(".") or None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def from_here(connection: HTTPConnection) -> bool:
    """Whether the page that asks is ours: of the same host, or of one that the server's settings name.

    Programs that are no browsers send no Origin and are let in.
    """
    origin = connection.headers.get("origin")
    if origin is None or origin.partition("://")[2] == connection.headers.get("host"):
        return True
    return origin.rstrip("/") in {str(known).rstrip("/") for known in options.get_option("server.corsAllowedOrigins")}


def refusal(connection: HTTPConnection) -> tuple[int, str] | None:
    """The status and the reason why this request goes no further; None for one that is let in."""
    scope = connection.scope
    if not ours(connection.headers.get("host"), listed_hosts()):
        return 421, "This server does not go by that name. Whoever runs it can add the name to LSTM_LAB_HOSTS."
    path = scope["path"]
    if any(path == closed or (closed.endswith("/") and path.startswith(closed)) for closed in CLOSED):
        return 404, "There is nothing here."
    acts = scope["type"] == "websocket" or scope["method"] not in READING
    if acts and not from_here(connection):
        return 403, "This was asked for by a page of another server. A proxy in between must pass on the Host header."
    if scope["type"] == "http" and scope["method"] not in READING and not path.startswith(UPLOAD):
        return 405, "Nothing can be sent here."
    if scope.get("method") == "PUT" and _full(path):
        return 413, "Too many files are held for this page already. Reload it, or take some of them out."
    return None


def _full(path: str) -> bool:
    """Whether the page of this upload, or all pages, have had so much taken in that no more can be held."""
    if not runtime.exists():
        return False
    held = getattr(runtime.get_instance().uploaded_file_mgr, "file_storage", {})
    page = path.removeprefix(UPLOAD).partition("/")[0]
    sizes = {name: sum(len(file.data) for file in [*files.values()]) for name, files in [*held.items()]}
    return sizes.get(page, 0) >= HELD or sum(sizes.values()) >= ALL_HELD


class Gate:
    """Middleware that turns away what `refusal` names, in one sentence."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.lines = app, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = None if scope["type"] == "lifespan" else refusal(HTTPConnection(scope))
        line = scope["type"] == "websocket"
        if line and self.lines >= LINES:
            refused = 503, "Too many pages are open at the moment."
        if refused is None:
            self.lines += line
            try:
                await self.app(scope, receive, send)
            finally:
                self.lines -= line
            return
        status, reason = refused
        _log.info("A request was turned away: %s", reason)
        counters.TURNED_AWAY.labels(str(status)).inc()
        if line:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await PlainTextResponse(reason + "\n", status)(scope, receive, send)
