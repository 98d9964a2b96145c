"""Maps of time steps × training: how the gradient's way back, and what is looked at, changed with learning."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from app import theme
from app.figures.curves import DOTS
from app.figures.panel import About, curve, figure, layer_name


def gradient(about: About) -> go.Figure:
    """Notice when the light reaches the first time step: from then on training can see the first input.

    Each row is a kept step of training, from top to bottom; colour is the power of ten of the gradient.
    """
    drawing = _drawing(about)
    for layer in about["layers"]:
        for state in about["states"]:
            meta = {
                "z": f"gradient/{layer}.{state}",
                "over": "training",
                "scale": "log",
                "name": f"‖∂L/∂{state}ₜ‖",
                "title": f"{state}, {layer_name(layer)}",
            }
            drawing.add_trace(_rows(f"{state}, {layer_name(layer)}", meta))
    return drawing


def attention(about: About) -> go.Figure:
    """Notice when the attention finds the inputs that decide, and whether it ever leaves them again.

    Each row is a kept step of training, from top to bottom. Where several steps look, each input has the largest
    weight that any of them gives to it: evenly spread attention is dark, sharp attention has bright columns.
    """
    pooled = about["answering"] == "sequence"
    drawing = _drawing(about)
    meta = {
        "z": "attention" if pooled else "attention/most",
        "over": "training",
        "scale": "linear",
        "sample": True,
        "name": "a" if pooled else "largest a",
        "title": "attention weight" if pooled else "largest attention weight",
    }
    drawing.add_trace(_rows("attention", meta))
    return drawing


def keys(_about: About) -> go.Figure:
    """Notice how much of the attention lies on the inputs that decide, over the whole validation part."""
    drawing = figure("training step", "share of the attention")
    line = theme.line(theme.QUIET, width=2, dash=theme.VALIDATION)
    drawing.add_trace(curve("validation", "attention_on_keys/val", line, **DOTS))
    return drawing.update_yaxes(range=[0, 1.02], autorange=False)


def _drawing(about: About) -> go.Figure:
    drawing = figure("time step t", "training step", meta={"axis": "time"})
    drawing.update_xaxes(range=[-0.5, about["T"] - 0.5], autorange=False)
    return drawing.update_yaxes(autorange="reversed")


def _rows(name: str, meta: Mapping[str, object]) -> go.Heatmap:
    return go.Heatmap(name=name, meta={**meta, "palette": "sequential"}, colorscale=theme.colorscale("sequential"))
