"""The pictures of a run: one pure function each, and the panels of the board. No streamlit, no torch."""

from __future__ import annotations

import json
from typing import Any

from app.figures import curves, through_time
from app.figures.filling import fill
from app.figures.panel import About, Panel

__all__ = ["PANELS", "Panel", "fill", "outline", "specs"]


def _forecasts(about: About) -> bool:
    return bool(about.get("forecast"))


def _attends(about: About) -> bool:
    return bool(about.get("attention", "none") != "none")


# In the order of the board, top to bottom in each column. A new panel is one line.
PANELS: tuple[Panel, ...] = (
    Panel("loss", "Loss", "steps", "lines", curves.loss, options=("log",)),
    Panel("gradient_norms", "Gradient norms", "steps", "lines", curves.gradient_norms, options=("log",)),
    Panel("metric", "Metric", "steps", "lines", curves.metric),
    Panel("lag", "Lag", "steps", "lines", curves.lag, fits=_forecasts),
    Panel("gradient_time", "Gradient through time", "time", "lines", through_time.gradient_time, height=0.78),
    Panel("forecast", "Forecast", "time", "lines", through_time.forecast, fits=_forecasts),
    Panel("gates", "Gates", "time", "maps", through_time.gates),
    Panel("attention", "Attention", "time", "maps", through_time.attention, fits=_attends, height=0.55),
)


def specs(about: About) -> dict[str, Any]:
    """Everything the board needs to draw a run: the panels that fit it, with their figures."""
    return {"panels": [_specification(panel, about) for panel in PANELS if panel.fits(about)]}


def _specification(panel: Panel, about: About) -> dict[str, Any]:
    drawing = panel.draw(about)
    named = (drawing.layout.meta or {}).get("title")
    return _outline(panel) | ({"title": named} if named else {}) | {"figure": json.loads(drawing.to_json())}


def outline() -> list[dict[str, Any]]:
    """The panels that every run has, without figures: what the board shows before a run has begun."""
    usual = {"attention": "none", "forecast": None}
    return [_outline(panel) for panel in PANELS if panel.fits(usual)]


def _outline(panel: Panel) -> dict[str, Any]:
    names = ("id", "title", "help", "column", "kind", "height", "options")
    return {name: getattr(panel, name) for name in names}
