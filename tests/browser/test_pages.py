"""Every page as it is met: at the sizes of a laptop, a projector and a phone, in light and dark, by key and by ear."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from app import views
from tests.browser.waiting import until
from tests.serving import Server

PAGES = sorted(path.stem for path in Path(views.__file__).parent.glob("[!_]*.py"))
# Streamlit asks below the page's address first, and at the root when there is nothing.
ASKED_TWICE = ("/_stcore/health", "/_stcore/host-config")
SIZES = {"laptop": (1280, 800), "projector": (1920, 1080), "phone": (390, 844)}
SHOTS = Path(__file__).parent.parent / "output" / "pages"

# In the page: what reaches beyond the right edge of the window, though it is not within something that scrolls.
BEYOND = """
() => [...document.querySelectorAll("[data-testid='stMain'] *")].filter((node) => {
  const box = node.getBoundingClientRect();
  if (!box.width || box.right <= innerWidth + 1 || getComputedStyle(node).visibility === "hidden") return false;
  for (let up = node.parentElement; up; up = up.parentElement)
    if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(up).overflowX)) return false;
  return true;
}).map((node) => node.outerHTML.slice(0, 120))
"""

# In the page: whether every line chart that is in view has been drawn.
DRAWN = """
() => [...document.querySelectorAll(".lab-plot")].every((plot) => {
  const box = plot.getBoundingClientRect();
  return !box.width || box.top > innerHeight || box.bottom < 0 || plot.classList.contains("js-plotly-plot");
})
"""

# In the page: the colour that everything lies on.
GROUND = "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"

# In the page: every chart with what a chart must have.
CHARTS = """
() => [...document.querySelectorAll(".lab-panel")].filter((panel) => panel.getClientRects().length).map((panel) => ({
  id: panel.dataset.panel,
  title: panel.querySelector(".lab-title")?.textContent ?? "",
  alternative: panel.querySelector(".lab-picture")?.getAttribute("aria-label") ?? "",
  x: [...panel.querySelectorAll("[class^='x'][class$='title']")].map((title) => title.textContent).join(""),
  y: [...panel.querySelectorAll("[class^='y'][class$='title']")].map((title) => title.textContent).join(""),
  lines: panel.querySelectorAll(".js-plotly-plot").length,
}))
"""

# In the page: everything that can be used now, numbered.
CONTROLS = """
() => {
  const seen = { visibilityProperty: true, opacityProperty: true };
  // Of a group of which one is chosen, the arrow keys reach the others.
  const other = (node) => node.matches("[type='radio']:not(:checked), [role='radio'][aria-checked='false']");
  const usable = (node) => !node.disabled && node.tabIndex >= 0 && !other(node);
  const shown = (node) => node.checkVisibility(seen) && node.getClientRects().length;
  const met = [...document.querySelectorAll("button, input, select, textarea, a[href], [tabindex='0'], summary")]
    .filter((node) => usable(node) && shown(node) && !node.closest("[aria-hidden='true'], [inert]"));
  met.forEach((node, place) => (node.dataset.place = place));
  return met.map((node) => node.outerHTML.slice(0, 160));
}
"""


@pytest.fixture(scope="module")
def settled(server: Server, browser: Browser) -> Server:
    """The server, once its example run is there to be shown."""
    page = browser.new_page()
    page.goto(server.url)
    expect(page.locator(".lab-state .lab-word")).to_have_text("finished", timeout=180_000)
    page.close()
    return server


def opened(browser: Browser, server: Server, name: str, size: str, scheme: str) -> tuple[Page, list[str]]:
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if is_error(message) else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server.url if name == "lab" else f"{server.url}/{name}")
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=60_000)
    page.wait_for_load_state("networkidle")  # modules, styles, plotly
    if name == "lab":
        page.locator(".lab-board[data-shows]").wait_for()  # the panels of its run, and no longer those of none
    until(page, DRAWN)
    page.wait_for_timeout(500)  # until what follows the first drawing has been drawn
    return page, errors


def is_error(message: ConsoleMessage) -> bool:
    return message.type == "error" and not message.location["url"].endswith(ASKED_TWICE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_can_be_read_by_everyone(settled: Server, browser: Browser, name: str, size: str) -> None:
    """In one scheme as it opens, then in the other one after a change, as a system makes it in the evening."""
    schemes = ["light", "dark"] if size != "projector" else ["dark", "light"]
    page, errors = opened(browser, settled, name, size, schemes[0])
    assert_readable(page, f"{name}-{size}-{schemes[0]}")
    before = page.evaluate(GROUND)
    page.emulate_media(color_scheme=schemes[1])  # type: ignore[arg-type]
    until(page, f"before => ({GROUND})() !== before", before)
    page.wait_for_timeout(1000)  # until everything is drawn anew
    assert_readable(page, f"{name}-{size}-{schemes[1]}")
    assert errors == []
    page.close()


def assert_readable(page: Page, shot: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{shot}.png")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(BEYOND) == []
    assert serious(page) == []
    for chart in page.evaluate(CHARTS):
        assert chart["title"], chart
        assert chart["alternative"].startswith(chart["title"]), chart
        assert not chart["lines"] or (chart["x"] and chart["y"]), chart
    assert page.get_by_text("Traceback").count() == 0


def serious(page: Page) -> list[str]:
    """What axe finds to be serious or worse, each with the place where it is."""
    found: dict[str, Any] = Axe().run(page).response
    return [
        f"{violation['id']}: {json.dumps(node['target'])} {node['html'][:200]}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_every_control(settled: Server, browser: Browser, name: str) -> None:
    """Every button, box and link that can be seen gets the focus by Tab alone."""
    page, _ = opened(browser, settled, name, "laptop", "light")
    wanted = page.evaluate(CONTROLS)
    assert len(wanted) > 5
    reached: set[int] = set()
    page.evaluate("document.body.focus()")
    for _ in range(2 * len(wanted)):
        page.keyboard.press("Tab")
        place = page.evaluate("document.activeElement?.dataset.place ?? -1")
        reached.add(int(place))
        if len(reached - {-1}) == len(wanted):
            break
    assert [wanted[place] for place in range(len(wanted)) if place not in reached] == []
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_what_of_an_address_cannot_be_used_is_said(settled: Server, page: Page, name: str) -> None:
    page.goto(f"{settled.url}/{'' if name == 'lab' else name}?task=recall&model.hidden_size=absurd&run=gone")
    said = page.get_by_test_id("stAlert").first
    expect(said).to_contain_text("absurd", timeout=60_000)
    expect(said).to_contain_text("There is no run “gone” here")
