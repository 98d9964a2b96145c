"""`GET /healthz`: whether this server can do its work, for what watches over it. Nothing in it is about a person."""

from __future__ import annotations

import asyncio
from functools import partial
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app import services
from app.live.hub import Hub
from app.outside import metrics
from lstm_core.runs.records import StoreError

FRESH = {"Cache-Control": "no-store"}


async def health(hub: Hub, _request: Request) -> Response:
    """200 where the run store can be used, else 503. `engine` is *ready*, *starting*, or *off* where others train."""
    try:
        await asyncio.to_thread(lambda: hub.store().pulse([]))
    except StoreError as error:
        return JSONResponse({"status": "failed", "store": "failed", "message": str(error), **_rest(hub)}, 503, FRESH)
    return JSONResponse({"status": "ok", "store": "ok", **_rest(hub)}, headers=FRESH)


def _rest(hub: Hub) -> dict[str, Any]:
    done = services.statistics()
    engine = "off" if services.shows_only() else "ready" if hub.ready() else "starting"
    return {
        "engine": engine,
        "workers": done.workers,
        "queue": {"waiting": done.waiting, "longest_wait_seconds": round(done.longest_wait, 1)},
        "viewers": hub.viewers,
        "watched": len(hub.topics),
        "version": version("lstm-lab"),
    }


def routes(hub: Hub) -> list[BaseRoute]:
    """What is asked of a server by programs that look after it."""
    registry = metrics.registry(hub)
    return [Route("/healthz", partial(health, hub)), Route("/metrics", partial(metrics.metrics, registry))]
