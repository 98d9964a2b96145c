"""The race on the page: a Components-v2 component that asks the server for the curves and draws them as they grow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app import theme
from app.board.board import PREFIX
from app.board.mounting import component, mounted
from app.outside.static import PLOTLY, static_url

_component = component("race")


def race(
    race_id: str, *, key: str, on_action: Callable[[Mapping[str, Any]], None], editable: bool = True, title: str = ""
) -> None:
    """Show a race, live. `title` names it until the first answer comes.

    `on_action` gets what a button asks for: {"name": "stop" | "seeds" | "delete", "race": id} and for seeds "n".
    Without `editable` the race is to look at: no button changes it.
    """
    data = component_data(race_id, editable=editable, title=title)
    mounted(_component, data, key=key, event="action", hear=on_action)


def component_data(race_id: str, *, editable: bool = True, title: str = "") -> dict[str, Any]:
    """What `race.js` is told: the race, where things are, and how things look."""
    return {
        "race": race_id,
        "editable": editable,
        "title": title,
        "base": PREFIX,
        "css": static_url("board.css"),
        "style": static_url("race.css"),
        "plotly": static_url(PLOTLY),
        "look": theme.look(),
    }
