"""A real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.lab import Lab
from tests.browser.playing import CONFIG, Played, Player, measure
from tests.chromium import launch_options
from tests.serving import Server, serve

# In every page: what the server's Content-Security-Policy forbids is said aloud.
TELL = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`forbidden: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile} ${event.sample}`));
"""
_forbidden: list[str] = []


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window; tests open contexts and pages of their own in it."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        running.on("context", _listen)
        yield running
        running.close()


def _listen(context: BrowserContext) -> None:
    context.on("console", lambda said: _forbidden.append(said.text) if said.text.startswith("forbidden:") else None)
    context.add_init_script(TELL)


@pytest.fixture(autouse=True)
def nothing_forbidden() -> Iterator[list[str]]:
    """No page of any test does what the policy forbids; a test that means to takes what it caused out of the list."""
    _forbidden.clear()
    yield _forbidden
    assert _forbidden == []


@pytest.fixture
def lab(server: Server, browser: Browser) -> Iterator[Lab]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(20_000)
    shown = Lab(page, server.url)
    yield shown
    page.close()
    assert shown.errors == []


@pytest.fixture(scope="session")
def showing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trains nothing."""
    with serve(tmp_path_factory.mktemp("board"), workers=0) as running:
        yield running


@pytest.fixture(scope="session")
def played() -> Played:
    """A short run of recall with attention."""
    return measure(CONFIG)


@pytest.fixture
def player(showing: Server, played: Played) -> Iterator[Player]:
    opened = Player(showing, played)
    yield opened
    opened.store.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(20_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.close()
    assert errors == []
