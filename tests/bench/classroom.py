"""A class of thirty: everyone has the Lab open, all press Train within a second, and one of them works on in a browser.

The thirty are Streamlit sessions without a browser (`tests.visitors`), each with the cookie of its own that it was
given; the browser is one more. Every run is the same, so a fair share of the steps is an equal one.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page, async_playwright

from tests.bench.processes import family, memory, used
from tests.bench.report import Row
from tests.chromium import launch_options
from tests.serving import Server, serve
from tests.visitors import Visitor, visit

PUPILS, WORKERS = 30, 2
WITHIN = 1.0  # seconds in which all of them press
SETTINGS = {"task.length": "50", "model.hidden_size": "32", "training.steps": "100000"}
REST = 1.5  # seconds between two clicks in the browser

# Clicks, and tells after how many ms what is shown elsewhere has changed: the wait is within the page itself.
CLICK = """async ([button, shown]) => {
  const read = () => document.querySelector(shown)?.textContent ?? "";
  const before = read(), began = performance.now();
  document.querySelector(button).click();
  while (read() === before) {
    if (performance.now() - began > 60000) throw new Error(`${button}: no effect within a minute`);
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - began;
}"""
SETTING = ["input[aria-label='Both directions']", ".st-key-train"]  # below it stands how many parameters there are
TRANSPORT = [
    ".lab-transport .primary",
    ".lab-transport .primary",
]  # turns into its opposite when the server has answered


@dataclass
class Pupil:
    """What one of the thirty saw, in seconds after its press."""

    visitor: Visitor
    run: str = ""
    drawn: float = 0.0
    first: float = 0.0
    points: int = 0


@dataclass
class Clicks:
    """How long the browser waited, in ms, by what it clicked."""

    settings: list[float] = field(default_factory=list)
    transport: list[float] = field(default_factory=list)


def measure(short: bool = True) -> list[Row]:
    """First points, shares, clicks, processor time and memory of a class within one minute, in full within three."""
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder), workers=WORKERS) as server:
        return asyncio.run(_measure(server, 60.0 if short else 180.0))


async def _measure(server: Server, seconds: float) -> list[Row]:
    await _begin_clean(server)
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        query = "&".join(f"{name}={text}" for name, text in SETTINGS.items())
        await page.goto(f"{server.url}/?{query}")
        await page.locator(".st-key-start button:not([disabled])").wait_for()
        pupils = [Pupil(await stack.enter_async_context(visit(server.url, query=SETTINGS))) for _ in range(PUPILS)]
        return await _lesson(server, page, pupils, seconds)


async def _begin_clean(server: Server) -> None:
    """Wait until the workers are there, then take away the example, so that only the class trains."""
    async with asyncio.timeout(90):
        while server.health()["engine"] != "ready":
            await asyncio.sleep(0.2)
    store = server.store()
    for run in store.list():
        store.delete(run.id)
    store.close()


async def _lesson(server: Server, page: Page, pupils: list[Pupil], seconds: float) -> list[Row]:
    processes = family(server.process.pid)
    before, began = {name: used(each) for name, each in processes.items()}, time.perf_counter()
    watching = [asyncio.create_task(_train(pupil, WITHIN * place / PUPILS)) for place, pupil in enumerate(pupils)]
    clicks, over = Clicks(), began + seconds
    own = await _work(page, clicks, over)
    elapsed = time.perf_counter() - began
    spent = {name: 100 * (used(each) - before[name]) / elapsed for name, each in processes.items()}
    store = server.store()
    steps = [float(store.get(pupil.run).step) if pupil.run else 0.0 for pupil in pupils]
    fresh = store.get(own).step
    taken = {name: memory(each) for name, each in family(server.process.pid).items()}
    problems = [said for pupil in pupils for said in pupil.visitor.exceptions()]
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    for pupil in pupils:
        if pupil.run:
            store.desire(pupil.run, "stopped")
    store.close()
    assert not problems, problems[0]
    share = sum(steps) / len(steps) or 1.0
    return [
        Row(
            "",
            f"press → first point, each of {PUPILS} at once",
            [pupil.first or seconds for pupil in pupils],
            "s",
            "≤ 5",
        ),
        Row("", "press → page drawn with the new run", [pupil.drawn or seconds for pupil in pupils], "s", ""),
        Row("", f"steps ÷ mean of all after {seconds:.0f} s", [each / share for each in steps], "×", "0.85 … 1.15"),
        Row("", "steps of the run in the browser, which is paused now and then, ÷ mean", [fresh / share], "×", ""),
        Row("", "a setting clicked → the page shows its effect", clicks.settings, "ms", "≤ 500"),
        Row("", "pause or resume clicked → the page shows it", clicks.transport, "ms", "≤ 500"),
        Row("", "scalars frames per second, each viewer", [pupil.points / seconds for pupil in pupils], "1/s", ""),
        *(Row("", f"processor, {name}", [share], "% of one core", "") for name, share in spent.items()),
        *(Row("", f"memory, {name}", [size], "MB", "") for name, size in taken.items()),
    ]


async def _train(pupil: Pupil, after: float) -> None:
    """Press Train, and watch the run that it began until the lesson is over."""
    await asyncio.sleep(after)
    pressed = time.perf_counter()
    await pupil.visitor.press("Train")
    pupil.drawn = time.perf_counter() - pressed
    pupil.run = pupil.visitor.url_query["run"]
    async with aclosing(pupil.visitor.watch(pupil.run)) as arrivals:
        async for arrival in arrivals:
            if arrival.frame is not None and arrival.kind == "scalars" and arrival.frame.arrays["step"].size:
                pupil.points += 1
                pupil.first = pupil.first or arrival.at - pressed


async def _work(page: Page, clicks: Clicks, over: float) -> str:
    """Train in the browser as well, then change a setting, pause and resume in turns; returns the run."""
    await page.locator(".st-key-start button").click()
    await page.wait_for_url("**run=**")
    run = parse_qs(urlsplit(page.url).query)["run"][0]
    await page.locator(f'.lab-board[data-run="{run}"]').wait_for()
    while time.perf_counter() < over:
        for seen, path in ((clicks.settings, SETTING), (clicks.transport, TRANSPORT)):
            seen.append(float(await page.evaluate(CLICK, path)))
            await asyncio.sleep(REST)
    return run
