"""The server: pages, live stream and engine in one process; the console command `lstm-lab`.

`streamlit run app/server.py` and `uvicorn app.server:app` serve the same thing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import socket
import sys
import threading
import tomllib
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import streamlit as st
import uvicorn
from starlette.middleware import Middleware
from streamlit import config as options

from app.behind import Behind
from app.outside import cookies, counters, logs
from app.outside.gate import Gate
from app.outside.headers import Headers, frame_ancestors
from app.outside.patience import Patient
from app.outside.preload import Preload
from lstm_core.logs import wanted
from lstm_core.runs import memory

HERE = Path(__file__).resolve().parent
SETTINGS = HERE.parent / ".streamlit" / "config.toml"
CLOSE_WITHIN = 4.0  # seconds for the engine to let go, of the five that a shutdown may take
MOST_CONNECTIONS = 900  # at once; a system often lets a program have about 1000
TIDY = 10.0  # seconds between two times that memory is given back
PING = 20.0  # seconds between two pings, and until a silent viewer counts as gone


def configure(environment: Mapping[str, str] = os.environ, **given: Any) -> None:
    """Put the project's Streamlit options into effect, from whichever folder and in whichever way it was started.

    `given` (dotted names with _ for the dot) wins over STREAMLIT_… variables and flags of `streamlit run`, these over
    the project's file, that over the user's own files. Streamlit by itself looks for a file only in the current folder
    and beside the script, and reads the variables only in `streamlit run`.
    """
    known = options.get_config_options()
    settled = {name for name, option in known.items() if "command-line" in option.where_defined}
    for name, value in _flat(tomllib.loads(SETTINGS.read_text()) if SETTINGS.is_file() else {}):
        if name not in settled:
            options.set_option(name, value, str(SETTINGS))
    for name, option in known.items():
        text = environment.get(option.env_var)
        if text is not None and name not in settled and not option.sensitive and not option.multiple:
            options.set_option(name, _typed(text), "environment variable")
    for name, value in given.items():
        options.set_option(name.replace("_", "."), value, "lstm-lab")


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _typed(text: str) -> Any:
    """The value that a variable's text stands for: true, 8501, or the text itself."""
    try:
        value = tomllib.loads(f"value = {text.lower()}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, bool | int | float) else text


def check(environment: Mapping[str, str] = os.environ) -> None:
    """Raise ValueError, with what would be right, for a setting of the server that cannot be used."""
    frame_ancestors(environment)
    counters.token(environment)
    wanted(environment)


_log = logging.getLogger("lstm-lab")
configure()
options.set_option("server.trustedUserHeaders", cookies.trusted(options.get_option("server.trustedUserHeaders")))
behind = Behind()


@contextlib.asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """The page opens at once; store and workers come up meanwhile and go down with the server."""
    logs.set_up()
    memory.share_arenas()
    _log.info("The server starts.", extra={"version": version("lstm-lab")})
    starting, tidying = _in_background(behind.start), asyncio.create_task(_tidy(), name="tidy")
    try:
        yield
    finally:
        _log.info("The server ends.")
        tidying.cancel()
        await behind.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await starting.wait()
                await _in_background(behind.end).wait()


async def _tidy() -> None:
    """Give back, now and then, the memory that pages have used which nobody looks at any more."""
    while True:
        await asyncio.sleep(TIDY)
        await asyncio.to_thread(memory.give_back)


def _in_background(work: Callable[[], None]) -> asyncio.Event:
    """Run `work` in a thread that cannot keep the process alive; the event is set when it is over."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        try:
            work()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop did not wait
                loop.call_soon_threadsafe(over.set)

    threading.Thread(target=run, daemon=True, name=work.__name__).start()
    return over


# What comes first sees a request first and its answer last.
MIDDLEWARE = [Middleware(Headers), Middleware(Gate), Middleware(cookies.Cookies), Middleware(Preload)]

app = st.App(
    HERE / "main.py",
    routes=[behind],
    middleware=MIDDLEWARE,
    lifespan=lifespan,
    on_script_error=logs.of_page,
    exception_handlers={Exception: logs.of_route},
)


class _Server(uvicorn.Server):
    """Says one line when the page can be opened, instead of uvicorn's five."""

    def __init__(self, config: uvicorn.Config, address: str, show: bool) -> None:
        super().__init__(config)
        self.address, self.show = address, show

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"LSTM Lab is open at {self.address} (Ctrl+C closes it)", flush=True)
            if self.show:
                webbrowser.open(self.address)


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Named as TCP, or asyncio would let the system hold back what is to be said, for up to 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # there it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # Else a slow viewer's system buffers take in megabytes of pictures that are old when they arrive.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 1 << 17)
        listening.bind((address, port))
        listening.listen(512)
    except OSError:
        listening.close()
        raise
    return listening


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lstm-lab", description="Train small LSTMs in a browser and watch, live.")
    parser.add_argument("--port", type=int, help="where the page is served (default 8501; 0 takes a free one)")
    parser.add_argument("--address", help="127.0.0.1 (default) for this machine only, 0.0.0.0 for the whole network")
    parser.add_argument("--open", action="store_true", help="show the page in a browser when it is ready")
    parser.add_argument("--no-browser", dest="open", action="store_false", help="only serve (default)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; returns 1, with the reason in one line, where the address cannot be had."""
    asked = _parser().parse_args(arguments)
    address = asked.address or options.get_option("server.address") or "127.0.0.1"
    port = int(options.get_option("server.port") if asked.port is None else asked.port)
    try:
        check()
        logs.set_up()
    except ValueError as error:
        print(f"lstm-lab: {error}", file=sys.stderr)
        return 1
    try:
        listening = _listen(address, port)
    except (OSError, OverflowError) as error:
        print(f"lstm-lab: cannot serve at {address}:{port}: {_why(error, port)}", file=sys.stderr)
        return 1
    port = listening.getsockname()[1]
    configure(server_address=address, server_port=port)
    shown = "localhost" if address in ("0.0.0.0", "::") else f"[{address}]" if ":" in address else address
    settings = uvicorn.Config(
        app,
        log_config=None,
        http=Patient,
        access_log=False,
        limit_concurrency=MOST_CONNECTIONS,
        ws="websockets-sansio",
        ws_max_size=options.get_option("server.maxWidgetStateSize") * 1_000_000,
        ws_ping_interval=PING,
        ws_ping_timeout=PING,
        ws_per_message_deflate=False,  # costs more time than it saves on frames of raw numbers
        timeout_graceful_shutdown=1,  # a viewer that hangs must not hold up the end
    )
    server = _Server(settings, f"http://{shown}:{port}", asked.open)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    return 0 if server.started else 1


def _why(error: Exception, port: int) -> str:
    if isinstance(error, PermissionError):
        return f"port {port} is reserved; choose one above 1023 with --port."
    if isinstance(error, OverflowError):
        return "a port is a number from 0 to 65535."
    if "in use" in str(error).lower():
        return "another program listens there; stop that one, or choose another port with --port."
    return f"{error.args[-1]}; choose an address of this machine with --address."


if __name__ == "__main__":
    sys.exit(main())
