"""Fill a figure in Python, by the same `meta` bindings the board reads: for exports, reports and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

Array = NDArray[Any]


def fill(figure: go.Figure, arrays: Mapping[str, Array]) -> go.Figure:
    """The figure itself, its traces filled with what they name and what is there.

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
                trace.zmin = -trace.zmax
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
        low = -high
    return low + stored.astype(np.float32) / 255 * (high - low)


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
