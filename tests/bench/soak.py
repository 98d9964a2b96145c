"""`python -m tests.bench.soak [--minutes 30] [--pages 10]`: does anything grow that should not?

A real server with two workers, ten real browser pages that are used all the time, runs that begin, end and are thrown
away. Every 15 seconds the memory of each process is written down, as the mean of five looks, for a page that is being
drawn takes 10 MB of the server for a moment; the table at the end is that curve, and a straight line through what came
after the first minutes says by how much each has grown. All samples are kept as JSON.

A page throws away some ten MB a second and collects them when it likes, so what its process takes wavers by a third.
What is held shows right after a collection: that is the column "renderers". "with garbage" is the mean before it.

Let nothing else run meanwhile: pages that several processes have in common are shared out among them (PSS), so that
tests or another browser, as they come and go, move all figures by more than what is looked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.async_api import Browser, CDPSession, Error, async_playwright
from tabulate import tabulate

from tests.bench.processes import family, memory
from tests.bench.soak_pages import Tab, live, supply
from tests.bench.unrecorded import unrecorded
from tests.serving import Server, serve

EACH = 15.0  # seconds between two samples
LOOKS = 5  # at the processes, for each
WARM = 5.0  # minutes that do not count: everything is loaded once
LINES = 12  # of the table
AIM = 5.0  # % of growth at most
OUTPUT = Path(__file__).parent.parent / "output" / "soak.json"

PIDS = "workers' pids"  # their sum, so that another one shows
GARBAGE = "with garbage"
UNFITTED = ("minute", PIDS, "silent pages", "viewers", "watched")

Sample = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), workers=options.workers) as server:
        samples, troubles = asyncio.run(_soak(server, options.pages, 60 * options.minutes))
        troubles += [line for line in server.printed().splitlines()[1:] if line.strip()][:40]
    names = list(dict.fromkeys(name for sample in samples for name in sample))
    shown = [samples[place] for place in np.unique(np.linspace(0, len(samples) - 1, LINES).astype(int))]
    print(tabulate([[sample.get(name) for name in names] for sample in shown], headers=names, floatfmt=".1f"))
    grown = growth(samples, min(WARM, options.minutes / 3))
    print(
        tabulate(
            grown, headers=["memory (MB), or number", "fitted begin", "fitted end", "growth, %", f"aim ≤ {AIM:g} %"]
        )
    )
    restarts = sum(one.get(PIDS) != other.get(PIDS) for one, other in pairwise(samples))
    print(f"workers were started again {restarts} times")
    print("\n".join(troubles) or "nothing went wrong")
    OUTPUT.parent.mkdir(exist_ok=True)
    kept = {
        "when": time.strftime("%F %T"),
        "samples": samples,
        "growth": grown,
        "restarts": restarts,
        "troubles": troubles,
    }
    OUTPUT.write_text(json.dumps(kept, indent=1))
    print(f"kept in {OUTPUT}")


async def _soak(server: Server, many: int, seconds: float) -> tuple[list[Sample], list[str]]:
    async with asyncio.timeout(90):
        while server.health()["engine"] != "ready":
            await asyncio.sleep(0.2)
    store, samples = server.store(), list[Sample]()
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())
        browser = await stack.enter_async_context(unrecorded(playwright))
        tabs = [await _tab(browser, server, store, place) for place in range(many)]
        pages = [await tab.page.context.new_cdp_session(tab.page) for tab in tabs]
        tasks = [asyncio.create_task(supply(store)), *(asyncio.create_task(live(tab)) for tab in tabs)]
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            looks = []
            for _ in range(LOOKS):
                await asyncio.sleep(EACH / LOOKS)
                looks.append(await asyncio.to_thread(_processes, server))
            held = await _pages(pages)
            minute = {"minute": (time.monotonic() - began) / 60}
            samples.append(minute | _mean(looks) | held | {"renderers": await asyncio.to_thread(_renderers)})
            print(" ".join(f"{name} {value:.1f}" for name, value in samples[-1].items()), flush=True)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    store.close()
    broken = [f"ended: {error!r}" for error in ended if isinstance(error, Exception)]
    return samples, [said for tab in tabs for said in tab.troubles] + broken


async def _tab(browser: Browser, server: Server, store: Any, place: int) -> Tab:
    page = await browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(120_000)
    tab = Tab(page, server.url, store, place)
    page.on("pageerror", lambda error: tab.troubles.append(f"page {place}: {error}"))
    return tab


def _processes(server: Server) -> Sample:
    """MB of the server and of everything it started, of the browser, and what the server counts."""
    found: Sample = {}
    for name, processes in family(server.process.pid).items():
        if name == "worker":
            found |= {f"worker {place + 1}": memory([each]) for place, each in enumerate(processes)}
            found[PIDS] = float(sum(each.pid for each in processes) % 100_000)
        else:
            found[name] = memory(processes)
    health = server.health()
    return found | {GARBAGE: _renderers(), "viewers": health["viewers"], "watched": health["watched"]}


def _renderers() -> float:
    browser = psutil.Process().children(recursive=True)
    return memory([each for each in browser if "--type=renderer" in _words(each)])


def _mean(looks: list[Sample]) -> Sample:
    """Of every column the mean; whose processes' ids are told is as it was last."""
    found = {name: float(np.mean([look[name] for look in looks if name in look])) for name in looks[-1]}
    return found | {PIDS: looks[-1].get(PIDS, 0.0)}


def _words(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


async def _metrics(page: CDPSession) -> Sample:
    """What the page's own counters say after a collection; nothing where it does not answer."""
    with suppress(Error, TimeoutError):
        async with asyncio.timeout(EACH):
            await page.send("HeapProfiler.collectGarbage")
            await page.send("Performance.enable")
            told = (await page.send("Performance.getMetrics"))["metrics"]
            return {str(each["name"]): float(each["value"]) for each in told}
    return {}


async def _pages(pages: list[CDPSession]) -> Sample:
    """MB that scripts hold on all pages after a collection, and how many nodes and listeners there are."""
    found = {"js heap": 0.0, "nodes": 0.0, "listeners": 0.0, "largest heap": 0.0, "silent pages": 0.0}
    for seen in await asyncio.gather(*map(_metrics, pages)):
        heap = seen.get("JSHeapUsedSize", 0.0) / 2**20
        found["js heap"] += heap
        found["largest heap"] = max(found["largest heap"], heap)
        found["nodes"] += seen.get("Nodes", 0.0)
        found["listeners"] += seen.get("JSEventListeners", 0.0)
        found["silent pages"] += not seen
    return found


def growth(samples: list[Sample], since: float) -> list[list[Any]]:
    """For every column the value at both ends of a straight line through what came after `since` minutes."""
    later = [sample for sample in samples if sample["minute"] >= since]
    rows: list[list[Any]] = []
    for name in later[-1] if len(later) > 2 else ():
        if name in UNFITTED:
            continue
        minutes, values = np.array([(sample["minute"], sample[name]) for sample in later if name in sample]).T
        slope, start = np.polyfit(minutes, values, 1)
        begin, end = (float(start + slope * minutes[place]) for place in (0, -1))
        percent = 100 * (end / begin - 1) if begin else 0.0
        rows.append([name, round(begin, 1), round(end, 1), round(percent, 1), "yes" if percent <= AIM else "no"])
    return rows


if __name__ == "__main__":
    main()
