"""What a page has to say besides what it shows: of its address that could not be used, of a button that did nothing."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app import services
from app.people import owning
from app.plain import plain
from app.session import Session, current
from lstm_core.runs.records import StoreError

AGAIN = 3.0  # seconds between two looks whether the store can be used again
LONG = 100  # characters that take longer to read than a message usually stays
TEMPORARY = "Without cookies, your runs can be controlled only until this tab is closed."


def problems(here: Session, more: Sequence[str] = ()) -> None:
    """Everything of the address that could not be used, and `more` of the page's own, above what follows."""
    if said := [*here.problems, *more]:
        st.warning("  \n".join(map(plain, said)), icon=":material/link_off:")


def refusals(here: Session) -> None:
    """What a button could not do, each once, at the foot of the window; and once whether control ends with the tab."""
    if not here.told and not owning.identity().lasting:
        here.told = True
        st.toast(TEMPORARY, icon=":material/cookie_off:", duration="infinite")
    here.shown = [*here.refusals]
    for said in map(plain, here.shown):
        st.toast(said, icon=":material/info:", duration="long" if len(said) > LONG else "short")


def delivered() -> None:
    """The page was drawn to its end: what it said need not be said again.

    One that a second press has overtaken may not have reached the browser with anything that it said.
    """
    here = current()
    here.refusals, here.shown = [said for said in here.refusals if said not in here.shown], []


def unusable(error: StoreError) -> None:
    """Why the run store cannot be used, in place of the page; the page comes by itself when it can be used again."""
    st.error(plain(str(error)), icon=":material/database_off:")
    if not _usable():
        _look_again()


@st.fragment(run_every=AGAIN)
def _look_again() -> None:
    if _usable():
        st.rerun()


def _usable() -> bool:
    try:
        services.store().pulse([])
    except StoreError:
        return False
    return True
