"""One browser tab on the Lab, for every test that uses it as a person does."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Locator, Page, TimeoutError, expect

from tests.browser.waiting import until

expect.set_options(timeout=20_000)


class Lab:
    """One browser tab on the Lab, and what a person does there."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, address: str = "/") -> Lab:
        self.page.goto(self.url + address)
        expect(self.button("Train")).to_be_enabled()
        expect(self.state).not_to_have_text("")
        return self

    @property
    def sidebar(self) -> Locator:
        return self.page.get_by_test_id("stSidebar")

    @property
    def state(self) -> Locator:
        return self.page.locator(".lab-state .lab-word")

    @property
    def run(self) -> str | None:
        return parse_qs(urlparse(self.page.url).query).get("run", [None])[0]

    def button(self, name: str) -> Locator:
        return self.sidebar.get_by_role("button", name=name, exact=True)

    def transport(self, name: str) -> Locator:
        return self.page.locator(".lab-transport").get_by_role("button", name=name, exact=True)

    def unfold(self, group: str) -> None:
        self.sidebar.locator("summary").get_by_text(group, exact=True).click()
        self.page.wait_for_timeout(500)  # it unfolds slowly

    def choose(self, label: str, words: str) -> None:
        """A list that opens closes again when the page below it moves; a person then opens it once more."""
        box = self.sidebar.get_by_role("combobox", name=label, exact=True)
        option = self.page.get_by_role("option", name=words, exact=True)
        box.scroll_into_view_if_needed()
        self.page.wait_for_timeout(200)
        for patience in (3_000, 5_000, 20_000):
            box.click()
            try:
                option.click(timeout=patience)
                break
            except TimeoutError:
                if patience == 20_000:
                    raise
        expect(box).to_have_value(words)

    def type(self, label: str, value: str) -> None:
        """Into a page at rest: one that is just drawn anew may put its number beside what is typed."""
        self.settled()
        box = self.sidebar.get_by_role("spinbutton", name=label, exact=True)
        box.fill(value)
        box.press("Enter")

    def switch(self, label: str) -> None:
        self.sidebar.get_by_text(label, exact=True).click()

    def train(self) -> str:
        before = self.run
        self.button("Train").click()
        self.page.wait_for_url(lambda url: parse_qs(urlparse(url).query).get("run", [None])[0] not in (before, None))
        assert self.run is not None
        expect(self.page.locator(".lab-board")).to_have_attribute("data-run", self.run)  # what is said is of this run
        return self.run

    def settled(self) -> None:
        """Wait until the server has drawn the page anew."""
        expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")

    def step(self) -> int:
        """The step counter on the page."""
        words = self.page.locator(".lab-state .lab-rest").inner_text()
        return int(re.sub(r"\D", "", words.split("/")[0]))

    def step_after(self, step: int) -> None:
        """Wait until the counter is beyond a step."""
        until(
            self.page,
            "step => Number(document.querySelector('.lab-state .lab-rest').textContent.split('/')[0]"
            ".replace(/\\D/g, '')) > step",
            arg=step,
        )

    def bring(self, file: Path, place: int = 0) -> None:
        """Give a file to the uploader that is the n-th from above."""
        self.sidebar.locator("input[type=file]").nth(place).set_input_files(str(file))
