"""A browser that keeps nothing for whoever drives it.

Playwright listens to the network of its pages, and for a listener Chromium keeps the body of every answer until the
page is loaded anew, text as two bytes for each letter where one of them needs it. A page that fetched 9.5 MB of such
text in pieces of 20 kB, three times, grew by 21 MB each time, and here by 1.7. No page of a person does. What
Playwright says to the browser passes through a line on which that request is made for bodies of no size at all;
everything else is as Playwright says it.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Playwright
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.chromium import launch_options

LISTENS = "Network.enable"
NO_BODIES = {"maxTotalBufferSize": 0, "maxResourceBufferSize": 0}  # bytes
# As Playwright starts it: a page that is not in front is as quick as the others, and one that was left is not kept in
# case somebody goes back to it, as the browser of a person keeps a few.
PLAIN = (
    "--disable-back-forward-cache",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--mute-audio",
)
UP = 30.0  # seconds in which it is to start


@asynccontextmanager
async def unrecorded(playwright: Playwright) -> AsyncIterator[Browser]:
    """A headless browser of its own, ended with the block."""
    options: dict[str, Any] = launch_options()
    program = options.get("executable_path") or playwright.chromium.executable_path
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        own = ["--headless", "--remote-debugging-port=0", f"--user-data-dir={folder}", *PLAIN, *options["args"]]
        process = await asyncio.create_subprocess_exec(
            program, *own, "about:blank", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            address = await _address(Path(folder) / "DevToolsActivePort")

            async def answer(driver: ServerConnection) -> None:
                async with connect(address, max_size=None, compression=None) as browser:
                    await asyncio.gather(_pass_on(driver, browser, _without_bodies), _pass_on(browser, driver))

            async with serve(answer, "127.0.0.1", 0, max_size=None, compression=None) as line:
                port = line.sockets[0].getsockname()[1]
                browser = await playwright.chromium.connect_over_cdp(f"ws://127.0.0.1:{port}")
                yield browser
                await browser.close()
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _address(told: Path) -> str:
    """Where the browser listens, which it writes into a file: its port and a path."""
    async with asyncio.timeout(UP):
        while not told.exists() or len(lines := told.read_text().split()) < 2:
            await asyncio.sleep(0.05)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"


async def _pass_on(
    source: ClientConnection | ServerConnection, target: ClientConnection | ServerConnection, change: Any = None
) -> None:
    """Everything that one says, to the other, until one of them goes."""
    with suppress(ConnectionClosed):
        async for message in source:
            await target.send(change(message) if change else message)
    await target.close()


def _without_bodies(message: str) -> str:
    if LISTENS not in message:
        return message
    said = json.loads(message)
    return (
        json.dumps({**said, "params": {**said.get("params", {}), **NO_BODIES}})
        if said["method"] == LISTENS
        else message
    )
