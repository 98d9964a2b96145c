"""The page of initializers as a person uses it: choose, move T and H, read, take them along."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app.figures.side import STYLES
from app.xray import asking, sentences
from lstm_core import RunConfig
from lstm_core.xray import xray
from tests.serving import Server

SLIDERS = "[data-testid=stSidebar] input[type=range]"


def opened(page: Page, server: Server, query: str = "") -> Locator:
    """The page, once its first picture is drawn; gives the key to the lines."""
    page.goto(f"{server.url}/initializers?{query}")
    expect(page.locator('[data-panel="gradient"] .main-svg').first).to_be_visible(timeout=60_000)
    return page.locator(".xray-legend")


def sentence(name: str, **changes: Any) -> str:
    """What is to be read of an initializer, measured here."""
    config = RunConfig().replace(**{path.replace("__", "."): value for path, value in changes.items()})
    return f"{asking.title(name)}: {sentences.gradient(xray(asking.config_of(name, config)))}"


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def runs(server: Server) -> list[str]:
    with closing(server.store()) as store:
        return [run.id for run in store.list()]


def test_moving_a_slider_measures_anew(showing: Server, page: Page) -> None:
    """The sentences are of what is set now, the pictures stay where they are, and a reload finds all of it again."""
    legend = opened(page, showing)
    rows = legend.locator("p")
    for place, name in enumerate(asking.USUAL):
        expect(rows.nth(place)).to_have_text(sentence(name, task__length=40))
    plot = page.locator('[data-panel="gradient"] .js-plotly-plot').element_handle()
    page.locator(f'{SLIDERS}[aria-label^="Length"]').press("ArrowRight")
    expect(rows.first).to_have_text(sentence("pytorch", task__length=50))
    page.locator(f'{SLIDERS}[aria-label="Hidden size"]').press("ArrowLeft")
    expect(rows.nth(2)).to_have_text(sentence("chrono", task__length=50, model__hidden_size=50))
    assert plot.evaluate("node => node.isConnected")
    assert page.evaluate("node => node._fullLayout.xaxis.range[1]", plot) == 49.5
    assert query(page)["task.length"] == "50"
    page.reload()
    expect(rows.nth(2)).to_have_text(sentence("chrono", task__length=50, model__hidden_size=50), timeout=60_000)


def test_initializers_are_chosen_and_taken_along(showing: Server, page: Page) -> None:
    before, legend = runs(showing), opened(page, showing, "init.preset=irnn")
    box = page.get_by_role("combobox", name="Initializers")
    box.click()
    page.get_by_role("option", name="Small Gaussian", exact=True).click()
    expect(legend.locator("p")).to_have_count(4)
    page.keyboard.press("Escape")
    expect(legend.locator("p").last).to_contain_text("Small Gaussian")
    assert query(page)["show"] == "pytorch,keras,chrono,small_gaussian"
    page.get_by_role("button", name=re.compile("Train these")).click()
    page.wait_for_url("**/compare?**")
    arrived = query(page)
    assert arrived["vary"] == "init.preset"
    assert arrived["values"] == "pytorch,keras,chrono,small_gaussian"
    assert arrived["init.preset"] == "irnn"  # what else is set comes along
    assert runs(showing) == before  # none was begun


def test_what_an_address_gets_wrong_is_said(showing: Server, page: Page) -> None:
    opened(page, showing, "show=foo,pytorch,chrono,irnn&layer=l3.fwd&model.cell=rnn_tanh")
    said = page.get_by_test_id("stAlert")
    expect(said).to_contain_text("“foo” is no initializer; choose some of pytorch")
    expect(said).to_contain_text("There is no layer “l3.fwd” in this network; choose one of l0.fwd.")
    expect(said).to_contain_text("Chrono is not shown. Initializer is chrono, but it sets the bias of the gate")
    expect(page.locator(".xray-legend p")).to_have_count(2)
    assert page.locator('[data-panel="memory"]').count() == 0  # a simple RNN has no gate that keeps


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 800, "light"), (390, 844, "dark")])
def test_six_can_be_told_apart_at_every_size(
    showing: Server, browser: Browser, width: int, height: int, scheme: Any
) -> None:
    """Nothing scrolls sideways, and every line of the key is drawn in a colour that is not the page's."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    opened(page, showing, f"show={','.join(list(STYLES)[:6])}")
    expect(page.locator('[data-panel="weights"] .main-svg').first).to_be_attached(timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    lines = page.locator(".xray-line").evaluate_all("nodes => nodes.map(node => getComputedStyle(node).borderTop)")
    ground = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert len(set(lines)) == 6
    assert not [line for line in lines if ground in line]
    page.close()
