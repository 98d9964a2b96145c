"""A page that was left is gone: nothing keeps its board alive, which its buttons stand for here."""

from __future__ import annotations

from playwright.sync_api import CDPSession, Page, expect

from tests.serving import Server

HELD = "function () { return this.filter((each) => each.className === 'lab-transport').length; }"


def boards(line: CDPSession) -> int:
    """How many boards there are in the memory of the page after a collection, on the page or not."""
    line.send("HeapProfiler.collectGarbage")
    prototype = line.send("Runtime.evaluate", {"expression": "HTMLDivElement.prototype"})["result"]["objectId"]
    found = line.send("Runtime.queryObjects", {"prototypeObjectId": prototype})["objects"]["objectId"]
    asked = {"objectId": found, "functionDeclaration": HELD, "returnByValue": True}
    return int(line.send("Runtime.callFunctionOn", asked)["result"]["value"])


def test_boards_do_not_pile_up_as_one_goes_back_and_forth(page: Page, showing: Server) -> None:
    page.goto(showing.url)
    line = page.context.new_cdp_session(page)
    board = page.locator(".lab-transport")
    for _ in range(3):
        expect(board).to_have_count(1)
        page.get_by_role("link", name="Runs", exact=True).first.click()
        expect(board).to_have_count(0)
        page.get_by_role("link", name="Lab", exact=True).first.click()
    expect(board).to_have_count(1)
    page.wait_for_timeout(300)
    assert boards(line) <= 2  # React remembers the one before
