"""The line between a page in a real browser and the server: opened with the page, ended with it."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Browser

from tests.serving import Server

WAIT = 60.0


def until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_page_watches_and_lets_go(server: Server, browser: Browser) -> None:
    until(lambda: server.health()["viewers"] == 0)  # the pages of other tests have let go
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    outside: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda asked: None if server.url in asked.url else outside.append(asked.url))
    page.goto(server.url)
    until(lambda: server.health()["viewers"] == 1)
    page.reload()
    page.wait_for_timeout(2000)
    until(lambda: server.health()["viewers"] == 1)
    context.close()
    until(lambda: server.health()["viewers"] == 0)
    assert not errors
    assert not [url for url in outside if not url.startswith(("data:", "blob:"))]
