"""What it costs to train with everything on: worker, snapshots, store and one browser that watches.

The bare loop and the full path take turns (A B A B …), so that a machine that slows down slows both.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.bench.report import Row
from tests.bench.sizes import SIZES, config
from tests.chromium import launch_options
from tests.serving import Server, serve


def measure(short: bool = True) -> list[Row]:
    """Ratio of steps per second, full path ÷ bare loop, at every size; and point made → point drawn."""
    turns, seconds = (3, 6.0) if short else (7, 10.0)
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder), workers=1) as server,
        sync_playwright() as playwright,
    ):
        page = playwright.chromium.launch(**launch_options()).new_page()  # type: ignore[arg-type]
        page.set_viewport_size({"width": 1280, "height": 800})
        delays: list[float] = []
        for size in SIZES:
            ratios = []
            for _ in range(turns):
                bare = _bare(size, seconds)
                full, drawn = _full(server, page, size, seconds)
                ratios.append(full / bare)
                delays += drawn
            rows.append(Row(f"full path ÷ bare loop, {size}", ratios, "×", "≥ 0.95"))
    delays.sort()
    for share in (50, 95):
        value = delays[min(len(delays) - 1, len(delays) * share // 100)] if delays else float("nan")
        rows.append(Row(f"point made → drawn, p{share} of {len(delays)}", [value], "ms", "≤ 200"))
    return rows


def _bare(size: str, seconds: float) -> float:
    command = [sys.executable, "-m", "tests.bench.sizes", size, str(seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _full(server: Server, page: object, size: str, seconds: float) -> tuple[float, list[float]]:
    """Steps per second of a watched run, and the delays in ms with which its points were drawn."""
    store = server.store()
    run = store.create(config(size))
    page.goto(f"{server.url}/?run={run}")  # type: ignore[attr-defined]
    deadline = time.monotonic() + 60
    while store.get(run).step < 100 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    before, began = store.get(run).step, time.perf_counter()
    time.sleep(seconds)
    speed = (store.get(run).step - before) / (time.perf_counter() - began)
    drawn = page.evaluate("window.__lab.delays")  # type: ignore[attr-defined]
    store.desire(run, "stopped")
    store.close()
    time.sleep(1)
    return speed, [float(delay) for delay in drawn]
