"""Charts that are no live run: they stay where they are, zoom and all, when what they show changes.

One Components-v2 component for all charts of a page; `st.plotly_chart` would put up a new chart at every change.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from app import theme
from app.board.mounting import component, mounted
from app.outside.static import PLOTLY, static_url

_component = component("charts")


@dataclass(frozen=True)
class Chart:
    """One picture with its words, as a panel of the Lab has them.

    `id` keeps its place and zoom over changes. `number` is what to read from the back of the room, `label` what it is,
    `sentence` what to notice, `help` one sentence on what the chart is. `height` is in units of the board's row;
    a `wide` chart has a row of its own. The figure is drawn in light tokens, as those of `app.figures` are.
    """

    id: str
    title: str
    figure: go.Figure
    number: str = ""
    label: str = ""
    sentence: str = ""
    help: str = ""
    height: float = 1.0
    wide: bool = False


def show(charts: Sequence[Chart], *, key: str, columns: int = 2) -> None:
    """Draw the charts in a grid of so many columns; on a narrow screen one below the other."""
    mounted(_component, component_data(charts, columns), key=key)


def component_data(charts: Sequence[Chart], columns: int) -> dict[str, Any]:
    """What `charts.js` is told: the charts, where things are, and how things look."""
    return {
        "charts": [_specification(chart) for chart in charts],
        "columns": columns,
        "css": static_url("board.css"),
        "plotly": static_url(PLOTLY),
        "look": theme.look(),
    }


def _specification(chart: Chart) -> dict[str, Any]:
    names = ("id", "title", "number", "label", "sentence", "help", "height", "wide")
    return {name: getattr(chart, name) for name in names} | {"figure": json.loads(chart.figure.to_json())}
