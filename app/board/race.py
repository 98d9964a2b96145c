"""The race on the page: a Components-v2 component that asks the server for the curves and draws them as they grow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app import theme
from app.board.board import PREFIX
from app.board.mounting import mounted
from app.outside.static import static_url

# Streamlit sends this text with every rerun, so it only fetches the real thing.
_LOADER = f"""
const race = import(new URL("{static_url("race.js")}", location.origin));
export default async (component) => (await race).mount(component);
"""

_component = st.components.v2.component("lstm_lab_race", js=_LOADER, isolate_styles=False)


def race(
    race_id: str, *, key: str, on_action: Callable[[Mapping[str, Any]], None], editable: bool = True, title: str = ""
) -> None:
    """Show a race, live. `title` names it until the first answer comes.

    `on_action` gets what a button asks for: {"name": "stop" | "seeds" | "delete", "race": id} and for seeds "n".
    Without `editable` the race is to look at: no button changes it.
    """

    def acted() -> None:
        action = st.session_state[key]["action"]
        if isinstance(action, Mapping):
            on_action(action)

    known = key in st.session_state
    shown = mounted(
        _component, key=key, data=component_data(race_id, editable=editable, title=title), on_action_change=acted
    )
    action = shown.get("action")
    if isinstance(action, Mapping) and not known:
        # As in `board`: the first press on a page that is older than the server.
        on_action(action)
        st.rerun()


def component_data(race_id: str, *, editable: bool = True, title: str = "") -> dict[str, Any]:
    """What `race.js` is told: the race, where things are, and how things look."""
    return {
        "race": race_id,
        "editable": editable,
        "title": title,
        "base": PREFIX,
        "css": static_url("board.css"),
        "style": static_url("race.css"),
        "plotly": static_url("plotly.min.js"),
        "look": theme.look(),
    }
