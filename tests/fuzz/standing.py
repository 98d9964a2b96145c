"""The real server that is attacked: what is in its store, what it prints, what it weighs, whether it still works."""

from __future__ import annotations

import contextlib
import json
import re
import urllib.request
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from anyio.from_thread import BlockingPortal, start_blocking_portal
from websockets.sync.client import connect

from lstm_core.config import RunConfig
from lstm_core.race_plan import plan
from lstm_core.runs.slices import run_slice
from tests.fuzz.harness import Refusal, sentence
from tests.serving import Server, serve
from tests.visitors import Visitor, visit

SETTINGS = {
    "task": {"name": "recall", "length": 8},
    "model": {"hidden_size": 4, "attention": "dot"},
    "training": {"steps": 40, "batch_size": 4, "validate_every": 20},
}
RACE = plan(RunConfig.model_validate(SETTINGS), "init.preset", ["pytorch", "chrono"], [1])
WRONG = re.compile(r"Traceback|Exception in|Unhandled|CRITICAL")


@dataclass
class Standing:
    """A server with a run and a race in its store; `loop` is that of the visitors, in a thread of its own."""

    server: Server
    run: str
    race: str
    owner: str
    loop: BlockingPortal
    read: int = 0  # bytes of what it printed that were looked at
    tab: Visitor | None = None
    left: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        async def answer() -> Any:
            return await work

        return self.loop.call(answer)

    def quiet(self) -> None:
        """Raise where the server has printed something that nobody has foreseen."""
        with self.server.log.open("rb") as log:
            log.seek(self.read)
            fresh = log.read()
        self.read += len(fresh)
        said = fresh.decode(errors="replace")
        if WRONG.search(said):
            raise AssertionError(f"the server printed: {said[-3000:]}")
        if self.server.process.poll() is not None:
            raise AssertionError("the server has ended")

    def works(self) -> None:
        """Raise where the server does not serve those who mean well."""
        assert self.server.health()["status"] == "ok"
        with connect(self.server.stream) as socket:
            socket.send(json.dumps({"watch": self.run}))
            told = json.loads(socket.recv(10))
        assert told["type"] == "state"
        assert told["run"] == self.run
        with urllib.request.urlopen(f"{self.server.url}/lab/runs/{self.run}/findings", timeout=10) as answer:
            assert json.load(answer)["run"] == self.run

    def restore(self) -> None:
        """Put run and race back, if the last input has thrown them away."""
        store = self.server.store()
        try:
            if self.run not in store.pulse([self.run]):
                store.restore(self.run)
            if not store.runners(self.race):
                self.race = store.create_race(RACE)
        finally:
            store.close()

    def weight(self) -> float:
        """MB of memory that the server itself holds."""
        return float(psutil.Process(self.server.process.pid).memory_info().rss / 1e6)

    def visitor(self) -> Visitor:
        """The tab that is open, or a fresh one where it broke."""
        if self.tab is None:
            self.tab = self.wait(self.left.enter_async_context(visit(self.server.url, cookie=self.owner)))
        return self.tab

    def leave(self) -> None:
        """Close the tab; the next input gets another one."""
        self.tab = None
        with contextlib.suppress(Exception):
            self.wait(self.left.aclose())
        self.left = contextlib.AsyncExitStack()


@contextlib.contextmanager
def standing(folder: Path) -> Iterator[Standing]:
    """Start it; its store has a run that has finished and a race that waits, and nothing is trained."""
    with serve(folder, workers=0) as server, start_blocking_portal() as loop:
        store = server.store()
        config = RunConfig.model_validate(SETTINGS)
        run = store.create(config)
        run_slice(store.url, run, seconds=60)
        race = store.create_race(RACE)
        store.close()
        there = Standing(server, run, race, "f" * 43, loop)
        there.works()
        try:
            yield there
        finally:
            there.leave()


def told(body: bytes, kind: str) -> None:
    """Raise where a refusal is not a sentence: as JSON under `message`, or as text."""
    if "json" in kind:
        said = json.loads(body)
        sentence(str(said.get("message", said.get("detail", ""))))
    elif kind.startswith("text/plain"):
        sentence(body.decode())
    elif body:
        raise Refusal(f"a refusal of the kind {kind}")
