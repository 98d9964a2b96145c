"""Compare: one setting varied over several seeds, everything else the same; every run drawn while it goes on."""

from __future__ import annotations

import streamlit as st

from app import messages, session
from app.board.race import race as race_board
from app.people import owning
from app.racing import choices, wanted
from lstm_core.runs.records import StoreError


def page() -> None:
    try:
        here = session.begin("compare")
        race = wanted.shown(here)
        with st.sidebar:
            wanted.prepare(here, race)
            wanted.earlier(race)
            with st.container(key="train"):
                wanted.foot(here, race)
    except StoreError as error:
        messages.unusable(error)
        return
    messages.problems(here)
    messages.refusals(here)
    if race is None:
        _nothing_yet(bool(session.own("vary")))
    else:
        race_board(
            race.id,
            key="race",
            on_action=wanted.perform,
            editable=owning.may_change(race),
            title=race.plan.title,
        )


def _nothing_yet(prepared: bool) -> None:
    """What the page is for, while there is no race on it."""
    st.subheader("Compare")
    if prepared:
        st.write("A race is prepared at the left: press **Start the race**, and its curves grow here.")
    st.write(
        "A race trains the same network on the same data several times, with one setting varied, and repeats that with "
        "several seeds. So what the setting does can be told from luck."
    )
    for name, ready in choices.READY.items():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(name, key=f"ready:{name}", width=200, on_click=wanted.use_ready_made, args=(name,))
            st.write(ready.question)


page()
