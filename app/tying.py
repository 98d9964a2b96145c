"""Ties widgets to what they show: a widget never knows better than the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app import session

_MISSING = object()


def bind(path: str, value: Any, part: str = "", read: Callable[[Any], Any] = lambda shown: shown) -> dict[str, Any]:
    """Keyword arguments that tie a widget to a setting: it shows `value`; `read` turns what it shows into a setting.

    `part` tells several widgets of one setting apart.
    """
    return tie(f"{path}:{part}", value, lambda shown: session.change(path, read(shown)))


def tie(name: str, value: Any, chosen: Callable[[Any], None]) -> dict[str, Any]:
    """Keyword arguments for a widget that shows `value`, and calls `chosen` with what a person makes of it."""
    key = f"setting:{name}"
    if st.session_state.get(key, _MISSING) != value:
        st.session_state[key] = value

    def changed() -> None:
        session.touch()
        chosen(st.session_state[key])

    return {"key": key, "on_change": changed}
