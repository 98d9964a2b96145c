"""The pictures of a run: one pure function each, and the panels of the board. No streamlit, no torch."""

from __future__ import annotations

import json
from typing import Any

from app.figures import curves, through_time
from app.figures.filling import fill
from app.figures.panel import About, Panel

__all__ = ["PANELS", "Panel", "fill", "outline", "specs"]

# In the order of the board, top to bottom in each column. A new panel is one line.
PANELS: tuple[Panel, ...] = (
    Panel("loss", "Loss", "How wrong the network is, at every step.", "steps", "lines", curves.loss, options=("log",)),
    Panel(
        "gradient_time",
        "Gradient through time",
        "How much each time step's state could still change the loss.",
        "time",
        "lines",
        through_time.gradient_time,
    ),
    Panel(
        "gradient_norms",
        "Gradient norms",
        "The length of the gradient, and of each gate's part of it.",
        "steps",
        "lines",
        curves.gradient_norms,
        options=("log",),
    ),
    Panel(
        "gates",
        "Gates",
        "Every unit of the layer (rows) at every time step of one sample (columns).",
        "time",
        "maps",
        through_time.gates,
        height=1.5,
    ),
    Panel("metric", "Metric", "How well the task is done, in its own measure.", "steps", "lines", curves.metric),
    Panel(
        "attention",
        "Attention",
        "The weights with which the answer looks at the time steps.",
        "time",
        "maps",
        through_time.attention,
        fits=lambda about: about["attention"] != "none",
        height=0.55,
    ),
    Panel(
        "lag",
        "Lag",
        "How many steps the forecast limps behind the truth.",
        "steps",
        "lines",
        curves.lag,
        fits=lambda about: bool(about.get("forecast")),
    ),
    Panel(
        "forecast",
        "Forecast",
        "The prediction beside the truth, and beside a mere copy of the last value.",
        "time",
        "lines",
        through_time.forecast,
        fits=lambda about: bool(about.get("forecast")),
    ),
)


def specs(about: About) -> dict[str, Any]:
    """Everything the board needs to draw a run: the panels that fit it, with their figures."""
    panels = [
        {**_outline(panel), "figure": json.loads(panel.draw(about).to_json())} for panel in PANELS if panel.fits(about)
    ]
    return {"panels": panels}


def outline() -> list[dict[str, Any]]:
    """The panels that every run has, without figures: what the board shows before a run has begun."""
    usual = {"attention": "none", "forecast": None}
    return [_outline(panel) for panel in PANELS if panel.fits(usual)]


def _outline(panel: Panel) -> dict[str, Any]:
    names = ("id", "title", "help", "column", "kind", "height", "options")
    return {name: getattr(panel, name) for name in names}
