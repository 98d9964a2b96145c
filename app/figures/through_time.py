"""Pictures along the time steps of a sequence: the gradient, the gates, the attention, a forecast."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app import theme
from app.figures.panel import About, figure, layer_name, with_unit

FLOAT32_END = 1.1754944e-38  # the smallest normal number: below it float32 loses digits, then everything
QUANTITIES = ("i", "f", "g", "o", "c", "h")


def gradient_time(about: About) -> go.Figure:
    """Notice how many powers of ten lie between the last and the first step: that is what training cannot see."""
    drawing = figure("time step t", "‖∂L/∂hₜ‖, ‖∂L/∂cₜ‖", meta={"axis": "time"})
    steps = about["T"]
    drawing.update_xaxes(range=[-0.5, steps - 0.5], autorange=False, fixedrange=True)
    drawing.update_yaxes(type="log", exponentformat="power")
    for number, layer in enumerate(about["layers"]):
        dash = theme.LAYER_DASHES[number % len(theme.LAYER_DASHES)]
        for state in ("h", "c"):
            drawing.add_trace(
                go.Scatter(
                    name=f"{state}, {layer_name(layer)}",
                    mode="lines",
                    line=theme.line(theme.GATES[state], width=2.25, dash=dash),
                    meta={"y": f"gradient/{layer}.{state}", "group": state},
                    x=[],
                    y=[],
                )
            )
    drawing.add_trace(
        go.Scatter(
            name="smallest float32",
            mode="lines",
            line=theme.line(theme.QUIET, width=1, dash=theme.CHANCE),
            x=[-0.5, steps - 0.5],
            y=[FLOAT32_END, FLOAT32_END],
            meta={"fixed": True},
        )
    )
    length = about.get("bptt_length")
    if length and length < steps:  # the sequence is cut from its beginning on, and the last piece may be shorter
        horizon = (steps - 1) // length * length - 0.5
        drawing.add_vline(horizon, line=theme.line(theme.QUIET, width=1, dash="dash"))
        drawing.add_annotation(
            x=horizon, y=1, yref="paper", yanchor="top", xanchor="left", text="BPTT starts here", showarrow=False
        )
    return drawing


def gates(about: About) -> go.Figure:
    """Notice whether f stays near 1 from the step that matters to the end: only then is it remembered.

    One map units × time steps for each quantity (rows) of each layer and direction (columns).
    """
    layers = about["layers"]
    drawing = make_subplots(
        rows=len(QUANTITIES),
        cols=len(layers),
        shared_xaxes=True,
        vertical_spacing=0.02,
        column_titles=[layer_name(layer) for layer in layers],
        row_titles=[f"{name}: {theme.GATE_NAMES[name]}" for name in QUANTITIES],
    )
    for column, layer in enumerate(layers, start=1):
        for row, name in enumerate(QUANTITIES, start=1):
            drawing.add_trace(_map(f"gate/{layer}.{name}", name, layer), row=row, col=column)
            drawing.update_yaxes(title={"text": "unit"}, row=row, col=column)
        drawing.update_xaxes(title={"text": "time step t"}, row=len(QUANTITIES), col=column)
    return drawing.update_layout(template=theme.template(), height=160 * len(QUANTITIES), margin={"t": 32})


def _map(key: str, name: str, layer: str) -> go.Heatmap:
    meta: dict[str, Any] = {"z": key, "layer": layer, "name": name, "title": theme.GATE_NAMES[name]}
    if name in ("i", "f", "o"):
        scale = {"colorscale": theme.colorscale("sequential"), "zmin": 0, "zmax": 1}
        meta |= {"palette": "sequential", "low": 0, "high": 1}
    else:
        scale = {"colorscale": theme.colorscale("diverging"), "zmin": -1, "zmax": 1}
        meta |= {"palette": "diverging", "low": -1, "high": 1}
        if name in ("c", "h"):
            meta["range"] = f"range/{layer}.{name}"
    return go.Heatmap(name=f"{name}, {layer_name(layer)}", meta=meta, showscale=False, **scale)


def attention(about: About) -> go.Figure:
    """Notice which inputs the answer looks at: a good attention finds the ones that decide."""
    drawing = figure("time step t", "", meta={"axis": "time"})
    meta = {"z": "attention", "name": "a", "title": "attention weight", "palette": "sequential", "low": 0, "high": 1}
    drawing.add_trace(
        go.Heatmap(name="attention", meta=meta, colorscale=theme.colorscale("sequential"), zmin=0, zmax=1)
    )
    drawing.update_xaxes(range=[-0.5, about["T"] - 0.5], autorange=False)
    return drawing.update_yaxes(visible=False)


def forecast(about: About) -> go.Figure:
    """Notice whether the prediction turns where the truth turns, or one step later, as the dotted copy does."""
    series = about["forecast"]
    labels = series.get("labels") or list(range(len(series["truth"])))
    drawing = figure("date" if series.get("labels") else "time step", with_unit("value", series["unit"]))
    drawing.add_trace(
        go.Scatter(
            name="truth", mode="lines", line=theme.line(width=2), x=labels, y=series["truth"], meta={"fixed": True}
        )
    )
    drawing.add_trace(
        go.Scatter(
            name="repeat the last value",
            mode="lines",
            line=theme.line(theme.QUIET, width=1.25, dash=theme.CHANCE),
            x=labels,
            y=series["persistence"],
            meta={"fixed": True},
        )
    )
    drawing.add_trace(
        go.Scatter(
            name="prediction",
            mode="lines",
            line=theme.line(theme.GATES["h"], width=2.5),
            x=labels,
            y=[],
            meta={"y": "forecast/prediction"},
        )
    )
    split = series.get("split")
    if split and split < len(labels):
        drawing.add_vline(labels[split], line=theme.line(theme.FAINT, width=1))
        drawing.add_annotation(
            x=labels[split], y=1, yref="paper", yanchor="top", xanchor="left", text="validation", showarrow=False
        )
    return drawing
