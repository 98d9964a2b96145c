"""What it costs to train with everything on: every scalar of every step, pictures, the store, and one who watches.

One server with one worker trains run after run, a viewer receives all of it over the stream; the loops of `peers` are
measured in turns with it, A B A B. Both work on one core; the server has the other, as it has in use.
"""

from __future__ import annotations

import asyncio
import json
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lstm_core.runs.records import OVER
from lstm_core.runs.store import RunStore
from tests.bench.peers import peers
from tests.bench.report import Row
from tests.bench.sizes import ALL, FEW, SMALL, Size
from tests.bench.viewers import crowd
from tests.serving import Server, serve

SECONDS = 1.2  # of each turn
GETTING_GOING = 0.5  # seconds of a run that do not count
AGAINST = {  # the loops that P2 names, at the first size: what they are called, how much slower they have to be
    "hooked": ("everything on ÷ nn.LSTMCell loop with a hook for the gates", "≥ 4"),
    "histograms": ("everything on ÷ nn.LSTM, TensorBoard histograms of each step", "≥ 1.5"),
    "few histograms": ("everything on ÷ nn.LSTM, TensorBoard histograms four times a second", ""),
}

Speed = Callable[[str, Size, float], float]


def measure(short: bool = True) -> list[Row]:
    """P1 and P2: steps per second, everything on ÷ each loop."""
    sizes, turns = (FEW, 3) if short else (ALL, 11)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        serve(Path(folder), workers=1) as server,
        peers() as peer,
    ):
        return asyncio.run(_measure(server, peer, sizes, turns))


async def _measure(server: Server, peer: Speed, sizes: Sequence[Size], turns: int) -> list[Row]:
    store = server.store()
    await settled(store)
    rows, others = [], []
    for size in sizes:
        loops = ["bare", *(AGAINST if size == SMALL else ())]
        ratios: dict[str, list[float]] = {loop: [] for loop in loops}
        run = store.create(size.config(), desired="paused")
        await _whole(server, store, run, SECONDS)  # begun once, so that no turn begins it
        for _ in range(turns):
            full = await _whole(server, store, run, SECONDS)
            for loop in loops:
                ratios[loop].append(full / await asyncio.to_thread(peer, loop, size, SECONDS))
        store.desire(run, "stopped")
        rows.append(Row("P1", f"everything on ÷ bare loop, {size.name}", ratios.pop("bare"), "×", "≥ 0.95"))
        others += [
            Row("P2", f"{AGAINST[loop][0]}, {size.name}", found, "×", AGAINST[loop][1])
            for loop, found in ratios.items()
        ]
    medians = [row.median for row in rows]
    store.close()
    return [*rows, Row("P1", "everything on ÷ bare loop, the sizes above", medians, "×", "≥ 0.97"), *others]


async def settled(store: RunStore) -> None:
    """Wait until the example of a fresh server is trained, so that nothing else goes on."""
    async with asyncio.timeout(120):
        while (runs := store.list()) == [] or any(run.status not in OVER for run in runs):
            await asyncio.sleep(0.1)


async def _whole(server: Server, store: RunStore, run: str, seconds: float) -> float:
    """Steps per second of a watched run, by what its frames say of when they were measured."""
    store.desire(run, "running")
    first = store.get(run).seq
    async with asyncio.timeout(60):
        while store.get(run).seq <= first:
            await asyncio.sleep(0.02)
    await asyncio.sleep(GETTING_GOING)
    first = store.get(run).seq
    await crowd(server, run, lambda: asyncio.sleep(seconds), viewers=1)
    store.desire(run, "paused")
    async with asyncio.timeout(60):
        while store.get(run).status != "paused":
            await asyncio.sleep(0.02)
    found = (made_at(data) for *_, data in store.frames(run, first, kinds=("scalars",)))
    made = [each for each in found if each is not None][:-1]
    (begin, began), (end, ended) = made[0], made[-1]
    return 1000 * (end - begin) / (ended - began)


def made_at(frame: bytes) -> tuple[int, int] | None:
    """The first step of a scalars frame, and when that was measured, in ms; None for one that was merged."""
    (length,) = struct.unpack_from("<Q", frame)
    told = json.loads(frame[8 : 8 + length])["__metadata__"]
    return (int(told["first"]), int(told["made"])) if "made" in told else None


def wait_for(ready: Callable[[], bool], seconds: float = 90.0) -> None:
    """Look again and again until something is the case."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError("what the measurement waits for does not come")
        time.sleep(0.02)
