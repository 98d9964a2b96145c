"""The charts of the page of initializers: each picture with its number and its sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from app.charts import Chart
from app.figures import xray
from app.figures.side import Shown
from app.xray import sentences
from lstm_core.wording import number, percent, power


@dataclass(frozen=True)
class _Picture:
    """A chart before it is drawn: `fits` tells whether a cell has what it shows."""

    id: str
    title: str
    draw: Callable[[Sequence[Shown]], go.Figure]
    label: str
    value: Callable[[Shown], float]
    write: Callable[[float], str]
    fits: Callable[[Shown], bool] = lambda _: True


def _saturated(one: Shown) -> float:
    return float(np.mean(list(one.xray.saturation.values()))) if one.xray.saturation else float("nan")


def _memory(one: Shown) -> float:
    return float("nan") if one.xray.memory is None else float(np.median(one.xray.memory))


def _distance(one: Shown) -> float:
    apart = one.xray.in_order(one.xray.distance[max(one.xray.distance, key=lambda state: state == "c")])
    return float(apart[-1] / apart[0]) if apart[0] else float("nan")


def _differs(one: Shown) -> bool:
    """Not where all sequences begin alike, as pictures do that have no ink in their first pixel."""
    return any(bool(apart.any()) for apart in one.xray.distance.values())


def _largest(one: Shown) -> float:
    return max(float(values[0]) for values in one.xray.spectrum.values())


def _signal(one: Shown) -> float:
    return float(one.xray.in_order(one.xray.signal["h"])[-1])


def _widest(one: Shown) -> float:
    edges = [spread.edges for name, spread in one.xray.weights.items() if name.startswith("weight_hh")]
    return max(float(np.abs(edge).max()) for edge in edges)


PICTURES = (
    _Picture(
        "memory", "Memory length", xray.memory, "median steps", _memory, number, lambda o: o.xray.keep is not None
    ),
    _Picture("gates", "Gates", xray.gates, "saturated", _saturated, percent, lambda o: bool(o.xray.saturation)),
    _Picture("distance", "Two inputs, one difference", xray.distance, "left at the end", _distance, power, _differs),
    _Picture("stretch", "Singular values", xray.stretch, "largest factor", _largest, number),
    _Picture("signal", "Size of the signal", xray.signal, "rms of h at the end", _signal, number),
    _Picture("weights", "Weights", xray.weights, "largest recurrent weight", _widest, number),
)


def hero(shown: Sequence[Shown]) -> Chart:
    """The gradient through time, on which the page turns."""
    ratios = [max(one.xray.ratio(state) for state in one.xray.reach) for one in shown]
    return Chart(
        "gradient",
        "Gradient through time",
        xray.gradient(shown),
        number=_between(ratios, number),
        label="first ÷ last",
        sentence=sentences.GRADIENT,
        help=_help(xray.gradient),
        height=1.25,
        wide=True,
    )


def details(shown: Sequence[Shown]) -> list[Chart]:
    """All other pictures that the cell has."""
    return [
        Chart(
            picture.id,
            picture.title,
            picture.draw(shown),
            number=_between([picture.value(one) for one in shown], picture.write),
            label=picture.label,
            sentence=sentences.together(picture.id, shown),
            help=_help(picture.draw),
        )
        for picture in PICTURES
        if all(picture.fits(one) for one in shown)
    ]


def _between(values: Sequence[float], write: Callable[[float], str]) -> str:
    """The least and the largest of what was measured."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return "–"
    low, high = write(min(known)), write(max(known))
    return low if low == high else f"{low} … {high}"


def _help(draw: Callable[[Sequence[Shown]], go.Figure]) -> str:
    return " ".join(inspect.cleandoc(draw.__doc__ or "").split("\n\n")[0].split())
