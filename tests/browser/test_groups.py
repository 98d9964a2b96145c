"""What stands below the main panels, in a real browser: opened by a button, drawn, fetched once, remembered."""

from __future__ import annotations

import re

import numpy as np
from playwright.sync_api import Locator, Page, Request, expect

from app import figures
from lstm_core.wording import number
from tests.browser.playing import Player, drawn, show
from tests.serving import Server

TITLES = [figures.GROUPS[group] for group in ("attention", "gates", "weights", "predictions")]
INK = """canvas => {
  const pen = canvas.getContext('2d');
  return new Set(new Uint32Array(pen.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
}"""


def chip(page: Page, title: str) -> Locator:
    return page.locator(".lab-groups").get_by_role("button", name=title, exact=True)


def panel(page: Page, name: str) -> Locator:
    return page.locator(f'.lab-group [data-panel="{name}"]')


def test_groups_are_drawn_and_read_once_they_are_opened(page: Page, showing: Server, player: Player) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/history/" in request.url:
            asked.append(request.url)

    page.on("request", note)
    show(page, showing, player, 30)
    page.wait_for_timeout(300)
    assert not asked
    for title in TITLES:
        expect(chip(page, title)).to_have_attribute("aria-expanded", "false")
        chip(page, title).click()
        expect(chip(page, title)).to_have_attribute("aria-expanded", "true")
        drawn(page, player.play(10))
        shown = page.locator(".lab-group:not([hidden]) .lab-panel")
        assert shown.count() >= 2 or title == TITLES[0]
        for one in shown.all():
            if one.get_attribute("data-panel") != "fixed":  # is measured at the end of a run
                seen(page, one)
        chip(page, title).click()
        expect(shown).to_have_count(0)
    assert len(asked) == 2, "fetched again although it comes live"
    chip(page, "Weights").click()
    page.reload()
    expect(chip(page, "Weights")).to_have_attribute("aria-expanded", "true")
    expect(panel(page, "spectrum").locator(".lab-number")).not_to_have_text("–")
    expect(chip(page, "Predictions")).to_have_attribute("aria-expanded", "false")


def seen(page: Page, one: Locator) -> None:
    """This panel has a picture, a number and a sentence."""
    name, kind = one.get_attribute("data-panel"), one.get_attribute("data-kind")
    one.scroll_into_view_if_needed()
    expect(one.locator(".lab-number")).not_to_have_text(re.compile("^(–|NaN|)$"))
    assert one.locator(".lab-note").inner_text(), name
    if kind in ("evolution", "histograms"):
        page.wait_for_timeout(300)
        assert one.locator("canvas").evaluate(INK) > 4, f"{name} is blank"
    elif kind == "lines":
        expect(one.locator(".scatterlayer .trace").first).to_be_attached()
    else:
        assert one.locator(".lab-words").inner_text(), name


def test_a_map_over_training_is_read_at_the_step_that_is_shown(page: Page, showing: Server, player: Player) -> None:
    """By keyboard: what was fetched, what came live, and the step scrubbed to."""
    show(page, showing, player, 30)
    chip(page, "Gates and gradient").click()
    past = panel(page, "gradient_past")
    past.scroll_into_view_if_needed()
    expect(past.locator(".lab-number")).not_to_have_text("–")
    drawn(page, player.play(30))

    def read(step: int) -> None:
        value = player.snapshots[step].arrays["gradient/l0.fwd.h"][0]
        past.locator(".lab-picture").focus()
        page.keyboard.press("ArrowRight")
        words = past.locator(".lab-readout")
        expect(words).to_have_text(f"step {step}, t = 0:  ‖∂L/∂hₜ‖ = {number(float(value))}")
        past.locator(".lab-picture").blur()

    read(59)
    page.get_by_label("Step shown on all panels").fill("29")
    expect(page.locator(".lab-at")).to_have_text("step 29")
    page.wait_for_timeout(300)
    read(29)


def test_pictures_of_the_weights_go_back_with_the_step(page: Page, showing: Server, player: Player) -> None:
    show(page, showing, player, 5)
    chip(page, "Weights").click()
    drawn(page, player.play(80))
    first, last = player.snapshots[0].arrays, player.snapshots[player.step].arrays

    def spread(arrays: dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]) -> str:
        return number(float(np.sqrt(np.mean(arrays["spread/l0.fwd.weight_hh"] ** 2))))

    assert spread(first) != spread(last)
    expect(panel(page, "weights").locator(".lab-number")).to_have_text(spread(last))
    page.get_by_label("Step shown on all panels").fill("4")
    expect(panel(page, "weights").locator(".lab-number")).to_have_text(spread(player.snapshots[4].arrays))
    picture = panel(page, "weights").locator(".lab-picture")
    picture.focus()
    page.keyboard.press("ArrowRight")
    expect(picture.locator(".lab-readout")).to_contain_text("i, ")


def test_right_and_wrong_are_those_of_the_shown_step(page: Page, showing: Server, player: Player) -> None:
    show(page, showing, player, 1)
    chip(page, "Predictions").click()
    names, gallery = player.about["answers"], player.about["gallery"]

    def right(step: int) -> list[bool]:
        said = player.snapshots[step].arrays["gallery/answer"]
        return [names[answer] == told["target"] for answer, told in zip(said, gallery, strict=True)]

    cards = panel(page, "gallery").locator(".lab-card")
    expect(cards).to_have_count(len(gallery))
    judged = "cards => cards.map((card) => card.dataset.right === 'true')"
    page.wait_for_timeout(500)
    assert cards.evaluate_all(judged) == right(0)
    expect(panel(page, "gallery").locator(".lab-number")).to_have_text(f"{sum(right(0))} of {len(gallery)}")
    panel(page, "gallery").get_by_label("Order of the samples").select_option("wrong")
    page.wait_for_timeout(300)
    assert cards.evaluate_all(judged) == sorted(right(0))
    drawn(page, player.play(100))
    counts = player.snapshots[player.step].arrays["confusion"]
    share = np.trace(counts) / counts.sum()
    expect(panel(page, "confusion").locator(".lab-number")).to_have_text(f"{round(100 * share)}\u202f%")
    cells = panel(page, "confusion").locator("td").all_inner_texts()
    assert [int(cell) for cell in cells] == counts.ravel().tolist()
