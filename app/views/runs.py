"""All runs of this installation: find one, compare some, rename, delete, go on with one of them in the Lab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import actions, messages, session
from app.listing import comparison, table
from app.people import owning
from app.setting import links
from lstm_core.runs.records import StoreError

FILTERS = ("whose", "search", "state", "of")
MOST = 1000  # runs that one press acts on


def page() -> None:
    try:
        here = session.begin("runs")
        compared = comparison.chosen(session.own("compare"))
    except StoreError as error:
        messages.unusable(error)
        return
    messages.problems(here)
    messages.refusals(here)
    if compared:
        comparison.draw()
    me = owning.identity()
    table.table(
        key="runs",
        on_action=act,
        home=links.address(st.context.url or "", {}),
        filters={name: session.own(name) for name in FILTERS},
        shown=here.run,
        me={"mark": owning.mark(me.owner), "local": me.local, "all": me.teacher},
    )


def act(action: Mapping[str, Any]) -> None:
    """Carry out what a button of the table asks for, with each of the chosen runs."""
    session.touch()
    name, given = str(action.get("name")), action.get("runs")
    chosen = [str(run_id)[:64] for run_id in given[:MOST]] if isinstance(given, list) else []
    if name == "filter":
        session.set_own(**{part: str(action.get(part) or "")[:200] or None for part in FILTERS})
    elif name == "compare":
        session.set_own(compare=",".join(chosen) or None)
    elif name == "copy":
        run = session.find(chosen[0]) if chosen else None
        if run is not None:
            session.copy_settings(session.settings_of(run))
            session.head_for("lab")
    elif name == "open":
        session.reopen(chosen[0] if chosen else None)
        session.head_for("lab")
    else:
        before, said = session.current().run, list[str]()
        for run_id in chosen:
            actions.perform({**action, "run": run_id})
            said += session.current().refusals
        session.say(list(dict.fromkeys(said)))
        if session.current().run not in (before, None):
            session.head_for("lab")


page()
