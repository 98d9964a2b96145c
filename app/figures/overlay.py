"""Several runs over each other: one quantity over the steps of training. Pure: no streamlit, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app import theme
from app.figures.panel import figure

DASHES = ("solid", "dash", "dot")


def look(place: int) -> tuple[str, str]:
    """Colour and dash of the line at a place: the same in every picture of the same runs."""
    return theme.RIVALS[place % len(theme.RIVALS)], DASHES[place % len(DASHES)]


@dataclass(frozen=True)
class Line:
    """One run's values (n,) over its steps (n,), under the name that tells it from the others."""

    name: str
    step: NDArray[Any] = field(default_factory=lambda: np.empty(0))
    value: NDArray[Any] = field(default_factory=lambda: np.empty(0))


def overlay(lines: Sequence[Line], y: str, *, log: bool = False) -> go.Figure:
    """Which run learns sooner, and which learns more.

    All runs share one axis of steps; a line that ends early is a run that was stopped or is still going on.
    """
    values = [each.value[np.isfinite(each.value) & (each.value > 0)] for each in lines]
    sizes = np.concatenate([*values, np.ones(0)])
    wide = len(sizes) > 0 and sizes.max() > 30 * sizes.min()  # so many decades that their ends are marks enough
    axis: dict[str, Any] = (
        {"title": {"text": y}} | ({"type": "log"} if log else {}) | ({"dtick": 1} if log and wide else {})
    )
    drawn = figure("training step", y, showlegend=False, yaxis=axis)
    for place, each in enumerate(lines):
        measured = np.isfinite(each.value) & ((each.value > 0) if log else True)
        colour, dash = look(place)
        drawn.add_trace(
            go.Scatter(
                name=escape(each.name),
                mode="lines",
                line=theme.line(colour, dash=dash),
                x=each.step[measured].tolist(),
                y=each.value[measured].astype(float).tolist(),
                hovertemplate="%{y:.3g} at step %{x}",
            )
        )
    return drawn
