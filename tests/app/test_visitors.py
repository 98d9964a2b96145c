"""The visitor without a browser, against the real server: what the other tests do with it holds."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from app.session import OWN
from tests import loops
from tests.serving import Server
from tests.visitors import Arrival, Visitor, visit

WAIT = 60.0


async def first_point(visitor: Visitor, run: str) -> Arrival:
    async with asyncio.timeout(WAIT), aclosing(visitor.watch(run)) as arrivals:
        async for arrival in arrivals:
            if arrival.kind == "scalars" and arrival.frame.arrays["step"].size:  # type: ignore[union-attr]
                return arrival
    raise AssertionError("the stream ended before a first point")


@pytest.mark.parametrize("page", ["" if name == "lab" else name for name in OWN])
def test_every_page_opens(server: Server, page: str) -> None:
    async def main() -> None:
        async with visit(server.url, page) as visitor:
            assert visitor.exceptions() == []
            assert visitor.page == page
            assert visitor.elements

    loops.run(main())


def test_a_setting_is_chosen_trained_watched_and_paused(server: Server) -> None:
    async def main() -> None:
        async with visit(server.url, query={"training.steps": "5000"}) as visitor:
            await visitor.set("Task", "Adding problem")
            assert visitor.url_query["task"] == "adding"
            await visitor.set("Look at the data", True)
            assert any("look-marks" in text or "look-line" in text for text in visitor.texts())
            assert visitor.find("Look at the data").proto.expanded
            await visitor.set("setting:model.hidden_size:exact", 8)
            await visitor.set("Seed", 7)
            await visitor.set("Learning rate", ["0.01"])
            await visitor.press("Train")
            run = visitor.url_query["run"]
            assert visitor.find("board").data["run"] == run
            point = await first_point(visitor, run)
            assert "loss/train" in point.frame.arrays  # type: ignore[union-attr]
            await visitor.component("board", {"name": "stop", "run": run})
            assert visitor.exceptions() == []
        store = server.store()
        assert store.get(run).config["task"]["name"] == "adding"
        assert store.get(run).config["model"]["hidden_size"] == 8
        assert (
            store.get(run).config["training"] | {"seed": 7, "learning_rate": 0.01} == store.get(run).config["training"]
        )
        assert store.get(run).desired == "stopped"
        store.close()

    loops.run(main())


def test_what_one_session_sent_another_can_replay(server: Server) -> None:
    async def main() -> None:
        async with visit(server.url) as one, visit(server.url) as other:
            await one.set("Task", "Adding problem")
            await other.replay(one.sent)
            assert other.find("Task").proto == one.find("Task").proto
            await other.go("runs")
            assert other.page == "runs"
            assert other.exceptions() == []

    loops.run(main())
