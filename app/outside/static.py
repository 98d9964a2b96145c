"""Files for the browser: the board's own modules, and plotly.js out of the installed plotly package.

An address that carries the current version (`/lab/static/<version>/…`) may be kept for ever, and so may the modules
that one imports from beside it; any other is asked for again each time and answered by "not modified" where nothing
changed.
"""

from __future__ import annotations

import gzip
import hashlib
import threading
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import anyio
import platformdirs
from starlette.requests import Request
from starlette.responses import Response

BOARD = Path(__file__).parent.parent / "board"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
PLOTLY = "plotly.min.js"
KEEP = "public, max-age=31536000, immutable"
ASK = "no-cache"

_compressing = threading.Lock()


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
    return version("plotly")


def static_url(name: str) -> str:
    """The address of a board module, or of plotly, that a browser may keep for ever."""
    return f"/lab/static/{_plotly_version() if name == PLOTLY else static_version()}/{name}"


def board_files() -> dict[str, Path]:
    """Name → path of everything in the board's folder that a browser may have."""
    return {path.name: path for path in sorted(BOARD.iterdir()) if path.suffix in TYPES and path.is_file()}


@cache
def plotly_path() -> Path:
    """Where plotly.js lies in the installed package; found without importing plotly, which takes a while."""
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("The package plotly is not installed; install it with: pip install plotly")
    return Path(spec.origin).parent / "package_data" / PLOTLY


@cache
def _compressed() -> bytes:
    source = plotly_path()
    kept = Path(platformdirs.user_cache_dir("lstm-lab")) / f"plotly-{_plotly_version()}-{source.stat().st_size}.js.gz"
    try:
        data = kept.read_bytes()
        gzip.decompress(data)  # a file that was cut off by a full disk must not be served for ever
        return data
    except (OSError, EOFError):
        data = gzip.compress(source.read_bytes(), compresslevel=9, mtime=0)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(f".{threading.get_ident()}.part")
        partial.write_bytes(data)
        partial.replace(kept)
    except OSError:
        pass  # no place to keep it: this process still has it
    return data


def plotly_gzip() -> bytes:
    """plotly.js compressed: once per machine where the user has a cache folder, else once per process."""
    with _compressing:
        return _compressed()


def _answer(request: Request, body: bytes | None, tag: str, current: str, headers: dict[str, str]) -> Response:
    headers |= {"ETag": f'"{tag}"', "Cache-Control": KEEP if request.path_params.get("version") == current else ASK}
    if f'"{tag}"' in request.headers.get("if-none-match", "").replace("W/", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers)


async def serve_static(request: Request) -> Response:
    """`GET /lab/static/{version}/{file}`, or without the version: what the board's folder lists, and plotly.min.js."""
    name = request.path_params["file"]
    if name == PLOTLY:
        return await _serve_plotly(request)
    path = board_files().get(name)
    if path is None:
        return Response("There is no such file.", status_code=404, media_type="text/plain")
    body = path.read_bytes()
    tag = hashlib.blake2s(body, digest_size=8).hexdigest()
    return _answer(request, body, tag, static_version(), {"Content-Type": TYPES[path.suffix]})


async def _serve_plotly(request: Request) -> Response:
    headers = {"Content-Type": TYPES[".js"], "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = await anyio.to_thread.run_sync(plotly_gzip)
        headers["Content-Encoding"] = "gzip"
    else:
        body = await anyio.to_thread.run_sync(plotly_path().read_bytes)
    return _answer(request, body, f"plotly-{_plotly_version()}-{len(body)}", _plotly_version(), headers)
