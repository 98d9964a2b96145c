"""Pictures of the weights: how they spread, what their recurrent blocks stretch, how far each update moves them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from app import theme
from app.figures.grid import cell, layout
from app.figures.panel import About, curve, figure, layer_name, level
from app.figures.through_time import read_steps

BLOCKS: Mapping[str, str] = {"weight_ih": "from the input", "weight_hh": "from the state before"}
USUAL_UPDATE = 1e-3


def spread(about: About) -> go.Figure:
    """Notice how far the filled shape has moved from the outline of step 0: what the network has learned lies there.

    One row for each gate, its input weights at the left, its recurrent weights at the right; every shape's area is 1.
    """
    traces: list[go.Scatter] = []
    for layer in about["layers"]:
        for row, gate in enumerate(about["gates"]):
            for column, block in enumerate(BLOCKS):
                meta = {"y": f"weights/{layer}.{block}.{gate}", "bins": f"range/weights/{layer}.{block}"}
                place = {"layer": layer, "name": gate, "row": row, "column": column, "title": BLOCKS[block]}
                name = f"{gate}, {BLOCKS[block]}, {layer_name(layer)}"
                traces += _shapes(gate, name, meta | place, cell(row, column, len(BLOCKS)))
    return _grid(traces, about["gates"], tuple(BLOCKS.values()))


def of_gates(about: About) -> go.Figure:
    """Notice heaps at the ends: a gate that is always shut or always open decides nothing and hardly learns.

    All units at all time steps of the chosen sample, one row for each quantity; the outline is step 0.
    """
    traces: list[go.Scatter] = []
    ends = [read_steps(sample["marks"]) or about["T"] for sample in about["samples"]]
    for layer in about["layers"]:
        for row, name in enumerate(about["quantities"]):
            low = 0 if name in about["sigmoids"] else -1
            meta: dict[str, Any] = {"y": f"gate/{layer}.{name}", "histogram": True, "low": low, "high": 1, "ends": ends}
            if name in about["unbounded"]:
                meta["range"] = f"range/{layer}.{name}"
            place = {"layer": layer, "name": name, "row": row, "column": 0, "title": theme.GATE_NAMES[name]}
            traces += _shapes(name, f"{name}, {layer_name(layer)}", meta | place, cell(row, 0, 1))
    return _grid(traces, about["quantities"], ("",))


def spectrum(about: About) -> go.Figure:
    """Notice values far from the line at 1: larger ones let a signal grow from step to step, smaller ones let it fade.

    The singular values of each gate's recurrent weights, largest first, at the last validation and at step 0. Layers of
    more than 256 units have none: they would take too long.
    """
    sizes = {layer: _rank(about, layer) for layer in about["layers"]}
    drawing = figure("number of the singular value, largest first", "singular value", meta={"axis": "own"})
    drawing.update_xaxes(range=[0.5, max(sizes.values()) + 0.5], autorange=False)
    for first in (True, False):
        for number, layer in enumerate(about["layers"]):
            for gate in about["gates"]:
                dash = "dot" if first else theme.LAYER_DASHES[number % len(theme.LAYER_DASHES)]
                drawing.add_trace(
                    go.Scatter(
                        name=f"{gate}, {layer_name(layer)}{', step 0' if first else ''}",
                        mode="lines",
                        line=theme.line(theme.GATES[gate], width=1.25 if first else 2.25, dash=dash),
                        opacity=0.6 if first else 1,
                        meta={"y": f"spectrum/{layer}.{gate}", "group": "at step 0" if first else gate, "first": first},
                        x=list(range(1, sizes[layer] + 1)),
                        y=[],
                    )
                )
    drawing.add_trace(level("keeps its length", 1.0))
    return drawing.update_yaxes(rangemode="tozero", exponentformat="power")


def updates(about: About) -> go.Figure:
    """Notice the order of size: about a thousandth of the weights per update learns well; far more shakes them.

    Measured at every tenth step: the length of the update divided by the length of the weights that it moves.
    """
    drawing = figure("training step", "‖Δw‖ ÷ ‖w‖")
    drawing.update_yaxes(type="log", exponentformat="power")
    for block, words in (("weight_hh", "recurrent weights"), ("weight_ih", "input weights")):
        for number, layer in enumerate(about["layers"]):
            dash = theme.LAYER_DASHES[number % len(theme.LAYER_DASHES)]
            for gate in about["gates"]:
                group = gate if block == "weight_hh" else "inputs"
                trace = curve(
                    f"{words}, {gate}, {layer_name(layer)}",
                    f"update_ratio/{layer}.{block}.{gate}",
                    theme.line(theme.GATES[gate], width=1.75 if block == "weight_hh" else 1, dash=dash),
                    meta={"group": group},
                )
                drawing.add_trace(trace if block == "weight_hh" else trace.update(visible="legendonly"))
    drawing.add_trace(level("a thousandth", USUAL_UPDATE))
    return drawing


def stuck(about: About) -> go.Figure:
    """Notice units at the ends of the slanted line: they are always shut (right end) or always open (upper end).

    One mark for each unit of each gate: the share of time that it is below 0.1, and above 0.9, over the shown samples.
    """
    drawing = figure(
        "share of the time below 0.1", "share of the time above 0.9", meta={"axis": "own"}, hovermode="closest"
    )
    drawing.add_trace(
        go.Scatter(
            name="never between",
            mode="lines",
            line=theme.line(theme.QUIET, width=1, dash=theme.CHANCE),
            x=[0, 1],
            y=[1, 0],
            meta={"fixed": True},
        )
    )
    signs = ("circle-open", "square-open", "diamond-open", "cross-open")
    for layer in about["layers"]:
        for gate, sign in zip(about["sigmoids"], signs, strict=False):
            name = f"stuck/{layer}.{gate}"
            drawing.add_trace(
                go.Scatter(
                    name=f"{gate}, {layer_name(layer)}",
                    mode="markers",
                    line=theme.line(theme.GATES[gate]),
                    marker={"color": theme.GATES[gate], "symbol": sign, "size": 9, "line": {"width": 1.75}},
                    meta={"x": f"{name}.low", "y": f"{name}.high", "group": gate},
                    x=[],
                    y=[],
                )
            )
    drawing.update_xaxes(range=[-0.03, 1.03], autorange=False)
    return drawing.update_yaxes(range=[-0.03, 1.03], autorange=False)


def _grid(traces: Sequence[go.Scatter], rows: Sequence[str], columns: tuple[str, ...]) -> go.Figure:
    quiet = {"numbers": False, "legend": False}  # the height of a density says little
    frame = layout(tuple(rows), columns, "value", "density", height=120, vertical=0.03, horizontal=0.06, **quiet)
    return go.Figure(traces, frame)


def _shapes(gate: str, name: str, meta: Mapping[str, Any], place: Mapping[str, str]) -> tuple[go.Scatter, go.Scatter]:
    """The filled shape of now, and the outline of step 0."""
    colour = theme.GATES[gate]
    now = {"line": {**theme.line(colour, width=1), "shape": "hvh"}, "fill": "tozeroy"}
    first = {"line": {**theme.line(theme.QUIET, width=1.25), "shape": "hvh"}}
    shared: dict[str, Any] = {"mode": "lines", "x": [], "y": [], **place}
    return (
        go.Scatter(name=name, meta=dict(meta), **now, **shared),
        go.Scatter(name=f"{name}, step 0", meta={**meta, "first": True}, **first, **shared),
    )


def _rank(about: About, layer: str) -> int:
    """How many singular values a gate's recurrent block has: with a projection fewer than units."""
    number, direction = layer.removeprefix("l").split(".")
    name = f"rnn.weight_hh_l{number}" + ("_reverse" if direction == "bwd" else "")
    rows, columns = about["parameters"][name]
    return int(min(rows // len(about["gates"]), columns))
