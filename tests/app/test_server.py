"""The server as a process: how it starts, what it says, which options hold, how it ends."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from plotly.offline import get_plotlyjs_version
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from app import services
from app.outside.static import BOARD, PLOTLY, board_files, plotly_gzip, static_url, static_version
from app.server import _listen, configure
from lstm_core.config import RunConfig
from lstm_core.runs.store import RunStore
from tests import loops
from tests.serving import Server, serve

ROOT = Path(__file__).resolve().parents[2]
STREAMLIT = (sys.executable, "-m", "streamlit", "run", str(ROOT / "app" / "server.py"), "--server.port")
WANTED = {
    "runner.postScriptGC": False,
    "runner.magicEnabled": False,
    "browser.gatherUsageStats": False,
    "server.headless": True,
    "server.address": "127.0.0.1",
    "server.fileWatcherType": "none",
    "server.enableWebsocketCompression": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
}


@pytest.fixture(scope="module")
def showing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("serving"), workers=0) as running:
        yield running


def fetch(url: str, **headers: str) -> tuple[int, bytes, Any]:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def options(folder: Path, **environment: str) -> dict[str, Any]:
    """The options in effect in a process that was started in a folder without any."""
    code = (
        "import json, app.server, streamlit; "
        f"print(json.dumps({{name: streamlit.get_option(name) for name in {[*WANTED]!r}}}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**os.environ, **environment}, capture_output=True, check=True
    )
    return dict(json.loads(told.stdout))


def test_options_hold_in_any_folder_and_variables_win(tmp_path: Path) -> None:
    assert options(tmp_path) == WANTED
    changed = options(tmp_path, STREAMLIT_CLIENT_TOOLBAR_MODE="viewer", STREAMLIT_RUNNER_POST_SCRIPT_GC="true")
    assert changed == WANTED | {"client.toolbarMode": "viewer", "runner.postScriptGC": True}


def test_what_is_given_wins_over_variables() -> None:
    from streamlit import get_option

    before = get_option("server.port")
    try:
        configure({"STREAMLIT_SERVER_PORT": "1234"})
        assert get_option("server.port") == 1234
        configure({"STREAMLIT_SERVER_PORT": "1234"}, server_port=4321)
        assert get_option("server.port") == 4321
    finally:
        configure({}, server_port=before)


def session(server: Server) -> Any:
    """The first thing that Streamlit tells a browser which opens the page; the page has come in full."""

    async def main() -> Any:
        url = server.url.replace("http", "ws", 1) + "/_stcore/stream"
        async with connect(url, subprotocols=["streamlit"], max_size=None) as connection:  # type: ignore[list-item]
            ask = BackMsg()
            ask.rerun_script.query_string = ""
            await connection.send(ask.SerializeToString())
            async with asyncio.timeout(20):
                opened, message = None, ForwardMsg()
                while message.WhichOneof("type") != "script_finished":
                    message.ParseFromString(await connection.recv(decode=False))
                    if message.WhichOneof("type") == "new_session":
                        opened = ForwardMsg.FromString(message.SerializeToString()).new_session
                return opened

    return loops.run(main())


def test_the_page_opens_with_these_options_and_without_what_is_slow_to_load(showing: Server) -> None:
    opened = session(showing)
    assert not opened.config.gather_usage_stats
    assert opened.config.toolbar_mode == opened.config.ToolbarMode.MINIMAL
    if sys.platform == "linux":
        loaded = Path(f"/proc/{showing.process.pid}/maps").read_text()
        assert "numpy" in loaded
        assert [name for name in ("torch", "pandas", "pyarrow") if f"site-packages/{name}/" in loaded] == []


def test_the_server_says_one_line(showing: Server) -> None:
    session(showing)
    assert showing.printed() == f"LSTM Lab is open at {showing.url} (Ctrl+C closes it)\n"


def test_streamlit_run_serves_the_same(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = (*STREAMLIT, str(port))
    with serve(tmp_path, workers=0, command=command) as server:
        assert server.health()["status"] == "ok"
        config = session(server).config
        assert config.toolbar_mode == config.ToolbarMode.MINIMAL
        assert not config.gather_usage_stats
        assert fetch(f"{server.url}/lab/static/{PLOTLY}")[0] == 200


def test_a_taken_port_is_said_in_one_line(showing: Server) -> None:
    port = showing.url.rsplit(":", 1)[1]
    for given, reason in {port: "another program listens there", "99999": "from 0 to 65535"}.items():
        command = [sys.executable, "-m", "app.server", "--port", given]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert told.returncode == 1
        assert told.stderr.count("\n") == 1
        assert reason in told.stderr
        assert given in told.stderr


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_nothing_that_is_said_waits_for_more(address: str) -> None:
    async def accepted() -> int:
        made: asyncio.Future[asyncio.WriteTransport] = asyncio.get_running_loop().create_future()
        listening = _listen(address, 0)
        served = await asyncio.start_server(lambda _, writer: made.set_result(writer.transport), sock=listening)
        async with served:
            _, writer = await asyncio.open_connection(*listening.getsockname()[:2])
            option = (await made).get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.close()
        return int(option)

    assert loops.run(accepted()) != 0


def test_it_ends_with_all_it_started(tmp_path: Path) -> None:
    with serve(tmp_path, workers=1) as server:
        deadline = time.monotonic() + 60
        while server.health()["engine"] != "ready":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        children = psutil.Process(server.process.pid).children(recursive=True)
        assert children
        server.process.terminate()
        server.process.wait(30)
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive
        assert "Traceback" not in server.printed()


def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    with serve(tmp_path, workers=0) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0
        assert server.printed().count("\n") == 1


def test_an_open_viewer_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async def main() -> None:
        with serve(tmp_path, workers=0) as server:
            async with connect(server.stream) as connection:
                await connection.send('{"watch": "nothere"}')
                await connection.recv()
                server.process.terminate()
                await asyncio.to_thread(server.process.wait, 30)
                assert "Traceback" not in server.printed()

    loops.run(main())


def test_an_empty_store_gets_an_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTM_LAB_DATABASE", str(tmp_path / "runs.sqlite3"))
    services.close()
    try:
        assert services.example_run_id() is None
        example = services.ensure_example()
        assert example is not None
        assert services.store().get(example).config["init"]["preset"] == "chrono"
        services.store().create(RunConfig())
        assert services.ensure_example() == example
        services.close()  # another process opens the same store
        assert services.example_run_id() == example
        assert len(services.store().list()) == 2
        services.store().delete(example)
        assert services.ensure_example() is None
    finally:
        services.close()


class ComingUp:
    """Stands for an engine whose workers are not there yet."""

    def __init__(self) -> None:
        self.up = threading.Event()

    def start(self) -> None: ...

    def wait(self, timeout: float) -> bool:
        return self.up.wait(timeout)

    def close(self) -> None:
        self.up.set()


@pytest.mark.parametrize("closed", [False, True])
def test_the_calculating_process_follows_the_workers_and_holds_up_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    monkeypatch.setenv("LSTM_LAB_DATABASE", str(tmp_path / "runs.sqlite3"))
    monkeypatch.delenv("LSTM_LAB_WORKERS", raising=False)
    services.close()
    engine, warmed = ComingUp(), list[bool]()
    monkeypatch.setattr(services, "_engine", engine)
    monkeypatch.setattr(services.calculator, "warm", lambda: warmed.append(engine.up.is_set()))
    try:
        services.start()  # does not wait for the workers
        (waiting,) = (thread for thread in threading.enumerate() if thread.name == "warm")
        assert not engine.up.is_set()
        assert warmed == []
        if closed:
            services.close()
        engine.up.set()
        deadline = time.monotonic() + 10
        while not closed and not warmed:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        services.close()
    waiting.join(10)
    assert not waiting.is_alive()
    assert warmed == ([] if closed else [True])


def test_the_server_begins_the_example(showing: Server) -> None:
    store: RunStore = showing.store()
    assert [run.name for run in store.list()] == [services.EXAMPLE]


def test_only_the_boards_files_are_given_out(showing: Server) -> None:
    base = f"{showing.url}/lab/static"
    assert board_files()
    for name, path in board_files().items():
        status, body, headers = fetch(f"{base}/{name}")
        assert (status, body) == (200, path.read_bytes())
        assert headers["Content-Type"].startswith("text/")
        assert headers["Cache-Control"] == "no-cache"
        assert fetch(f"{base}/{name}", If_None_Match=headers["ETag"])[:2] == (304, b"")
        assert "immutable" in fetch(showing.url + static_url(name))[2]["Cache-Control"]
    for name in ("board.py", "__init__.py", "..%2fserver.py", "%2e%2e%2fserver.py", "nothing.js", "..%5cserver.py"):
        assert fetch(f"{base}/{name}")[0] in (400, 404)


def test_plotly_is_served_as_small_as_it_is_kept(showing: Server) -> None:
    url = showing.url + static_url(PLOTLY)
    status, body, headers = fetch(url, Accept_Encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert body == plotly_gzip()
    assert "immutable" in headers["Cache-Control"]
    assert fetch(url)[1] == gzip.decompress(body)


def test_plotly_in_the_browser_is_of_the_version_that_python_has() -> None:
    said = gzip.decompress(plotly_gzip())[:500].decode()
    # The same of npm's plotly.js-basic-dist-min, compressed by gzip -9n, is to take its place.
    assert f"(basic - minified) v{get_plotlyjs_version()}\n" in said
    assert "MIT license" in said


def test_the_version_follows_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = static_version()
    for path in board_files().values():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr("app.outside.static.BOARD", tmp_path)
    assert static_version() == before
    (tmp_path / "more.js").write_text("export {};")
    assert static_version() != before
    assert BOARD.is_dir()
