"""Pictures of networks before their first update, several side by side: one line style for each initializer.

Every figure is a pure function of the networks to show, at least one. Where a cell has two states they stand beside
each other on one y axis; what differs by gate has a column for each gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.figures.side import (
    COLUMN,
    Shown,
    Trace,
    beside,
    by_gate,
    decades,
    drawing,
    level,
    line,
    names_beside,
    offset,
    over_time,
    positive,
    states_of,
    violins,
    with_gaps,
)
from lstm_core.tasks.base import Array
from lstm_core.xray import XRay

SMALLEST = 2.0**-149  # what 32 bits can tell from 0
SYMBOLS = {"h": "hidden state h", "c": "cell state c"}
HOVER = "%{fullData.name}: %{y:.3g} at t = %{x}<extra></extra>"


def gradient(shown: Sequence[Shown]) -> go.Figure:
    """How much of the loss's gradient arrives at each time step; a straight fall to the left is a gradient that fades.

    Thin lines are followed in 64 bits, thick ones are what 32 bits have left of them.
    """
    states = states_of(shown)
    low, high = decades([one.xray.reach[state].exact for one in shown for state in states])
    low -= 0.1 * (high - low)  # room for the names beneath their curves, and above
    high += 0.05 * (high - low)
    traces, names = [], []
    for pane, state in enumerate(states):
        for one in shown:
            reach, x = one.xray.reach[state], np.arange(one.xray.steps)
            kept = line(one, x, positive(reach.single), pane, width=3.0, hoverinfo="skip")
            exact = line(one, x, positive(reach.exact), pane, width=1.25, hovertemplate=HOVER)
            traces += [kept, exact]
        names += names_beside(shown, state, pane, (low, high))
        if low < np.log10(SMALLEST):
            across, name = level(
                SMALLEST, (-0.5, shown[0].xray.read - 0.5), pane, "smallest number of 32 bits", log=True
            )
            traces.append(across)
            names.append(name)
    titles = [f"time step t<br>{SYMBOLS[state]}" for state in states]
    layout = over_time(shown, titles, "norm of the gradient", (low, high))
    return drawing(traces, layout | {"annotations": names, "showlegend": False})


def distance(shown: Sequence[Shown]) -> go.Figure:
    """How far apart two readings that differ in the first step alone still are, as far as 64 bits can tell."""
    return _through_time(shown, _told_apart, "distance")


def signal(shown: Sequence[Shown]) -> go.Figure:
    """How large the states are on the way, the root mean square over units and sequences."""
    return _through_time(shown, lambda xray: xray.signal, "root mean square")


def memory(shown: Sequence[Shown]) -> go.Figure:
    """1 / (1 − f): for how many steps each unit keeps what it has, before any training; units in order."""
    length = shown[0].xray.steps
    across, name = level(length, (0, 100), 0, f"the whole sequence, T = {length}", log=True)
    found = [(one, np.minimum(np.sort(one.xray.memory), 1e6)) for one in shown if one.xray.memory is not None]
    traces = [line(one, np.linspace(0, 100, len(steps)), steps, 0) for one, steps in found]
    largest = max([float(length), *(float(steps[-1]) for _, steps in found)])
    layout = beside(["units, from short to long memory (%)"], "memory (time steps)", (0, 100))
    layout["yaxis"] |= {"type": "log", "range": [0, float(np.log10(largest * 2))], "autorange": False, "dtick": 1}
    return drawing([across, *traces], layout | {"annotations": [name]})


def gates(shown: Sequence[Shown]) -> go.Figure:
    """How open each gate is, over units, steps and sequences: a wide place is where many values lie."""
    letters = list(shown[0].xray.gates)
    traces = violins(shown, [[one.xray.gates[gate] for gate in letters] for one in shown])
    return drawing(traces, by_gate(letters, ["gate"], "value"))


def weights(shown: Sequence[Shown]) -> go.Figure:
    """How the weights of each gate are spread, from the input and from the last state."""
    letters = list(shown[0].xray.gates)
    traces: list[Trace] = []
    for pane, kind in enumerate(("weight_ih", "weight_hh")):
        spreads = [[one.xray.weights[f"{kind}.{gate}"] for gate in letters] for one in shown]
        traces += violins(shown, spreads, pane)
    return drawing(traces, by_gate(letters, ["gate<br>input weights", "gate<br>recurrent weights"], "weight"))


def stretch(shown: Sequence[Shown]) -> go.Figure:
    """The singular values of each gate's recurrent weights, largest first: what they stretch or shrink a state by.

    A diamond is the spectral radius, what they do to it when applied again and again. 1 is just right: it keeps its
    size.
    """
    letters = list(shown[0].xray.spectrum)
    across, _ = level(1.0, (-0.5, len(letters) - 0.5), 0, "just right: 1", log=True)
    traces = [across | {"showlegend": True}]
    for number, one in enumerate(shown):
        width = COLUMN / len(shown) * 0.9
        curves = []
        for gate, values in enumerate(one.xray.spectrum.values()):
            centre = gate + offset(number, len(shown))
            curves.append((np.linspace(centre - width / 2, centre + width / 2, len(values)), values))
        traces.append(line(one, *with_gaps(curves), 0, width=2.25))
        places = [letters.index(gate) + offset(number, len(shown)) for gate in one.xray.radius]
        marker = {"symbol": "diamond", "size": 8, "color": one.style.colour}
        radius = np.array(list(one.xray.radius.values()))
        traces.append(line(one, np.array(places), radius, 0, mode="markers", marker=marker, showlegend=False))
    layout = by_gate(letters, ["gate"], "factor")
    most = max(float(values[0]) for one in shown for values in one.xray.spectrum.values())
    layout["yaxis"] |= {
        "type": "log",
        "dtick": 1,
        "range": [-3, max(0.5, np.log10(max(most, 1)) + 0.3)],
        "autorange": False,
    }
    return drawing(traces, layout)


def _through_time(shown: Sequence[Shown], of: Callable[[XRay], Mapping[str, Array]], y: str) -> go.Figure:
    """A pane for each state, over the time steps, on a logarithmic axis."""
    states = states_of(shown)
    traces = []
    for pane, state in enumerate(states):
        for one in shown:
            values = positive(of(one.xray)[state])
            traces.append(line(one, np.arange(len(values)), values, pane, hovertemplate=HOVER))
    span = decades([of(one.xray)[state] for one in shown for state in states], coarse=1)
    return drawing(traces, over_time(shown, [f"time step t<br>{SYMBOLS[state]}" for state in states], y, span))


def _told_apart(xray: XRay) -> dict[str, Array]:
    """The distance by state, without what is smaller than the last of 64 bits of the state: that is rounding."""
    least = {state: 2.0**-52 * np.sqrt(xray.units) * size for state, size in xray.signal.items()}
    return {state: np.where(apart > least[state], apart, np.nan) for state, apart in xray.distance.items()}
