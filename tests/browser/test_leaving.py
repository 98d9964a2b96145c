"""A page that was left is gone: nothing keeps its board alive, which its buttons stand for here."""

from __future__ import annotations

import time

from playwright.sync_api import CDPSession, Page, expect

from tests.serving import Server

WAIT = 10.0  # seconds until what is still under way, as an answer to the page before, lets go of it
HELD = "function () { return this.filter((each) => each.className === 'lab-transport').length; }"


def boards(line: CDPSession) -> int:
    """How many boards there are in the memory of the page after a collection, on the page or not."""
    line.send("HeapProfiler.collectGarbage")
    said = {"expression": "HTMLDivElement.prototype", "objectGroup": "boards"}
    prototype = line.send("Runtime.evaluate", said)["result"]["objectId"]
    query = {"prototypeObjectId": prototype, "objectGroup": "boards"}
    found = line.send("Runtime.queryObjects", query)["objects"]["objectId"]
    asked = {"objectId": found, "functionDeclaration": HELD, "returnByValue": True}
    held = int(line.send("Runtime.callFunctionOn", asked)["result"]["value"])
    line.send("Runtime.releaseObjectGroup", {"objectGroup": "boards"})  # else this look keeps what it has found
    return held


def test_boards_do_not_pile_up_as_one_goes_back_and_forth(page: Page, showing: Server) -> None:
    page.goto(showing.url)
    line = page.context.new_cdp_session(page)
    board = page.locator(".lab-transport")
    for _ in range(6):
        expect(board).to_have_count(1)
        page.get_by_role("link", name="Runs", exact=True).first.click()
        expect(board).to_have_count(0)
        page.get_by_role("link", name="Lab", exact=True).first.click()
    expect(board).to_have_count(1)
    deadline = time.monotonic() + WAIT
    while (held := boards(line)) > 2:  # React remembers the one before
        assert time.monotonic() < deadline, held
        page.wait_for_timeout(300)
