"""The pictures of a run: one pure function each, and the panels of the board. No streamlit, no torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from app.figures import curves, predictions, through_time, training, weights, words
from app.figures.filling import fill
from app.figures.kept import kept
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


def _has(name: str) -> Callable[[About], bool]:
    return lambda about: name in about.get("measures", ())


def _looks(about: About) -> bool:
    return _attends(about) or (_aligns(about) and "attention/most" in about.get("measures", ()))


def _has_keys(about: About) -> bool:
    return _attends(about) and any(sample.get("keys") is not None for sample in about["samples"])


def _has_gates(about: About) -> bool:
    return bool(about.get("quantities"))


def _has_gallery(about: About) -> bool:
    return bool(about.get("gallery"))


def _any(_about: About) -> bool:
    return True


def _schedules(about: About) -> bool:
    return about.get("schedule", "constant") != "constant" or bool(about.get("warmup"))


USUAL = ("weights", "spectrum", "stuck", "updates")  # what a run that has not begun is expected to measure
LOG = ("log",)

# In the order of the board, top to bottom in each column. A new panel is one line.
PANELS: tuple[Panel, ...] = (
    Panel("loss", "Loss", "steps", "lines", curves.loss, options=LOG),
    Panel("text", "Written text", "steps", "words", words.text, fits=_generates),
    Panel("gradient_norms", "Gradient norms", "steps", "lines", curves.gradient_norms, options=LOG),
    Panel("metric", "Metric", "steps", "lines", curves.metric),
    Panel("learning_rate", "Learning rate", "steps", "lines", curves.learning_rate, fits=_schedules, height=0.6),
    Panel("lag", "Lag", "steps", "lines", curves.lag, fits=_forecasts),
    Panel("gradient_time", "Gradient through time", "time", "lines", through_time.gradient_time, height=0.78),
    Panel("forecast", "Forecast", "time", "lines", through_time.forecast, fits=_forecasts),
    Panel("gates", "Gates", "time", "maps", through_time.gates),
    Panel("attention", "Attention", "time", "maps", through_time.attention, fits=_attends, height=0.55),
    Panel("attention", "Attention", "time", "alignment", through_time.alignment, fits=_aligns, height=1.1),
    # below: …, the function that draws it, whether it fits, its height, its group
    Panel("attention_past", "Attention over training", "time", "evolution", training.attention, _looks, 1, "attention"),
    Panel("attention_keys", "Attention on key inputs", "steps", "lines", training.keys, _has_keys, 0.8, "attention"),
    Panel("gate_histograms", "Values of the gates", "time", "histograms", weights.of_gates, _has_gates, 1.7, "gates"),
    Panel("stuck", "Saturation of the units", "steps", "lines", weights.stuck, _has("stuck"), 1.7, "gates"),
    Panel("gradient_past", "Gradient over training", "time", "evolution", training.gradient, _any, 1.3, "gates"),
    Panel("weights", "Values of the weights", "steps", "histograms", weights.spread, _has("weights"), 1.7, "weights"),
    Panel("spectrum", "Singular values", "steps", "lines", weights.spectrum, _has("spectrum"), 1.7, "weights", LOG),
    Panel("updates", "Update ÷ weights", "steps", "lines", weights.updates, _has("updates"), 1, "weights", LOG),
    Panel("gallery", "Right and wrong", "time", "words", predictions.gallery, _has_gallery, 1.7, "predictions"),
    Panel("confusion", "Confusion", "steps", "words", predictions.confusion, _has("confusion"), 1.7, "predictions"),
    Panel("answers", "Answers", "time", "words", words.answers, group="predictions"),
    Panel("fixed", "Fixed point", "steps", "words", words.fixed, fits=_rounds, group="predictions"),
    Panel("findings", "Findings", "steps", "findings", words.findings, height=1.7, group="findings"),
)


def specs(about: About) -> str:
    """Everything the board needs to draw a run, as JSON: under `panels` those that fit it, with their figures."""
    return f'{{"panels": [{", ".join(_KEPT[panel](about) for panel in PANELS if panel.fits(about))}]}}'


def _specification(panel: Panel, about: About) -> str:
    drawing = panel.draw(about)
    named = (drawing.layout.meta or {}).get("title")
    told = _outline(panel) | ({"title": named} if named else {})
    return json.dumps(told | {"figure": json.loads(drawing.to_json())})


_KEPT = {panel: kept(partial(_specification, panel)) for panel in PANELS}


def outline() -> list[dict[str, Any]]:
    """The panels that every run has, without figures: what the board shows before a run has begun."""
    usual = {"attention": "none", "answering": "sequence", "quantities": ["h"], "gallery": True, "measures": USUAL}
    return [_outline(panel) for panel in PANELS if panel.fits(usual)]


def _outline(panel: Panel) -> dict[str, Any]:
    names = ("id", "title", "help", "column", "kind", "height", "group", "options")
    return {name: getattr(panel, name) for name in names}
