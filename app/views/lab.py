"""The Lab: settings at the left, the run at the right."""

from __future__ import annotations

import streamlit as st

from app import actions, controls, messages, session, this_run, watching
from app.board.board import board
from app.people import owning, signing
from app.plain import plain
from app.setting import summary
from lstm_core.runs.records import Run, StoreError


def page() -> None:
    try:
        here = session.begin()
        run = session.shown(here)
        mine = run is not None and owning.may_change(run)
        looking = here.run is not None and (here.watching or not mine)
    except StoreError as error:
        messages.unusable(error)
        return
    with st.sidebar:
        if run is not None and looking:
            watching.draw(run)
        else:
            controls.draw(here.config)
            with st.container(key="train"):
                _foot(here, run)
    messages.problems(here)
    messages.refusals(here)
    title = session.settings_of(run).title if run else ""
    board(
        run.id if run else None,
        key="board",
        on_action=actions.perform,
        editable=run is None or (mine and not looking),
        begins=not looking,
        title=title,
    )
    this_run.origin(run)


def _foot(here: session.Session, run: Run | None) -> None:
    """What Train would start, what gave way to the last change, and the button."""
    if here.run is None:
        st.page_link("views/lessons.py", label="New here? Begin with a lesson", icon=":material/school:")
    for note in here.notes:
        st.caption(plain(note))
    st.caption(summary.sentence(here.config))
    if run is not None and session.settings_of(run) != here.config:
        st.caption("**Settings changed**: press Train to start a new run with them.")
    if signing.missing():
        st.caption("Watching is open to everybody; to train a run of your own, sign in first.")
        st.page_link("views/account.py", label="Sign in", icon=":material/login:")
    known = "start" in st.session_state
    icon = ":material/play_arrow:"
    with st.container(key="foot", horizontal=True, gap="small"):
        pressed = st.button("Train", key="start", type="primary", icon=icon, width="stretch", on_click=actions.train)
        this_run.draw(run)
    if pressed and not known:
        actions.train()  # as in `board`: pressed on a page that is older than the server
        st.rerun()


page()
