"""The pictures of a race: each run a thin line, each value the median of its seeds, with a band from least to greatest.

The traces' `meta` names what fills them of the answer of `app/racing/live.py`: `{"curve": "loss", "run": row}` one run,
`{"curve": "loss", "value": v, "part": "median" | "band"}` what the seeds of a value have in common.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from app import theme
from app.figures.curves import METRIC_NAMES
from app.figures.panel import figure, level, with_unit
from lstm_core.race_results import SOLVED

About = Mapping[str, Any]


def metric(about: About) -> go.Figure:
    """Notice which values leave the chance level at all, after how many steps, and whether all of their seeds do."""
    name = str(about["metric"])
    words = METRIC_NAMES.get(name, name)
    axis = words if about["unit"] == words else with_unit(words, about["unit"])
    drawing = figure("training step", f"{axis}, training", meta={"title": words.capitalize()})
    _lines(drawing, about, "metric")
    if name in about["chance"]:
        drawing.add_trace(level("chance", about["chance"][name]))
    if about["share"]:
        drawing.add_trace(level("solved", SOLVED))
        return drawing.update_yaxes(range=[0, 1.02], autorange=False)
    return drawing.update_yaxes(rangemode="tozero")


def loss(about: About) -> go.Figure:
    """Notice how far the seeds of one value lie apart: a wide band is a value that depends on luck."""
    drawing = figure("training step", f"loss ({about['loss']})" if about["loss"] else "loss")
    _lines(drawing, about, "loss")
    if "loss" in about["chance"]:
        drawing.add_trace(level("chance", about["chance"]["loss"]))
    return drawing.update_yaxes(rangemode="tozero")


def _lines(drawing: go.Figure, about: About, curve: str) -> None:
    """Bands below, runs above them, medians on top."""
    values = list(enumerate(about["values"]))
    for value, words in values:
        meta = {"curve": curve, "value": value, "part": "band"}
        look = {"mode": "lines", "fill": "toself", "line": theme.line(colour(value), width=0)}
        drawing.add_trace(go.Scatter(name=f"{words}, all seeds", meta=meta, x=[], y=[], opacity=0.14, **look))
    for row, (_, value, seed) in enumerate(about["order"]):
        meta = {"curve": curve, "value": value, "run": row}
        line = theme.line(colour(value), width=1)
        name = f"{about['values'][value]}, seed {seed}"
        drawing.add_trace(go.Scatter(name=name, mode="lines", line=line, meta=meta, x=[], y=[], opacity=0.55))
    for value, words in values:
        meta = {"curve": curve, "value": value, "part": "median"}
        line = theme.line(colour(value), width=2.5, dash=dash(value))
        drawing.add_trace(go.Scatter(name=f"{words}, median", mode="lines", line=line, meta=meta, x=[], y=[]))


def colour(value: int) -> str:
    return theme.RIVALS[value % len(theme.RIVALS)]


def dash(value: int) -> str:
    """From the ninth value on the colours come again, with another line."""
    return theme.LAYER_DASHES[value // len(theme.RIVALS) % len(theme.LAYER_DASHES)]


def specs(about: About) -> dict[str, Any]:
    """The panels of the page, as the board's own are described, with the look of each value."""
    panels = [("metric", metric), ("loss", loss)]
    return {
        "panels": [_panel(name, draw(about), str(draw.__doc__)) for name, draw in panels],
        "values": [{"colour": colour(k), "dash": dash(k)} for k in range(len(about["values"]))],
    }


def _panel(name: str, drawing: go.Figure, notice: str) -> dict[str, Any]:
    title = (drawing.layout.meta or {}).get("title", "Loss")
    return {
        "id": name,
        "title": title,
        "help": " ".join(notice.split()),
        "kind": "race",
        "height": 1.0,
        "options": ["log"] if name == "loss" else [],
        "figure": json.loads(drawing.to_json()),
    }
