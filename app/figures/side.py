"""What pictures of several networks side by side are made of: line styles, axes, curves with their names, outlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app import theme
from lstm_core.tasks.base import Array
from lstm_core.xray import Spread, XRay

COLUMN = 0.84  # of a gate's column that is used
GAP = 0.05  # between two pictures beside each other, of the whole width
TICKS = 8  # at most on an axis of powers of ten
APART = 0.085  # of the height, between two names beside their curves
STROKES = {"solid": "━━", "dash": "╍╍", "dot": "┅┅", "longdash": "━ ━"}

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


def states_of(shown: Sequence[Shown]) -> list[str]:
    """What goes from step to step, the cell state first: it is the way by which memory lasts."""
    return sorted(shown[0].xray.signal)


def over_time(shown: Sequence[Shown], titles: Sequence[str], y: str, span: tuple[float, float]) -> dict[str, Any]:
    """Axes over time beside each other, with one logarithmic y axis for all."""
    layout = beside(titles, y, (-0.5, max(one.xray.read for one in shown) - 0.5))
    every = next(step for step in (1, 2, 5, 10, 20, 50, 100) if step * TICKS >= span[1] - span[0] or step == 100)
    log = {"type": "log", "exponentformat": "power", "range": list(span), "autorange": False, "dtick": every}
    for pane in range(len(titles)):
        layout[axis("yaxis", pane)] |= log
    return layout


def by_gate(letters: Sequence[str], titles: Sequence[str], y: str) -> dict[str, Any]:
    """Axes with a column for each gate."""
    words = [f'<span style="color:{theme.GATES[letter]}">■</span> {letter}' for letter in letters]
    layout = beside(titles, y, (-0.5, len(letters) - 0.5))
    for pane in range(len(titles)):
        ticks = {"tickvals": list(range(len(letters))), "ticktext": words, "ticks": "", "showgrid": False}
        layout[axis("xaxis", pane)] |= ticks
    return layout


def beside(titles: Sequence[str], y: str, span: tuple[float, float]) -> dict[str, Any]:
    """The layout of pictures in a row, each with the title of its x axis; all share the y axis of the first."""
    width = (1 - GAP * (len(titles) - 1)) / len(titles)
    layout: dict[str, Any] = {"margin": {"b": 56}} if any("<br>" in title for title in titles) else {}
    for pane, title in enumerate(titles):
        start = pane * (width + GAP)
        across = {"title": {"text": title}, "range": list(span), "autorange": False, "anchor": axis("y", pane)}
        layout[axis("xaxis", pane)] = {**across, "domain": [start, start + width]}
        first = {"title": {"text": y}} if pane == 0 else {"matches": "y", "showticklabels": False, "ticks": ""}
        layout[axis("yaxis", pane)] = {**first, "anchor": axis("x", pane)}
    return layout


def drawing(traces: Sequence[Trace], layout: Mapping[str, Any]) -> go.Figure:
    return go.Figure(list(traces), {"template": theme.template(), **layout})


def axis(name: str, pane: int) -> str:
    return name if pane == 0 else f"{name}{pane + 1}"


def line(one: Shown, x: Array, y: Array, pane: int, *, width: float = 2.0, **rest: Any) -> Trace:
    return {
        "type": "scatter",
        "name": one.title,
        "legendgroup": one.title,
        "mode": "lines",
        "line": theme.line(one.style.colour, width=width, dash=one.style.dash),
        "x": x,
        "y": y,
        "xaxis": axis("x", pane),
        "yaxis": axis("y", pane),
        "showlegend": pane == 0,
        **rest,
    }


def level(
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
        "xaxis": axis("x", pane),
        "yaxis": axis("y", pane),
        "showlegend": False,
        "hoverinfo": "name",
    }
    place = {"x": ends[1], "y": float(np.log10(value)) if log else value, "xanchor": "right", "yanchor": "bottom"}
    return across, {
        **place,
        "xref": axis("x", pane),
        "yref": axis("y", pane),
        "text": name,
        "showarrow": False,
        "bgcolor": theme.PAPER,
    }


def names_beside(shown: Sequence[Shown], state: str, pane: int, span: tuple[float, float]) -> list[dict[str, Any]]:
    """Each initializer's name where its curve begins: beneath one that rises, above one that falls, none on another."""
    height, places = span[1] - span[0], []
    for one in shown:
        values = np.log10(positive(one.xray.in_order(one.xray.reach[state].exact)))
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
    where = {"x": 0 if forward else xray.read - 1, "xanchor": "left" if forward else "right", "xref": axis("x", pane)}
    text = {"text": f"{stroke} {one.title}", "font": {"color": theme.INK}, "showarrow": False}
    return {**where, "y": y, "yanchor": "middle", "yref": axis("y", pane), **text}


def violins(shown: Sequence[Shown], spreads: Sequence[Sequence[Spread]], pane: int = 0) -> list[Trace]:
    """One outline for each initializer and gate, beside each other; as wide as its fullest place."""
    half = COLUMN / len(shown) / 2 * 0.92
    drawn = []
    for number, (one, of_gates) in enumerate(zip(shown, spreads, strict=True)):
        outlines = []
        for gate, spread in enumerate(of_gates):
            centre = gate + offset(number, len(shown))
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
        drawn.append(line(one, *with_gaps(outlines), pane) | look)
    return drawn


def with_gaps(curves: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Curves (x, y) one after the other, with a gap between them."""
    gap = np.array([np.nan])
    xs, ys = ([part for curve in curves for part in (curve[place], gap)] for place in (0, 1))
    return np.concatenate(xs), np.concatenate(ys)


def offset(number: int, count: int) -> float:
    return (number - (count - 1) / 2) * COLUMN / count


def positive(values: Array) -> Array:
    """On a logarithmic axis 0 is nowhere."""
    with np.errstate(invalid="ignore"):
        kept: Array = np.where((values > 0) & np.isfinite(values), values, np.nan)
    return kept


def decades(curves: Sequence[Array], coarse: int = 5) -> tuple[float, float]:
    """The powers of ten between which all curves lie, in steps so coarse that the axis seldom moves."""
    values = np.concatenate([positive(curve) for curve in curves])
    values = values[np.isfinite(values)]
    if not len(values):
        return -coarse, 1
    low = np.floor(np.log10(values.min()) / coarse) * coarse
    high = np.ceil(np.log10(values.max()) + 0.1)
    return float(min(low, high - 1)), float(high)
