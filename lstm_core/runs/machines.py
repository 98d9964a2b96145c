"""A cluster over several machines: its scheduler on one, its workers on any, all with the same keys.

They are Dask's own, set up for slices as the local cluster is; `dask scheduler` and `dask worker` would do as well.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import signal
from collections.abc import Callable

from distributed import Nanny, Scheduler
from distributed.security import Security

from lstm_core.runs.cluster import CLOSE_WITHIN, PRELOAD, configure, end_workers

AGAIN = 2.0  # seconds until workers whose scheduler went away look for it again

log = logging.getLogger(__name__)


def schedule(host: str | None, port: int, security: Security, say: Callable[[str], None]) -> None:
    """Be the scheduler at `host` (default: every address of this machine) until told to end; `say` is told where."""
    configure()
    asyncio.run(_schedule(host, port, security, say))


async def _schedule(host: str | None, port: int, security: Security, say: Callable[[str], None]) -> None:
    told = _told()
    # Tasks are read by the scheduler too: with the program as it is now, not as it may have become by then.
    importlib.import_module("lstm_core.runs.engine")
    async with Scheduler(
        host=host, port=port, protocol="tls", security=security, dashboard=False, dashboard_address="127.0.0.1:0"
    ) as scheduler:
        say(scheduler.address)
        await told.wait()


def work(address: str, count: int, security: Security) -> None:
    """Be `count` workers of the scheduler until told to end; where it goes away, wait for it to come back."""
    configure()
    asyncio.run(_work(address, count, security))


async def _work(address: str, count: int, security: Security) -> None:
    told = _told()
    while not told.is_set():
        nannies = [_nanny(address, security) for _ in range(count)]
        ended = asyncio.ensure_future(_until_ended(nannies))
        leaving = asyncio.ensure_future(told.wait())
        await asyncio.wait((ended, leaving), return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        await asyncio.to_thread(end_workers, nannies)
        ended.cancel()
        for nanny in nannies:
            with contextlib.suppress(Exception):
                await nanny.close(timeout=CLOSE_WITHIN)
        if not told.is_set():
            log.warning("The scheduler %s is gone; looking for it again.", address)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), AGAIN)


def _nanny(address: str, security: Security) -> Nanny:
    return Nanny(
        address,
        nthreads=1,
        memory_limit=0,
        security=security,
        preload=[PRELOAD],
        dashboard=False,
        dashboard_address="127.0.0.1:0",
    )


async def _until_ended(nannies: list[Nanny]) -> None:
    await asyncio.gather(*nannies)
    await asyncio.gather(*(nanny.finished() for nanny in nannies))


def _told() -> asyncio.Event:
    """Set when somebody asks this process to end."""
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for asked in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(asked, told.set)
    return told
