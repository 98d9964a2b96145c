"""Inside the cell: one step with all its numbers, the shapes, the same cell in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from app import messages, session, tying
from app.cell import by_hand, shapes, walk
from lstm_core.runs.records import StoreError

STYLE = Path(__file__).resolve().parent.parent / "cell.css"
TABS: dict[str, tuple[str, Callable[[session.Session], None]]] = {
    "step": ("Step by step", walk.draw),
    "shapes": ("Shapes and parameters", shapes.draw),
    "numpy": ("The cell in NumPy", by_hand.draw),
}


def page() -> None:
    try:
        here = session.begin("cell")
        tab = session.own("tab") if session.own("tab") in TABS else "step"
        st.html(STYLE)
        messages.problems(here)
        st.segmented_control(
            "What is shown",
            list(TABS),
            required=True,
            format_func=lambda name: TABS[name][0],
            label_visibility="collapsed",
            **tying.tie("cell:tab", tab, lambda name: session.set_own(tab=name)),
        )
        TABS[tab][1](here)
        messages.refusals(here)
    except StoreError as error:
        messages.unusable(error)


page()
