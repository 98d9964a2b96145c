"""Signing in with an OpenID Connect provider, where Streamlit's secrets have an [auth] section. Else nothing of it."""

from __future__ import annotations

import os
from collections.abc import Mapping

import streamlit as st
from streamlit.auth_util import is_authlib_installed

from app.people import owning
from lstm_core.runs.records import StoreError

MISSING = "Signing in needs the package authlib: install lstm-lab[login] where the server runs, and start it again."


def offered() -> bool:
    """Whether somebody can sign in here."""
    return bool(st.secrets.load_if_toml_exists()) and isinstance(st.secrets.get("auth"), Mapping)


def required() -> bool:
    """Whether only somebody who has signed in may train: LSTM_LAB_LOGIN=required."""
    return os.environ.get("LSTM_LAB_LOGIN", "").strip().lower() == "required"


def missing() -> bool:
    """Whether this page has yet to sign in before anything can be trained from it."""
    return required() and owning.identity().person is None


def check() -> None:
    """Raise StoreError, in words, where nothing may be trained before signing in."""
    if missing():
        where = "on the page Sign in" if offered() else "once the server is told how: its secrets lack [auth]"
        raise StoreError(f"Training here needs that you sign in, {where}. Watching does not.")


def providers() -> list[str | None]:
    """The providers to choose from, by their names in the secrets; None for the only one without a name."""
    auth = st.secrets["auth"] if offered() else {}
    named: list[str | None] = [str(name) for name, value in auth.items() if isinstance(value, Mapping)]
    return ([None] if "client_id" in auth else []) + [name for name in named if name != "client_kwargs"]


def sign_in(provider: str | None) -> None:
    """Callback: go to the provider."""
    if not is_authlib_installed():
        raise StoreError(MISSING)
    st.login(provider)
