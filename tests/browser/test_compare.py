"""The Compare page in a real browser: prepare a race, begin it, watch it to its end, and what a person does besides."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlparse

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from lstm_core.race_plan import plan
from lstm_core.runs.store import RunStore
from tests.browser.waiting import until
from tests.runs.conftest import small
from tests.serving import Server

QUICK = small(steps=80)
PATIENCE = 120_000  # ms until a race is over, on a machine that has other things to do


class Compare:
    """One browser tab on the Compare page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url

    def open(self, **query: str) -> Compare:
        self.page.goto(f"{self.url}/compare?{urlencode(query)}")
        expect(self.start).to_be_visible()
        return self

    @property
    def sidebar(self) -> Locator:
        return self.page.get_by_test_id("stSidebar")

    @property
    def start(self) -> Locator:
        """The button, which says so where the race on the page is somebody else's."""
        return self.sidebar.get_by_role("button", name=re.compile("^(Start the race|Run this race as mine)$"))

    @property
    def state(self) -> Locator:
        return self.page.locator(".race .lab-state")

    @property
    def race(self) -> str | None:
        return parse_qs(urlparse(self.page.url).query).get("race", [None])[0]

    def button(self, name: str) -> Locator:
        return self.page.locator(".race").get_by_role("button", name=name, exact=True)

    def column(self, number: int) -> list[str]:
        return self.page.locator(f".race-table tbody tr > :nth-child({number})").all_inner_texts()

    def begin(self) -> str:
        before = self.race
        self.start.click()
        self.page.wait_for_url(lambda url: parse_qs(urlparse(url).query).get("race", [None])[0] not in (before, None))
        assert self.race is not None
        return self.race


@pytest.fixture
def compare(server: Server, page: Page) -> Compare:
    return Compare(page, server.url)


@pytest.fixture
def store(server: Server) -> Iterator[RunStore]:
    opened = server.store()
    yield opened
    opened.close()


def prepared(**more: str) -> dict[str, str]:
    return {**QUICK.to_query(), "vary": "init.preset", "values": "pytorch,chrono", "seeds": "2", **more}


def test_a_race_is_prepared_by_a_link_begun_watched_sorted_and_kept(
    compare: Compare, browser: Browser, store: RunStore
) -> None:
    before = len(store.races())
    compare.open(**prepared())
    expect(compare.sidebar.get_by_text("4 runs of 80 steps")).to_be_visible()
    assert len(store.races()) == before, "a link only prepares"
    race = compare.begin()
    other = Compare(browser.new_page(), compare.url).open(race=race)
    expect(other.start).to_be_enabled()
    expect(other.start).to_contain_text("Run this race as mine")
    for name in ("Stop all", "Add seeds", "Delete"):
        expect(other.button(name)).to_be_hidden()
        expect(compare.button(name)).to_be_visible()
    expect(other.sidebar.get_by_text("8 tokens", exact=False).first).to_be_visible()  # the settings of the race
    for viewer in (compare, other):
        expect(viewer.state).to_contain_text("finished", timeout=PATIENCE)
        expect(viewer.state).to_contain_text("4 runs")
        until(viewer.page, "document.querySelectorAll('[data-panel=\"metric\"] .scatterlayer .trace').length >= 8")
    other.page.close()

    solved = compare.page.get_by_role("button", name="PyTorch default", exact=True)
    solved.click()
    expect(solved).to_have_attribute("aria-pressed", "false")
    compare.button("by run").click()
    seeds = compare.page.get_by_role("columnheader", name="seed", exact=False).first
    seeds.get_by_role("button").click()
    expect(seeds).to_have_attribute("aria-sort", "ascending")
    assert compare.column(2) == ["1", "1", "2", "2"]
    seeds.get_by_role("button").click()
    assert compare.column(2) == ["2", "2", "1", "1"]
    compare.page.locator(".race-table tbody tr").first.click()
    expect(compare.page.locator(".race-said")).to_contain_text("seed 2: finished at step 80 of 80")
    with compare.page.expect_download() as download:
        compare.page.get_by_role("link", name="Download table (CSV)").click()
    with download.value.path().open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["init.preset"], row["seed"], row["status"]) for row in rows] == [
        (name, seed, "finished") for name in ("PyTorch default", "Chrono") for seed in ("1", "2")
    ]

    compare.button("Add seeds").dblclick()
    expect(compare.state).to_contain_text("finished6 runs", timeout=PATIENCE)
    assert store.race(race).plan.seeds == (1, 2, 3)
    compare.page.reload()
    expect(compare.state).to_contain_text("finished6 runs")
    assert compare.race == race


def test_gates_of_two_runs_stand_side_by_side_at_one_step(compare: Compare, store: RunStore) -> None:
    race = store.create_race(plan(QUICK, "init.preset", ["pytorch", "chrono"], [1]))
    compare.open(race=race)
    expect(compare.state).to_contain_text("finished", timeout=PATIENCE)
    gates = compare.page.locator(".race-gates")
    gates.scroll_into_view_if_needed()
    canvases = gates.locator("canvas.lab-canvas")
    expect(canvases).to_have_count(2)
    expect(gates.locator(".race-pick .lab-label")).to_have_text(["at its step 80", "at its step 80"])
    picture = "() => [...document.querySelectorAll('.race-gates canvas')].map((one) => one.toDataURL())"
    left, right = compare.page.evaluate(picture)
    assert left != right
    gates.get_by_label("Step of training shown for both runs").fill("0")
    expect(gates.locator(".race-pick .lab-label")).to_have_text(["at its step 0", "at its step 0"])
    until(compare.page, f"before => ({picture})().every((one, k) => one !== before[k])", arg=[left, right])
    gates.get_by_label("Right run").select_option(index=0)
    until(compare.page, f"(() => {{ const [a, b] = ({picture})(); return a === b; }})()")


def test_stop_all_and_delete(compare: Compare, store: RunStore) -> None:
    race = store.create_race(plan(small(steps=100_000), "init.preset", ["pytorch", "chrono"], [1, 2]))
    compare.open(race=race)
    expect(compare.state).to_contain_text("0 of 4 runs over")
    compare.button("Stop all").click()
    expect(compare.state).to_contain_text("stopped")
    assert {runner.status for runner in store.runners(race)} == {"stopped"}
    expect(compare.button("Stop all")).to_be_disabled()
    compare.button("Delete").click()
    compare.button("Delete it with its runs?").click()
    expect(compare.page.get_by_text("The race is deleted")).to_be_visible()
    assert race not in [one.id for one in store.races()]
    compare.open(race=race)
    expect(compare.page.get_by_text(f"There is no race “{race}” here")).to_be_visible()


def test_what_cannot_be_raced_is_said_and_nothing_begins(compare: Compare) -> None:
    for values, why in (("chrono,nothing", "is 'nothing'; choose one of"), (",", "at least one value")):
        compare.open(**prepared(values=values))
        expect(compare.sidebar.get_by_text(why)).to_be_visible()
        expect(compare.start).to_be_disabled()
    compare.open(**prepared(vary="model.hidden_size", values="4, 4"))
    expect(compare.sidebar.get_by_text("4 is there twice")).to_be_visible()
    box = compare.sidebar.get_by_role("textbox", name="Its values")
    box.fill("4, 8")
    box.press("Enter")
    expect(compare.start).to_be_enabled()
    assert parse_qs(urlparse(compare.page.url).query)["values"] == ["4, 8"]
    compare.open(**prepared(vary="nothing at all", seeds="minus one"))
    expect(compare.start).to_be_enabled()
    expect(compare.page.get_by_test_id("stException")).to_have_count(0)


def test_one_value_one_seed_and_one_that_fails(compare: Compare, store: RunStore) -> None:
    wild = small(steps=80, **{"model.cell": "rnn_relu", "training.optimizer": "sgd"})
    race = store.create_race(plan(wild, "training.learning_rate", [10], [1]))
    compare.open(race=race)
    expect(compare.state).to_contain_text("failed", timeout=PATIENCE)
    compare.button("by run").click()
    compare.page.locator(".race-table tbody tr").first.click()
    said = compare.page.locator(".race-said").inner_text()
    error = store.get(store.runners(race)[0].run).error
    assert error is not None
    assert error["what"] in said


def test_a_lost_line_is_said_and_found_again(compare: Compare, store: RunStore) -> None:
    race = store.create_race(plan(small(steps=100_000), "init.preset", ["pytorch"], [1]))
    compare.open(race=race)
    expect(compare.state).to_contain_text("0 of 1 runs over")
    compare.page.route("**/curves", lambda route: route.abort())
    expect(compare.page.locator(".race .lab-link")).to_have_text("reconnecting…")
    compare.page.unroute("**/curves")
    expect(compare.page.locator(".race .lab-link")).to_have_text("")
    compare.button("Stop all").click()
    expect(compare.state).to_contain_text("stopped")
