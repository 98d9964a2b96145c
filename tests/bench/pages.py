"""What one feels in a browser: from the press to the first point, from the point to the screen, and what that costs.

The browser runs on the same machine as the server and its worker, headless and without a graphics card; what is drawn
is found out within the page. A class is added as clients of the stream, as in `viewers`.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from playwright.async_api import Page, async_playwright

from lstm_core.config import RunConfig
from tests.bench.report import Row
from tests.bench.training import settled
from tests.bench.viewers import crowd
from tests.chromium import launch_options
from tests.serving import Server, serve

WIDTH, HEIGHT = 1280, 800
CROWD = 29  # beside the browser
SETTINGS = "task=recall&task.length=40&training.steps=100"
# Of the run that is looked at: endless, and of the size of the main example.
WATCHED = {"task.length": 50, "model.hidden_size": 32, "training.steps": 1_000_000, "training.validate_every": 1000}
LARGE = {"task.length": 100, "model.hidden_size": 64, "model.num_layers": 2, "training.steps": 1_000_000}
TRAIN = ".st-key-start button"
BREATH = 1.0  # seconds a run goes on before it is paused, and from the press until nothing can still come

# Presses Train, and tells after how many ms the first points of the new run were drawn.
PRESS = """async (train) => {
  const frame = () => new Promise(requestAnimationFrame);
  const board = () => document.querySelector(".lab-board");
  const before = board()?.dataset.run, began = performance.now();
  const late = () => { if (performance.now() - began > 60000) throw new Error("no point within a minute"); };
  document.querySelector(train).click();
  while (!board()?.dataset.run || board().dataset.run === before) { late(); await frame(); }
  const draws = window.__lab.draws;
  while (window.__lab.draws === draws || window.__lab.step < 0) { late(); await frame(); }
  return performance.now() - began;
}"""
# Presses Pause, and tells after how many ms the step counter last changed.
PAUSE = """async (breath) => {
  const count = document.querySelector(".lab-state .lab-rest");
  const step = () => count.textContent.split("/")[0];
  let last = step(), changed = performance.now();
  const watching = new MutationObserver(() => {
    if (step() !== last) { last = step(); changed = performance.now(); }
  });
  watching.observe(count, { childList: true, characterData: true, subtree: true });
  const clicked = changed = performance.now();
  document.querySelector(".lab-transport button").click();
  await new Promise((held) => setTimeout(held, 1000 * breath));
  watching.disconnect();
  return changed - clicked;
}"""
OPEN = """for (const chip of document.querySelectorAll('.lab-groups .lab-chip[aria-expanded="false"]:not([hidden])'))
  chip.click();"""
# Keeps every picture as high as it is in this window, and tells how high one would be that shows all of the page.
KEEP = """() => {
  const board = document.querySelector(".lab-board"), probe = board.appendChild(document.createElement("div"));
  probe.style.height = "var(--row)";
  const row = probe.clientHeight, pictures = [...board.querySelectorAll(".lab-picture")];
  const heights = pictures.map((picture) => picture.clientHeight);
  probe.remove();
  board.style.setProperty("--row", `${row}px`);
  pictures.forEach((picture, place) => (picture.style.height = `${heights[place]}px`));
  return document.querySelector("[data-testid=stMain]").scrollHeight + 200;
}"""
SEEN = """() => [...document.querySelectorAll("[data-panel]")].map((panel) => panel.getBoundingClientRect())
  .filter(({ top, bottom, height }) => height && top >= 0 && bottom <= innerHeight).length"""
# Moves the timeline's slider to and fro, and tells the ms between the frames that the browser showed meanwhile.
SCRUB = """async (seconds) => {
  const slider = document.querySelector(".lab-slider"), last = Number(slider.max), times = [];
  const began = performance.now();
  for (let now = began; now - began < 1000 * seconds; now = await new Promise(requestAnimationFrame)) {
    const share = Math.abs((((now - began) / 2000) % 2) - 1);
    slider.value = String(Math.round(share * last));
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    times.push(now);
  }
  return times.slice(1).map((time, place) => time - times[place]);
}"""


def measure(short: bool = True) -> list[Row]:
    """P4, P5 and P7, and how soon a button acts."""
    return asyncio.run(_measure(short))


async def _measure(short: bool) -> list[Row]:
    rows = await _cold(2 if short else 10)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, serve(Path(folder), workers=2) as server:
        await settled(server.store())
        async with opened() as page:
            rows += await _warm(server, page, 8 if short else 30)
            rows += await _paused(server, page, 5 if short else 20)
            rows += await _drawn(server, page, 6.0 if short else 30.0)
        async with opened() as page:
            rows += await _costs(server, page, 4.5 if short else 20.0)
    return rows


@asynccontextmanager
async def opened() -> AsyncIterator[Page]:
    """A page of a browser of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        yield await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        await browser.close()


async def _cold(turns: int) -> list[Row]:
    """A server that is started: until its page can be used, and from a press at that moment to the first point."""
    usable, first = [], []
    for _ in range(turns):
        async with opened() as page:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                began = time.perf_counter()
                with serve(Path(folder), workers=2, answers="/") as server:
                    await page.goto(f"{server.url}/?{SETTINGS}")
                    await page.locator(f"{TRAIN}:not([disabled])").wait_for()
                    usable.append(time.perf_counter() - began)
                    first.append(await page.evaluate(PRESS, TRAIN) / 1000)
    return [
        Row("P4", "a server is started → its page can be used", usable, "s", "≤ 2.5"),
        Row("P4", "Train on a cold server → first point drawn, p95", [_p95(first)], "s", "≤ 6"),
    ]


async def _warm(server: Server, page: Page, turns: int) -> list[Row]:
    await page.goto(f"{server.url}/?{SETTINGS}")
    await page.locator(f"{TRAIN}:not([disabled])").wait_for()
    found = []
    for _ in range(turns):
        await asyncio.sleep(2.0)  # the run before is over
        found.append(float(await page.evaluate(PRESS, TRAIN)))
    return [
        Row("P4", "Train → first point drawn", found, "ms", ""),
        Row("P4", f"Train → first point drawn, p95 of {turns}", [_p95(found)], "ms", "≤ 400"),
    ]


async def _paused(server: Server, page: Page, turns: int) -> list[Row]:
    """A run is paused and resumed: each button acts at once."""
    store = server.store()
    run = store.create(RunConfig().replace(**WATCHED))
    await page.goto(f"{server.url}/?run={run}")
    await _reached(page, 200)
    found = []
    for _ in range(turns):
        found.append(float(await page.evaluate(PAUSE, BREATH)))
        await page.locator(".lab-transport button").first.click()
        await _reached(page, 1 + await page.evaluate("window.__lab.step"))
        await asyncio.sleep(BREATH)
    store.desire(run, "stopped")
    store.close()
    return [Row("R5", "Pause pressed → the last step is counted", found, "ms", "≤ 300")]


async def _drawn(server: Server, page: Page, seconds: float) -> list[Row]:
    """How old the oldest point of each drawing is, alone and in a class that watches two runs."""
    store = server.store()
    rows = []
    for name, others, aim in (("one viewer", 0, "≤ 150"), (f"{CROWD + 1} viewers, two runs", CROWD, "≤ 250")):
        config = RunConfig().replace(**WATCHED)
        runs = [store.create(config) for _ in range(2 if others else 1)]
        await page.goto(f"{server.url}/?run={runs[0]}")
        await _reached(page, 200)
        await crowd(server, runs[0], lambda: _wait_anew(page, seconds), viewers=others)
        delays = [float(each) for each in await page.evaluate("window.__lab.delays")]
        for run in runs:
            store.desire(run, "stopped")
        rows += [
            Row("P5", f"point made → drawn, {name}", delays, "ms", ""),
            Row("P5", f"point made → drawn, {name}, p95 of {len(delays)}", [_p95(delays)], "ms", aim),
        ]
        await asyncio.sleep(1.0)
    store.close()
    return rows


async def _wait_anew(page: Page, seconds: float) -> None:
    await page.evaluate("window.__lab.delays.length = 0")
    await asyncio.sleep(seconds)


async def _costs(server: Server, page: Page, seconds: float) -> list[Row]:
    """The main thread with every panel open and in view; then the frames while the timeline's slider moves."""
    store = server.store()
    run = store.create(RunConfig().replace(**LARGE))
    await page.goto(f"{server.url}/?run={run}")
    await _reached(page, 20)
    await page.evaluate(OPEN)
    await asyncio.sleep(2.0)
    await page.set_viewport_size({"width": WIDTH, "height": await page.evaluate(KEEP)})
    await asyncio.sleep(2.0)
    panels = await page.evaluate(SEEN)
    costs = []
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    for _ in range(3):
        before, drawn = await _busy(session), await page.evaluate("window.__lab.draws")
        await asyncio.sleep(seconds / 3)
        after, last = await _busy(session), await page.evaluate("window.__lab.draws")
        costs.append(1000 * (after - before) / max(1, last - drawn))
    store.desire(run, "paused")
    await asyncio.sleep(2.0)
    times = [float(each) for each in await page.evaluate(SCRUB, seconds)]
    store.desire(run, "stopped")
    store.close()
    return [
        Row("P7", f"main thread per update, all {panels} panels in view, H 64 T 100, two layers", costs, "ms", "≤ 25"),
        Row(
            "P7", "frames per second while the timeline's slider moves", [1000 * len(times) / sum(times)], "1/s", "≥ 50"
        ),
    ]


async def _busy(session: object) -> float:
    found = await session.send("Performance.getMetrics")  # type: ignore[attr-defined]
    return float(next(metric["value"] for metric in found["metrics"] if metric["name"] == "TaskDuration"))


async def _reached(page: Page, step: int) -> None:
    async with asyncio.timeout(90):
        while not await page.evaluate("step => (window.__lab?.step ?? -1) >= step", step):
            await asyncio.sleep(0.1)


def _p95(values: list[float]) -> float:
    return float(np.percentile(values, 95))
