"""A real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.lab import Lab
from tests.chromium import launch_options
from tests.serving import Server


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window; tests open contexts and pages of their own in it."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        yield running
        running.close()


@pytest.fixture
def lab(server: Server, browser: Browser) -> Iterator[Lab]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(20_000)
    shown = Lab(page, server.url)
    yield shown
    page.close()
    assert shown.errors == []
