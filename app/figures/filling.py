"""Fill a figure in Python, by the same `meta` bindings the board reads: for exports, reports and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

Array = NDArray[Any]


def fill(figure: go.Figure, arrays: Mapping[str, Array], sample: int = 0) -> go.Figure:
    """The figure itself, its traces filled with what they name and what is there; `sample` is the one in `arrays`.

    `arrays` holds the columns of the scalars (`step` (n,) and others (n,), NaN where not measured) or the arrays of
    a snapshot and a sample, or all of them: their names never meet. What is missing leaves its trace empty.
    """
    steps = arrays.get("step")
    for trace in figure.data:
        meta = trace.meta or {}
        if "level" in meta and steps is not None and len(steps):
            trace.x = [0, int(steps[-1])]
        if "z" in meta and meta["z"] in arrays:
            trace.z = values_of(meta, arrays)
            if "range" in meta and meta["range"] in arrays:
                trace.zmax = float(np.ravel(arrays[meta["range"]])[0])
                trace.zmin = meta["low"] * trace.zmax
        elif "words" in meta and meta["words"] in arrays:
            _say(trace, meta, arrays, sample)
        elif meta.get("x") == "step" and meta["y"] in arrays and steps is not None:
            values = arrays[meta["y"]]
            there = np.isfinite(values)
            trace.x = steps[there]
            trace.y = smooth(values[there], meta["smooth"]) if "smooth" in meta else values[there]
        elif "y" in meta and "x" not in meta and meta["y"] in arrays:
            trace.y = arrays[meta["y"]]
            if trace.x is None or len(trace.x) == 0:
                trace.x = np.arange(len(trace.y))
    return figure


def values_of(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> Array:
    """A map's values (units, T): bytes 0 … 255 stand for low … high; an attention (T,) becomes one row."""
    stored = np.atleast_2d(arrays[meta["z"]])
    if stored.dtype != np.uint8:
        return stored
    low, high = float(meta["low"]), float(meta["high"])
    if "range" in meta and meta["range"] in arrays:
        high = float(np.ravel(arrays[meta["range"]])[0])
        low *= high
    return low + stored.astype(np.float32) / 255 * (high - low)


def _say(trace: Any, meta: Mapping[str, Any], arrays: Mapping[str, Array], sample: int) -> None:
    """Fill bars or a table with answers in a person's words."""
    said = arrays[meta["words"]]
    if meta.get("softmax"):
        trace.x = softmax(said)
    elif "bits" in meta:
        names = ["32-bit floats", *(f"{bits} bits" for bits in arrays[meta["bits"]])]
        trace.cells.values = [names, [f"{value:.3g}" for value in said]]
    elif "signs" in meta:
        trace.cells.values = [[meta["prompt"] + "".join(meta["signs"][k] for k in row)] for row in said]
    elif "scale" in meta:
        zero, one = meta["scale"] or (np.nan, np.nan)  # unknown of runs that an earlier version has made
        answer = zero + float(said[0]) * (one - zero)
        trace.cells.values = [[meta["samples"][sample]["target"]], [f"{answer:.3f} {meta['unit']}".strip()]]
    else:
        asked = [(k, right) for k, right in enumerate(meta["samples"][sample]["targets"]) if right]
        marks = meta["samples"][sample]["marks"]
        trace.cells.values = [
            [k for k, _ in asked],
            [marks[k] if k < len(marks) else "" for k, _ in asked],
            [right for _, right in asked],
            [meta["names"][said[k]] for k, _ in asked],
            [f"{arrays[meta['confidence']][k]:.2f}" for k, _ in asked],
        ]


def softmax(scores: Array) -> Array:
    """Probabilities (K,) that a network's scores (K,) stand for."""
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())


def smooth(values: Array, windows: int) -> Array:
    """A centred mean of values (n,) that never lags behind them: 2w + 1 wide, fewer near both ends.

    w is the power of two nearest to n / windows, so that the line does not change with every point that is added.
    """
    count = len(values)
    width = half_width(count, windows)
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    places = np.arange(count)
    reach = np.minimum(width, np.minimum(places, count - 1 - places))
    return np.asarray((sums[places + reach + 1] - sums[places - reach]) / (2 * reach + 1))


def half_width(count: int, windows: int) -> int:
    """w of `smooth`: a power of two, 2 at least."""
    return int(2 ** max(1, round(np.log2(max(count, 1) / windows))))
