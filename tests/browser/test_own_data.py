"""Own files on the page, as a person brings them: good ones, and those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from lstm_core import files
from tests.browser.lab import Lab
from tests.core.own_files import csv_of, walk
from tests.serving import Server


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "walk.csv"
    file.write_bytes(csv_of(walk()))
    return file


def warning(lab: Lab) -> Locator:
    return lab.sidebar.get_by_test_id("stAlert")


def test_a_forecast_of_a_table_of_ones_own(lab: Lab, server: Server, browser: Browser, table: Path) -> None:
    lab.open("/?task=csv&training.steps=20")
    lab.button("Train").click()
    expect(lab.page.get_by_test_id("stToast")).to_contain_text("Choose a CSV file")
    lab.bring(table)
    expect(lab.sidebar).to_contain_text("walk.csv · 5.9 kB")
    lab.choose("Column", "close")
    lab.page.wait_for_url("**task.column=close*")
    lab.unfold("Look at the data")
    expect(lab.sidebar.locator(".look-table th")).to_have_text(["date", "open", "close"])
    expect(lab.sidebar.locator(".look-line").first).to_be_visible()
    run = lab.train()
    expect(lab.state).to_have_text("finished", timeout=60_000)
    assert server.store().get(run).config["task"]["column"] == "close"

    settings = lab.page.url.removeprefix(server.url).replace(f"&run={run}", "")  # as one gives them to others
    other = Lab(browser.new_page(), server.url).open(settings)
    expect(other.sidebar).to_contain_text("walk.csv · 5.9 kB")
    lab.button("Take out").click()
    lab.page.wait_for_url(lambda url: "task.file" not in url)
    other.page.reload()
    expect(other.sidebar).to_contain_text("walk.csv · 5.9 kB")
    other.page.close()


def test_what_cannot_be_used_is_refused_in_words(lab: Lab, server: Server, tmp_path: Path) -> None:
    before = len(server.store().files())
    lab.open("/?task=csv")
    bad = {"picture.csv": b"\x89PNG\r\n\x1a\n" + bytes(300), "empty.csv": b""}
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
        lab.bring(tmp_path / name)
        expect(warning(lab)).to_contain_text(name)
    expect(warning(lab)).to_contain_text("is empty: it has 0 bytes")
    assert "task.file" not in lab.page.url
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(5 * files.LARGEST)
    lab.bring(large)
    expect(lab.sidebar.get_by_text("File must be 10.0MB or smaller")).to_be_visible()
    assert len(server.store().files()) == before


def test_a_file_of_another_installation_is_said_in_words(lab: Lab) -> None:
    lab.open("/?task=csv&task.file=0123456789abcdef")
    expect(lab.page.get_by_test_id("stAlert").first).to_contain_text("The file 0123456789abcdef is not here")
    lab.button("Train").click()
    expect(lab.page.get_by_test_id("stToast")).to_contain_text("The file 0123456789abcdef is not here")


def test_a_look_at_the_data_of_another_task(lab: Lab) -> None:
    lab.open("/?task=recall&task.length=12")
    lab.unfold("Look at the data")
    expect(lab.sidebar.locator(".look-marks").first.locator("span")).to_have_count(12)
    lab.choose("Task", "Handwritten digits")
    expect(lab.sidebar.locator(".look-picture")).to_have_count(3)


def test_ready_made_settings_are_chosen_by_name(lab: Lab) -> None:
    lab.open("/?task=text&training.seed=5")
    lab.choose("Ready-made", "GRU")
    lab.page.wait_for_url("**model.cell=gru*")
    assert "training.seed=5" in lab.page.url
    lab.type("Hidden size", "32")
    expect(lab.sidebar.get_by_role("combobox", name="Ready-made", exact=True)).to_have_value("own settings")
