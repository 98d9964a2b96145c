"""What one browser tab is looking at: its settings, its run, its messages. The only owner of session state and URL.

The address always says it all (`?task=recall&model.hidden_size=32&run=…`), so a reload, a link and the browser's
back button come to the same page. Two tabs are two sessions. All pages share the settings and the run; what else a
page has in its address is named in `OWN`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import streamlit as st

from app import services
from app.setting import links, own_data, settle
from lstm_core.config import RunConfig
from lstm_core.runs.records import Run, RunNotFound, StoreError

_STATE = "lab"
OWN: Mapping[str, tuple[str, ...]] = {  # page → names in the address that belong to it alone
    "lab": (),
    "initializers": ("show", "layer"),
    "lessons": ("lesson", "guess", "made", "done"),
    "cell": ("tab", "of", "after", "sample", "layer", "unit", "t", "nn", "check"),
    "compare": ("race", "vary", "values", "seeds"),
    "runs": ("whose", "search", "state", "of", "compare"),
}
DOUBLE_CLICK = 1.0  # seconds in which a second press of a button that begins a run is the same press


@dataclass
class Session:
    """Everything the page remembers of one tab. `run` None means: nothing asked for, show the example."""

    config: RunConfig = field(default_factory=RunConfig)
    run: str | None = None
    watching: bool = False  # the run is somebody else's: to look at only
    locks: links.Locks = field(default_factory=links.Locks)  # what the link here locks and hides
    page: str | None = None  # the page that was drawn last
    own: dict[str, str] = field(default_factory=dict)  # what the address of this page says besides settings and run
    notes: list[str] = field(default_factory=list)  # what gave way to the last change
    problems: list[str] = field(default_factory=list)  # what of the address could not be used
    refusals: list[str] = field(default_factory=list)  # what the last button could not do; shown once …
    shown: list[str] = field(default_factory=list)  # … and which of that the page has just shown
    rejected: dict[str, str] = field(default_factory=dict)  # setting → why the file brought for it cannot be used
    brought: int = 0  # how many files were brought: each uploader takes one and gives way to a fresh one
    query: dict[str, str] | None = None  # the address as this session knows it
    heading: str | None = None  # the page that a callback wants to be opened
    acted: bool = False  # a callback began this rerun: the address it came with may be old
    pressed: dict[str, float] = field(default_factory=dict)  # when each button that begins a run was last pressed
    lessons: dict[str, dict[str, str]] = field(default_factory=dict)  # lesson → what the address said of it last
    token: str | None = field(default=None, repr=False)  # this tab's own, where the browser keeps no cookie
    teacher: bool = False  # the teacher's password was given here
    told: bool = False  # that runs can be controlled only as long as this tab is open


def current() -> Session:
    """The session of this tab; made on first use."""
    session = st.session_state.get(_STATE)
    if session is None:
        session = st.session_state[_STATE] = Session()
    return session


def begin(page: str = "lab") -> Session:
    """First thing of every rerun: follow the address where the person has gone to another one.

    Who comes from another page by its name alone brings settings and run along.
    """
    session = current()
    query = st.query_params.to_dict()
    arrived, session.page = session.page not in (None, page), page
    if arrived and not query:
        session.query, session.own = query, {}
        session.notes, session.problems = [], []
        _write(session)
    elif arrived or (not session.acted and query != session.query):
        _read(session, query)
    if _let_go_of_a_deleted_run(session):
        _write(session)
    session.acted = False
    if session.heading is not None:
        wanted, session.heading = session.heading, None
        go(wanted)
    return session


def own(name: str, usual: str = "") -> str:
    """What the address says under a name that belongs to the page alone."""
    return current().own.get(name, usual)


def own_number(name: str) -> int | None:
    """The whole number that the address says under a name of the page's own; None where it is none, or has no end."""
    said = own(name)
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 10 else None


def set_own(**values: str | None) -> None:
    """Put values under names that belong to the page alone into the address; None takes one out."""
    session = current()
    session.own = {name: value for name, value in {**session.own, **values}.items() if value is not None}
    _write(session)


def go(page: str, **values: str) -> None:
    """Open another page with the present settings and run; `values` are that page's own. Not within a callback."""
    session = current()
    session.page, session.own, session.notes, session.problems = page, dict(values), [], []
    query = _address(session)
    session.query = query
    st.switch_page(f"views/{page}.py", query_params=query)


def head_for(page: str) -> None:
    """Open another page with the present settings and run, as soon as this callback is over."""
    touch()
    current().heading = page


def touch() -> None:
    """For every callback: this rerun comes of a widget, so an address that differs is old, and no new place to go."""
    current().acted = True


def _read(session: Session, query: Mapping[str, str]) -> None:
    mine = OWN.get(session.page or "lab", ())
    session.own = {name: query[name] for name in mine if name in query}
    session.query, session.notes, session.rejected = dict(query), [], {}
    session.locks, session.problems = links.from_query(query)
    session.run, session.watching = query.get("watch", query.get("run")), "watch" in query
    settings = {name: text for name, text in query.items() if name not in (*mine, *links.NAMES, "run", "watch")}
    _let_go_of_a_deleted_run(session)
    if settings:
        session.config, problems = settle.from_link(settings)
        session.problems += problems
    elif (run := shown(session)) is not None:
        session.config = settings_of(run)
    else:
        session.config = RunConfig()
    session.problems += own_data.missing(session.config)


def _let_go_of_a_deleted_run(session: Session) -> bool:
    """Look at the example where the run is not there (any more), and say so; returns whether that was the case."""
    if session.run is None or find(session.run) is not None:
        return False
    session.problems.append(
        f"There is no run “{session.run[:40]}” here: it was deleted or the link is incomplete. This is the example."
    )
    session.run, session.watching = None, False
    return True


def _write(session: Session) -> None:
    """Put what the session is looking at into the address."""
    touch()
    query = _address(session)
    if query != session.query:
        session.query = query
        st.query_params.from_dict(query)


def _address(session: Session) -> dict[str, str]:
    run = {"watch" if session.watching else "run": session.run} if session.run else {}
    return session.config.to_query() | run | session.locks.to_query() | session.own


def find(run_id: str) -> Run | None:
    try:
        return services.store().get(run_id)
    except RunNotFound:
        return None


def shown(session: Session) -> Run | None:
    """The run on the page: the one asked for, else the example, else None (nothing has ever run here)."""
    run_id = session.run or services.example_run_id()
    return find(run_id) if run_id else None


def settings_of(run: Run) -> RunConfig:
    """A run's settings; those of an older version that no longer stand are settled."""
    return settle.settle(run.config)[0]


def change(path: str, value: Any) -> None:
    """One setting was changed on the page.

    A rerun that overtakes another one reports every widget as changed: what is as it was leaves all as it is.
    """
    config, notes = settle.change(current().config, path, value)
    if notes or config != current().config:
        use(config, notes)


def use(config: RunConfig, notes: Sequence[str] = ()) -> None:
    """Many settings were chosen at once; `notes` says what gave way. What a link locks stays, and that is said."""
    session = current()
    _settle_for(session, config, notes)
    session.problems, session.rejected = [], {}
    _write(session)


def _settle_for(session: Session, config: RunConfig, notes: Sequence[str] = ()) -> None:
    kept, said = links.keep(session.locks, session.config, config)
    session.config, session.notes = kept, said or list(notes)


def check_locks(config: RunConfig) -> None:
    """Raise StoreError, in words, where a run of these settings would differ in what the link locks."""
    session = current()
    _, said = links.keep(session.locks, session.config, config)
    if said:
        raise StoreError(said[0])


def restrict(locks: links.Locks) -> None:
    """Lock and hide these settings from now on, and nothing else."""
    session = current()
    session.locks = locks
    _write(session)


def reject(path: str, why: str) -> None:
    """The file that was brought for a setting cannot be used: the setting stays, and the reason is said beside it."""
    current().rejected = {path: why}


def follow(run_id: str, config: RunConfig | None = None) -> None:
    """Show a run that was just begun, and the settings it was begun with."""
    session = current()
    session.run, session.watching, session.problems = run_id, False, []
    _settle_for(session, config or session.config)
    _write(session)


def copy_settings(config: RunConfig) -> None:
    """Go on with the settings of a run that was only watched; the run stays whose it is."""
    session = current()
    session.run, session.watching, session.config = None, False, config
    _write(session)


def let_go_of(run_id: str) -> None:
    """Look at the example again, if this is the run on the page."""
    session = current()
    if session.run == run_id:
        session.run, session.watching = None, False
        _write(session)


def reopen(given: str | None) -> None:
    """Show another run, with its settings, by its id or by a link to it."""
    query = parse_qs((given or "").partition("#")[0].partition("?")[2])
    run_id = (query.get("run") or query.get("watch") or [given or ""])[0].strip()
    here = shown(current())
    if not run_id or (here is not None and run_id == here.id):
        return
    run = find(run_id)
    if run is None:
        say([f"There is no run “{run_id[:40]}” here: it was deleted, or the link is for another run store."])
    else:
        follow(run.id, settings_of(run))


def say(messages: list[str]) -> None:
    """Show sentences once, above the page, after a button could not do what it is for."""
    current().refusals = settle.few(messages)


def first_press(button: str) -> bool:
    """Whether this press of a button that begins a run is not the second half of a double click on it."""
    pressed, now = current().pressed, time.monotonic()
    fresh = now - pressed.get(button, float("-inf")) > DOUBLE_CLICK
    pressed[button] = now
    return fresh
