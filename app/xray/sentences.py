"""What the measured numbers say, in sentences: one for each initializer and picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from types import MappingProxyType

import numpy as np

from app import theme
from app.figures.side import STYLES, Shown
from lstm_core.cells import CELLS
from lstm_core.wording import THIN, count, number, percent
from lstm_core.xray import XRay

FADED, GROWN = 1e-3, 1e2  # of a gradient: less at the first step than this share of the last one's, or more
NAMES = {"c": "the cell state c", "h": "the hidden state h"}
KEEPS = {"f": "forget gate f", "z": "update gate z"}
BORDERS = {"solid": "3px solid", "dash": "3px dashed", "dot": "3px dotted", "longdash": "2px dashed"}
GREYS = {theme.INK: "currentColor", theme.QUIET: "color-mix(in srgb, currentColor 65%, transparent)"}
GRADIENT = "Thick lines are what 32 bits, in which a network is trained, have left; thin ones go on in 64."


def gradient(xray: XRay) -> str:
    """How much of the gradient at the last step arrives at the first, by the way where most of it does."""
    ratios = {state: xray.ratio(state) for state in xray.reach}
    exact = xray.in_order(next(iter(xray.reach.values())).exact)
    if not any(xray.in_order(reach.exact).any() for reach in xray.reach.values()):
        return f"no gradient reaches this layer: it is exactly 0 at all {count(len(exact))} steps."
    if not all(np.isfinite(reach.exact).all() for reach in xray.reach.values()):
        return "the gradient grows beyond all numbers."
    best = max(ratios, key=lambda state: ratios[state])
    share, others = ratios[best], [state for state in ratios if state != best]
    ways = f" through {NAMES[best]}" if others else ""
    ways += "".join(f" and {number(ratios[state])} through {NAMES[state]}" for state in others)
    first = "the first step’s gradient" if xray.layer.endswith(".fwd") else "the gradient of the step read first"
    told = f"at T = {count(xray.read)} {first} is {number(share)} of the last one’s{ways}"
    verdict = "it fades" if share < FADED else "it explodes" if share > GROWN else "it arrives"
    return f"{told}: {verdict}.{_in_32_bits(xray, best)}"


def _in_32_bits(xray: XRay, state: str) -> str:
    """What 32 bits lose of it, where they lose anything; the norm is lost before the gradient is."""
    reach = xray.reach[state]
    exact, single, norm = (xray.in_order(values) for values in (reach.exact, reach.single, reach.norm))
    gone = int(np.argmax(single > 0)) if (single > 0).any() else len(single)
    if exact[0] > 0 and gone:
        return f" In 32 bits nothing of it is left before step {count(gone)}."
    silent = int(np.argmax(norm > 0)) if (norm > 0).any() else len(norm)
    if single[0] > 0 and silent:
        return f" 32 bits still hold it, but a norm taken in 32 bits reads 0 before step {count(silent)}."
    return ""


def memory(xray: XRay) -> str:
    """How long the units keep what they have."""
    steps = xray.memory
    if steps is None:
        return "no gate keeps the state."
    low, middle, high = (number(float(value)) for value in (steps.min(), np.median(steps), steps.max()))
    return f"{middle} steps" + ("." if low == high else f" (median), units from {low} to {high}.")


def distance(xray: XRay) -> str:
    """Whether the end can still tell how it began."""
    state = "c" if "c" in xray.distance else "h"
    apart = xray.in_order(xray.distance[state])
    some = apart[np.flatnonzero(apart)]
    if not len(some):
        return f"the first step leaves no trace in {state}."
    if xray.alike is not None:
        return f"from step {count(xray.alike)} on 32 bits hold no difference."
    left = float(some[-1] / some[0])
    if left > 1:
        return f"the difference in {state} has grown {number(left)} times by the last step."
    return f"at the last step {number(left)} of the difference in {state} is left."


def signal(xray: XRay) -> str:
    sizes = [f"{state} {number(float(xray.in_order(values)[-1]))}" for state, values in sorted(xray.signal.items())]
    return f"{' and '.join(sizes)} at the last step."


def gates(xray: XRay) -> str:
    """The saturated share of each gate, and where the one that keeps the state stands."""
    keep = CELLS[xray.cell].keep
    stands = "" if xray.keep is None or keep is None else f"{keep} is {number(float(xray.keep.mean()))} on average; "
    shares = [f"{gate} {percent(share)}" for gate, share in xray.saturation.items()]
    return f"{stands}saturated {', '.join(shares)}." if shares else "no gates."


def stretch(xray: XRay) -> str:
    """From the least to the largest factor over all gates."""
    values = np.concatenate(list(xray.spectrum.values()))
    low, high = number(float(values.min())), number(float(values.max()))
    radius = f"; radius up to {number(max(xray.radius.values()))}" if xray.radius else ""
    return (f"all {high}" if low == high else f"{low} to {high}") + f"{radius}."


def weights(xray: XRay) -> str:
    edges = [spread.edges for name, spread in xray.weights.items() if name.startswith("weight_hh")]
    low, high = min(float(edge[0]) for edge in edges), max(float(edge[-1]) for edge in edges)
    return f"recurrent weights {'all ' + number(high) if low == high else f'from {number(low)} to {number(high)}'}."


SAYS: Mapping[str, Callable[[XRay], str]] = MappingProxyType(
    {
        "memory": memory,
        "distance": distance,
        "signal": signal,
        "gates": gates,
        "stretch": stretch,
        "weights": weights,
    }
)


def together(name: str, shown: Sequence[Shown]) -> str:
    """A line for each initializer."""
    return "\n".join(f"{one.title}: {SAYS[name](one.xray)}" for one in shown)


def why(shown: Sequence[Shown]) -> str:
    """Why one forgets and another does not: how much of the gradient arrives, and what is behind it.

    The one that forgets is PyTorch's default where it is there and does; the other the one whose gradient keeps its
    size best. Nothing where nobody forgets.
    """
    arrives = {one.title: _arriving(one.xray) for one in shown}
    forgetful = [one for one in shown if 0 < arrives[one.title] < FADED]
    if not forgetful:
        return ""
    worst = min(forgetful, key=lambda one: (one.style != STYLES["pytorch"], arrives[one.title]))
    said = (
        f"{_cause(worst)} Of the gradient at the last step, {number(arrives[worst.title])} arrives {_far(worst.xray)}, "
        "so training cannot see what that step was good for."
    )
    able = [one for one in shown if FADED <= arrives[one.title] <= GROWN]
    if not able:
        return said
    best = min(able, key=lambda one: abs(math.log(arrives[one.title])))
    return f"{said} {_remedy(best)}, and {number(arrives[best.title])} arrives."


def _far(xray: XRay) -> str:
    steps = count(xray.read - 1)
    if xray.layer.endswith(".fwd"):
        return f"{steps} steps earlier at the first one"
    return f"{steps} steps away at the one that is read first"


def _cause(one: Shown) -> str:
    keep, kept = CELLS[one.xray.cell].keep, one.xray.keep
    if keep is None or kept is None:
        radius = number(max(one.xray.radius.values()))
        return f"With {one.title} each step multiplies by recurrent weights of the spectral radius {radius}."
    share = float(kept.mean())
    return (
        f"{one.title} starts with its {KEEPS[keep]} at {number(share)}: of what a unit holds, each step keeps "
        f"{percent(share)} and loses the rest."
    )


def _remedy(one: Shown) -> str:
    if one.xray.memory is None:
        return f"With {one.title} the radius is {number(max(one.xray.radius.values()))}"
    low, high = (number(float(steps)) for steps in (one.xray.memory.min(), one.xray.memory.max()))
    return f"With {one.title} the units remember for {low} to {high} steps"


def _arriving(xray: XRay) -> float:
    """Of the gradient at the last step, what arrives at the first by the better way; NaN where there is none."""
    return max(xray.ratio(state) for state in xray.reach)


def opening(shown: Sequence[Shown]) -> str:
    """What the page is about, and the finding in it, as HTML."""
    said = why(shown) if shown else "Choose two to six initializers at the left."
    return f'<p class="xray-why">{_running(said)}</p>' if said else ""


def legend(shown: Sequence[Shown]) -> str:
    """Every initializer with a piece of its line and what its gradient does, as HTML."""
    rows = [f"<p>{_sample(one)}<b>{escape(one.title)}</b>: {_running(gradient(one.xray))}</p>" for one in shown]
    return f'<div class="xray-legend">{"".join(rows)}</div>'


def _running(text: str) -> str:
    """Text as HTML, in which no line ends within a number."""
    return escape(text).replace(THIN, "\u202f")


def _sample(one: Shown) -> str:
    """A piece of the line; the two greys are those of the page, light or dark."""
    line = BORDERS[one.style.dash]
    colour = GREYS.get(one.style.colour, one.style.colour)
    return f'<span class="xray-line" style="border-top:{line} {colour}" aria-hidden="true"></span>'
