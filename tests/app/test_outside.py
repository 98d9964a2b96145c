"""The real server from outside: its headers, what it refuses, its figures, its log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from app import services
from app.live.hub import Hub
from app.outside.health import health
from lstm_core.runs.records import StoreError
from lstm_core.runs.store import RunStore
from tests import loops
from tests.runs.conftest import small
from tests.serving import Server, serve
from tests.visitors import visit

STEPS = 60
TOKEN = "a-token-that-nobody-guesses"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # any 16 bytes
# A page that fails: everything else is the server as it is.
FAILING = """
import sys
from app import messages, server
def problems(*_):
    raise RuntimeError("what only the log may tell")
messages.problems = problems
sys.exit(server.main(["--port", "0"]))
"""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one training process that logs for programs, and whose figures can be had with a token."""
    own = {"LSTM_LAB_LOG": "json", "LSTM_LAB_LOG_LEVEL": "info", "LSTM_LAB_METRICS": TOKEN}
    folder = tmp_path_factory.mktemp("outside")
    store = RunStore(str(folder / "runs.sqlite3"))
    store.desire(store.create(small()), "stopped")  # so that no example is begun
    store.close()
    with serve(folder, workers=1, environment=own) as running:
        yield running


@pytest.fixture
def http(outside: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=outside.url, timeout=20) as client:
        yield client


def figures(http: httpx.Client, **headers: str) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus' own reader understands them."""
    answer = http.get("/metrics", headers=headers)
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.text))
    assert len({family.name for family in families}) == len(families)
    samples = [sample for family in families for sample in family.samples if sample.name != "python_info"]
    return {
        sample.name + "".join(f"[{name}={value}]" for name, value in sample.labels.items()): sample.value
        for sample in samples
    }


def test_every_answer_has_the_headers(http: httpx.Client) -> None:
    refused = {"/_stcore/metrics": 404, "/_stcore/agent/openapi.json": 404, "/lab/static/none.js": 404}
    for path, status in {"/": 200, "/healthz": 200, "/_stcore/health": 200, "/compare": 200, **refused}.items():
        answer = http.get(path)
        assert answer.status_code == status, path
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"], path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Referrer-Policy"] == "same-origin", path
        assert "Strict-Transport-Security" not in answer.headers
    secure = http.get("/", headers={"X-Forwarded-Proto": "https"})
    assert "max-age" in secure.headers["Strict-Transport-Security"]


def test_names_that_are_not_ours_are_turned_away(http: httpx.Client) -> None:
    before = figures(http).get("lstm_lab_turned_away_requests_total[status=421]", 0)
    for path in ("/", "/healthz", "/lab/runs", "/_stcore/host-config"):
        answer = http.get(path, headers={"Host": "rebound.example.org:8501"})
        assert answer.status_code == 421
        assert "LSTM_LAB_HOSTS" in answer.text
    line = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
    for path in ("/lab/stream", "/_stcore/stream"):
        rebound = {"Host": "rebound.example.org", "Origin": "http://rebound.example.org"}
        assert http.get(path, headers={**line, **rebound}).status_code == 403
    assert http.get("/healthz", headers={"Host": "192.168.1.20:8501"}).status_code == 200
    assert figures(http)["lstm_lab_turned_away_requests_total[status=421]"] == before + 6


def test_pages_of_others_get_no_line(outside: Server) -> None:
    async def attempt(path: str, headers: Mapping[str, str]) -> int:
        address = outside.url.replace("http", "ws", 1) + path
        try:
            async with connect(address, additional_headers=headers, subprotocols=[Subprotocol("streamlit")]):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    port = outside.url.rsplit(":", 1)[1]
    for path in ("/lab/stream", "/_stcore/stream"):
        assert loops.run(attempt(path, {"Origin": outside.url})) == 101
        # Streamlit itself would let in every page of this machine, and ask the world for its own address to decide.
        for foreign in ("http://example.org", "null", "http://localhost:1", f"http://localhost:{port}", "", "http://["):
            assert loops.run(attempt(path, {"Origin": foreign})) == 403, (path, foreign)


def test_no_other_page_can_read_an_answer(http: httpx.Client) -> None:
    for path in ("/lab/runs", "/healthz", "/metrics", "/lab/static/board.js"):
        answer = http.get(path, headers={"Origin": "http://example.org"})
        assert not [name for name in answer.headers if name.startswith("access-control")], path
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_only_uploads_are_taken_in_and_those_with_their_token(http: httpx.Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert http.request(method, "/lab/runs", content=b"x").status_code == 405
        assert http.request(method, "/healthz", content=b"x").status_code == 405
    upload = "/_stcore/upload_file/nobody/nothing"
    assert http.put(upload, files={"file": b"x"}).status_code == 403
    assert http.put(upload, files={"file": b"x"}, headers={"Origin": "http://example.org"}).status_code == 403
    http.get("/_stcore/health")
    told = {"X-Xsrftoken": http.cookies["_streamlit_xsrf"]}
    assert http.put(upload, files={"file": b"x"}, headers=told).status_code == 400  # there is no such session
    assert http.put(upload, files={"file": b"x"}, headers={"X-Xsrftoken": "2|0|0|0"}).status_code == 403


def test_a_page_cannot_have_ever_more_files_held(http: httpx.Client, outside: Server) -> None:
    http.get("/_stcore/health")
    token = http.cookies["_streamlit_xsrf"]

    async def main() -> list[int]:
        address = outside.url.replace("http", "ws", 1) + "/_stcore/stream"
        async with connect(address, subprotocols=[Subprotocol("streamlit")], max_size=None) as connection:
            ask = BackMsg()
            ask.rerun_script.query_string = ""
            await connection.send(ask.SerializeToString())
            message = ForwardMsg()
            while message.WhichOneof("type") != "new_session":
                message.ParseFromString(await connection.recv(decode=False))
            upload = f"/_stcore/upload_file/{message.new_session.initialize.session_id}"
            return [await asyncio.to_thread(put, f"{upload}/{number}") for number in range(10)]

    def put(address: str) -> int:
        return http.put(address, files={"file": bytes(9 * 2**20)}, headers={"X-Xsrftoken": token}).status_code

    assert loops.run(main()) == [204] * 8 + [413] * 2


def test_a_page_cannot_say_more_than_a_page_has_to_say(outside: Server) -> None:
    async def main(path: str) -> int | None:
        address = outside.url.replace("http", "ws", 1) + path
        async with connect(address, subprotocols=[Subprotocol("streamlit")], compression=None) as connection:
            with contextlib.suppress(ConnectionClosed):
                await connection.send(bytes(3_000_000))
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            return closed.value.rcvd.code if closed.value.rcvd else None

    assert loops.run(main("/_stcore/stream")) == 1009
    assert loops.run(main("/lab/stream")) == 1009


def test_the_figures_follow_what_happens(http: httpx.Client, outside: Server) -> None:
    store = outside.store()
    deadline = time.monotonic() + 120
    before = settled(http)
    run = store.create(small(STEPS))

    async def main() -> dict[str, float]:
        async with connect(outside.stream) as viewer:
            await viewer.send(json.dumps({"watch": run}))
            async with asyncio.timeout(60):
                while b'"loss/train"' not in (message := await viewer.recv(decode=False)):
                    assert message
            return await asyncio.to_thread(figures, http)

    watched = loops.run(main())
    assert watched["lstm_lab_viewers"] == watched["lstm_lab_watched_runs"] == 1
    assert watched["lstm_lab_stream_bytes_total"] > before["lstm_lab_stream_bytes_total"]
    while store.get(run).status != "finished":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    after = settled(http)
    assert after["lstm_lab_steps_total"] - before["lstm_lab_steps_total"] == STEPS + 1
    assert after["lstm_lab_runs[status=finished]"] == 1
    slices = after["lstm_lab_slice_seconds_count"] - before["lstm_lab_slice_seconds_count"]
    assert slices >= 1
    assert after["lstm_lab_slice_seconds_bucket[le=+Inf]"] == after["lstm_lab_slice_seconds_count"]
    assert after["lstm_lab_wait_seconds_count"] - before["lstm_lab_wait_seconds_count"] == slices
    assert (after["lstm_lab_workers"], after["lstm_lab_waiting_runs"], after["lstm_lab_lost_slices_total"]) == (1, 0, 0)
    assert after["lstm_lab_store_bytes"] >= before["lstm_lab_store_bytes"] > 10_000
    assert after["lstm_lab_reconnects_total"] == 0

    async def back() -> None:
        async with connect(outside.stream) as viewer:
            await viewer.send(json.dumps({"watch": run, "after": 0, "revision": 0}))
            await viewer.recv()

    loops.run(back())
    assert figures(http)["lstm_lab_reconnects_total"] == 1
    store.close()


def settled(http: httpx.Client) -> dict[str, float]:
    """The figures once the engine has taken note of every slice that is over."""
    while (now := figures(http))["lstm_lab_wait_seconds_count"] != now["lstm_lab_slice_seconds_count"]:
        time.sleep(0.05)
    return now


def test_figures_are_for_this_machine_and_for_who_has_the_token(http: httpx.Client) -> None:
    for far in ({"Host": "192.168.1.20"}, {"X-Forwarded-For": "10.0.0.9"}, {"Forwarded": "for=10.0.0.9"}):
        assert http.get("/metrics", headers=far).status_code == 403
        assert http.get("/metrics", headers={**far, "Authorization": "Bearer wrong"}).status_code == 403
        assert http.get("/metrics", headers={**far, "Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_drawn_page_is_counted(http: httpx.Client, outside: Server) -> None:
    async def main() -> None:
        async with visit(outside.url, "lessons"):
            pass

    before = figures(http)["lstm_lab_page_reruns_total"]
    loops.run(main())
    assert figures(http)["lstm_lab_page_reruns_total"] == before + 1


def test_health_tells_what_there_is(outside: Server) -> None:
    told = outside.health()
    assert (told["status"], told["store"], told["engine"], told["workers"]) == ("ok", "ok", "ready", 1)
    assert set(told["queue"]) == {"waiting", "longest_wait_seconds"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["version"])


def test_health_fails_with_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise StoreError("The disk is full.")

    monkeypatch.setenv("LSTM_LAB_WORKERS", "0")
    answer = loops.run(health(Hub(broken, services.engine_ready), None))  # type: ignore[arg-type]
    told = json.loads(answer.body)
    assert answer.status_code == 503
    assert (told["store"], told["engine"], told["message"]) == ("failed", "off", "The disk is full.")


def test_the_log_has_one_object_a_line_and_nobody_in_it(outside: Server) -> None:
    first, *rest = [line for line in outside.printed().splitlines() if "is open at" not in line]
    told = [json.loads(line) for line in (first, *rest)]
    assert told[0]["message"] == "The server starts."
    assert {"The run store is open.", "The training processes start."} <= {each["message"] for each in told}
    assert not re.search(r"127\.0\.0\.1|rebound|example\.org", "\n".join([first, *rest]))


def test_a_page_that_fails_says_a_number_and_the_log_tells_the_rest(tmp_path: Path) -> None:
    async def main(url: str) -> list[str]:
        async with visit(url, "lessons") as visitor:
            assert visitor.exceptions() == []
            return visitor.texts()

    own = {"LSTM_LAB_LOG": "json"}
    with serve(tmp_path, workers=0, command=[sys.executable, "-c", FAILING], environment=own) as server:
        (said,) = [text for text in loops.run(main(server.url)) if "event" in text]
        assert "only the log" not in said
        (logged,) = [json.loads(line) for line in server.printed().splitlines() if "is open at" not in line]
        assert logged["event"] in said
        assert "RuntimeError: what only the log may tell" in logged["exc_info"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("LSTM_LAB_LOG", "xml"), ("LSTM_LAB_METRICS", "short"), ("LSTM_LAB_FRAME_ANCESTORS", "https://a.example; x")],
)
def test_a_setting_that_cannot_be_used_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    from app.server import main

    monkeypatch.setenv(name, value)
    assert main(["--port", "0"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"lstm-lab: {name} ")
    assert told.count("\n") == 1
