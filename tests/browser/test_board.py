"""The board in a real browser, on a run that the test plays frame by frame, so that nothing is left to luck."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from app.board.board import component_data
from lstm_core import RunConfig
from lstm_core.runs import telemetry
from lstm_core.runs.holder import this_process
from lstm_core.training import Snapshot, Step, TrainState, train
from tests.serving import Server, serve

CONFIG = RunConfig.model_validate(
    {
        "task": {"name": "recall", "length": 12},
        "model": {"hidden_size": 6, "attention": "dot"},
        "training": {"steps": 120, "validate_every": 20},
    }
)
DECODED = RunConfig.model_validate(
    {
        "task": {"name": "reversing", "length": 5, "letters": 3},
        "model": {"cell": "gru", "hidden_size": 16, "attention": "general"},
        "training": {"steps": 60, "validate_every": 20},
    }
)
LOSS = '[data-panel="loss"]'
CURVES = "document.querySelectorAll('[data-panel=\"loss\"] path.js-line')"
TICKS = f"() => [...document.querySelectorAll('{LOSS} .xtick text')].map((tick) => tick.textContent).join()"
GATES = """() => document.querySelector('[data-panel="gates"] canvas').toDataURL()"""


@pytest.fixture(scope="module")
def showing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trains nothing."""
    with serve(tmp_path_factory.mktemp("board"), workers=0) as running:
        yield running


Played = tuple[dict[str, Any], list[Snapshot], list[Step]]


def measure(config: RunConfig) -> Played:
    """What a real run measures, with a snapshot at every step."""
    state = TrainState(config)
    items = [item for step in range(config.training.steps + 1) for item in train(config, state, until=step)]
    snapshots = [item for item in items if isinstance(item, Snapshot)]
    return state.about, snapshots, [item for item in items if isinstance(item, Step)]


@pytest.fixture(scope="module")
def played() -> Played:
    return measure(CONFIG)


@pytest.fixture(scope="module")
def decoded() -> Played:
    """A run whose answers are sequences, with attention from each step of them."""
    return measure(DECODED)


class Player:
    """Stands in for a worker: writes the measured run into the store, as far as the test wants it."""

    def __init__(self, server: Server, played: Played, config: RunConfig = CONFIG) -> None:
        self.store, (self.about, self.snapshots, self.steps), self.config = server.store(), played, config
        self.id = self.store.create(config)
        lease = self.store.acquire(self.id, this_process(), 3600, claim=True)
        assert lease is not None
        self.lease, self.step = lease, -1
        self.store.describe(lease, self.about)

    def play(self, steps: int = 1) -> int:
        """Write so many steps, the last one with its pictures; returns that step."""
        first, self.step = self.step + 1, min(self.step + steps, self.config.training.steps)
        rows = [(step.step, step.scalars) for step in self.steps[first : self.step + 1]]
        seq = self.lease.seq + 10 * first
        snapshot = self.snapshots[self.step]
        frames = [
            telemetry.encode("scalars", telemetry.table(rows), seq + 1, first, self.step),
            telemetry.encode("snapshot", snapshot.arrays, seq + 2, self.step, self.step),
        ]
        frames += [
            telemetry.encode("sample", sample, seq + 3 + number, self.step, self.step, number)
            for number, sample in enumerate(snapshot.samples)
        ]
        self.store.append(self.lease, frames, step=self.step)
        return self.step


@pytest.fixture
def player(showing: Server, played: Any) -> Iterator[Player]:
    opened = Player(showing, played)
    yield opened
    opened.store.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(20_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.close()
    assert errors == []


def show(page: Page, server: Server, player: Player, steps: int = 10) -> None:
    """Open the page on the played run and wait until its first steps are drawn."""
    player.play(steps)
    page.goto(f"{server.url}/?run={player.id}")
    drawn(page, player.step)
    page.wait_for_function(f"{CURVES}.length > 0")


def drawn(page: Page, step: int) -> None:
    page.wait_for_function("step => window.__lab?.step === step && window.__lab.snapshot === step", arg=step)


def test_zoom_legend_and_sample_survive_updates_and_reruns(page: Page, showing: Server, player: Player) -> None:
    show(page, showing, player, 30)
    box = page.locator(f"{LOSS} .nsewdrag").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 90, steps=4)
    page.mouse.up()
    expect(page.locator(LOSS).get_by_role("button", name="reset zoom")).to_be_visible()
    gate = page.locator('[data-panel="gradient_norms"]').get_by_role("button", name="g", exact=True)
    gate.click()
    page.get_by_label("Sample", exact=True).select_option(index=2)
    page.wait_for_timeout(300)
    ticks = page.evaluate(TICKS)

    def kept() -> None:
        page.mouse.move(700, 60)
        page.wait_for_timeout(700)
        assert page.evaluate(TICKS) == ticks
        expect(gate).to_have_attribute("aria-pressed", "false")
        expect(page.get_by_label("Sample", exact=True)).to_have_value("2")

    for _ in range(3):
        drawn(page, player.play(5))
    kept()
    page.get_by_test_id("stSidebar").get_by_text("Both directions", exact=True).click()
    kept()
    drawn(page, player.play(5))
    kept()
    page.locator(LOSS).get_by_role("button", name="reset zoom").click()
    page.wait_for_function(f"before => ({TICKS})() !== before", arg=ticks)


def test_scrubbing_brings_every_panel_back_and_live_returns(page: Page, showing: Server, player: Player) -> None:
    show(page, showing, player, 1)
    page.wait_for_timeout(300)
    first = page.evaluate(GATES)
    drawn(page, player.play(40))
    page.wait_for_timeout(300)
    newest = page.evaluate(GATES)
    assert newest != first
    slider = page.get_by_label("Step shown on all panels")
    slider.fill("0")
    expect(page.locator(".lab-at")).to_have_text("step 0")
    page.wait_for_function(f"picture => ({GATES})() === picture", arg=first)
    player.play(10)
    page.wait_for_timeout(500)
    assert page.evaluate(GATES) == first, "a live frame was drawn over the step scrubbed to"
    expect(page.locator(".lab-live")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("End")
    page.wait_for_function(f"picture => ({GATES})() !== picture", arg=first)
    expect(page.locator(".lab-at")).to_have_text(f"step {player.step}")


def test_a_lost_line_is_said_and_what_was_missed_comes(page: Page, showing: Server, player: Player) -> None:
    lines: list[WebSocketRoute] = []
    down = [False]

    def connect(line: WebSocketRoute) -> None:
        if down[0]:
            line.close()
            return
        line.connect_to_server()
        lines.append(line)

    page.route_web_socket("**/lab/stream", connect)
    show(page, showing, player, 5)
    down[0] = True
    lines[-1].close()
    expect(page.locator(".lab-link")).to_have_text("reconnecting…")
    player.play(20)
    page.wait_for_timeout(600)
    down[0] = False
    drawn(page, player.step)
    expect(page.locator(".lab-link")).to_have_text("")
    assert steps_of(page) == list(range(player.step + 1))


def test_where_sockets_are_blocked_the_page_fetches(page: Page, showing: Server, player: Player) -> None:
    page.route_web_socket("**/lab/stream", lambda line: line.close())
    show(page, showing, player, 5)
    expect(page.locator(".lab-link")).to_contain_text("fetching instead")
    for _ in range(3):
        drawn(page, player.play(4))
    assert steps_of(page) == list(range(player.step + 1))


def steps_of(page: Page) -> list[int]:
    """The steps on the chart's raw train line, once it is drawn in full."""
    page.wait_for_timeout(1200)
    x = "Array.from(document.querySelector('[data-panel=\"loss\"] .js-plotly-plot').data[0].x)"
    found: list[int] = page.evaluate(x)
    assert all(before < after for before, after in pairwise(found))
    return found


def test_every_picture_says_its_finding_in_words(page: Page, showing: Server, player: Player) -> None:
    show(page, showing, player, 60)
    page.wait_for_timeout(800)
    for panel in ("loss", "metric", "gradient_norms", "gradient_time", "gates", "attention", "answers"):
        words = page.locator(f'[data-panel="{panel}"] .lab-picture').get_attribute("aria-label") or ""
        note = page.locator(f'[data-panel="{panel}"] .lab-note').inner_text()
        assert note, f"{panel} says nothing"
        assert words.endswith(note)
        assert page.locator(f'[data-panel="{panel}"] .lab-number').inner_text() not in ("", "–", "NaN")


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


def test_buttons_ask_the_store_and_say_why_they_cannot(page: Page, showing: Server, player: Player) -> None:
    show(page, showing, player, 5)
    board = page.get_by_role("toolbar", name="Training")
    step = board.get_by_role("button", name="Step", exact=True)
    expect(step).to_be_disabled()
    assert "pause it first" in (step.get_attribute("title") or "")
    board.get_by_role("button", name="Pause", exact=True).click()
    expect(board.get_by_role("button", name="Resume", exact=True)).to_be_enabled()
    assert player.store.get(player.id).desired == "paused"
    rate = page.get_by_label("Learning rate", exact=True).last
    rate.fill("much")
    expect(rate).to_have_attribute("aria-invalid", "true")
    expect(board.get_by_role("button", name="Apply")).to_be_disabled()
    rate.fill("0.0125")
    board.get_by_role("button", name="Apply").click()
    page.wait_for_timeout(500)
    assert [(wish.field, wish.value) for wish in player.store.wishes(player.lease).requests] == [
        ("learning_rate", 0.0125)
    ]


def test_a_failure_is_told_with_its_reason_and_a_remedy(page: Page, showing: Server, player: Player) -> None:
    show(page, showing, player, 5)
    error = {"what": "The loss is not a number.", "why": "It grew <b>beyond</b> measure.", "remedy": "Clip.", "step": 4}
    player.store.release(player.lease, "failed", error)
    notice = page.locator(".lab-notice")
    for part in ("what", "why", "remedy"):
        expect(notice).to_contain_text(str(error[part]))
    expect(page.locator(".lab-state .lab-word")).to_have_text("failed")


def test_presenting_folds_the_controls_away(page: Page, showing: Server, player: Player) -> None:
    show(page, showing, player, 5)
    page.keyboard.press("p")
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    expect(page.get_by_role("toolbar", name="Training")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stSidebar")).to_be_visible()


MOUNT = """
async (data) => {
  const { mount } = await import("/lab/static/board.js");
  const parentElement = document.body.appendChild(document.createElement("div"));
  window.sockets = [];
  const Real = window.WebSocket;
  window.WebSocket = class extends Real { constructor(...all) { super(...all); window.sockets.push(this); } };
  window.actions = [];
  window.again = () => mount({ parentElement, data, setTriggerValue: (_, value) => window.actions.push(value) });
  window.part = () => parentElement.remove();
  window.leave = window.again();
}
"""


def test_no_socket_outlives_its_page(page: Page, showing: Server, player: Player) -> None:
    """Streamlit calls the module again at every rerun, and the cleanup of any call that a later one has overtaken."""
    player.play(3)
    page.goto(f"{showing.url}/healthz")
    page.evaluate(MOUNT, json.loads(json.dumps(component_data(player.id))))
    page.wait_for_function("window.__lab.step === 2")
    assert page.evaluate("window.again() === window.leave"), "each call must give the same cleanup"
    page.evaluate("window.leave()")
    page.wait_for_timeout(100)
    assert page.evaluate("window.sockets.map((socket) => socket.readyState)") == [1]
    assert page.locator(".lab-board").count() == 1
    page.evaluate("window.part(); window.leave()")
    page.wait_for_function("window.sockets.every((socket) => socket.readyState > 1)")
    page.wait_for_timeout(600)
    assert len(page.evaluate("window.sockets")) == 1, "a closed board connected again"


def test_an_unknown_run_is_said_to_be_missing(page: Page, showing: Server) -> None:
    page.goto(f"{showing.url}/healthz")
    page.evaluate(MOUNT, json.loads(json.dumps(component_data("nothing-here"))))
    expect(page.locator(".lab-state .lab-word")).to_have_text("not found")
    expect(page.locator(".lab-notice")).to_contain_text("nothing-here")


def test_an_empty_board_says_what_to_do(page: Page, showing: Server) -> None:
    page.goto(f"{showing.url}/healthz")
    page.evaluate(MOUNT, json.loads(json.dumps(component_data(None, editable=False))))
    expect(page.locator(".lab-state")).to_contain_text("press Train")
    expect(page.locator(f"{LOSS} .lab-note")).to_contain_text("Press Train")
    assert page.evaluate("window.sockets.length") == 0
