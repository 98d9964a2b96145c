"""A page that stays open while its server is started anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from lstm_core import RunConfig
from tests.serving import COMMAND, end, serve


@pytest.mark.parametrize("place", [".lab-transport", "[data-testid=stSidebar]"])
def test_the_first_press_after_a_restart_counts(browser: Browser, tmp_path: Path, place: str) -> None:
    """The new server knows nothing of the page that presses: neither Pause nor Train may be lost."""
    page = browser.new_page()
    with serve(tmp_path, workers=0) as before:
        store = before.store()
        run = store.create(RunConfig())
        page.goto(f"{before.url}/?run={run}")
        pause = page.locator(".lab-transport").get_by_role("button", name="Pause")
        expect(pause).to_be_visible(timeout=20_000)
        runs = len(store.list())
        end(before.process)
        expect(page.locator(".lab-link")).to_have_text("reconnecting…", timeout=20_000)
        with serve(tmp_path, workers=0, command=(*COMMAND[:-1], before.url.rsplit(":", 1)[1])):
            expect(page.locator(".lab-link")).to_have_text("", timeout=20_000)
            page.wait_for_timeout(3000)  # the frame around the board has a line of its own, and says nothing of it
            page.locator(place).get_by_role("button", name="Pause" if place == ".lab-transport" else "Train").click()
            if place == ".lab-transport":
                page.locator(".lab-state .lab-word").get_by_text("paused").wait_for(timeout=20_000)
                assert store.get(run).desired == "paused"
            else:
                page.wait_for_url(lambda url: f"run={run}" not in url, timeout=20_000)
                assert len(store.list()) == runs + 1
    page.close()
    store.close()
