"""Tells browsers apart: every one has a cookie with a token of its own, and a page knows its owner and no token.

This is an ASGI middleware around the whole server. A document that is sent to a browser without a valid cookie brings
one. Whoever opens a page's WebSocket is named to Streamlit in two headers that only this module can set; Streamlit
puts them into `st.user`, and it lets nobody go on with a session whose `st.user` is another one. So a session belongs
to the browser that opened it: its id alone is of no use to others.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lstm_core.runs.owners import is_token, new_token, owner_of

NAME = "lstm_lab_owner"
YEAR = 365 * 24 * 3600
OWNER, LOCAL = "lab_owner", "lab_local"  # in `st.user`
HEADERS: Mapping[str, str] = MappingProxyType({"X-Lstm-Lab-Owner": OWNER, "X-Lstm-Lab-Local": LOCAL})
NOT_A_PAGE = ("/lab/", "/_stcore/", "/static/", "/media/", "/component/", "/app/static/", "/healthz", "/metrics")
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


class Cookies:
    """The middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        token = token_of(connection)
        scope = {**scope, "headers": _named(scope["headers"], token, is_local(connection))}
        if token is None and _asks_for_a_page(scope):
            send = _bringing(new_token(), connection, send)
        await self.app(scope, receive, send)


def token_of(connection: HTTPConnection) -> str | None:
    """The token in the browser's cookie; None where there is none or it is malformed."""
    token = connection.cookies.get(NAME, "")
    return token if is_token(token) else None


def is_local(connection: HTTPConnection) -> bool:
    """Whether somebody at this very machine asks: from a loopback address, for one, and through no proxy."""
    host = connection.headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    peer = connection.client.host if connection.client is not None else ""
    forwarded = any(header in connection.headers for header in FORWARDED)
    return not forwarded and _is_loopback(peer) and (name.lower() == "localhost" or _is_loopback(name.strip("[]")))


def _is_loopback(address: str) -> bool:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    return (mapped or known).is_loopback


def is_secure(connection: HTTPConnection) -> bool:
    """Whether the browser speaks TLS, with the server itself or with the proxy before it."""
    proto = connection.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    return connection.url.scheme in ("https", "wss") or proto == "https"


def _named(headers: Iterable[tuple[bytes, bytes]], token: str | None, local: bool) -> list[tuple[bytes, bytes]]:
    """The headers with those that name the owner; what the browser itself sent under their names counts for nothing."""
    owner, here = (name.lower().encode() for name in HEADERS)
    kept = [(name, value) for name, value in headers if name.lower() not in (owner, here)]
    said = [] if token is None else [(owner, owner_of(token).encode())]
    return [*kept, *said, (here, b"1" if local else b"0")]


def _asks_for_a_page(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "GET" and not scope["path"].startswith(NOT_A_PAGE)


def _bringing(token: str, connection: HTTPConnection, send: Send) -> Send:
    """`send` for a request without a cookie: a document brings one, and no cache may hand it to anybody else."""
    asked = "text/html" in connection.headers.get("accept", "")
    crumb = f"{NAME}={token}; Path=/; Max-Age={YEAR}; HttpOnly; SameSite=Lax"
    crumb += "; Secure" if is_secure(connection) else ""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            known = message["status"] == 304 and asked  # the browser has the document still, but not the cookie
            if known or headers.get("content-type", "").startswith("text/html"):
                headers.append("set-cookie", crumb)
                headers["cache-control"] = "no-store"
        await send(message)

    return sending


def trusted(given: object) -> Mapping[str, str]:
    """The headers that Streamlit is to take into `st.user`: these, and those that the server's own settings name."""
    return {**(given if isinstance(given, dict) else {}), **HEADERS}
