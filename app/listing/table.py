"""The table of all runs: one Components-v2 component that asks the server for what is new, and says what is pressed.

It searches, filters and sorts by itself, so that nothing of the page is drawn anew while somebody types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app import theme
from app.board.board import PREFIX
from app.board.mounting import component, mounted
from app.outside.static import static_url

_component = component("runs")


def table(
    *,
    key: str,
    on_action: Callable[[Mapping[str, Any]], None],
    home: str,
    filters: Mapping[str, str],
    shown: str | None,
    me: Mapping[str, Any],
) -> None:
    """Draw the table. `home` is the address of the Lab, `shown` the run that it shows; `filters` what is chosen here.

    `me` is who looks: "mark", the sign of their runs in the list, "local", whether those of nobody count as theirs,
    and "all", whether they may change everybody's.

    `on_action` gets {"name": …} with "runs", a list of ids, and for some "value"; `filter` comes with the filters.
    """
    data = component_data(home=home, filters=filters, shown=shown, me=me)
    mounted(_component, data, key=key, event="action", hear=on_action)


def component_data(
    *, home: str, filters: Mapping[str, str], shown: str | None, me: Mapping[str, Any]
) -> dict[str, Any]:
    """What `runs.js` is told."""
    return {
        "base": PREFIX,
        "home": home,
        "filters": dict(filters),
        "shown": shown,
        "me": dict(me),
        "css": [static_url("board.css"), static_url("runs.css")],
        "look": theme.look(),
    }
