"""Who one is here: signing in and out, as a person where the server knows a provider, and as a teacher."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import messages, session
from app.people import changes, owning, signing, teaching
from app.plain import plain
from lstm_core.runs.records import StoreError

PASSWORD = "teacher-password"


def page() -> None:
    here = session.begin("account")
    with st.container(key="account", width=480):
        if signing.offered() or signing.required():
            _person()
        if teaching.offered():
            _teacher(here.teacher)
    messages.problems(here)
    messages.refusals(here)


def _person() -> None:
    st.subheader("Sign in", anchor=False)
    person = owning.identity().person
    if person is not None:
        st.markdown(f"You are signed in as **{plain(person)}**. Your runs follow you to every browser where you do.")
        st.caption("What this browser trained before you signed in is yours again when you sign out.")
        st.button("Sign out", key="sign-out", icon=":material/logout:", on_click=st.logout)
        return
    st.markdown("Sign in, and your runs follow you to every browser where you do.")
    if signing.required():
        st.caption("Training needs it here; watching is open to everybody.")
    for provider in signing.providers():
        words = "Sign in" if provider is None else f"Sign in with {provider.capitalize()}"
        st.button(
            words,
            key=f"sign-in:{provider}",
            type="primary",
            icon=":material/login:",
            on_click=_say_no,
            args=(signing.sign_in, provider),
        )
    if not signing.offered():
        st.caption("This server asks for it, yet it is not told how: its secrets lack the section [auth].")


def _teacher(signed_in: bool) -> None:
    st.subheader("Teacher", anchor=False)
    if not signed_in:
        st.markdown("With the teacher's password this tab can hold, stop and delete everybody's runs.")
        with st.form("teacher", clear_on_submit=True, border=False):
            st.text_input("Password", type="password", key=PASSWORD, max_chars=200, autocomplete="current-password")
            st.form_submit_button("Sign in as teacher", on_click=_enter)
        return
    st.markdown("This tab can hold, stop and delete everybody's runs, on every page, until you sign out or close it.")
    with st.container(horizontal=True, gap="small"):
        with st.popover("Stop all runs", icon=":material/stop_circle:"):
            st.write("Every run that is not over ends, whosever it is. What was measured stays.")
            st.button("Stop them all", key="stop-all", type="primary", on_click=_stop_all)
        st.button("Sign out as teacher", key="teacher-out", icon=":material/logout:", on_click=teaching.sign_out)


def _enter() -> None:
    _say_no(teaching.sign_in, str(st.session_state.get(PASSWORD) or ""))


def _stop_all() -> None:
    _say_no(_stopped)


def _stopped() -> None:
    count = changes.stop_everything()
    session.say([f"Stopped {count} {'run' if count == 1 else 'runs'}." if count else "Every run was over already."])


def _say_no(act: Callable[..., None], *given: str | None) -> None:
    session.touch()
    try:
        act(*given)
    except StoreError as error:
        session.say([str(error)])


page()
