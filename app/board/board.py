"""The live board: one Components-v2 component that opens its own line to the server and draws a run as it happens.

Python says which run; everything that moves comes over `/lab/stream` and never passes through a rerun of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app import figures, theme
from app.board.mounting import component, mounted
from app.outside.static import PLOTLY, static_url

PREFIX = "/lab"

_component = component("board")


def board(
    run_id: str | None,
    *,
    key: str,
    on_action: Callable[[Mapping[str, Any]], None],
    editable: bool = True,
    begins: bool | None = None,
    title: str = "",
    only: Sequence[str] = (),
) -> None:
    """Show a run, live; `run_id` None shows the empty board. `title` names the run until a worker has described it.
    `only` names the panels to show; none named means all that fit the run.

    `on_action` gets what a button of the board asks for: {"name": "train" | "pause" | "resume" | "step" | "stop" |
    "rewind" | "reseed" | "override", "run": id} and, for some, "n", "field", "value". Without `editable` the
    run is to look at: no button changes it. `begins`, else `editable`, shows those that begin another run after it.
    """
    data = component_data(run_id, editable=editable, begins=begins, title=title, only=only)
    mounted(_component, data, key=key, event="action", hear=on_action)


def component_data(
    run_id: str | None,
    *,
    editable: bool = True,
    begins: bool | None = None,
    title: str = "",
    only: Sequence[str] = (),
) -> dict[str, Any]:
    """What `board.js` is told: the run, where things are, and how things look."""
    return {
        "run": run_id,
        "editable": editable,
        "begins": editable if begins is None else begins,
        "title": title,
        "only": list(only),
        "base": PREFIX,
        "css": static_url("board.css"),
        "plotly": static_url(PLOTLY),
        "panels": figures.outline(),
        "groups": dict(figures.GROUPS),
        "look": theme.look(),
    }
