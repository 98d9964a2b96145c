"""What a page is going to need, named in it: a browser then fetches all at once, beside Streamlit's first scripts.

By itself it would find out step by step, each step a way to the server and back: Streamlit loads an element's module
when the first such element comes, a component's when the component comes, and each of them what it imports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.outside.static import BOARD, PLOTLY, static_url, static_version

STATIC = Path(streamlit.__file__).parent / "static"
SCRIPTS = STATIC / "static" / "js"
# Streamlit's modules of the elements on the Lab; one that a version does not have is left out.
ELEMENTS = (
    "Html",
    "BidiComponent",
    "Button",
    "Checkbox",
    "FileUploader",
    "NumberInput",
    "PageLink",
    "Selectbox",
    "Slider",
)
LAB = "/"  # the page that is opened first, with all that its board needs
HEAD = 8000  # bytes: a module says first what it imports
IMPORTED = re.compile(r"""(?:\bfrom|\bimport)\s*["']\./([\w.-]+\.js)["']""")


def imported(folder: Path, *first: str) -> list[str]:
    """These modules of a folder and all that they import from it, themselves or by way of others."""
    found = dict.fromkeys(first)
    for name in (waiting := [*first]):
        with (folder / name).open("rb") as file:
            said = file.read(HEAD).decode("utf-8", "ignore")
        for other in IMPORTED.findall(said):
            if other not in found and (folder / other).is_file():
                found[other] = None
                waiting.append(other)
    return list(found)


@cache
def _elements() -> list[str]:
    """The addresses of Streamlit's modules that its page does not name itself."""
    page = (STATIC / "index.html").read_text("utf-8")
    first = [path.name for name in ELEMENTS for path in SCRIPTS.glob(f"{name}.*.js")]
    return [f"/static/js/{name}" for name in imported(SCRIPTS, *first) if name not in page]


@lru_cache(maxsize=2)
def _board(_version: str) -> list[str]:
    """The addresses of the board's modules, as they are in this version."""
    return [static_url(name) for name in imported(BOARD, "board.js")]


def links(path: str) -> Iterator[str]:
    """What stands in the head of the page at this path."""
    for address in _elements():
        yield f'<link rel="modulepreload" crossorigin href="{address}">'
    if path == LAB:
        for address in _board(static_version()):
            yield f'<link rel="modulepreload" href="{address}">'
        yield f'<link rel="preload" as="style" href="{static_url("board.css")}">'
        yield f'<link rel="preload" as="script" fetchpriority="low" href="{static_url(PLOTLY)}">'


class Preload:
    """Middleware that writes them into every page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        if "text/html" not in Headers(scope=scope).get("accept", ""):
            await self.app(scope, receive, send)
            return
        begun: Message | None = None  # held back until the page is whole
        parts: list[bytes] = []

        async def told(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start" and _is_page(message):
                begun = message
                return
            if begun is None:
                await send(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            page = b"".join(parts).replace(b"</head>", "".join(links(scope["path"])).encode() + b"</head>", 1)
            headers = MutableHeaders(scope=begun)
            for name in ("etag", "last-modified"):  # they are of the file
                del headers[name]
            headers["content-length"] = str(len(page))
            await send(begun)
            await send({"type": "http.response.body", "body": page})

        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await self.app({**scope, "headers": plain}, receive, told)


def _is_page(begun: Message) -> bool:
    told = Headers(raw=begun["headers"])
    return begun["status"] == 200 and told.get("content-type", "").startswith("text/html")
