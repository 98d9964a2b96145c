"""What a hundred viewers of one run cost: bare WebSocket clients, so that only the server's side is measured.

Training alone and training watched take turns (A B A B …). An update is one scalars frame that reached one viewer;
the processor time counts everything that the server did meanwhile, states and pictures included.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from lstm_core.config import RunConfig
from lstm_core.runs import telemetry
from lstm_core.runs.holder import this_process
from lstm_core.runs.store import RunStore
from tests.bench.report import Row
from tests.bench.sizes import MIDDLE
from tests.serving import Server, serve

VIEWERS = 100
EACH = 0.05  # seconds between two writes when the way from store to viewer is measured


@dataclass
class Crowd:
    """What a number of clients of one run received."""

    updates: list[int]
    messages: int = 0
    bytes: int = 0
    arrivals: list[tuple[int, float]] = field(default_factory=list)  # number of a scalars frame, when it came


async def crowd(server: Server, run_id: str, during: Callable[[], Awaitable[None]], viewers: int = VIEWERS) -> Crowd:
    """Let clients watch a run for as long as `during` takes; what came before its beginning does not count."""
    seen, counting = Crowd([0] * viewers), asyncio.Event()

    async def take(number: int, connection: ClientConnection) -> None:
        try:
            async for message in connection:
                if not counting.is_set():
                    continue
                seen.messages += 1
                seen.bytes += len(message)
                if isinstance(message, bytes) and (head := telemetry.heading(message)).kind == "scalars":
                    seen.updates[number] += 1
                    seen.arrivals.append((head.seq, time.perf_counter()))
        except ConnectionClosed:
            pass

    async with AsyncExitStack() as stack:
        tasks = []
        for number in range(viewers):
            connection = await stack.enter_async_context(connect(server.stream, max_size=None, compression=None))
            await connection.send(f'{{"watch": "{run_id}", "sample": {number % 4}}}')
            tasks.append(asyncio.create_task(take(number, connection)))
        await asyncio.sleep(1)
        counting.set()
        await during()
        counting.clear()
        for task in tasks:
            task.cancel()
    return seen


def measure(short: bool = True) -> list[Row]:
    """Updates per second and viewer, processor time of the server for each, delay, and what training loses."""
    turns, seconds = (3, 4.0) if short else (12, 10.0)
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), workers=1) as server:
        return asyncio.run(_measure(server, turns, seconds))


async def _measure(server: Server, turns: int, seconds: float) -> list[Row]:
    store = server.store()
    for run in store.list():
        store.delete(run.id)
    run_id = store.create(MIDDLE.config())
    await _until(lambda: store.get(run_id).step > 100)
    process = psutil.Process(server.process.pid)
    alone: list[float] = []
    watched: list[float] = []
    rates: list[float] = []
    costs: list[float] = []
    singles: list[float] = []
    spent = 0.0

    async def train(speeds: list[float]) -> None:
        nonlocal spent
        step, began, used = store.get(run_id).step, time.perf_counter(), _used(process)
        await asyncio.sleep(seconds)
        spent = _used(process) - used
        speeds.append((store.get(run_id).step - step) / (time.perf_counter() - began))

    for _ in range(turns):
        await train(alone)
        idle = spent
        seen = await crowd(server, run_id, lambda: train(watched))
        rates += [count / seconds for count in seen.updates]
        costs.append(1000 * (spent - idle) / max(1, sum(seen.updates)))
        singles.append(1000 * (spent - idle) / max(1, seen.messages))
        await asyncio.sleep(0.5)
    delays = await _delays(server, store, turns * seconds / 2)
    store.desire(run_id, "stopped")
    store.close()
    return [
        Row("P6", f"updates per second, each of {VIEWERS} viewers", rates, "1/s", "≥ 4"),
        Row("P6", "server's processor time per update and viewer", costs, "ms", "≤ 0.15"),
        Row("P6", "… per message, states and pictures counted too", singles, "ms", ""),
        Row("P6", "training watched ÷ alone", [b / a for a, b in zip(alone, watched)], "×", "≥ 0.97"),
        Row("P6", f"write → arrival, p50 of {len(delays)}", [statistics.median(delays)], "ms", ""),
        Row("P6", f"write → arrival, p95 of {len(delays)}", [float(np.percentile(delays, 95))], "ms", ""),
    ]


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not ready():
            await asyncio.sleep(0.1)


async def _delays(server: Server, store: RunStore, seconds: float) -> list[float]:
    """Milliseconds from the beginning of a write into the store to the arrival at each viewer."""
    run_id = store.create(RunConfig(), desired="paused")
    lease = store.acquire(run_id, this_process(), claim=True)
    assert lease is not None
    written: dict[int, float] = {}

    def write() -> None:
        for step in range(int(seconds / EACH)):
            seq = lease.seq + 1 + step
            frame = telemetry.encode("scalars", telemetry.table([(step, {"loss/train": 0.5})]), seq, step, step)
            written[seq] = time.perf_counter()
            store.append(lease, [frame], step=step)
            time.sleep(EACH)

    seen = await crowd(server, run_id, lambda: asyncio.to_thread(write))
    store.delete(run_id)
    return [1000 * (at - written[seq]) for seq, at in seen.arrivals]
