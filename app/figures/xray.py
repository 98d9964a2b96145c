"""Pictures of networks before their first update, several side by side: one line style for each initializer.

Every figure is a pure function of the networks to show, at least one. Where a cell has two states they stand beside
each other on one y axis; what differs by gate has a column for each gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app import theme
from lstm_core.tasks.base import Array
from lstm_core.xray import Spread, XRay

SMALLEST = 2.0**-149  # what 32 bits can tell from 0
COLUMN = 0.84  # of a gate's column that is used
GAP = 0.05  # between two pictures beside each other, of the whole width
APART = 0.085  # of the height, between two names beside their curves
SYMBOLS = {"h": "hidden state h", "c": "cell state c"}
STROKES = {"solid": "━━", "dash": "╍╍", "dot": "┅┅", "longdash": "━ ━"}
HOVER = "%{fullData.name}: %{y:.3g} at t = %{x}<extra></extra>"

Trace = dict[str, Any]


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
    low, high = _decades([one.xray.reach[state].exact for one in shown for state in states])
    low -= 0.1 * (high - low)  # room for the names beneath their curves, and above
    high += 0.05 * (high - low)
    traces, names = [], []
    for pane, state in enumerate(states):
        for one in shown:
            reach, x = one.xray.reach[state], np.arange(one.xray.steps)
            kept = _line(one, x, _positive(reach.single), pane, width=3.0, hoverinfo="skip")
            exact = _line(one, x, _positive(reach.exact), pane, width=1.25, hovertemplate=HOVER)
            traces += [kept, exact]
        names += _names(shown, state, pane, (low, high))
        if low < np.log10(SMALLEST):
            across, name = _level(
                SMALLEST, (-0.5, shown[0].xray.steps - 0.5), pane, "smallest number of 32 bits", log=True
            )
            traces.append(across)
            names.append(name)
    titles = [f"time step t<br>{SYMBOLS[state]}" for state in states]
    layout = _over_time(shown, titles, "norm of the gradient", (low, high))
    return _drawing(traces, layout | {"annotations": names, "showlegend": False})


def distance(shown: Sequence[Shown]) -> go.Figure:
    """How far apart two readings that differ in the first step alone still are, as far as 64 bits can tell."""
    return _through_time(shown, _told_apart, "distance")


def signal(shown: Sequence[Shown]) -> go.Figure:
    """How large the states are on the way, the root mean square over units and sequences."""
    return _through_time(shown, lambda xray: xray.signal, "root mean square")


def memory(shown: Sequence[Shown]) -> go.Figure:
    """1 / (1 − f): for how many steps each unit keeps what it has, before any training; units in order."""
    length = shown[0].xray.steps
    across, name = _level(length, (0, 100), 0, f"the whole sequence, T = {length}", log=True)
    found = [(one, np.minimum(np.sort(one.xray.memory), 1e6)) for one in shown if one.xray.memory is not None]
    traces = [_line(one, np.linspace(0, 100, len(steps)), steps, 0) for one, steps in found]
    largest = max([float(length), *(float(steps[-1]) for _, steps in found)])
    layout = _beside(["units, from short to long memory (%)"], "memory (time steps)", (0, 100))
    layout["yaxis"] |= {"type": "log", "range": [0, float(np.log10(largest * 2))], "autorange": False, "dtick": 1}
    return _drawing([across, *traces], layout | {"annotations": [name]})


def gates(shown: Sequence[Shown]) -> go.Figure:
    """How open each gate is, over units, steps and sequences: a wide place is where many values lie."""
    letters = list(shown[0].xray.gates)
    traces = _violins(shown, [[one.xray.gates[gate] for gate in letters] for one in shown])
    return _drawing(traces, _by_gate(letters, ["gate"], "value"))


def weights(shown: Sequence[Shown]) -> go.Figure:
    """How the weights of each gate are spread, from the input and from the last state."""
    letters = list(shown[0].xray.gates)
    traces: list[Trace] = []
    for pane, kind in enumerate(("weight_ih", "weight_hh")):
        spreads = [[one.xray.weights[f"{kind}.{gate}"] for gate in letters] for one in shown]
        traces += _violins(shown, spreads, pane)
    return _drawing(traces, _by_gate(letters, ["gate<br>input weights", "gate<br>recurrent weights"], "weight"))


def stretch(shown: Sequence[Shown]) -> go.Figure:
    """The singular values of each gate's recurrent weights, largest first: what they stretch or shrink a state by.

    A diamond is the spectral radius, what they do to it when applied again and again. 1 is just right: it keeps its
    size.
    """
    letters = list(shown[0].xray.spectrum)
    across, _ = _level(1.0, (-0.5, len(letters) - 0.5), 0, "just right: 1", log=True)
    traces = [across | {"showlegend": True}]
    for number, one in enumerate(shown):
        width = COLUMN / len(shown) * 0.9
        curves = []
        for gate, values in enumerate(one.xray.spectrum.values()):
            centre = gate + _offset(number, len(shown))
            curves.append((np.linspace(centre - width / 2, centre + width / 2, len(values)), values))
        traces.append(_line(one, *_with_gaps(curves), 0, width=2.25))
        places = [letters.index(gate) + _offset(number, len(shown)) for gate in one.xray.radius]
        marker = {"symbol": "diamond", "size": 8, "color": one.style.colour}
        radius = np.array(list(one.xray.radius.values()))
        traces.append(_line(one, np.array(places), radius, 0, mode="markers", marker=marker, showlegend=False))
    layout = _by_gate(letters, ["gate"], "factor")
    most = max(float(values[0]) for one in shown for values in one.xray.spectrum.values())
    layout["yaxis"] |= {
        "type": "log",
        "dtick": 1,
        "range": [-3, max(0.5, np.log10(max(most, 1)) + 0.3)],
        "autorange": False,
    }
    return _drawing(traces, layout)


def _through_time(shown: Sequence[Shown], of: Callable[[XRay], Mapping[str, Array]], y: str) -> go.Figure:
    """A pane for each state, over the time steps, on a logarithmic axis."""
    states = _states(shown)
    traces = []
    for pane, state in enumerate(states):
        for one in shown:
            values = _positive(of(one.xray)[state])
            traces.append(_line(one, np.arange(len(values)), values, pane, hovertemplate=HOVER))
    span = _decades([of(one.xray)[state] for one in shown for state in states], coarse=1)
    return _drawing(traces, _over_time(shown, [f"time step t<br>{SYMBOLS[state]}" for state in states], y, span))


def _told_apart(xray: XRay) -> dict[str, Array]:
    """The distance by state, without what is smaller than the last of 64 bits of the state: that is rounding."""
    least = {state: 2.0**-52 * np.sqrt(xray.units) * size for state, size in xray.signal.items()}
    return {state: np.where(apart > least[state], apart, np.nan) for state, apart in xray.distance.items()}


def _states(shown: Sequence[Shown]) -> list[str]:
    """What goes from step to step, the cell state first: it is the way by which memory lasts."""
    return sorted(shown[0].xray.signal)


def _over_time(shown: Sequence[Shown], titles: Sequence[str], y: str, span: tuple[float, float]) -> dict[str, Any]:
    """Axes over time beside each other, with one logarithmic y axis for all."""
    layout = _beside(titles, y, (-0.5, max(one.xray.steps for one in shown) - 0.5))
    log = {"type": "log", "exponentformat": "power", "range": list(span), "autorange": False}
    for pane in range(len(titles)):
        layout[_axis("yaxis", pane)] |= log | ({"dtick": 1} if span[1] - span[0] <= 3 else {})
    return layout


def _by_gate(letters: Sequence[str], titles: Sequence[str], y: str) -> dict[str, Any]:
    """Axes with a column for each gate."""
    words = [f'<span style="color:{theme.GATES[letter]}">■</span> {letter}' for letter in letters]
    layout = _beside(titles, y, (-0.5, len(letters) - 0.5))
    for pane in range(len(titles)):
        ticks = {"tickvals": list(range(len(letters))), "ticktext": words, "ticks": "", "showgrid": False}
        layout[_axis("xaxis", pane)] |= ticks
    return layout


def _beside(titles: Sequence[str], y: str, span: tuple[float, float]) -> dict[str, Any]:
    """The layout of pictures in a row, each with the title of its x axis; all share the y axis of the first."""
    width = (1 - GAP * (len(titles) - 1)) / len(titles)
    layout: dict[str, Any] = {"margin": {"b": 56}} if any("<br>" in title for title in titles) else {}
    for pane, title in enumerate(titles):
        start = pane * (width + GAP)
        across = {"title": {"text": title}, "range": list(span), "autorange": False, "anchor": _axis("y", pane)}
        layout[_axis("xaxis", pane)] = {**across, "domain": [start, start + width]}
        first = {"title": {"text": y}} if pane == 0 else {"matches": "y", "showticklabels": False, "ticks": ""}
        layout[_axis("yaxis", pane)] = {**first, "anchor": _axis("x", pane)}
    return layout


def _drawing(traces: Sequence[Trace], layout: Mapping[str, Any]) -> go.Figure:
    return go.Figure(list(traces), {"template": theme.template(), **layout})


def _axis(name: str, pane: int) -> str:
    return name if pane == 0 else f"{name}{pane + 1}"


def _line(one: Shown, x: Array, y: Array, pane: int, *, width: float = 2.0, **rest: Any) -> Trace:
    return {
        "type": "scatter",
        "name": one.title,
        "legendgroup": one.title,
        "mode": "lines",
        "line": theme.line(one.style.colour, width=width, dash=one.style.dash),
        "x": x,
        "y": y,
        "xaxis": _axis("x", pane),
        "yaxis": _axis("y", pane),
        "showlegend": pane == 0,
        **rest,
    }


def _level(
    value: float, ends: tuple[float, float], pane: int, name: str, *, log: bool = False
) -> tuple[Trace, dict[str, Any]]:
    """A dotted grey line right across, and its name above its end."""
    across = {
        "type": "scatter",
        "name": name,
        "mode": "lines",
        "line": theme.line(theme.QUIET, width=1.25, dash=theme.CHANCE),
        "x": np.array(ends),
        "y": np.array([value, value]),
        "xaxis": _axis("x", pane),
        "yaxis": _axis("y", pane),
        "showlegend": False,
        "hoverinfo": "name",
    }
    place = {"x": ends[1], "y": float(np.log10(value)) if log else value, "xanchor": "right", "yanchor": "bottom"}
    return across, {
        **place,
        "xref": _axis("x", pane),
        "yref": _axis("y", pane),
        "text": name,
        "showarrow": False,
        "bgcolor": theme.PAPER,
    }


def _names(shown: Sequence[Shown], state: str, pane: int, span: tuple[float, float]) -> list[dict[str, Any]]:
    """Each initializer's name where its curve begins: beneath one that rises, above one that falls, none on another."""
    height, places = span[1] - span[0], []
    for one in shown:
        values = np.log10(_positive(one.xray.in_order(one.xray.reach[state].exact)))
        known = values[np.isfinite(values)]
        if len(known):
            side = -1 if known[-1] >= known[0] else 1
            places.append((float(known[0]) + side * 0.6 * APART * height, one))
    places.sort(key=lambda place: place[0])
    heights: list[float] = []
    for y, _ in places:
        heights.append(max(y, (heights[-1] if heights else span[0] - 0.5 * APART * height) + APART * height))
    above = max(0.0, heights[-1] + 0.5 * APART * height - span[1]) if heights else 0.0
    return [_name(one, y - above, pane) for y, (_, one) in zip(heights, places, strict=True)]


def _name(one: Shown, y: float, pane: int) -> dict[str, Any]:
    """A piece of the line and its name, at the step that is read first."""
    stroke, xray = STROKES[one.style.dash], one.xray
    if one.style.colour not in (theme.INK, theme.QUIET):  # which are other greys on a dark page
        stroke = f'<span style="color:{one.style.colour}">{stroke}</span>'
    forward = xray.layer.endswith(".fwd")
    where = {"x": 0 if forward else xray.read - 1, "xanchor": "left" if forward else "right", "xref": _axis("x", pane)}
    text = {"text": f"{stroke} {one.title}", "font": {"color": theme.INK}, "showarrow": False}
    return {**where, "y": y, "yanchor": "middle", "yref": _axis("y", pane), **text}


def _violins(shown: Sequence[Shown], spreads: Sequence[Sequence[Spread]], pane: int = 0) -> list[Trace]:
    """One outline for each initializer and gate, beside each other; as wide as its fullest place."""
    half = COLUMN / len(shown) / 2 * 0.92
    drawn = []
    for number, (one, of_gates) in enumerate(zip(shown, spreads, strict=True)):
        outlines = []
        for gate, spread in enumerate(of_gates):
            centre = gate + _offset(number, len(shown))
            across = np.repeat(spread.share / spread.share.max() * half, 2)
            along = np.repeat(spread.edges, 2)[1:-1]
            outlines.append(
                (
                    np.concatenate([centre - across, (centre + across)[::-1], [centre - across[0]]]),
                    np.concatenate([along, along[::-1], along[:1]]),
                )
            )
        # of two in one colour the dashed one is hollow
        fill = one.style.colour if one.style.dash == "solid" else "rgba(0,0,0,0)"
        look = {
            "fill": "toself",
            "fillcolor": fill,
            "hoverinfo": "name",
            "line": theme.line(one.style.colour, width=1.25),
        }
        drawn.append(_line(one, *_with_gaps(outlines), pane) | look)
    return drawn


def _with_gaps(curves: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Curves (x, y) one after the other, with a gap between them."""
    gap = np.array([np.nan])
    xs, ys = ([part for curve in curves for part in (curve[place], gap)] for place in (0, 1))
    return np.concatenate(xs), np.concatenate(ys)


def _offset(number: int, count: int) -> float:
    return (number - (count - 1) / 2) * COLUMN / count


def _positive(values: Array) -> Array:
    """On a logarithmic axis 0 is nowhere."""
    with np.errstate(invalid="ignore"):
        kept: Array = np.where((values > 0) & np.isfinite(values), values, np.nan)
    return kept


def _decades(curves: Sequence[Array], coarse: int = 5) -> tuple[float, float]:
    """The powers of ten between which all curves lie, in steps so coarse that the axis seldom moves."""
    values = np.concatenate([_positive(curve) for curve in curves])
    values = values[np.isfinite(values)]
    if not len(values):
        return -coarse, 1
    low = np.floor(np.log10(values.min()) / coarse) * coarse
    high = np.ceil(np.log10(values.max()) + 0.1)
    return float(min(low, high - 1)), float(high)
