"""Two people with a browser each: whoever trains has control, the other one watches."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.outside.cookies import NAME
from lstm_core.runs.owners import is_token, owner_of
from tests.browser.lab import Lab
from tests.serving import Server

SLOW = "/?task=recall&training.steps=20000&model.hidden_size=16"


@contextlib.contextmanager
def somebody(browser: Browser, server: Server) -> Iterator[tuple[BrowserContext, Lab]]:
    """A browser of their own, with one tab."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    lab = Lab(context.new_page(), server.url)
    yield context, lab
    # Streamlit's page looks for its server below the page's own path first.
    assert [error for error in lab.errors if "404 (Not Found)" not in error] == []
    context.close()


def token_of(context: BrowserContext) -> str:
    (token,) = [cookie["value"] for cookie in context.cookies() if cookie["name"] == NAME]
    assert is_token(token)
    return str(token)


def keeps_the_secret(page: Page, token: str) -> None:
    """Nothing that a script of the page can read tells who its owner is."""
    seen = page.evaluate("[document.documentElement.outerHTML, document.cookie, location.href].join()")
    seen += page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert token not in seen
    assert owner_of(token) not in seen


def test_one_trains_and_another_watches(server: Server, browser: Browser) -> None:
    with somebody(browser, server) as (mine, owner), somebody(browser, server) as (theirs, other):
        owner.open(SLOW)
        run = owner.train()
        expect(owner.transport("Pause")).to_be_enabled()
        link = f"/?run={run}"

        page = other.page
        page.goto(server.url + link)
        expect(other.sidebar.get_by_text("You are watching")).to_be_visible()
        expect(other.sidebar.get_by_text("by someone else")).to_be_visible()
        expect(other.button("Make a copy with these settings")).to_be_visible()
        expect(page.locator(".lab-board")).to_have_attribute("data-run", run)
        other.step_after(0)
        other.step_after(other.step())
        for name in ("Pause", "Step", "Stop", "Same weights", "New seed"):
            expect(other.transport(name)).to_be_hidden()
        expect(page.get_by_role("button", name="Fork here")).to_be_hidden()
        page.keyboard.press(" ")  # the key of Pause
        other.step_after(other.step())

        owner.page.reload()
        expect(owner.transport("Pause")).to_be_enabled()
        second = mine.new_page()  # the same browser
        second.goto(server.url + link)
        second.locator(".lab-transport").get_by_role("button", name="Pause", exact=True).click()
        expect(other.state).to_have_text("paused")
        owner.page.goto(f"{server.url}/lessons")
        owner.page.go_back()
        expect(owner.transport("Resume")).to_be_enabled()
        owner.transport("Stop").click()
        expect(other.state).to_have_text("stopped")

        page.goto(f"{server.url}/runs?whose=all&search={run}")
        row = page.locator(".runs-table tbody tr")
        row.get_by_role("checkbox").check()
        actions = page.locator(".runs-actions")
        for name in ("Rename", "Resume", "Fork", "Delete"):
            expect(actions.get_by_role("button", name=name, exact=True)).to_be_disabled()
        assert "someone else" in (actions.get_by_role("button", name="Delete").get_attribute("title") or "")
        actions.get_by_role("button", name="Copy", exact=True).click()
        expect(other.button("Train")).to_be_enabled()
        expect(other.sidebar.get_by_role("textbox", name="Hidden size").or_(
            other.sidebar.get_by_role("spinbutton", name="Hidden size")
        ).first).to_have_value("16")  # fmt: skip

        owner.page.goto(f"{server.url}/runs?search={run}")
        owner.page.locator(".runs-table tbody tr").get_by_role("checkbox").check()
        expect(owner.page.get_by_label("Whose runs to show")).to_have_value("")
        expect(owner.page.locator(".runs-actions").get_by_role("button", name="Delete")).to_be_enabled()

        assert token_of(mine) != token_of(theirs)
        for shown in (owner.page, second, page):
            for context in (mine, theirs):
                keeps_the_secret(shown, token_of(context))
        for context in (mine, theirs):
            assert token_of(context) not in server.printed()
