"""Telemetry by plain HTTP: kept snapshots by their address, and the stream's polled fallback.

`/lab/runs/{id}/poll?after=&revision=&sample=` answers at once with what the stream would have sent, as parts with a
length of four bytes, big-endian, before each: first the state with `reset` (an object or null) in it, then frames.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.hub import POINTS, Hub
from app.topic import KEEP, describe, reset
from lstm_core.runs.records import RunNotFound, StoreError
from lstm_core.runs.telemetry import heading

RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
SAMPLES = 64
GREATEST = 2**31 - 1


def _run_id(request: Request) -> str:
    run_id = str(request.path_params["id"])
    if not RUN_ID.fullmatch(run_id):
        raise RunNotFound(run_id[:64])
    return run_id


def _number(text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"-?\d{1,18}", text) or not low <= int(text) <= high:
        raise ValueError(f"{text[:20]!r} is not a whole number from {low} to {high}.")
    return int(text)


async def snapshot(hub: Hub, request: Request) -> Response:
    """`GET /lab/runs/{id}/snapshot/{step}[/{sample}]`: a kept frame; it never changes."""
    try:
        run_id, step = _run_id(request), _number(request.path_params["step"], 0, GREATEST)
        wanted = request.path_params.get("sample")
        sample = None if wanted is None else _number(wanted, 0, SAMPLES - 1)
        data = await asyncio.to_thread(hub.store().snapshot, run_id, step, sample)
        if data is None:
            await asyncio.to_thread(hub.store().get, run_id)
            return _no(404, f"Run {run_id!r} has no snapshot of step {step} (any more).")
    except (ValueError, StoreError) as error:
        return _failed(error)
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(data, media_type="application/octet-stream", headers=headers)


async def poll(hub: Hub, request: Request) -> Response:
    """`GET /lab/runs/{id}/poll`: what the stream would have sent, for a viewer whose proxy blocks WebSockets."""
    given = request.query_params
    try:
        run_id = _run_id(request)
        after = _number(given.get("after") or "-1", -1, 2**53)
        revision = _number(given.get("revision") or "-1", -1, GREATEST)
        sample = _number(given.get("sample") or "0", 0, SAMPLES - 1)
        parts = await asyncio.to_thread(_polled, hub, run_id, after, revision, sample)
    except (ValueError, StoreError) as error:
        return _failed(error)
    body = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return Response(body, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def _polled(hub: Hub, run_id: str, after: int, revision: int, sample: int) -> list[bytes]:
    store = hub.store()
    run = store.get(run_id)
    state = describe(store, run, hub.ready()) | {"reset": None}
    begin = after < 0 or revision != run.revision or after > run.seq
    newest_step = max(state["snapshots"], default=-1)
    # Pictures are read first: the scalars read after them leave no gap below the pictures' numbers.
    found = [store.snapshot(run_id, newest_step, which) for which in (None, sample)] if newest_step >= 0 else []
    pictures = [data for data in found if data is not None and (begin or heading(data).seq > after)]
    scalars = [] if begin else [data for *_, data in store.frames(run_id, after, kinds=("scalars",))]
    if begin or len(scalars) > KEEP:
        state["reset"] = reset(run.revision, run.about)
        scalars = [store.history(run_id, POINTS)]
    return [json.dumps(state).encode(), *scalars, *pictures]


def _no(status: int, message: str) -> Response:
    return JSONResponse({"type": "missing", "message": message}, status, headers={"Cache-Control": "no-store"})


def _failed(error: Exception) -> Response:
    status = 404 if isinstance(error, RunNotFound) else 503 if isinstance(error, StoreError) else 400
    return _no(status, str(error))
