"""The stream against real WebSocket clients, a real server process, and a writer that follows the store's contract."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app import figures
from app.live.hub import Hub
from app.live.topic import KEEP, NO_FIGURES, Picture, Reading, Topic, reset
from app.stream import Ask, Viewer
from lstm_core.config import RunConfig
from lstm_core.runs import telemetry
from lstm_core.runs.holder import this_process
from lstm_core.runs.store import RunStore, StoreError
from lstm_core.training import TrainState
from tests import loops
from tests.serving import Server, serve

WAIT = 20.0  # seconds until something that does not come counts as lost
SAMPLES = 4
# What a worker says of a run, as the store keeps it.
DESCRIBED = json.loads(json.dumps(TrainState(RunConfig.model_validate({"task": {"length": 5}})).about))


@pytest.fixture(scope="module")
def showing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trains nothing: what it shows is written by the test."""
    with serve(tmp_path_factory.mktemp("stream"), workers=0) as running:
        yield running
        assert "Error" not in running.printed()
        assert "Traceback" not in running.printed()


@pytest.fixture(scope="module")
def store(showing: Server) -> Iterator[RunStore]:
    opened = showing.store()
    yield opened
    opened.close()


class Writer:
    """A worker without training: writes frames under a lease, each step once, in order."""

    def __init__(self, store: RunStore, about: bool = True) -> None:
        self.store = store
        self.id = store.create(RunConfig(), desired="paused")
        lease = store.acquire(self.id, this_process(), 3600, claim=True)
        assert lease is not None
        self.lease, self.seq, self.step = lease, lease.seq, -1
        if about:
            store.describe(lease, DESCRIBED)

    def number(self) -> int:
        self.seq += 1
        return self.seq

    def write(self, steps: int = 1, picture: bool = False, units: int = 3, samples: int = SAMPLES) -> list[bytes]:
        """Append one scalars frame of some steps and, if asked, a snapshot with its samples."""
        first, self.step = self.step + 1, self.step + steps
        rows = [(step, {"loss/train": 1.0 / (step + 1)}) for step in range(first, self.step + 1)]
        encoded = [telemetry.encode("scalars", telemetry.table(rows), self.number(), first, self.step)]
        if picture:
            common = {"gradient/l0.fwd.h": np.full(5, self.step, np.float64)}
            encoded.append(telemetry.encode("snapshot", common, self.number(), self.step, self.step))
            for i in range(samples):
                gates = {"gate/l0.fwd.i": np.full((units, 5), i, np.uint8)}
                encoded.append(telemetry.encode("sample", gates, self.number(), self.step, self.step, i))
        self.store.append(self.lease, encoded, step=self.step)
        return encoded

    def rewind(self, step: int) -> None:
        self.store.rewind(self.lease, step)
        self.step = step - 1


class Reader:
    """A viewer as a browser is one: keeps the curve, the newest pictures and the newest state."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.steps: list[int] = []
        self.state: dict[str, Any] = {}
        self.resets: list[dict[str, Any]] = []
        self.missing: list[str] = []
        self.kinds: list[str] = []
        self.pictures: dict[str, telemetry.Frame] = {}
        self.frames: list[bytes] = []

    async def watch(self, run_id: str, **more: Any) -> None:
        await self.connection.send(json.dumps({"watch": run_id, **more}))

    def take(self, message: str | bytes) -> None:
        if isinstance(message, str):
            said = json.loads(message)
            self.kinds.append(said["type"])
            if said["type"] == "state":
                self.state = said
            elif said["type"] == "reset":
                self.resets.append(said)
                self.steps.clear()
            else:
                self.missing.append(said["message"])
            return
        frame = telemetry.decode(message)
        self.frames.append(message)
        self.kinds.append(frame.kind)
        if frame.kind == "scalars":
            self.steps += frame.arrays["step"].tolist()
        else:
            self.pictures[frame.kind] = frame

    async def until(self, ready: Any) -> None:
        async with asyncio.timeout(WAIT):
            while not ready():
                self.take(await self.connection.recv())

    async def rest(self, seconds: float) -> None:
        """Take what still comes within some time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.until(lambda: False)


def whole(reader: Reader, last: int) -> bool:
    return reader.steps == list(range(last + 1))


def test_a_viewer_gets_everything_in_order(showing: Server, store: RunStore) -> None:
    writer = Writer(store)
    for _ in range(5):
        writer.write(steps=3, picture=True)

    async def main() -> None:
        async with connect(showing.stream) as connection:
            reader = Reader(connection)
            await reader.watch(writer.id, sample=1)
            await reader.until(lambda: "sample" in reader.pictures)
            assert reader.kinds[:5] == ["state", "reset", "scalars", "snapshot", "sample"]
            assert reader.resets[0]["about"] == DESCRIBED
            assert json.loads(reader.resets[0]["figures"]) == json.loads(figures.specs(DESCRIBED))
            assert reader.pictures["sample"].sample == 1
            assert whole(reader, 14)
            for i in range(150):
                writer.write(steps=1 + i % 3, picture=i % 10 == 0)
                await asyncio.sleep(random.Random(i).random() / 50)
            await reader.until(lambda: whole(reader, writer.step))
            await reader.until(lambda: reader.state["step"] == writer.step)
            assert len(reader.resets) == 1
            assert {telemetry.heading(frame).sample for frame in reader.frames} == {None, 1}

    loops.run(main())


def test_frames_arrive_as_they_were_written(showing: Server, store: RunStore) -> None:
    writer = Writer(store)

    async def main() -> list[bytes]:
        async with connect(showing.stream) as connection:
            reader = Reader(connection)
            await reader.watch(writer.id)
            await reader.until(lambda: bool(reader.resets) and bool(reader.frames))
            reader.frames.clear()
            for _ in range(10):
                await reader.rest(0.02)
                written.extend(frame for frame in writer.write(picture=False))
            await reader.until(lambda: whole(reader, writer.step))
            return reader.frames

    written: list[bytes] = []
    assert loops.run(main()) == written


def test_a_taken_back_run_begins_again(showing: Server, store: RunStore) -> None:
    writer = Writer(store)
    writer.write(steps=20, picture=True)

    async def main() -> None:
        async with connect(showing.stream) as connection:
            reader = Reader(connection)
            await reader.watch(writer.id)
            await reader.until(lambda: whole(reader, 19))
            before = reader.state["revision"]
            writer.rewind(8)
            writer.write(steps=4)
            await reader.until(lambda: len(reader.resets) == 2 and whole(reader, 11))
            assert reader.resets[1]["revision"] == before + 1
            await reader.until(lambda: reader.state["revision"] == before + 1)

    loops.run(main())


def test_a_run_described_while_watched_begins_again(showing: Server, store: RunStore) -> None:
    writer = Writer(store, about=False)

    async def main() -> None:
        async with connect(showing.stream) as connection:
            reader = Reader(connection)
            await reader.watch(writer.id)
            await reader.until(lambda: bool(reader.resets))
            assert reader.resets[0]["about"] is reader.resets[0]["figures"] is None
            store.describe(writer.lease, DESCRIBED)
            await reader.until(lambda: reader.resets[-1]["about"] == DESCRIBED)
            assert {reset["run"] for reset in reader.resets} == {writer.id}

    loops.run(main())


def test_another_sample_comes_at_once_though_nothing_is_written(showing: Server, store: RunStore) -> None:
    writer = Writer(store)
    writer.write(picture=True)

    async def main() -> None:
        async with connect(showing.stream) as connection:
            reader = Reader(connection)
            await reader.watch(writer.id, sample=0)
            await reader.until(lambda: "sample" in reader.pictures)
            for sample in (3, 1):
                await connection.send(json.dumps({"sample": sample}))
                await reader.until(lambda wanted=sample: reader.pictures["sample"].sample == wanted)
            writer.write(picture=True)
            await reader.until(lambda: reader.pictures["sample"].last == writer.step)
            assert reader.pictures["sample"].sample == 1

    loops.run(main())


def test_a_viewer_who_comes_back_goes_on_where_it_was(showing: Server, store: RunStore) -> None:
    writer = Writer(store)
    writer.write(steps=10, picture=True)

    async def main() -> None:
        async with connect(showing.stream) as first, connect(showing.stream) as second:
            stays, leaves = Reader(first), Reader(second)
            await stays.watch(writer.id)
            await leaves.watch(writer.id)
            await leaves.until(lambda: "sample" in leaves.pictures)
            after, revision = max(telemetry.heading(frame).seq for frame in leaves.frames), leaves.state["revision"]
            await second.close()
            writer.write(steps=2)
            await stays.until(lambda: whole(stays, 11))
            async with connect(showing.stream) as third:
                returns = Reader(third)
                await returns.watch(writer.id, after=after, revision=revision)
                await returns.until(lambda: bool(returns.steps))
                assert not returns.resets
                assert returns.steps == [10, 11]
                assert "snapshot" not in returns.pictures
                for wrong in ({"after": after, "revision": revision + 1}, {"after": 10**6, "revision": revision}):
                    await returns.watch(writer.id, **wrong)
                    resets = len(returns.resets)
                    await returns.until(lambda had=resets: len(returns.resets) > had and whole(returns, 11))

    loops.run(main())


def test_an_unknown_run_is_said_to_be_missing_and_another_can_follow(showing: Server, store: RunStore) -> None:
    writer = Writer(store)
    writer.write()

    async def main() -> None:
        async with connect(showing.stream) as connection:
            reader = Reader(connection)
            await reader.watch("nothere")
            await reader.until(lambda: bool(reader.missing))
            assert "nothere" in reader.missing[0]
            await reader.watch(writer.id)
            await reader.until(lambda: whole(reader, 0))
            store.delete(writer.id)
            await reader.until(lambda: len(reader.missing) == 2)

    loops.run(main())


@pytest.mark.parametrize(
    "message",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"watch": 5}',
        '{"watch": "../etc"}',
        '{"watch": "a", "sample": -1}',
        '{"watch": "a", "more": 1}',
        '{"watch": "a", "after": 1.5}',
        '{"watch": "' + "a" * 5000 + '"}',
        b"bytes",
    ],
)
def test_a_bad_message_ends_the_connection_with_a_reason(showing: Server, message: str | bytes) -> None:
    async def main() -> ConnectionClosed:
        async with connect(showing.stream) as connection:
            await connection.send(message)
            with pytest.raises(ConnectionClosed) as caught:
                await asyncio.wait_for(connection.recv(), WAIT)
            return caught.value

    closed = loops.run(main())
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1008
    assert len(closed.rcvd.reason) > 10


def test_only_our_own_pages_may_connect(showing: Server) -> None:
    async def attempt(origin: str | None) -> None:
        async with connect(showing.stream, origin=origin) as connection:  # type: ignore[arg-type]
            await connection.send('{"watch": "nothere"}')
            await asyncio.wait_for(connection.recv(), WAIT)

    loops.run(attempt(None))
    loops.run(attempt(showing.url))
    for foreign in ("http://example.org", "null", showing.url + ".example.org", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus) as caught:
            loops.run(attempt(foreign))
        assert caught.value.response.status_code == 403


def test_frames_are_not_compressed_on_the_way(showing: Server) -> None:
    async def main() -> None:
        async with connect(showing.stream, compression="deflate") as connection:
            assert "Sec-WebSocket-Extensions" not in connection.response.headers  # type: ignore[union-attr]

    loops.run(main())


def test_a_viewer_that_does_not_read_delays_nobody(showing: Server, store: RunStore) -> None:
    writer = Writer(store)
    writer.write(picture=True)

    async def main() -> None:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        deaf.connect(("127.0.0.1", int(showing.url.rsplit(":", 1)[1])))
        async with (
            connect(showing.stream, sock=deaf, max_queue=1, close_timeout=1) as stuck,
            connect(showing.stream) as connection,
        ):
            late = Reader(stuck)
            await late.watch(writer.id)  # and then takes nothing: what comes piles up on the way
            reader = Reader(connection)
            await reader.watch(writer.id)
            await reader.until(lambda: whole(reader, 0))
            for i in range(KEEP + 60):
                writer.write(picture=i % 4 == 0, units=100_000, samples=1)
                if i % 20 == 0:
                    await reader.until(lambda: whole(reader, writer.step))
            await reader.until(lambda: whole(reader, writer.step))
            assert len(reader.resets) == 1
            await late.until(lambda: whole(late, writer.step))
            assert len(late.resets) == 2  # what it missed came as one history
            assert late.kinds.count("snapshot") < 30  # of 66
            with urllib.request.urlopen(f"{showing.url}/metrics") as answer:
                told = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines())
            assert float(told["lstm_lab_skipped_pictures_total"]) > 10

    loops.run(main())


def test_nothing_is_left_when_viewers_vanish(showing: Server, store: RunStore) -> None:
    writer = Writer(store)
    writer.write(picture=True)

    async def main() -> None:
        connections = [await connect(showing.stream) for _ in range(8)]
        for connection in connections:
            reader = Reader(connection)
            await reader.watch(writer.id)
            await reader.until(lambda now=reader: whole(now, 0))
        assert showing.health()["viewers"] == 8
        for connection in connections[:4]:
            connection.transport.abort()  # as a closed laptop: no goodbye
        for connection in connections[4:]:
            await connection.close()

    loops.run(main())
    deadline = time.monotonic() + WAIT
    while (health := showing.health())["viewers"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (health["viewers"], health["watched"]) == (0, 0)


def fetch(url: str) -> tuple[int, bytes, Any]:
    try:
        with urllib.request.urlopen(url, timeout=WAIT) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def test_kept_snapshots_by_address(showing: Server, store: RunStore) -> None:
    writer = Writer(store)
    _, common, *samples = writer.write(picture=True)
    base = f"{showing.url}/lab/runs/{writer.id}/snapshot"
    status, body, headers = fetch(f"{base}/0")
    assert (status, body) == (200, common)
    assert "immutable" in headers["Cache-Control"]
    assert fetch(f"{base}/0/2")[1] == samples[2]
    for wrong, expected in {"7": 404, "0/9": 404, "x": 400, "0/-1": 400, "9" * 30: 400, "0/64": 400}.items():
        status, body, headers = fetch(f"{base}/{wrong}")
        assert (wrong, status) == (wrong, expected)
        assert json.loads(body)["message"]
        assert headers["Cache-Control"] == "no-store"
    assert fetch(f"{showing.url}/lab/runs/nothere/snapshot/0")[0] == 404


def test_the_history_of_an_array_is_stacked(showing: Server, store: RunStore) -> None:
    """Against the snapshots one by one; a step that is kept later is part of the next answer."""
    writer = Writer(store)
    base = f"{showing.url}/lab/runs/{writer.id}/history"
    assert fetch(f"{base}/gradient/l0.fwd.h")[0] == 404
    for steps in (1, 4, 2):
        writer.write(steps=steps, picture=True)
    status, body, headers = fetch(f"{base}/gradient/l0.fwd.h")
    frame = telemetry.decode(body)
    assert (status, frame.kind, frame.first, frame.last, frame.sample) == (200, "history", 0, 6, None)
    assert frame.arrays["step"].tolist() == [0, 4, 6]
    np.testing.assert_array_equal(frame.arrays["gradient/l0.fwd.h"], np.repeat([[0.0], [4.0], [6.0]], 5, axis=1))
    assert headers["Cache-Control"] == "no-store"
    gates = telemetry.decode(fetch(f"{base}/gate/l0.fwd.i?sample=2")[1])
    assert gates.sample == 2
    np.testing.assert_array_equal(gates.arrays["gate/l0.fwd.i"], np.full((3, 3, 5), 2, np.uint8))

    writer.write(picture=True)
    assert telemetry.decode(fetch(f"{base}/gradient/l0.fwd.h")[1]).arrays["step"].tolist() == [0, 4, 6, 7]
    writer.rewind(5)
    assert telemetry.decode(fetch(f"{base}/gradient/l0.fwd.h")[1]).arrays["step"].tolist() == [0, 4]
    wrong = {"nothing": 404, "gate/l0.fwd.i": 404, "gate/l0.fwd.i?sample=9": 404, "gate/l0.fwd.i?sample=x": 400}
    for address, expected in (wrong | {"gate//f": 400, "a" * 300: 404}).items():
        status, body, _ = fetch(f"{base}/{address}")
        assert (address, status) == (address, expected)
        assert json.loads(body)["message"]
    assert fetch(f"{showing.url}/lab/runs/nothere/history/gradient/l0.fwd.h")[0] == 404


def test_a_history_that_is_too_large_is_refused_in_words(showing: Server, store: RunStore) -> None:
    writer = Writer(store)
    for _ in range(3):
        writer.write(picture=True, units=300_000, samples=1)
    status, body, _ = fetch(f"{showing.url}/lab/runs/{writer.id}/history/gate/l0.fwd.i?sample=0")
    assert status == 413
    assert "one step" in json.loads(body)["message"]


def parts(body: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(body):
        (length,) = struct.unpack_from(">I", body, at)
        found.append(body[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def test_a_run_whose_figures_cannot_be_drawn_is_shown_without(caplog: pytest.LogCaptureFixture) -> None:
    odd = {"title": "a run of another program"}
    assert reset("abc", 3, odd) == {"type": "reset", "run": "abc", "revision": 3, "about": odd, "figures": NO_FIGURES}
    assert [record.getMessage() for record in caplog.records if record.name == "lstm-lab"] == [
        "The figures of a run cannot be drawn from what its worker said of it."
    ]


def test_polling_gives_the_same_frames(showing: Server, store: RunStore) -> None:
    writer = Writer(store)
    writer.write(steps=5, picture=True)
    base = f"{showing.url}/lab/runs/{writer.id}/poll"
    said, *frames = parts(fetch(f"{base}?sample=2")[1])
    state = json.loads(said)
    assert state["reset"] == reset(writer.id, state["revision"], DESCRIBED)
    heads = [telemetry.heading(frame) for frame in frames]
    assert [(head.kind, head.sample) for head in heads] == [("scalars", None), ("snapshot", None), ("sample", 2)]
    assert telemetry.decode(frames[0]).arrays["step"].tolist() == [0, 1, 2, 3, 4]

    after = max(head.seq for head in heads)
    written = [writer.write(picture=False)[0] for _ in range(3)]
    said, *frames = parts(fetch(f"{base}?after={after}&revision={state['revision']}&sample=2")[1])
    assert json.loads(said)["reset"] is None
    assert frames == written

    writer.rewind(3)
    said, *frames = parts(fetch(f"{base}?after={after}&revision={state['revision']}")[1])
    assert json.loads(said)["reset"]["revision"] == state["revision"] + 1
    assert telemetry.decode(frames[0]).arrays["step"].tolist() == [0, 1, 2]
    for query, expected in {"after=x": 400, "sample=-1": 400, "revision=1e9": 400}.items():
        assert fetch(f"{base}?{query}")[0] == expected
    assert fetch(f"{showing.url}/lab/runs/nothere/poll")[0] == 404


def test_the_state_tells_what_is_in_effect(showing: Server, store: RunStore) -> None:
    writer = Writer(store)
    writer.write(steps=3, picture=True)
    store.request_override(writer.id, "learning_rate", 0.5)
    store.apply_override(writer.lease, store.wishes(writer.lease).requests[0].id, 3)
    queued = [store.create(RunConfig()) for _ in range(2)]

    async def main() -> None:
        async with connect(showing.stream) as connection:
            reader = Reader(connection)
            await reader.watch(writer.id)
            await reader.until(lambda: bool(reader.state))
            assert reader.state["learning_rate"] == 0.5
            assert reader.state["overrides"] == [{"step": 3, "field": "learning_rate", "value": 0.5}]
            assert reader.state["snapshots"] == [2]
            assert reader.state["queue"] is None
            assert (reader.state["status"], reader.state["steps"]) == ("running", RunConfig().training.steps)
            store.desire(writer.id, "paused")
            await reader.until(lambda: reader.state["desired"] == "paused")
            await reader.watch(queued[1])
            await reader.until(lambda: reader.state["run"] == queued[1])
            place = reader.state["queue"]
            assert 2 <= place["place"] <= place["of"]
            store.delete(queued[0])
            await reader.until(lambda: reader.state["queue"]["place"] == place["place"] - 1)

    loops.run(main())


def test_tasks_end_with_the_last_viewer(store: RunStore) -> None:
    writer = Writer(store)
    writer.write(picture=True)

    async def main() -> None:
        hub = Hub(lambda: store)
        first, second = Viewer(hub), Viewer(hub)
        for viewer in (first, second):
            viewer.ask(Ask(watch=writer.id))
            await viewer.due()
        assert (hub.tailing, hub.viewers, len(hub.topics)) == (True, 2, 1)
        first.leave()
        assert hub.viewers == 1
        second.leave()
        async with asyncio.timeout(WAIT):
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.01)
        assert not hub.tailing

    loops.run(main())


def test_a_store_that_fails_for_a_while_is_said_once_and_the_stream_goes_on(
    store: RunStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(store)
    writer.write()
    asked = 0

    def opened() -> RunStore:
        nonlocal asked
        asked += 1
        if asked <= 3:
            raise StoreError("The disk is full.")
        return store

    async def main() -> None:
        hub = Hub(opened)
        viewer = Viewer(hub)
        viewer.ask(Ask(watch=writer.id))
        async with asyncio.timeout(WAIT):
            while not any(isinstance(message, bytes) for message in await viewer.due()):
                await asyncio.sleep(0.005)
        viewer.leave()

    monkeypatch.setattr("app.live.hub.AFTER_TROUBLE", 0.01)
    loops.run(main())
    assert [record.getMessage() for record in caplog.records if record.name == "lstm-lab"] == [
        "The live stream cannot read the run store: The disk is full."
    ]


def test_pictures_never_overtake_scalars(store: RunStore) -> None:
    """What a viewer is given at one moment holds all scalars below the number of the newest picture."""
    writer = Writer(store)

    async def main() -> None:
        hub = Hub(lambda: store)
        viewer = Viewer(hub)
        viewer.ask(Ask(watch=writer.id))
        had = -1
        async with asyncio.timeout(WAIT):
            while had < 49:
                if writer.step < 49:
                    await asyncio.to_thread(writer.write, 1, True)
                for message in await viewer.due():
                    if isinstance(message, bytes):
                        head = telemetry.heading(message)
                        assert head.first <= had + 1
                        assert head.last <= had or head.kind == "scalars"
                        had = max(had, head.last)
                await asyncio.sleep(0.005)
        viewer.leave()

    loops.run(main())


def test_a_topic_forgets_the_oldest_frames() -> None:
    topic = Topic("run")
    topic.take(Reading((0, 0, 0)))
    for seq in range(1, KEEP + 11):
        topic.take(Reading((0, seq, 0), frames=[(seq, b"")], snapshot=Picture(seq, seq, b"")))
    assert topic.floor == 10
    assert [seq for seq, _ in topic.after(10)] == list(range(11, KEEP + 11))


def test_a_real_run_is_seen_from_its_first_step_to_its_last(server: Server) -> None:
    """Engine, worker, store and stream together: nothing is lost between a training process and a viewer."""
    store = server.store()
    steps = 120
    run_id = store.create(RunConfig.model_validate({"task": {"length": 5}, "training": {"steps": steps}}))

    async def main() -> None:
        async with connect(server.stream) as connection:
            reader = Reader(connection)
            await reader.watch(run_id, sample=1)
            async with asyncio.timeout(90):
                while reader.state.get("status") != "finished" or not whole(reader, steps):
                    reader.take(await connection.recv())
            assert reader.state["step"] == steps
            assert reader.state["error"] is None
            assert {0, steps} <= set(reader.state["snapshots"])
            await reader.until(lambda: reader.pictures["sample"].last == steps)
            assert reader.pictures["snapshot"].last == steps
            assert reader.resets[-1]["about"]["T"] == 5

    loops.run(main())
    assert store.scalars(run_id)["step"].tolist() == list(range(steps + 1))
    store.close()
