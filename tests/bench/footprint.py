"""How much memory the program takes: a server with thirty viewers, and a worker while it trains."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from tests.bench.processes import family, memory
from tests.bench.report import Row
from tests.bench.sizes import MIDDLE
from tests.bench.training import settled
from tests.bench.viewers import crowd
from tests.serving import Server, serve
from tests.visitors import visit

VIEWERS = 30


def measure(short: bool = True) -> list[Row]:
    """P11: what several processes share counts in part for each, as Linux tells it (PSS)."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, serve(Path(folder), workers=2) as server:
        return asyncio.run(_measure(server, 10.0 if short else 60.0))


async def _measure(server: Server, seconds: float) -> list[Row]:
    store = server.store()
    await settled(store)
    runs = [store.create(MIDDLE.config()) for _ in range(2)]
    taken: dict[str, list[float]] = {"server": [], "worker": []}

    async def look() -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name, processes in family(server.process.pid).items():
                if name in taken:
                    taken[name] += [memory([process]) for process in processes]
            await asyncio.sleep(1.0)

    async with AsyncExitStack() as stack:
        for _ in range(VIEWERS):
            await stack.enter_async_context(visit(server.url, query={"run": runs[0]}))
        await crowd(server, runs[0], look, viewers=VIEWERS)
    for run in runs:
        store.desire(run, "stopped")
    store.close()
    return [
        Row("P11", f"memory of the server with {VIEWERS} pages and viewers", taken["server"], "MB", "≤ 400"),
        Row("P11", "memory of a worker", taken["worker"], "MB", "≤ 350"),
    ]
