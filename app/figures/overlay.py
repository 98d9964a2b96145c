"""Several runs over each other: one quantity over the steps of training. Pure: no streamlit, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app import theme
from app.figures.panel import figure

DASHES = ("solid", "dash", "dot", "dashdot")


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
    drawn = figure("step", y, showlegend=True, yaxis={"title": {"text": y}, "type": "log" if log else "linear"})
    for place, each in enumerate(lines):
        measured = np.isfinite(each.value) & ((each.value > 0) if log else True)
        look = theme.line(theme.RIVALS[place % len(theme.RIVALS)], dash=DASHES[place % len(DASHES)])
        drawn.add_trace(
            go.Scatter(
                name=each.name,
                mode="lines",
                line=look,
                x=each.step[measured].tolist(),
                y=each.value[measured].astype(float).tolist(),
                hovertemplate="%{y:.3g} at step %{x}",
            )
        )
    return drawn
