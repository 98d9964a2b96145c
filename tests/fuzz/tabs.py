"""Pages in real sessions: their addresses, and whatever their components may be made to ask for."""

from __future__ import annotations

import urllib.request
from functools import partial
from random import Random
from typing import Any

from app import actions, session
from app.racing import wanted
from app.reports import exports
from tests.fuzz import addresses, inputs
from tests.fuzz.harness import Entry
from tests.fuzz.standing import Standing

Query = dict[str, str]
PAGES = {"lab": "", **{name: name for name in session.OWN if name != "lab"}}
BOARDS = {"lab": "lstm_lab_board", "compare": "lstm_lab_race", "runs": "lstm_lab_runs", "cell": "lstm_lab_cell"}
EVENTS = {"cell": "place"}
FILES = "compare", "rename", "delete", "restore", "remove", "open", "filter", "resume"


def address(there: Standing, rng: Random) -> Query:
    """A page with names of its own, settings, locks, a run."""
    made = addresses.own(rng)
    if rng.random() < 0.5:
        made |= {name: text[:3000] for name, text in list(addresses.query(rng).items())[:20] if len(name) < 2000}
    if rng.random() < 0.3:
        made |= addresses.some_locks(rng)
    if rng.random() < 0.5:
        made[rng.choice(("run", "watch"))] = there.run if rng.random() < 0.6 else inputs.clean(inputs.text(rng))
    return made


def open_page(there: Standing, query: Query) -> None:
    """Every address opens its page: nothing is broken on it, and something is said of what cannot be used."""
    page = query.get("page", "lab")
    given = {name: inputs.clean(text) for name, text in query.items() if name != "page"}

    async def go() -> list[str]:
        visitor = there.tab
        assert visitor is not None
        visitor.toasts.clear()
        await visitor.go(PAGES.get(page, ""), given)
        return visitor.exceptions()

    there.visitor()
    try:
        broken = there.wait(go())
    except Exception:
        there.leave()
        raise
    _judge(there, broken)


def open_all(there: Standing) -> None:
    """Open every page as people do, so that whatever is loaded once has been."""
    for page in PAGES:
        open_page(there, {"page": page, "run": there.run})
    open_page(there, {"page": "runs", "compare": there.run})
    for name in exports.EXPORTS:
        with urllib.request.urlopen(f"{there.server.url}/lab/runs/{there.run}/export/{name}", timeout=60) as answer:
            answer.read()


def action(there: Standing, rng: Random) -> tuple[str, Any]:
    """(page, what its component sends)."""
    page = rng.choice(("lab", "lab", "lab", "compare", "runs", "cell"))
    if page == "cell":
        return page, inputs.bent(rng, {"t": 1, "unit": 0})
    if page == "compare":
        return page, inputs.bent(rng, {"name": rng.choice(sorted(wanted.ACTIONS)), "race": there.race, "n": 1}, 2)
    if page == "runs":
        return page, inputs.bent(rng, {"name": rng.choice(FILES), "runs": [there.run], "value": "a name"}, 2)
    names = sorted(set(actions.ACTIONS) - {"remove"})
    good = {
        "name": rng.choice(names), "run": there.run, "n": 1, "step": 3, "field": "learning_rate", "value": 0.01,
        "settings": {"training.steps": 50},
    }  # fmt: skip
    return page, inputs.bent(rng, good, 2) if rng.random() < 0.95 else inputs.value(rng)


def act(there: Standing, asked: tuple[str, Any]) -> None:
    """Whatever a component sends is done or refused; the page goes on."""
    page, sent = asked

    async def send() -> list[str]:
        visitor = there.tab
        assert visitor is not None
        visitor.toasts.clear()
        wanted = {"race": there.race} if page == "compare" else {"run": there.run}
        here = visitor.page == PAGES[page] and wanted.items() <= visitor.url_query.items()
        if not here or not any(element.called(BOARDS[page]) for element in visitor.elements):
            await visitor.go(PAGES[page], wanted)
        await visitor.component(BOARDS[page], sent, EVENTS.get(page, "action"))
        return visitor.exceptions()

    there.restore()
    there.visitor()
    try:
        broken = there.wait(send())
    except Exception:
        there.leave()
        raise
    _judge(there, broken)


def _judge(there: Standing, broken: list[str]) -> None:
    there.quiet()
    assert not broken, f"the page shows {broken}"


def entries(there: Standing) -> tuple[Entry, ...]:
    return (
        Entry("pages in sessions", 20, partial(address, there), partial(open_page, there)),
        Entry("actions of components", 30, partial(action, there), partial(act, there)),
    )
