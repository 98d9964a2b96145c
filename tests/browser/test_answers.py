"""What a network answers, in a real browser: signs, alignments, texts, and the one test at the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from lstm_core import RunConfig
from tests.browser.playing import CONFIG, Played, Player, drawn, measure, show
from tests.serving import Server

DECODED = RunConfig.model_validate(
    {
        "task": {"name": "reversing", "length": 5, "letters": 3},
        "model": {"cell": "gru", "hidden_size": 16, "attention": "general"},
        "training": {"steps": 60, "validate_every": 20},
    }
)


@pytest.fixture(scope="module")
def decoded() -> Played:
    """A run whose answers are sequences, with attention from each step of them."""
    return measure(DECODED)


def answered(player: Player, step: int) -> tuple[list[str], list[bool]]:
    """What the first sample's cells must show at this step, and which of them are wrong."""
    about, sample = player.about, player.about["samples"][0]
    right = [target for target in sample["targets"] if target]
    said = [about["answers"][k] for k in player.snapshots[step].samples[0]["answer"][: len(right)]]
    return said, [one != other for one, other in zip(said, right, strict=True)]


SAID = """() => [...document.querySelectorAll('[data-panel="answers"] .lab-cell:not(.lab-names)')]
  .filter((cell) => cell.querySelector('.lab-said').textContent)
  .map((cell) => [cell.querySelector('.lab-said').textContent, cell.classList.contains('wrong')])"""


def test_answers_are_judged_sign_by_sign_and_go_back_in_time(page: Page, showing: Server, decoded: Played) -> None:
    """In place: the same cells, with other words, so that nothing flickers; and the number is the count of them."""
    player = Player(showing, decoded, DECODED)
    show(page, showing, player, 2)
    page.locator(".lab-groups").get_by_role("button", name="Predictions", exact=True).click()
    page.locator('[data-panel="answers"]').scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    first = answered(player, 1)
    assert page.evaluate(SAID) == [list(pair) for pair in zip(*first, strict=True)]
    page.evaluate("document.querySelectorAll('.lab-cell').forEach((cell) => (cell.kept = true))")
    drawn(page, player.play(58))
    page.wait_for_timeout(900)
    last = answered(player, player.step)
    assert last != first
    assert page.evaluate(SAID) == [list(pair) for pair in zip(*last, strict=True)]
    assert page.evaluate("[...document.querySelectorAll('.lab-cell')].every((cell) => cell.kept)")
    number = page.locator('[data-panel="answers"] .lab-number')
    assert number.inner_text() == f"{last[1].count(False)} of {len(last[1])}"
    page.get_by_label("Step shown on all panels").fill("1")
    page.wait_for_timeout(900)
    assert page.evaluate(SAID) == [list(pair) for pair in zip(*first, strict=True)]
    player.store.close()


def test_an_alignment_says_who_looks_where(page: Page, showing: Server, decoded: Played) -> None:
    player = Player(showing, decoded, DECODED)
    show(page, showing, player, 40)
    picture = page.locator('[data-panel="attention"] .lab-picture')
    picture.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    arrays, about = player.snapshots[player.step].samples[0], player.about
    rows, steps = arrays["attention"].shape
    box = picture.bounding_box()
    assert box is not None
    left, right, foot = 65, 56, 38  # beside and below the map, at this size of type
    row, t = 1, 2
    place = {
        "x": left + (t + 0.5) / steps * (box["width"] - left - right),
        "y": (row + 0.5) / rows * (box["height"] - foot),
    }
    picture.hover(position=place)  # type: ignore[arg-type]
    weight = arrays["attention"][row, t] / 255 * arrays["range/attention"][0]
    sign, mark = about["answers"][arrays["answer"][row]], about["samples"][0]["marks"][t]
    words = picture.locator(".lab-readout").inner_text()
    assert words.startswith(f"step {row} (‘{sign}’) looks at t = {t} (‘{mark}’): ")
    assert float(words.rsplit(": ")[1].replace("\u2009×\u200910⁻⁴", "e-4")) == pytest.approx(weight, rel=0.01)
    player.store.close()


def test_a_written_text_is_only_ever_text(page: Page, showing: Server, played: Played) -> None:
    """Whatever somebody's own text is made of; and each temperature has its own."""
    about, snapshots, steps = played
    hostile = ["<img src=x onerror='window.harmed = 1'>", "&amp;", "<script>window.harmed = 1</script>"]
    generation = {"temperatures": [0.5, 1.0], "prompt": hostile[0], "signs": hostile}
    samples = [
        sample | {"title": hostile[0], "marks": [hostile[2]] * 12, "target": hostile[1]} for sample in about["samples"]
    ]
    told = about | {"generation": generation, "samples": samples, "answers": hostile[:2]}
    generated = np.array([[1, 2], [2, 2]], np.int32)
    shown = [replace(snapshot, arrays=snapshot.arrays | {"generated": generated}) for snapshot in snapshots]
    player = Player(showing, (told, shown, steps))
    show(page, showing, player, 10)
    written = page.locator('[data-panel="text"] .lab-written')
    expect(written).to_have_text(hostile[0] + hostile[1] + hostile[2])
    page.get_by_label("Temperature").select_option("temperature 1")
    expect(written).to_have_text(hostile[0] + hostile[2] + hostile[2])
    page.wait_for_timeout(500)
    assert page.locator(".lab-board img, .lab-board script").count() == 0
    assert page.evaluate("window.harmed") is None
    player.store.close()


def test_the_end_says_its_test_and_marks_the_best_step(page: Page, showing: Server, player: Player) -> None:
    show(page, showing, player, CONFIG.training.steps)
    player.play(1)
    page.wait_for_timeout(1500)
    end = player.steps[-1].scalars
    note = page.locator('[data-panel="metric"] .lab-note').inner_text()
    assert note.startswith("Test: ")
    assert f"the weights of step {end['best/step']:g}," in note
    assert page.locator('[data-panel="loss"] .annotation-text').all_text_contents() == ["best"]
