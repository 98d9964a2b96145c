"""The page of all runs and the links to them, as a learner and a class use them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from lstm_core.runs.records import RunNotFound
from tests.browser.lab import Lab
from tests.browser.playing import Played, Player, drawn, show
from tests.serving import Server

MARK = "these-tests"  # in the name of every run of these tests: others use the same store
HOSTILE = f"{MARK} <img src=x onerror=alert(1)> \u202ekcab [a](javascript:alert(2)) **b**"
CLEAN = HOSTILE.replace("\u202e", "")  # without the sign that turns what follows round


class Runs:
    """One tab on the page of all runs, with the runs of these tests."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        page.on("dialog", lambda dialog: pytest.fail(f"a name was carried out: {dialog.message}"))
        page.goto(f"{server.url}/runs?search={MARK}")
        expect(self.rows.first).to_be_visible()

    @property
    def rows(self) -> Locator:
        return self.page.locator(".runs-table tbody tr")

    @property
    def search(self) -> Locator:
        return self.page.get_by_label("Search the runs")

    def row(self, name: str) -> Locator:
        return self.rows.filter(has_text=name)

    def choose(self, *names: str) -> None:
        for name in names:
            self.row(name).get_by_role("checkbox").check()

    def button(self, name: str) -> Locator:
        return self.page.locator(".lab-runs").get_by_role("button", name=name, exact=True)

    def show(self, words: str) -> None:
        self.page.get_by_label("Show runs in this state").select_option(label=words)


@pytest.fixture
def three(showing: Server, played: Played) -> Iterator[list[Player]]:
    """Alpha and Beta have finished, Gamma goes on."""
    players = [Player(showing, played) for _ in range(3)]
    for player, name in zip(players, ("Alpha", "Beta", "Gamma"), strict=True):
        player.store.rename(player.id, f"{name} {MARK}")
        player.play(20)
    for player in players[:2]:
        player.store.release(player.lease, "finished")
    yield players
    for player in players:
        if any(entry.id == player.id and entry.deleted is None for entry in player.store.entries()):
            player.store.delete(player.id)
        player.store.close()


def test_find_rename_delete_and_have_back(page: Page, showing: Server, three: list[Player]) -> None:
    runs, store = Runs(page, showing), three[0].store
    expect(runs.search).to_have_value(MARK)
    expect(runs.rows).to_have_count(3)
    expect(runs.row("Alpha").locator(".runs-curve path")).to_have_attribute("d", re.compile("^M0 "))
    runs.show("Finished")
    expect(runs.rows).to_have_count(2)
    runs.search.fill(f"{MARK} beta length=12")
    expect(runs.rows).to_have_count(1)
    page.wait_for_url(lambda url: f"search={MARK}+beta" in url and "state=finished" in url)

    runs.choose("Beta")
    runs.button("Rename").click()
    page.get_by_label("New name").fill(HOSTILE)
    page.keyboard.press("Enter")
    runs.search.fill(MARK)
    expect(runs.row("onerror").locator(".runs-name")).to_have_text(CLEAN)
    assert store.get(three[1].id).name == CLEAN

    runs.choose("onerror")
    runs.button("Delete").click()
    expect(runs.rows).to_have_count(1)
    with pytest.raises(RunNotFound):
        store.get(three[1].id)
    runs.button("Undo").click()
    expect(runs.rows).to_have_count(2)
    assert store.get(three[1].id).status == "finished"

    runs.choose("Alpha")
    runs.button("Delete").click()
    expect(runs.row("Alpha")).to_have_count(0)
    runs.show("Deleted")
    runs.choose("Alpha")
    runs.button("Take back").click()
    runs.show("All states")
    expect(runs.row("Alpha")).to_have_count(1)


def test_the_list_lives_while_one_chooses_and_goes_on_by_key(page: Page, showing: Server, three: list[Player]) -> None:
    runs, gamma = Runs(page, showing), three[2]
    runs.choose("Alpha", "Gamma")
    expect(runs.button("Rename")).to_be_disabled()
    expect(runs.row("Gamma")).to_contain_text("19 / 120")
    curve = runs.row("Gamma").locator(".runs-curve path")
    before = curve.get_attribute("d")
    gamma.play(40)
    expect(runs.row("Gamma")).to_contain_text("59 / 120")
    expect(curve).not_to_have_attribute("d", before or "")
    expect(runs.row("Gamma").locator(".lab-state")).to_contain_text("running")
    for name in ("Alpha", "Gamma"):
        expect(runs.row(name).get_by_role("checkbox")).to_be_checked()

    runs.rows.first.get_by_role("checkbox").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(runs.rows.nth(1).get_by_role("checkbox")).to_be_checked()
    expect(runs.rows.nth(1).get_by_role("checkbox")).to_be_focused()


def test_compare_and_open(page: Page, showing: Server, three: list[Player]) -> None:
    runs = Runs(page, showing)
    runs.choose("Alpha", "Beta")
    runs.button("Compare").click()
    expect(page.locator('[data-panel="loss"] .scatterlayer path.js-line')).to_have_count(2)
    expect(page.locator('[data-panel="metric"] .lab-title')).to_have_text("Validation accuracy")
    expect(runs.row("Beta").get_by_role("checkbox")).to_be_checked()
    page.get_by_role("button", name="Close the comparison").click()
    expect(page.locator('[data-panel="loss"]')).to_have_count(0)

    runs.row("Alpha").locator(".runs-name").click()
    drawn(page, 19)
    assert f"run={three[0].id}" in page.url
    page.get_by_role("link", name="Runs").click()
    expect(page.locator(".runs-table [aria-current] .runs-name")).to_contain_text("Alpha")


def test_a_link_to_a_run_shows_it_live_and_changes_nothing(
    page: Page, showing: Server, browser: Browser, player: Player
) -> None:
    show(page, showing, player, 5)
    Lab(page, showing.url).button("This run").click()
    link = page.get_by_test_id("stCode").filter(has_text="watch=").inner_text().strip()
    assert link == f"{showing.url}/?watch={player.id}"

    other = browser.new_page(viewport={"width": 1280, "height": 800})
    other.goto(link)
    drawn(other, 4)
    lab = Lab(other, showing.url)
    expect(lab.sidebar).to_contain_text("You are watching")
    expect(lab.sidebar.get_by_role("combobox")).to_have_count(0)
    assert all(not button.is_enabled() for button in other.locator(".lab-transport button").all())
    player.play(30)
    for tab in (page, other):
        drawn(tab, 34)
    other.keyboard.press("Space")
    assert player.store.get(player.id).desired == "running"

    lab.button("Make a copy with these settings").click()
    expect(lab.button("Train")).to_be_enabled()
    expect(lab.sidebar.get_by_role("spinbutton", name="Hidden size")).to_have_value("6")
    assert lab.run is None
    assert "watch" not in other.url
    other.close()


def test_a_link_for_a_class_locks_and_hides(page: Page, showing: Server) -> None:
    lab = Lab(page, showing.url).open("/?task=sentiment")
    lab.button("This run").click()
    page.get_by_role("button", name="Link for a class").click()
    dialog = page.get_by_role("dialog")
    for box, name in (("Locked", "Model: Attention"), ("Hidden", "Training: everything")):
        dialog.get_by_role("combobox", name=box).fill(name)
        page.get_by_role("option", name=name, exact=True).click()
        page.keyboard.press("Tab")  # closes the list
    link = dialog.get_by_test_id("stCode").filter(has_text="hide=training")
    expect(link).to_contain_text("lock=model.attention")

    lab.open(link.inner_text().strip().removeprefix(showing.url))
    expect(lab.sidebar.locator("summary").get_by_text("Training", exact=True)).to_have_count(0)
    lab.unfold("Model")
    expect(lab.sidebar.get_by_role("combobox", name="Attention")).to_be_disabled()
    expect(lab.sidebar.get_by_text("Locked by the link.")).to_be_visible()
    lab.sidebar.get_by_role("combobox", name="Ready-made").click()
    page.get_by_role("option", name="Attention on a forgetful LSTM").click()
    expect(lab.sidebar.get_by_text("Attention stays as before: locked by the link.")).to_be_visible()
    run = lab.train()
    assert showing.store().get(run).config["model"]["attention"] == "none"
    page.get_by_role("link", name="Runs").click()
    expect(page.locator(".runs-table")).to_be_visible()
    page.get_by_role("link", name="Lab", exact=True).click()
    lab.unfold("Model")
    expect(lab.sidebar.get_by_role("combobox", name="Attention")).to_be_disabled()
    assert "lock=model.attention" in page.url
    assert "hide=training" in page.url
    showing.store().delete(run)


def test_a_run_that_is_deleted_in_another_tab_is_said_to_be_gone(page: Page, showing: Server, player: Player) -> None:
    show(page, showing, player, 5)
    player.store.delete(player.id)
    expect(page.locator(".lab-board")).to_contain_text("it was deleted")
    Lab(page, showing.url).type("Hidden size", "7")
    expect(page.get_by_test_id("stAlert")).to_contain_text(f"There is no run “{player.id}” here: it was deleted")
    assert f"run={player.id}" not in page.url
