"""Inside the cell as a person uses it: every number on the page is the one that is worked out beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from lstm_core.config import RunConfig
from lstm_core.runs.slices import run_slice
from lstm_core.shapes import Arguments, parameter_count, program
from lstm_core.walk import walk_unit
from lstm_core.wording import count, number
from tests.serving import Server

SMALL = "task=recall&task.length=8&model.hidden_size=6"
# In the page: every number of the drawing and of the equations, by its name, in full and as it is read.
NUMBERS = """
() => [...document.querySelectorAll(".cell-root [data-value]")].map((node) =>
  [node.dataset.value, Number(node.dataset.full), node.firstChild.textContent])
"""


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(20_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def shown(page: Page, server: Server, address: str, unit: int = 0, t: int = 0) -> None:
    page.goto(f"{server.url}/cell?{address}")
    expect(page.locator(".cell-drawing")).to_be_visible(timeout=60_000)  # where torch is being loaded for the first one
    at(page, unit, t)


def at(page: Page, unit: int, t: int) -> None:
    root = page.locator(".cell-root")
    expect(root).to_have_attribute("data-unit", str(unit))
    expect(root).to_have_attribute("data-t", str(t))


def config_of(address: str) -> RunConfig:
    return RunConfig.from_query(dict(part.split("=") for part in address.split("&")))


def check(page: Page, config: RunConfig, t: int, **where: Any) -> dict[str, float]:
    """Every number on the page is that of the walk, and is read with three digits; gives the numbers in full."""
    found = page.evaluate(NUMBERS)
    values = {name: float(series[t]) for name, series in walk_unit(config, **where).values.items()}
    derived = {"fc", "ig", "squashed", "m", "rq", "zh", "keep", "new"}  # worked out in the page itself
    assert {name for name, _, _ in found} - derived <= set(values)
    full = {name: value for name, value, _ in found}
    for name, value, text in found:
        assert value == values.get(name, full[name]), name
        signs = ("", "+ ", "− ") if text[0] in "+−" else ("", "(")
        assert text.rstrip(")") in {sign + number(size) for sign in signs for size in (value, abs(value))}, name
    return full


def near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-15)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def test_one_steps_through_time_and_every_equation_holds(tab: Page, showing: Server) -> None:
    shown(tab, showing, f"of=fresh&{SMALL}")
    config = config_of(SMALL)
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    at(tab, 0, 2)
    v = check(tab, config, 2)
    for gate in "ifgo":
        z = v[f"ih.{gate}"] + v[f"hh.{gate}"] + v[f"b.{gate}"]
        assert near(v[f"pre.{gate}"], z)
        assert near(v[gate], math.tanh(z) if gate == "g" else sigmoid(z))
    assert near(v["fc"], v["f"] * v["c_before"])
    assert near(v["ig"], v["i"] * v["g"])
    assert near(v["c"], v["f"] * v["c_before"] + v["i"] * v["g"])
    assert near(v["h"], v["o"] * math.tanh(v["c"]))
    before = check_previous(tab, config)
    assert (before["c"], before["h"]) == (v["c_before"], v["h_before"])


def check_previous(page: Page, config: RunConfig) -> dict[str, float]:
    page.keyboard.press("ArrowLeft")
    at(page, 0, 1)
    return check(page, config, 1)


def test_units_steps_and_reloading(tab: Page, showing: Server) -> None:
    """Keys, buttons, slider and box lead to the same place; the address keeps it."""
    shown(tab, showing, f"of=fresh&{SMALL}")
    config = config_of(SMALL)
    tab.keyboard.press("ArrowUp")
    at(tab, 1, 0)
    tab.get_by_role("button", name="Step on").click()
    at(tab, 1, 1)
    tab.get_by_role("slider", name="Time step").focus()
    tab.keyboard.press("ArrowRight")
    at(tab, 1, 2)
    check(tab, config, 2, unit=1)
    tab.get_by_role("spinbutton", name="Unit").fill("4")
    tab.keyboard.press("Enter")
    at(tab, 4, 2)
    check(tab, config, 2, unit=4)
    tab.wait_for_url(lambda url: {"unit", "t"} <= set(parse_qs(urlparse(url).query)))
    tab.reload()
    at(tab, 4, 2)
    tab.keyboard.press("End")
    at(tab, 4, 7)
    tab.locator(".cell-strip").click(position={"x": 40, "y": 20})
    at(tab, 4, 0)
    label = tab.locator(".cell-drawing").get_attribute("aria-label") or ""
    walk = walk_unit(config, unit=4)
    assert label.startswith(f"Unit 4. At t = 0 it reads {walk.reads[0]}: the cell state begins at 0")
    assert f"h = {number(float(walk.values['h'][0]))}." in label


def test_it_plays_and_pauses_and_shows_one_part(tab: Page, showing: Server) -> None:
    shown(tab, showing, f"of=fresh&{SMALL}")
    tab.keyboard.press("End")
    tab.get_by_role("button", name="Play").click()  # from the end it begins anew
    expect(tab.locator(".cell-root")).to_have_attribute("data-t", "1")
    tab.get_by_role("button", name="Pause").click()
    expect(tab.get_by_role("button", name="Play")).to_be_visible()
    tab.get_by_role("button", name="2 Gates").click()
    dim = "nodes => nodes.map((node) => node.classList.contains('cell-dim'))"
    assert not any(tab.locator(".cell-item[data-part=gates]").evaluate_all(dim))
    assert all(tab.locator(".cell-item[data-part=keep]").evaluate_all(dim))


def test_for_a_projector_the_rest_is_folded_away(tab: Page, showing: Server) -> None:
    shown(tab, showing, f"of=fresh&{SMALL}")
    sidebar, drawing = tab.get_by_test_id("stSidebar"), tab.locator(".cell-drawing")
    expect(sidebar).to_be_visible()
    before = drawing.bounding_box()
    tab.keyboard.press("p")
    expect(sidebar).to_be_hidden()
    after = drawing.bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > before["width"]
    tab.keyboard.press("Escape")
    expect(sidebar).to_be_visible()


@pytest.mark.parametrize(
    ("model", "layer"),
    [
        ("model.cell=gru&model.bias=false", "l0.fwd"),
        ("model.cell=rnn_relu", "l0.fwd"),
        ("model.cell=lstm_relu", "l0.fwd"),
        ("model.num_layers=2&model.bidirectional=true&model.proj_size=3", "l1.bwd"),
    ],
)
def test_every_cell_has_its_drawing(tab: Page, showing: Server, model: str, layer: str) -> None:
    address = f"{SMALL}&{model}"
    shown(tab, showing, f"of=fresh&layer={layer}&t=3&unit=2&{address}", 2, 3)
    v = check(tab, config_of(address), 3, layer=layer, unit=2)
    if "z" in v:
        assert near(v["h"], (1 - v["z"]) * v["n"] + v["z"] * v["h_before"])
        assert near(v["n"], math.tanh(v["ih.n"] + v["r"] * v["q"]))
    elif "c" in v:
        squashed = math.tanh(v["c"]) if layer == "l1.bwd" else max(v["c"], 0.0)
        assert near(v["m"], v["o"] * squashed)
        assert near(v["c"], v["fc"] + v["ig"])
    else:
        assert near(v["h"], max(v["ih.h"] + v["hh.h"] + v["b.h"], 0.0))
    expect(tab.locator(".cell-drawing")).to_contain_text("t+1" if layer.endswith("bwd") else "t−1")


def test_a_run_is_walked_through_with_its_own_weights(tab: Page, showing: Server) -> None:
    store = showing.store()
    config = config_of(SMALL).replace(**{"training.steps": 15})
    run = store.create(config)
    assert run_slice(store.url, run, seconds=20).status == "finished"
    shown(tab, showing, f"run={run}")
    expect(tab.locator(".cell-about")).to_contain_text("after step 15")
    tab.keyboard.press("ArrowRight")
    at(tab, 0, 1)
    learned = check(tab, config, 1, weights=store.weights(run))
    shown(tab, showing, f"run={run}&after=0&t=1", 0, 1)
    expect(tab.locator(".cell-about")).to_contain_text("before the first update")
    fresh = check(tab, config, 1)
    assert learned["pre.f"] != fresh["pre.f"]
    store.close()


def test_shapes_follow_the_arguments(tab: Page, showing: Server) -> None:
    tab.goto(f"{showing.url}/cell?tab=shapes&{SMALL}")
    expect(tab.locator(".cell-sum output")).to_have_text(count(parameter_count(Arguments.of(config_of(SMALL)))))
    assert tab.locator(".cell-marked").all_inner_texts() == ["h_n[0]"]
    tab.get_by_test_id("stSidebar").get_by_text("Both directions", exact=True).click()
    expect(tab.locator(".cell-marked")).to_have_text(["h_n[0]", "h_n[1]"])
    given = Arguments.of(config_of(SMALL)).model_copy(update={"bidirectional": True})
    expect(tab.locator(".cell-sum output")).to_have_text(count(parameter_count(given)))
    expect(tab.get_by_test_id("stCode")).to_have_text(program(given), use_inner_text=True)
    tab.wait_for_url(lambda url: parse_qs(urlparse(url).query).get("nn") == ["bidirectional:true"])
    box = tab.get_by_role("spinbutton", name="Projection")
    box.fill("6")
    box.press("Enter")
    expect(tab.get_by_test_id("stToast")).to_contain_text("choose less than hidden_size, which is 6")
    expect(box).to_have_value("0")


def test_the_gradient_check_runs_and_catches_a_mistake(tab: Page, showing: Server) -> None:
    tab.goto(f"{showing.url}/cell?tab=numpy")
    button = tab.get_by_role("button", name="Run the gradient check")
    button.click()
    rows = tab.locator("tr[data-parameter]")
    expect(rows).to_have_count(6)
    errors = np.array(
        [float(text) for text in rows.locator("[data-full]").evaluate_all("n => n.map(x => x.dataset.full)")]
    )
    assert len(errors) == 12
    assert errors.max() < 1e-7
    assert set(rows.locator(".cell-judged").all_inner_texts()) == {"right"}
    expect(tab.get_by_test_id("stCode").first).to_contain_text("def forward(self, x: Array) -> Array:")
    box = tab.get_by_role("combobox", name="A mistake to catch")
    box.click()
    tab.get_by_role("option", name="Two gates exchanged").click()
    expect(rows).to_have_count(0)  # what is shown is never of other settings
    button.click()
    expect(tab.locator("[data-parameter=weight_hh] .cell-judged")).to_have_text(["wrong", "wrong"])
    expect(tab.locator("[data-parameter=x] .cell-judged")).to_have_text(["right", "right"])
