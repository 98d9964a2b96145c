"""Pictures of networks before their first update, several side by side: one line style for each initializer.

Every figure is a pure function of the networks to show; charts that differ by gate have a column for each gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app import theme
from app.figures.panel import figure
from lstm_core.tasks.base import Array
from lstm_core.xray import Spread, XRay

SMALLEST = 2.0**-149  # what 32 bits can tell from 0
WIDE = 0.84  # of a gate's column that is used
SYMBOLS = {"h": "hidden state h", "c": "cell state c"}


@dataclass(frozen=True)
class Style:
    """How one initializer is drawn on every chart."""

    colour: str
    dash: str


# No colour of a gate, and apart from each other for colour-blind eyes (tested); two of a kind differ by their dash.
STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "pytorch": Style(theme.INK, "solid"),
        "own": Style(theme.INK, "dot"),
        "keras": Style("#7F49F2", "dash"),
        "orthogonal": Style("#7F49F2", "solid"),
        "chrono": Style("#D0103A", "solid"),
        "small_gaussian": Style("#B58200", "solid"),
        "large_gaussian": Style("#B58200", "dash"),
        "irnn": Style("#6C8FC4", "solid"),
        "all_equal": Style(theme.QUIET, "longdash"),
    }
)


@dataclass(frozen=True)
class Shown:
    """One initializer on the page: its short name, how it is drawn, what was measured."""

    title: str
    style: Style
    xray: XRay


def gradient(shown: Sequence[Shown]) -> go.Figure:
    """How much of the loss's gradient arrives at each time step; a straight fall to the left is a gradient that fades.

    Thin lines are followed in 64 bits, thick ones are what 32 bits have left of them.
    """
    states = _states(shown)
    drawing = _panes(shown, [f"{SYMBOLS[state]}: ‖∂L/∂{state}ₜ‖" for state in states], "norm of the gradient")
    low, high = _decades([one.xray.reach[state].exact for one in shown for state in states])
    for pane, state in enumerate(states):
        for one in shown:
            reach, x = one.xray.reach[state], np.arange(one.xray.steps)
            exact = _line(one, x, _positive(reach.exact), pane, width=1.25, hovertemplate=HOVER)
            kept = _line(one, x, _positive(reach.single), pane, width=3, showlegend=False, hoverinfo="skip")
            drawing.add_traces([kept, exact])
        if low < np.log10(SMALLEST):
            drawing.add_traces([_level(shown, SMALLEST, pane, "the smallest number of 32 bits")])
    return drawing.update_yaxes(type="log", exponentformat="power", range=[low, high], autorange=False)


def distance(shown: Sequence[Shown]) -> go.Figure:
    """Two readings that differ in the first step alone: how far apart their states still are, step by step."""
    return _through_time(shown, lambda xray: xray.distance, "distance")


def signal(shown: Sequence[Shown]) -> go.Figure:
    """How large the states are on the way, the root mean square over units and sequences."""
    return _through_time(shown, lambda xray: xray.signal, "root mean square")


def memory(shown: Sequence[Shown]) -> go.Figure:
    """1 / (1 − f): for how many steps each unit keeps what it has, before any training; units in order."""
    drawing = figure("units, from short to long memory (%)", "memory (time steps)")
    for one in shown:
        steps = one.xray.memory
        if steps is not None:
            drawing.add_trace(_line(one, np.linspace(0, 100, len(steps)), np.minimum(np.sort(steps), 1e6), 0))
    if shown:
        length = shown[0].xray.steps
        drawing.add_trace(_level(shown, length, 0, f"the sequence, T = {length}", (0, 100)))
    return drawing.update_yaxes(type="log", dtick=1, minor={"showgrid": True, "gridcolor": theme.GRID})


def gates(shown: Sequence[Shown]) -> go.Figure:
    """How open each gate is, over units, steps and sequences: a wide place is where many values lie."""
    letters = list(shown[0].xray.gates) if shown else []
    drawing = _columns(letters, [""], "value")
    drawing.add_traces(_violins(shown, [[one.xray.gates[gate] for gate in letters] for one in shown]))
    return drawing


def weights(shown: Sequence[Shown]) -> go.Figure:
    """How the weights of each gate are spread, from the input and from the last state."""
    letters = list(shown[0].xray.gates) if shown else []
    drawing = _columns(letters, ["input weights", "recurrent weights"], "weight")
    for pane, kind in enumerate(("weight_ih", "weight_hh")):
        spreads = [[one.xray.weights[f"{kind}.{gate}"] for gate in letters] for one in shown]
        drawing.add_traces(_violins(shown, spreads, pane))
    return drawing


def stretch(shown: Sequence[Shown]) -> go.Figure:
    """The singular values of each gate's recurrent weights, largest first: what they stretch or shrink a state by.

    A diamond is the spectral radius, what they do to it when applied again and again. 1 is just right: it keeps its
    size.
    """
    letters = list(shown[0].xray.spectrum) if shown else []
    drawing = _columns(letters, [""], "factor")
    drawing.add_trace(_level(shown, 1.0, 0, "just right: 1", (-0.5, len(letters) - 0.5)))
    for number, one in enumerate(shown):
        x, y = _curves_by_gate(number, len(shown), [one.xray.spectrum[gate] for gate in letters])
        drawing.add_trace(_line(one, x, y, 0, width=2.25))
        if one.xray.radius:
            places = [letters.index(gate) + _offset(number, len(shown)) for gate in one.xray.radius]
            marker = {"symbol": "diamond", "size": 8, "color": one.style.colour}
            drawing.add_trace(
                _line(one, places, list(one.xray.radius.values()), 0, mode="markers", marker=marker, showlegend=False)
            )
    return drawing.update_yaxes(rangemode="tozero")


HOVER = "%{fullData.name}: %{y:.3g} at t = %{x}<extra></extra>"


def _through_time(shown: Sequence[Shown], of: Callable[[XRay], Mapping[str, Array]], title: str) -> go.Figure:
    """A pane for each state, over the time steps, on a logarithmic axis."""
    states = _states(shown)
    drawing = _panes(shown, [SYMBOLS[state] for state in states], title)
    for pane, state in enumerate(states):
        for one in shown:
            values = _positive(of(one.xray)[state])
            drawing.add_trace(_line(one, np.arange(len(values)), values, pane, hovertemplate=HOVER))
    low, high = _decades([of(one.xray)[state] for one in shown for state in states], coarse=1)
    return drawing.update_yaxes(type="log", exponentformat="power", range=[low, high], autorange=False)


def _states(shown: Sequence[Shown]) -> list[str]:
    """What goes from step to step, the cell state first: it is the way by which memory lasts."""
    return sorted(shown[0].xray.signal) if shown else []


def _panes(shown: Sequence[Shown], titles: Sequence[str], y: str) -> go.Figure:
    """Axes over time beside each other, with one y axis for all."""
    drawing = _beside(titles, "time step t", y)
    steps = max((one.xray.steps for one in shown), default=1)
    return drawing.update_xaxes(range=[-0.5, steps - 0.5], autorange=False)


def _columns(letters: Sequence[str], titles: Sequence[str], y: str) -> go.Figure:
    """Axes with a column for each gate."""
    ticks = [f'<span style="color:{theme.GATES[letter]}">■</span> {letter}' for letter in letters]
    drawing = _beside(titles, "gate" if len(letters) > 1 else "", y)
    return drawing.update_xaxes(
        range=[-0.5, len(letters) - 0.5], autorange=False, tickvals=list(range(len(letters))), ticktext=ticks, ticks=""
    )


def _beside(titles: Sequence[str], x: str, y: str) -> go.Figure:
    """One or two pairs of axes in a row; all share the y axis of the first."""
    drawing = figure(x, y, meta={"panes": len(titles)})
    count = max(len(titles), 1)
    gap = 0.04 if count > 1 else 0.0
    width = (1 - gap * (count - 1)) / count
    for pane, title in enumerate(titles):
        start = pane * (width + gap)
        drawing.update_layout(
            {_axis("xaxis", pane): {"domain": [start, start + width], "title": {"text": x}, "anchor": _axis("y", pane)}}
        )
        if pane:
            drawing.update_layout(
                {_axis("yaxis", pane): {"matches": "y", "anchor": _axis("x", pane), "showticklabels": False}}
            )
        if title:
            drawing.add_annotation(
                text=title, x=start + width / 2, y=1, xref="paper", yref="paper", yanchor="bottom", showarrow=False
            )
    return drawing


def _axis(name: str, pane: int) -> str:
    return name if pane == 0 else f"{name}{pane + 1}"


def _line(one: Shown, x: Any, y: Any, pane: int, *, width: float = 2.0, **rest: Any) -> go.Scatter:
    style = {"mode": "lines", "line": theme.line(one.style.colour, width=width, dash=one.style.dash)}
    place = {"xaxis": _axis("x", pane), "yaxis": _axis("y", pane), "showlegend": pane == 0}
    return go.Scatter(**{"name": one.title, "legendgroup": one.title, "x": x, "y": y, **style, **place, **rest})


def _level(
    shown: Sequence[Shown], value: float, pane: int, name: str, ends: tuple[float, float] | None = None
) -> go.Scatter:
    """A dotted grey line right across."""
    left, right = ends or (-0.5, max(one.xray.steps for one in shown) - 0.5)
    grey = theme.line(theme.QUIET, width=1.25, dash=theme.CHANCE)
    return go.Scatter(
        name=name,
        mode="lines",
        line=grey,
        x=[left, right],
        y=[value, value],
        xaxis=_axis("x", pane),
        yaxis=_axis("y", pane),
        showlegend=pane == 0,
        hoverinfo="name",
    )


def _violins(shown: Sequence[Shown], spreads: Sequence[Sequence[Spread]], pane: int = 0) -> list[go.Scatter]:
    """One outline for each initializer and gate, beside each other; as wide as its fullest place."""
    half = WIDE / len(shown) / 2 if shown else 0.0
    drawn = []
    for number, (one, of_gates) in enumerate(zip(shown, spreads, strict=True)):
        xs: list[float | None] = []
        ys: list[float | None] = []
        for gate, spread in enumerate(of_gates):
            centre = gate + _offset(number, len(shown))
            across = np.repeat(spread.share / spread.share.max() * half * 0.92, 2)
            along = np.repeat(spread.edges, 2)[1:-1]
            xs += [*(centre - across), *(centre + across[::-1]), float(centre - across[0]), None]
            ys += [*along, *along[::-1], float(along[0]), None]
        fill = {"fill": "toself", "fillcolor": one.style.colour, "opacity": 0.85, "hoverinfo": "name"}
        drawn.append(_line(one, xs, ys, pane, width=1.25, **fill))
    return drawn


def _curves_by_gate(number: int, count: int, curves: Sequence[Array]) -> tuple[list[float | None], list[float | None]]:
    """Curves side by side in the columns of their gates, with gaps between."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    width = WIDE / count * 0.9
    for gate, values in enumerate(curves):
        centre = gate + _offset(number, count)
        xs += [*np.linspace(centre - width / 2, centre + width / 2, len(values)).tolist(), None]
        ys += [*values.tolist(), None]
    return xs, ys


def _offset(number: int, count: int) -> float:
    return (number - (count - 1) / 2) * WIDE / count


def _positive(values: Array) -> Array:
    """On a logarithmic axis 0 is nowhere."""
    with np.errstate(invalid="ignore"):
        return np.where((values > 0) & np.isfinite(values), values, np.nan)


def _decades(curves: Sequence[Array], coarse: int = 5) -> tuple[float, float]:
    """The powers of ten between which all curves lie, in steps so coarse that the axis seldom moves."""
    values = np.concatenate([_positive(curve) for curve in curves]) if curves else np.array([])
    values = values[np.isfinite(values)]
    if not len(values):
        return -coarse, 1
    low = np.floor(np.log10(values.min()) / coarse) * coarse
    high = np.ceil(np.log10(values.max()) + 0.1)
    return float(min(low, high - 1)), float(high)
