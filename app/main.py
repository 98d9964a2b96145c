"""The frame of every page: title, style, navigation."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import messages, turns
from app.outside import counters
from app.people import signing, teaching
from lstm_core.runs.records import StoreError

HERE = Path(__file__).resolve().parent

counters.RERUNS.inc()
st.set_page_config(
    page_title="LSTM Lab",
    page_icon=str(HERE.parent / "assets" / "icon.svg"),
    layout="wide",
    initial_sidebar_state=300,
    menu_items={"About": "LSTM Lab: train small recurrent networks and watch what initialization does to them."},
)
st.html(HERE / "frame.css")


def _page(name: str, title: str, icon: str, *, default: bool = False) -> st.Page:
    return st.Page(HERE / "views" / f"{name}.py", title=title, icon=f":material/{icon}:", default=default)


# A new page is one line.
PAGES = [
    _page("lab", "Lab", "monitoring", default=True),
    _page("lessons", "Lessons", "school"),
    _page("initializers", "Initializers", "casino"),
    _page("compare", "Compare", "compare_arrows"),
    _page("cell", "Inside the cell", "memory"),
    _page("runs", "Runs", "list"),
]
if signing.offered() or signing.required():
    PAGES.append(_page("account", "Sign in", "account_circle"))
elif teaching.offered():
    PAGES.append(_page("account", "Teacher", "account_circle"))
page = st.navigation(PAGES, position="top")
try:
    with turns.turn():
        page.run()
    messages.delivered()
except StoreError as error:
    # The pages say it themselves where they begin; this is for trouble that comes while one is being drawn.
    messages.unusable(error)
