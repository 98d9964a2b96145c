"""What is behind the pages comes while they are fetched: who asks early waits, who closes early starts nothing."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest
from starlette.applications import Starlette

from app import services
from app.behind import Behind
from lstm_core.config import RunConfig
from lstm_core.runs.store import RunStore
from tests import loops


async def asked(behind: Behind, *paths: str) -> list[int]:
    """The answers to questions that all come at once, before anything is loaded."""
    app = httpx.ASGITransport(Starlette(routes=[behind]))
    async with httpx.AsyncClient(transport=app, base_url="http://localhost") as client:
        answers = await asyncio.gather(*(client.get(path) for path in paths))
    await behind.close()
    return [answer.status_code for answer in answers]


def test_who_asks_early_is_answered(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_engine", None)
    run = store.create(RunConfig())
    paths = ("/healthz", "/lab/runs", f"/lab/runs/{run}/poll", "/lab/static/board.js", "/lab/nothing", "/labor", "/")
    assert loops.run(asked(Behind(), *paths)) == [200, 200, 200, 200, 404, 404, 404]


@pytest.mark.usefixtures("store")
def test_who_closes_early_starts_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(services, "engine", lambda: started.append("engine"))
    behind = Behind()
    beginning = threading.Thread(target=behind.start)
    beginning.start()
    loops.run(behind.close())
    beginning.join(30)
    assert not beginning.is_alive()
    behind.end()
    assert started == []
