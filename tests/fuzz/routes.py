"""Every address of the server below `/lab`, and some that are none, with all that a request can have wrong in it."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from functools import partial
from random import Random
from urllib.parse import quote, urlsplit

from tests.fuzz import inputs
from tests.fuzz.harness import Entry
from tests.fuzz.standing import Standing, told

PATHS = (
    "/lab/runs/{id}/snapshot/{n}", "/lab/runs/{id}/snapshot/{n}/{n}", "/lab/runs/{id}/history/{array}?sample={n}",
    "/lab/runs/{id}/poll?after={n}&revision={n}&sample={n}", "/lab/runs/{id}/findings",
    "/lab/runs/{id}/export/{file}", "/lab/runs?epoch={x}&after={n}", "/lab/races/{id}/curves",
    "/lab/races/{id}/figures",
    "/lab/races/{id}/table.csv", "/lab/static/{x}/{js}", "/healthz", "/metrics", "/lab/{x}", "/{x}", "/lab/stream",
    "/_stcore/health", "/lab/runs/{id}/{x}", "/?run={id}&{x}={x}",
)  # fmt: skip
OURS = ("/lab/runs/", "/lab/races/", "/lab/static/")
OTHERS = (b"Not Found", b"Only support bytes range", b"Range header")  # said by those who serve the document
FILES = ("report.html", "script.py", "scalars.csv", "settings.json", "weights.safetensors", "x.html")
ARRAYS = ("gradient/l0.fwd.h", "gate/l0.fwd.f", "attention", "step", "a/" * 8 + "a", "A" * 300)
SCRIPTS = ("board.js", "frames.js", "board.css", "plotly-basic.min.js", "../server.py", "%2e%2e/server.py", "route.py")
METHODS = (*["GET"] * 20, "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW", "get")
HEADERS = (
    "If-None-Match", "Origin", "Range", "Content-Length", "Transfer-Encoding", "Accept-Encoding", "Cookie", "Expect",
    "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Content-Type", "If-Modified-Since", "Upgrade", "Accept",
)  # fmt: skip
VALUES = (
    '"x"', 'W/"x"', "*", "bytes=0-", "bytes=-1", "bytes=5-1,2-3", "-1", "99999999999", "1e9", "chunked", "null",
    "gzip;q=2",
    "http://evil.example", "http://[", "100-continue", "websocket", "lstm_lab_owner=x; lstm_lab_owner=y",
    "a" * 5000, "127.0.0.1",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """A request as it goes over the line."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def unfinished(self) -> bool:
        """Whether the server may wait for more of it."""
        return any(name in ("Content-Length", "Transfer-Encoding", "Expect", "Upgrade") for name, _ in self.headers)

    def bytes(self, host: str) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + self.body


def request(there: Standing, rng: Random) -> Request:
    path = rng.choice(PATHS)
    while "{" in path:
        before, _, rest = path.partition("{")
        name, _, after = rest.partition("}")
        path = before + _part(there, rng, name) + after
    count = rng.choice((0, 0, 1, 3))
    headers = [(rng.choice(HEADERS), rng.choice(VALUES) if rng.random() < 0.8 else _line(rng)) for _ in range(count)]
    body = b"" if rng.random() < 0.8 else inputs.clean(inputs.text(rng)).encode()[:3000]
    return Request(rng.choice(METHODS), path, tuple(headers), body)


def _line(rng: Random) -> str:
    return inputs.clean(inputs.text(rng))[:300].replace("\r", "").replace("\n", " ")


def _part(there: Standing, rng: Random, name: str) -> str:
    if rng.random() < 0.45:
        usual = {"id": (there.run, there.race), "n": ("0", "1", "40"), "file": FILES, "array": ARRAYS, "js": SCRIPTS}
        return rng.choice(usual.get(name, ("1",)))
    if name == "n" and rng.random() < 0.6:
        return quote(str(inputs.number(rng))[:5000])
    said = inputs.clean(inputs.text(rng))
    return quote(said, safe=rng.choice(("", "/", "/.?&=%"))).replace(" ", "%20")[:20_000]


def give(there: Standing, asked: Request) -> None:
    """Nothing is the server's fault, and whatever is refused below /lab is refused in words."""
    status, kind, body = answer(there, asked)
    assert status < 500, f"status {status}"
    if (
        not body.startswith(OTHERS)
        and asked.path.startswith(OURS)
        and status in (400, 404, 409, 413, 429)
        and asked.method == "GET"
        and kind
    ):
        told(body, kind)
    there.quiet()


def answer(there: Standing, asked: Request) -> tuple[int, str, bytes]:
    """(status, type, body) of what comes back; status 0 where the line was cut, as it is for what is no HTTP."""
    place = urlsplit(there.server.url)
    with socket.create_connection((place.hostname, place.port), timeout=20) as line:
        parts = []
        with contextlib.suppress(ConnectionError, TimeoutError):
            line.sendall(asked.bytes(place.netloc))
            if asked.unfinished:
                line.settimeout(0.2)
            while part := line.recv(1 << 18):
                parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    if not head:
        return 0, "", b""
    first, *lines = head.decode("latin-1").split("\r\n")
    named = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert not {"set-cookie-x", "x-evil"} & set(named), "a header that came from the request"
    if "chunked" in named.get("transfer-encoding", ""):
        body = b""
    return int(first.split()[1]), named.get("content-type", ""), body


def entries(there: Standing) -> tuple[Entry, ...]:
    return (Entry("requests", 200, partial(request, there), partial(give, there)),)
