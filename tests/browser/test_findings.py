"""Findings on the page, pictures of panels, and a report that needs nobody: in a real browser."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from lstm_core import RunConfig
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from tests.browser.waiting import until
from tests.serving import Server

CONFIG = RunConfig.model_validate(
    {
        "task": {"name": "recall", "length": 20},
        "model": {"hidden_size": 12, "embedding_size": 8},
        "training": {"steps": 110, "validate_every": 20, "batch_size": 16},
    }
)


class Forgetful(NamedTuple):
    store: RunStore
    id: str


@pytest.fixture(scope="module")
def forgetful(showing: Server) -> Iterator[Forgetful]:
    """A run that cannot see the first token, to its end."""
    store = showing.store()
    run = store.create(CONFIG)
    assert run_slice(store.url, run, seconds=60).status == "finished"
    yield Forgetful(store, run)
    store.close()


@pytest.fixture
def told(page: Page, showing: Server, forgetful: Forgetful) -> Page:
    page.goto(f"{showing.url}/?run={forgetful.id}")
    expect(page.locator(".lab-finding")).to_contain_text("The first input's gradient is", timeout=40_000)
    # The findings may come before the panels: those of the run take the place of the empty ones, and of their focus.
    expect(page.locator('[data-panel="gradient_time"] path.js-line').first).to_be_attached()
    return page


def test_the_first_finding_leads_to_its_panel_and_to_all_others(told: Page) -> None:
    line = told.locator(".lab-finding")
    expect(line).to_contain_text("guessing")
    line.locator("button.lab-why").click()
    panel = told.locator('[data-panel="gradient_time"]')
    expect(panel).to_be_in_viewport()
    expect(panel.locator(".lab-picture")).to_be_focused()
    line.locator(".lab-more").click()
    items = told.locator('[data-panel="findings"] .lab-item')
    expect(items.first).to_be_in_viewport()
    assert items.count() == int((line.locator(".lab-more").inner_text()).split()[0])
    expect(told.locator('[data-panel="findings"] .lab-number')).to_have_text(str(items.count()))
    for item in items.all():
        assert item.locator("strong").inner_text() in item.locator("p").inner_text()
    items.filter(has_text="guessing has").get_by_role("button", name="See: Loss").click()
    expect(told.locator('[data-panel="loss"]')).to_be_in_viewport()


def test_one_click_begins_the_experiment_with_its_settings(told: Page, forgetful: Forgetful) -> None:
    told.locator(".lab-finding").get_by_role("button", name="Try: chrono").click()
    told.wait_for_url(lambda url: "init.preset=chrono" in url and f"run={forgetful.id}" not in url)
    initializer = told.get_by_test_id("stSidebar").get_by_role("combobox", name="Initializer", exact=True)
    expect(initializer).to_have_value("Chrono")
    begun = forgetful.store.list(1)[0]
    assert begun.id in told.url
    assert RunConfig.model_validate(begun.config) == CONFIG.replace(init={"preset": "chrono"})
    forgetful.store.delete(begun.id)


def test_one_who_only_watches_is_told_why_nothing_can_be_begun(
    page: Page, showing: Server, forgetful: Forgetful
) -> None:
    page.goto(f"{showing.url}/?watch={forgetful.id}")
    button = page.locator(".lab-finding").get_by_role("button", name="Try: chrono")
    expect(button).to_be_disabled()
    assert "watch" in (button.get_attribute("title") or "")


def test_panels_are_saved_as_pictures_twice_as_fine_as_the_page(told: Page) -> None:
    told.locator(".lab-finding .lab-more").click()
    for panel in ("loss", "gates", "findings"):
        saved(told, panel)


def saved(told: Page, panel: str) -> None:
    """Save one panel and look for all its parts on the picture."""
    node = told.locator(f'[data-panel="{panel}"]')
    node.scroll_into_view_if_needed()
    node.hover()
    expect(node.locator(".lab-number")).not_to_have_text("")
    told.wait_for_timeout(500)
    with told.expect_download() as download:
        node.locator(".lab-save").click()
    name = download.value.suggested_filename
    assert name.startswith("recall-the-first-of-20-tokens")
    assert name.endswith(f"-{panel}.png")
    image = np.asarray(Image.open(io.BytesIO(Path(download.value.path()).read_bytes())).convert("RGB")).astype(int)
    box = node.locator(".lab-picture").bounding_box()
    assert box is not None
    height, width, _ = image.shape
    assert abs(width - 2 * (max(420, np.ceil(box["width"])) + 32)) <= 2
    assert height > 2 * (box["height"] + 60)
    ink = np.abs(image - image[0, 0]).sum(2) > 60
    bottom = int(2 * (box["height"] + 60))
    for part in (ink[:80, : width // 2], ink[:80, width // 2 :], ink[100:bottom], ink[bottom:]):
        assert part.any()  # title, number, picture, sentence


def test_a_report_opens_without_a_network_and_draws_all_its_charts(
    browser: Browser, showing: Server, forgetful: Forgetful, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    address = f"{showing.url}/lab/runs/{forgetful.id}/export/report.html"
    with urllib.request.urlopen(address, timeout=60) as answer:
        file.write_bytes(answer.read())
    for width in (1280, 390):
        context = browser.new_context(viewport={"width": width, "height": 800}, offline=True)
        page, said, asked = context.new_page(), [], []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.set_default_timeout(60_000)
        page.goto(file.as_uri(), wait_until="commit")
        until(
            page,
            "document.readyState === 'complete' && "
            "[...document.querySelectorAll('[id^=chart-]')].every((one) => one._fullLayout)",
        )
        drawn = page.evaluate(
            """Object.fromEntries([...document.querySelectorAll('[id^=chart-]')].map((one) =>
            [one.id, one.querySelectorAll('path.js-line, .heatmaplayer image, path.point').length]))"""
        )
        assert {"chart-loss", "chart-metric", "chart-gradient_norms", "chart-gradient_time", "chart-gates"} <= set(
            drawn
        )
        assert all(count > 0 for count in drawn.values()), drawn
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("#chart-loss .nsewdrag").hover()
        expect(page.locator("#chart-loss .hoverlayer")).not_to_be_empty()
        assert said == []
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
        context.close()
