"""What people name, bring and send stays text on every page; a message that cannot be read does not end a page."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from lstm_core import files
from lstm_core.cleaning import clean_name
from lstm_core.config import RunConfig
from tests.browser.playing import LOSS, Played, Player, drawn, measure
from tests.fuzz.inputs import damaged
from tests.serving import Server

HIT = "window.__hit = (window.__hit ?? 0) + 1"
MARKUP = f'<img src=x onerror="{HIT}"><script>{HIT}</script><b class=planted>'
NAME = f"שלום {MARKUP} \u202eevil\u2066\0\r\n" + "x" * 10_000
TEXT = f'<b class=planted>no</b> {MARKUP} [a](javascript:void) **b** \u202e& "q"\n' * 20
COLUMN = f"<img src=x onerror={HIT.replace(' ', '')}> **b**"
PLANTED = "img[src='x'], .planted, [onerror], a[href^='javascript'], iframe[srcdoc*='__hit']"


@pytest.fixture(scope="module")
def named(showing: Server) -> Iterator[list[Player]]:
    """Two runs with names that mean something to HTML: one of a table, one of a text, that do as well."""
    store = showing.store()
    table = f'day,"{COLUMN}"\n' + "".join(f"2020-01-{k % 28 + 1:02},{k * 7 % 23}.5\n" for k in range(60))
    brought = [("csv", table.encode(), "<b>table.csv", "csv"), ("text", TEXT.encode(), "text.txt", "text")]
    players = []
    for task, data, name, kind in brought:
        file = files.keep(data, name)
        store.keep_file(name, data, kind)  # type: ignore[arg-type]
        more: dict[str, Any] = {"column": COLUMN} if task == "csv" else {}
        config = RunConfig.model_validate(
            {
                "task": {"name": task, "file": file, "length": 8, **more},
                "model": {"hidden_size": 4},
                "training": {"steps": 6, "validate_every": 3, "batch_size": 4},
            }
        )
        player = Player(showing, measure(config), config)
        player.play(6)
        store.rename(player.id, NAME)
        players.append(player)
    store.close()
    yield players
    for player in players:
        player.store.close()


def inert(page: Page, shown: str = clean_name(NAME)[:40]) -> None:
    """The words are on the page, and none of them has become an element or has run."""
    expect(page.locator("body")).to_contain_text(shown)
    page.wait_for_timeout(300)
    assert page.evaluate("window.__hit") is None
    assert page.locator(PLANTED).count() == 0
    assert not page.evaluate("/[\\u202a-\\u202e]/.test(document.title)")


def test_names_and_data_are_text_on_every_page(page: Page, showing: Server, named: list[Player]) -> None:
    table, text = named
    page.goto(f"{showing.url}/?run={table.id}")
    drawn(page, 5)
    inert(page)
    page.get_by_text("Look at the data").click()
    expect(page.locator(".look-table")).to_contain_text(COLUMN)
    inert(page, COLUMN)
    page.get_by_role("button", name="This run").click()
    inert(page)

    page.goto(f"{showing.url}/?run={text.id}")
    drawn(page, 5)
    inert(page)
    page.goto(f"{showing.url}/?watch={text.id}")
    drawn(page, 5)
    inert(page)

    page.goto(f"{showing.url}/runs?compare={table.id},{text.id}")
    expect(page.locator('[data-panel="loss"] .scatterlayer path.js-line').first).to_be_attached()
    inert(page)
    expect(page.locator(".runs-name bdi").first).to_be_visible()  # a name stands apart from the line around it
    page.goto(f"{showing.url}/cell?run={table.id}&of=run")
    inert(page)
    page.goto(f"{showing.url}/compare?vary=model.cell&task=csv&task.file={table.config.task.model_dump()['file']}")
    expect(page.get_by_role("button", name="Start the race")).to_be_visible()
    assert page.evaluate("window.__hit") is None
    page.goto(f"{showing.url}/?run=%3Cimg%20src%3Dx%20onerror%3D{HIT}%3E&lock=%3Cb%20class%3Dplanted%3E&x.<b>=1")
    inert(page, "<img src=x onerror=")


def test_a_report_is_text_but_for_its_own_script(browser: Browser, showing: Server, named: list[Player]) -> None:
    """Opened from a file, as people open it, where no header of the server protects anybody."""
    for player in named:
        page = browser.new_page()
        answer = page.request.get(f"{showing.url}/lab/runs/{player.id}/export/report.html")
        assert answer.ok
        page.set_content(answer.text())
        expect(page.locator(".main-svg").first).to_be_attached()
        inert(page)
        assert page.locator("script").count() == 3
        page.close()


def test_frames_that_are_broken_are_refused_and_never_hang(page: Page, showing: Server, played: Played) -> None:
    """The reader of the page, with frames of a real run that were damaged in hundreds of ways."""
    from lstm_core.runs import telemetry

    page.goto(f"{showing.url}/healthz")
    good = telemetry.encode("snapshot", played[1][0].arrays, 3, 0, 0)
    broken = [base64.b64encode(damaged(Random(seed), good)).decode() for seed in range(300)]
    ends = page.evaluate(
        """async (frames) => {
            const { decode } = await import('/lab/static/frames.js');
            return frames.map((frame) => {
                try { decode(Uint8Array.from(atob(frame), (sign) => sign.charCodeAt(0)).buffer); return "read"; }
                catch (error) { return error.name; }
            });
        }""",
        broken,
    )
    assert set(ends) <= {"read", "RangeError", "SyntaxError", "TypeError", "Error"}
    assert ends.count("read") < len(ends)


def test_a_message_that_cannot_be_read_does_not_end_the_page(page: Page, showing: Server, played: Played) -> None:
    player = Player(showing, played)
    player.play(10)
    wrong: list[str | bytes] = [b"\xff" * 200, "{not JSON", (2**60).to_bytes(8, "little") + b"{}"]
    sent = len(wrong)

    def between(line: WebSocketRoute) -> None:
        server = line.connect_to_server()

        def on(message: str | bytes) -> None:
            line.send(message)
            if wrong and isinstance(message, bytes):
                line.send(wrong.pop())

        server.on_message(on)

    page.route_web_socket("**/lab/stream", between)
    page.goto(f"{showing.url}/?run={player.id}")
    drawn(page, 9)
    expect(page.locator(LOSS)).to_be_visible()
    page.wait_for_timeout(100)
    player.play(5)
    drawn(page, 14)
    expect(page.locator(".lab-state .lab-word")).to_have_text("running")
    assert len(wrong) < sent
    player.store.close()
