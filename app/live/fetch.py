"""Telemetry by plain HTTP: kept snapshots by their address, and the stream's polled fallback.

`/lab/runs/{id}/history/{array}?sample=` stacks one array over all kept snapshots: what changed over the training.
`/lab/runs/{id}/poll?after=&revision=&sample=` answers at once with what the stream would have sent, as parts with a
length of four bytes, big-endian, before each: first the state with `reset` (an object or null) in it, then frames.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.live.hub import POINTS, Hub
from app.live.topic import KEEP, describe, reset
from lstm_core.runs.records import RunNotFound, StoreError, checked_id
from lstm_core.runs.store import RunStore
from lstm_core.runs.telemetry import heading

ARRAY = re.compile(r"[A-Za-z0-9_]+(?:[./][A-Za-z0-9_]+){0,6}")
SAMPLES = 64
LARGEST = 4 * 2**20  # bytes of a history
TOO_LARGE = b"too large"
GREATEST = 2**31 - 1


def _run_id(request: Request) -> str:
    return checked_id(str(request.path_params["id"]))


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


async def history(hub: Hub, request: Request) -> Response:
    """`GET /lab/runs/{id}/history/{array}[?sample=]`: one array over all kept snapshots, a frame of kind *history*."""
    name, wanted = str(request.path_params["array"]), request.query_params.get("sample")
    try:
        run_id = _run_id(request)
        if not ARRAY.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is not the name of an array, such as gradient/l0.fwd.h.")
        sample = None if wanted is None else _number(wanted, 0, SAMPLES - 1)
        data = await asyncio.to_thread(_stacked, hub, run_id, name, sample)
    except (ValueError, StoreError) as error:
        return _failed(error)
    if data is None:
        return _no(404, f"No snapshot of run {run_id!r} has {name}{'' if sample is None else f' of sample {sample}'}.")
    if data is TOO_LARGE:
        return _no(413, f"{name} is too large to be sent for all steps; ask for a snapshot of one step.")
    return Response(data, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def _stacked(hub: Hub, run_id: str, name: str, sample: int | None) -> bytes | None:
    store = hub.store()
    run = store.get(run_id)
    steps = store.snapshot_steps(run_id)
    return _kept(store, run_id, run.revision, steps[-1] if steps else -1, name, sample)


@lru_cache(maxsize=8)
def _kept(store: RunStore, run_id: str, _revision: int, _newest: int, name: str, sample: int | None) -> bytes | None:
    """Read once for all who look at the same run at the same time; of what is too large only that it is."""
    data = store.stacked(run_id, name, sample)
    return TOO_LARGE if data is not None and len(data) > LARGEST else data


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
        state["reset"] = reset(run.id, run.revision, run.about)
        scalars = [store.history(run_id, POINTS)]
    return [json.dumps(state).encode(), *scalars, *pictures]


def _no(status: int, message: str) -> Response:
    return JSONResponse({"type": "missing", "message": message}, status, headers={"Cache-Control": "no-store"})


def _failed(error: Exception) -> Response:
    status = 404 if isinstance(error, RunNotFound) else 503 if isinstance(error, StoreError) else 400
    return _no(status, str(error))
