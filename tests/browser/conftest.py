"""A real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.chromium import launch_options


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window; tests open contexts and pages of their own in it."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        yield running
        running.close()
