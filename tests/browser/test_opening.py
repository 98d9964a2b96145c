"""How a page comes: what it is going to need is named in it, and nothing else has to be found out step by step."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser

from app.outside.preload import imported
from app.outside.static import BOARD
from tests.browser.waiting import until
from tests.serving import Server

NAMED = re.compile(r'(?:href|src)="\.?(/(?:lab/)?static/[^"]+)"')
LOADED = "performance.getEntriesByType('resource').map((entry) => new URL(entry.name).pathname)"


@pytest.fixture
def named(showing: Server) -> dict[str, set[str]]:
    """Of some pages: the addresses in it."""
    with httpx.Client(base_url=showing.url, headers={"Accept": "text/html"}) as client:
        return {path: set(NAMED.findall(client.get(path).text)) for path in ("/", "/compare")}


def test_every_script_of_the_lab_is_named_in_its_page(
    showing: Server, browser: Browser, named: dict[str, set[str]]
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(showing.url)
    page.locator(".st-key-start button").wait_for()
    until(page, "() => Boolean(window.Plotly)")
    scripts = {path for path in page.evaluate(LOADED) if path.endswith(".js")}
    page.close()
    assert len([path for path in scripts if path.startswith("/lab/static/")]) > 20
    assert scripts - named["/"] == set()


def test_all_that_is_named_is_there(showing: Server, named: dict[str, set[str]]) -> None:
    with httpx.Client(base_url=showing.url) as client:
        for path in named["/"] | named["/compare"]:
            assert client.get(path).status_code == 200, path
    assert not [path for path in named["/compare"] if path.startswith("/lab/static/")]
    assert {path for path in named["/"] if not path.startswith("/lab/static/")} == named["/compare"]


def test_a_page_is_whole_and_nothing_else_is_touched(showing: Server) -> None:
    with httpx.Client(base_url=showing.url, headers={"Accept": "text/html"}) as client:
        answer = client.get("/")
        assert answer.text.rstrip().endswith("</html>")
        assert answer.text.count("</head>") == 1
        # A browser that had an earlier page must not go on with that one, which names what is no longer there.
        assert "etag" not in answer.headers
        assert client.get("/", headers={"If-None-Match": answer.headers.get("etag", "x")}).status_code == 200
        assert client.get("/healthz").json()["status"] == "ok"
        plain = httpx.get(f"{showing.url}/", headers={"Accept": "*/*"}).text
        assert "modulepreload" in plain
        assert "/lab/static/" not in plain


def test_imports_are_followed_and_words_are_not() -> None:
    found = imported(BOARD, "charts.js")
    assert found[0] == "charts.js"
    assert {"dom.js", "look.js", "panel.js"} <= set(found)
    assert "board.js" not in found
