"""Files for the browser: the board's own modules, and plotly.js.

An address that carries the current version (`/lab/static/<version>/…`) may be kept for ever, and so may the modules
that one imports from beside it; any other is asked for again each time and answered by "not modified" where nothing
changed.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache, lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

BOARD = Path(__file__).parent.parent / "board"
ASSETS = Path(__file__).parents[2] / "assets"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
PLOTLY = "plotly-basic.min.js"
KEEP = "public, max-age=31536000, immutable"
ASK = "no-cache"


def static_version() -> str:
    """A short name for what the board's files hold now; changes with any of them and with plotly."""
    seen = ((path, (told := path.stat()).st_mtime_ns, told.st_size) for path in board_files().values())
    return _digest(tuple(seen))


@lru_cache(maxsize=2)
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Of what files hold, by their times and sizes: read once, for every drawing of a page asks."""
    digest = hashlib.blake2s(_plotly_version().encode(), digest_size=6)
    for path, *_ in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@cache
def _plotly_version() -> str:
    return hashlib.blake2s(plotly_gzip(), digest_size=6).hexdigest()


def static_url(name: str) -> str:
    """The address of a board module, or of plotly, that a browser may keep for ever."""
    return f"/lab/static/{_plotly_version() if name == PLOTLY else static_version()}/{name}"


def board_files() -> dict[str, Path]:
    """Name → path of everything in the board's folder that a browser may have."""
    return {path.name: path for path in sorted(BOARD.iterdir()) if path.suffix in TYPES and path.is_file()}


@cache
def plotly_gzip() -> bytes:
    """plotly.js with the kinds of traces that pages draw, compressed: a quarter of the whole in all that it costs.

    That is the file of npm's plotly.js-basic-dist-min, MIT licence, in the version that the plotly package has.
    """
    return (ASSETS / f"{PLOTLY}.gz").read_bytes()


def _answer(request: Request, body: bytes | None, tag: str, current: str, headers: dict[str, str]) -> Response:
    headers |= {"ETag": f'"{tag}"', "Cache-Control": KEEP if request.path_params.get("version") == current else ASK}
    if f'"{tag}"' in request.headers.get("if-none-match", "").replace("W/", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers)


async def serve_static(request: Request) -> Response:
    """`GET /lab/static/{version}/{file}`, or without the version: what the board's folder lists, and plotly.js."""
    name = request.path_params["file"]
    if name == PLOTLY:
        return _serve_plotly(request)
    path = board_files().get(name)
    if path is None:
        return Response("There is no such file.", status_code=404, media_type="text/plain")
    body = path.read_bytes()
    tag = hashlib.blake2s(body, digest_size=8).hexdigest()
    return _answer(request, body, tag, static_version(), {"Content-Type": TYPES[path.suffix]})


def _serve_plotly(request: Request) -> Response:
    body, headers = plotly_gzip(), {"Content-Type": TYPES[".js"], "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        body = gzip.decompress(body)
    return _answer(request, body, f"plotly-{_plotly_version()}-{len(body)}", _plotly_version(), headers)
