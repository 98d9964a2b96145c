"""The board in a real browser, on a run that the test plays frame by frame."""

from __future__ import annotations

import json
import time
from itertools import pairwise

from playwright.sync_api import Page, WebSocketRoute, expect

from app.board.board import component_data
from tests.browser.playing import LOSS, Player, drawn, show
from tests.browser.waiting import until
from tests.serving import Server

TICKS = f"() => [...document.querySelectorAll('{LOSS} .xtick text')].map((tick) => tick.textContent).join()"
GATES = """() => document.querySelector('[data-panel="gates"] canvas').toDataURL()"""


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
    until(page, f"before => ({TICKS})() !== before", arg=ticks)


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
    until(page, f"picture => ({GATES})() === picture", arg=first)
    player.play(10)
    page.wait_for_timeout(500)
    assert page.evaluate(GATES) == first, "a live frame was drawn over the step scrubbed to"
    expect(page.locator(".lab-live")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("End")
    until(page, f"picture => ({GATES})() !== picture", arg=first)
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


def test_a_page_that_was_left_is_no_viewer_and_goes_on_where_it_was_when_one_comes_back(
    page: Page, showing: Server, player: Player
) -> None:
    """A browser may keep it, frozen and with its sockets open: what one hears of that are these two events."""
    show(page, showing, player, 5)
    watched = int(showing.health()["viewers"])
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    end = time.monotonic() + 20
    while int(showing.health()["viewers"]) != watched - 1:
        assert time.monotonic() < end
        page.wait_for_timeout(50)
    player.play(20)
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    drawn(page, player.step)
    expect(page.locator(".lab-link")).to_have_text("")
    assert steps_of(page) == list(range(player.step + 1))


HERE = """() => {
  const plot = document.querySelector('[data-panel="loss"] .js-plotly-plot'), { xaxis } = plot._fullLayout;
  const line = [...plot.querySelectorAll(".shapelayer path")].at(-1);
  return line ? xaxis.p2d(Number(/M([^,]+)/.exec(line.getAttribute("d"))[1]) - xaxis._offset) : null;
}"""


def test_a_line_stands_at_the_step_that_is_shown_and_moves_without_a_new_drawing(
    page: Page, showing: Server, player: Player
) -> None:
    show(page, showing, player, 10)
    for _ in range(4):
        drawn(page, player.play(10))
    slider = page.get_by_label("Step shown on all panels")
    slider.fill("9")
    until(page, f"() => Math.abs(({HERE})() - 9) < 0.2")
    page.evaluate("() => { window.before = Plotly.react; Plotly.react = () => { throw new Error('drawn anew'); }; }")
    for step in (19, 49, 29):
        slider.fill(str(step))
        until(page, f"step => Math.abs(({HERE})() - step) < 0.2", arg=step)
    page.evaluate("() => { Plotly.react = window.before; }")
    page.locator(".lab-live").click()
    until(page, f"() => ({HERE})() === null")


def test_where_sockets_are_blocked_the_page_fetches(page: Page, showing: Server, player: Player) -> None:
    page.route_web_socket("**/lab/stream", lambda line: line.close())
    show(page, showing, player, 5)
    expect(page.locator(".lab-link")).to_contain_text("fetching instead")
    for _ in range(3):
        drawn(page, player.play(4))
    assert steps_of(page) == list(range(player.step + 1))


def steps_of(page: Page) -> list[int]:
    """The steps on the chart's raw train line, pointed at: only then it is drawn in full at once."""
    page.locator('[data-panel="loss"] .lab-plot').hover()
    page.wait_for_timeout(300)
    x = "Array.from(document.querySelector('[data-panel=\"loss\"] .js-plotly-plot').data[0].x)"
    found: list[int] = page.evaluate(x)
    assert all(before < after for before, after in pairwise(found))
    return found


def test_every_picture_says_its_finding_in_words(page: Page, showing: Server, player: Player) -> None:
    show(page, showing, player, 60)
    page.locator(".lab-groups").get_by_role("button", name="Predictions", exact=True).click()
    page.wait_for_timeout(800)
    for panel in ("loss", "metric", "gradient_norms", "gradient_time", "gates", "attention", "answers"):
        words = page.locator(f'[data-panel="{panel}"] .lab-picture').get_attribute("aria-label") or ""
        note = page.locator(f'[data-panel="{panel}"] .lab-note').inner_text()
        assert note, f"{panel} says nothing"
        assert words.endswith(note)
        assert page.locator(f'[data-panel="{panel}"] .lab-number').inner_text() not in ("", "–", "NaN")


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
    until(page, "window.__lab.step === 2")
    assert page.evaluate("window.again() === window.leave"), "each call must give the same cleanup"
    page.evaluate("window.leave()")
    page.wait_for_timeout(100)
    assert page.evaluate("window.sockets.map((socket) => socket.readyState)") == [1]
    assert page.locator(".lab-board").count() == 1
    page.evaluate("window.part(); window.leave()")
    until(page, "window.sockets.every((socket) => socket.readyState > 1)")
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
