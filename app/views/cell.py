"""Inside the cell: one step with all its numbers, the shapes, the same cell in NumPy."""

from __future__ import annotations

import streamlit as st

from app import cell_walk, session
from app.plain import plain
from lstm_core.runs.records import StoreError


def _step(here: session.Session) -> None:
    walk, about = cell_walk.find(here)
    with st.sidebar:
        cell_walk.controls(here, walk)
    cell_walk.draw(walk, about)


TABS = {"step": ("Step by step", _step)}


def page() -> None:
    try:
        here = session.begin("cell")
        tab = session.own("tab") if session.own("tab") in TABS else "step"
        if here.problems:
            st.warning("  \n".join(map(plain, here.problems)), icon=":material/link_off:")
        while here.refusals:
            st.toast(plain(here.refusals.pop(0)), icon=":material/info:")
        st.segmented_control(
            "What is shown",
            list(TABS),
            required=True,
            format_func=lambda name: TABS[name][0],
            label_visibility="collapsed",
            **session.tie("cell:tab", tab, lambda name: session.set_own(tab=name)),
        )
        TABS[tab][1](here)
    except StoreError as error:
        st.error(str(error), icon=":material/database_off:")


page()
