"""Lessons as a person takes them: predict, run, compare, reload in the middle, go back, go on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, expect

from app.lessons import texts
from app.session import DOUBLE_CLICK
from tests.app.test_lessons import TINY
from tests.serving import Server, serve

PATIENCE = 300_000  # ms: the workers start while the first lesson is read


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the first lesson, a tiny second one and a file that is no lesson."""
    folder = tmp_path_factory.mktemp("school")
    shutil.copy(texts.FOLDER / "01-recall-cliff.md", folder)
    (folder / "02-tiny.md").write_text(TINY)
    (folder / "03-broken.md").write_text(TINY.replace("minutes: 1", "minutes: soon"))
    with serve(folder, workers=1, environment={"LSTM_LAB_LESSONS": str(folder)}) as running:
        yield running


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def predict(page: Page, answer: str) -> None:
    page.get_by_text(answer, exact=True).click()
    press(page, "Predict")


def measured(page: Page) -> None:
    expect(page.get_by_role("heading", name="Measured")).to_be_visible(timeout=PATIENCE)


def test_the_first_lesson_from_a_cold_start_and_the_second(school: Server, page: Page) -> None:
    page.goto(f"{school.url}/lessons")
    expect(page.get_by_text("03-broken.md")).to_be_visible()
    expect(page.get_by_text("minutes is 'soon'; choose a whole number.")).to_be_visible()

    press(page, "The recall cliff")
    expect(page.get_by_role("heading", name="The recall cliff")).to_be_visible()
    expect(page.get_by_role("button", name="Run both")).to_have_count(0)
    predict(page, "Both learn it; the better beginning only makes it faster.")
    page.get_by_role("button", name="Run both").dblclick()
    boards = page.locator(".lab-board")
    expect(boards).to_have_count(2)
    expect(boards.first.locator("[data-panel]")).to_have_count(2)
    page.wait_for_url("**made=*")
    page.reload()  # in the middle: prediction and runs are still there
    expect(page.get_by_text("Your prediction")).to_be_visible()
    expect(boards).to_have_count(2)
    measured(page)
    assert len(school.store().list()) == 3  # the example, and in spite of the double click each run once
    result = page.locator(".st-key-lesson-ask")
    expect(result).to_contain_text("PyTorch default")
    expect(result).to_contain_text("not solved")
    expect(result).to_contain_text("solved after")
    expect(result).to_contain_text("It came out as: Chrono learns it; the default never gets beyond guessing.")
    expect(page.get_by_role("heading", name="What happened, and why")).to_be_visible()
    expect(page.locator(".st-key-lesson-after")).not_to_contain_text("[[")

    _back_and_forth(page)
    press(page, "Next: A tiny lesson")
    expect(page.get_by_role("heading", name="A tiny lesson")).to_be_visible()
    predict(page, "No")
    page.wait_for_timeout(1000 * DOUBLE_CLICK)
    press(page, "Run")
    measured(page)
    expect(page.get_by_text("As you predicted.")).to_be_visible()
    press(page, "All lessons")
    expect(page.get_by_text("✓ done")).to_have_count(2)


def _back_and_forth(page: Page) -> None:
    """The browser's own back button leads to the list and forth to the result; the twist opens the Lab."""
    press(page, "All lessons")
    expect(page.get_by_text("✓ done")).to_have_count(1)
    page.go_back()
    expect(page.get_by_role("heading", name="Measured")).to_be_visible()
    press(page, "Eighty tokens, in the Lab")
    expect(page.get_by_test_id("stSidebar").get_by_role("button", name="Train", exact=True)).to_be_visible()
    assert parse_qs(urlparse(page.url).query)["task.length"] == ["80"]
    expect(page.get_by_text("Both directions", exact=True)).to_have_count(0)  # hidden: it would be a shortcut
    page.go_back()
    expect(page.get_by_role("heading", name="Measured")).to_be_visible()
