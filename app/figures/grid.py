"""Small plots in rows and columns. Plotly takes a tenth of a second to lay some out, so each layout is made once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app import theme


def cell(row: int, column: int, columns: int) -> Mapping[str, str]:
    """The axes of a trace in that row and column, both counted from 0, of a grid with so many columns."""
    number = row * columns + column + 1
    return {"xaxis": f"x{number}", "yaxis": f"y{number}"} if number > 1 else {"xaxis": "x", "yaxis": "y"}


@lru_cache(maxsize=64)
def layout(
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    x: str,
    y: str,
    *,
    height: int,
    vertical: float,
    horizontal: float | None = None,
    shared: bool = False,
    numbers: bool = True,
    legend: bool = True,
) -> go.Layout:
    """The layout of a grid without traces: rows named by their quantity, columns by their titles if there are any.

    `height` is that of a row in pixels, `vertical` and `horizontal` are the spaces between, as shares of the whole.
    Where the x axis is shared, only the lowest row names it; `numbers` are those of the y axes. Do not change what
    comes back: a figure copies it.
    """
    drawing = make_subplots(
        rows=len(rows),
        cols=len(columns),
        shared_xaxes=shared,
        vertical_spacing=vertical,
        horizontal_spacing=horizontal,
        column_titles=list(columns) if any(columns) else None,
        row_titles=[f"{name}: {theme.GATE_NAMES[name]}" for name in rows],
    )
    drawing.update_xaxes(title={"text": x}, row=len(rows) if shared else None)
    drawing.update_yaxes(title={"text": y}, showticklabels=None if numbers else False)
    style = {"template": theme.template(), "height": height * len(rows), "margin": {"t": 32}}
    return drawing.update_layout(showlegend=None if legend else False, **style).layout
