"""`GET /lab/runs/{id}/figures`: the figures of a run, unfilled, for the board to fill from the live stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lstm_core.runs.records import RunNotFound, StoreError
from lstm_core.runs.store import RunStore


async def figures(store: Callable[[], RunStore], request: Request) -> Response:
    """200 with `app.figures.specs`; 404 for a run that is unknown or that no worker has described yet."""
    headers = {"Cache-Control": "no-store"}
    try:
        about = await asyncio.to_thread(lambda: store().get(str(request.path_params["id"])[:64]).about)
    except StoreError as error:
        status = 404 if isinstance(error, RunNotFound) else 503
        return JSONResponse({"type": "missing", "message": str(error)}, status, headers=headers)
    if about is None:
        return JSONResponse({"type": "missing", "message": "This run has not begun yet."}, 404, headers=headers)
    return Response(await asyncio.to_thread(_specs, about), media_type="application/json", headers=headers)


def _specs(about: dict[str, Any]) -> str:
    from app.figures import specs  # plotly takes a while to import; the server is up before it

    return specs(about)
