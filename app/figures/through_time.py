"""Pictures along the time steps of a sequence: the gradient, the gates, the attention, a forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from app import theme
from app.figures.grid import cell, layout
from app.figures.panel import About, figure, layer_name, with_unit

FLOAT32_END = 1.1754944e-38  # the smallest normal number: below it float32 loses digits, then everything
MOST_CUTS = 24  # lines; more would hide the curve


def gradient_time(about: About) -> go.Figure:
    """Notice how many powers of ten lie between the last and the first step: that is what training cannot see."""
    norms = ", ".join(f"‖∂L/∂{state}ₜ‖" for state in about["states"])
    drawing = figure("time step t", norms, meta={"axis": "time"})
    steps = about["T"]
    drawing.update_xaxes(range=[-0.5, steps - 0.5], autorange=False, fixedrange=True)
    drawing.update_yaxes(type="log", exponentformat="power")
    for number, layer in enumerate(about["layers"]):
        dash = theme.LAYER_DASHES[number % len(theme.LAYER_DASHES)]
        for state in about["states"]:
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
    cuts = horizons(about)
    for cut in cuts[-MOST_CUTS:] if len(cuts) <= MOST_CUTS else cuts[-1:]:
        drawing.add_vline(cut, line=theme.line(theme.QUIET, width=1, dash="dash"))
    if cuts:
        every = f"BPTT is cut every {about['bptt_length']} steps" if len(cuts) > 1 else "BPTT starts here"
        late = cuts[-1] > steps / 2
        anchor = {"xanchor": "right" if late and len(cuts) > 1 else "left", "yanchor": "top"}
        drawing.add_annotation(x=cuts[-1], y=1, yref="paper", text=every, showarrow=False, **anchor)
    return drawing


def horizons(about: About) -> list[float]:
    """Where the recurrence lets no gradient through, as places on the time axis, between two steps.

    A sequence is cut from its beginning on, and its last piece may be shorter. Where only the end is answered, no
    gradient enters before the last cut; of sequences of several lengths the earliest last cut counts. Where every step
    is answered or looked at, each piece has its gradient, and every cut is one. A text that is read in windows is cut
    where the window begins, besides.
    """
    length, steps = about.get("bptt_length"), about["T"]
    begins = [-0.5] if about.get("generation") else []
    if not length or length >= steps:
        return begins
    if about["answering"] == "steps" or about["attention"] != "none":
        return begins + [cut - 0.5 for cut in range(length, steps, length)]
    ends = [read_steps(sample["marks"]) for sample in about["samples"]]
    last = min(((end - 1) // length * length for end in ends if end), default=0)
    return begins + ([last - 0.5] if last else [])


def read_steps(marks: list[str]) -> int:
    """How many steps a sequence has: behind its end its marks are empty."""
    return max((place + 1 for place, mark in enumerate(marks) if mark), default=0)


def gates(about: About) -> go.Figure:
    """Notice whether the gate that keeps the state (f, or z) stays near 1 from the step that matters to the end.

    One map units × time steps for each quantity of the cell (rows) of each layer and direction (columns).
    """
    layers, quantities = about["layers"], about["quantities"]
    maps = [
        _map(about, layer, name, cell(row, column, len(layers)))
        for column, layer in enumerate(layers)
        for row, name in enumerate(quantities)
    ]
    titles = tuple(map(layer_name, layers))
    frame = layout(tuple(quantities), titles, "time step t", "unit", height=160, vertical=0.02, shared=True)
    drawing = go.Figure(maps, frame)
    return drawing if about["sigmoids"] else drawing.update_layout(meta={"title": "Hidden state"})


def _map(about: About, layer: str, name: str, place: Mapping[str, str]) -> go.Heatmap:
    meta: dict[str, Any] = {"z": f"gate/{layer}.{name}", "layer": layer, "name": name, "title": theme.GATE_NAMES[name]}
    low, palette = (0, "sequential") if name in about["sigmoids"] else (-1, "diverging")
    meta |= {"palette": palette, "low": low, "high": 1}
    if name in about["unbounded"]:
        meta["range"] = f"range/{layer}.{name}"
    scale = {"colorscale": theme.colorscale("sequential" if low == 0 else "diverging"), "zmin": low, "zmax": 1}
    return go.Heatmap(name=f"{name}, {layer_name(layer)}", meta=meta, showscale=False, **scale, **place)


def attention(about: About) -> go.Figure:
    """Notice which inputs the answer looks at: a good attention finds the ones that decide."""
    drawing = figure("time step t", "", meta={"axis": "time"})
    drawing.add_trace(_weights())
    drawing.update_xaxes(range=[-0.5, about["T"] - 0.5], autorange=False)
    return drawing.update_yaxes(visible=False)


def alignment(about: About) -> go.Figure:
    """Notice the bright path: which inputs each step looks at, and whether it moves on from step to step.

    Rows are the steps that ask, from top to bottom: of the answer, or of the sequence itself.
    """
    drawing = figure("time step t", "step of the answer" if about["answering"] == "decoded" else "step that asks")
    drawing.add_trace(_weights(range="range/attention"))
    drawing.update_xaxes(range=[-0.5, about["T"] - 0.5], autorange=False)
    return drawing.update_yaxes(autorange="reversed")


def _weights(**more: str) -> go.Heatmap:
    meta = {"z": "attention", "name": "a", "title": "attention weight", "palette": "sequential", "low": 0, "high": 1}
    return go.Heatmap(
        name="attention", meta={**meta, **more}, colorscale=theme.colorscale("sequential"), zmin=0, zmax=1
    )


def forecast(about: About) -> go.Figure:
    """Notice whether the prediction turns where the truth turns, or one step later, as the dotted copy does."""
    series = about["forecast"]
    labels, title = places(series["labels"])
    drawing = figure(title, with_unit("value", series["unit"]))
    if title != "date":
        drawing.update_xaxes(range=[labels[0], labels[-1]], autorange=False)
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


def places(labels: Sequence[str]) -> tuple[list[str] | list[float], str]:
    """Where the values of a series stand on the axis of time, and its title: dates as they are, numbers as numbers."""
    try:
        return [float(label) for label in labels], "time"
    except ValueError:
        return list(labels), "date"
