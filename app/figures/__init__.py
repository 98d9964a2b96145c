"""The pictures of a run: one pure function each, and the panels of the board. No streamlit, no torch."""

from __future__ import annotations

import json
from typing import Any

from app.figures import curves, through_time, words
from app.figures.filling import fill
from app.figures.panel import GROUPS, About, Panel

__all__ = ["GROUPS", "PANELS", "Panel", "fill", "outline", "specs"]


def _forecasts(about: About) -> bool:
    return bool(about.get("forecast"))


def _attends(about: About) -> bool:
    return bool(about["attention"] != "none" and about["answering"] == "sequence")


def _aligns(about: About) -> bool:
    return bool(about["attention"] != "none" and about["answering"] != "sequence")


def _generates(about: About) -> bool:
    return bool(about.get("generation"))


def _rounds(about: About) -> bool:
    return bool(about.get("fixed"))


def _schedules(about: About) -> bool:
    return about.get("schedule", "constant") != "constant" or bool(about.get("warmup"))


# In the order of the board, top to bottom in each column. A new panel is one line.
PANELS: tuple[Panel, ...] = (
    Panel("loss", "Loss", "steps", "lines", curves.loss, options=("log",)),
    Panel("text", "Written text", "steps", "words", words.text, fits=_generates),
    Panel("gradient_norms", "Gradient norms", "steps", "lines", curves.gradient_norms, options=("log",)),
    Panel("metric", "Metric", "steps", "lines", curves.metric),
    Panel("learning_rate", "Learning rate", "steps", "lines", curves.learning_rate, fits=_schedules, height=0.6),
    Panel("lag", "Lag", "steps", "lines", curves.lag, fits=_forecasts),
    Panel("gradient_time", "Gradient through time", "time", "lines", through_time.gradient_time, height=0.78),
    Panel("forecast", "Forecast", "time", "lines", through_time.forecast, fits=_forecasts),
    Panel("gates", "Gates", "time", "maps", through_time.gates),
    Panel("attention", "Attention", "time", "maps", through_time.attention, fits=_attends, height=0.55),
    Panel("attention", "Attention", "time", "alignment", through_time.alignment, fits=_aligns, height=1.1),
    Panel("answers", "Answers", "time", "words", words.answers, group="predictions"),
    Panel("fixed", "Fixed point", "steps", "words", words.fixed, fits=_rounds, group="predictions"),
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
    usual = {"attention": "none", "answering": "sequence"}
    return [_outline(panel) for panel in PANELS if panel.fits(usual)]


def _outline(panel: Panel) -> dict[str, Any]:
    names = ("id", "title", "help", "column", "kind", "height", "group", "options")
    return {name: getattr(panel, name) for name in names}
