"""Fill a figure in Python, by the same `meta` bindings the board reads: for exports, reports and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

Array = NDArray[Any]


History = tuple[Sequence[int], Array]  # steps (n,), and an array at each of them (n, …)
FLOOR = 1e-300  # what is 0 has no place on a logarithmic scale


def fill(
    figure: go.Figure,
    arrays: Mapping[str, Array],
    sample: int = 0,
    first: Mapping[str, Array] | None = None,
    histories: Mapping[str, History] | None = None,
) -> go.Figure:
    """The figure itself, its traces filled with what they name and what is there; `sample` is the one in `arrays`.

    `arrays` holds the columns of the scalars (`step` (n,) and others (n,), NaN where not measured) or the arrays of
    a snapshot and a sample, or all of them: their names never meet. `first` holds those of the first snapshot,
    `histories` arrays over all snapshots, for maps over the training. What is missing leaves its trace empty.
    """
    now, known = arrays, histories or {}
    for trace in figure.data:
        meta = trace.meta or {}
        arrays = (first or {}) if meta.get("first") else now
        steps = arrays.get("step")
        if "level" in meta and steps is not None and len(steps):
            trace.x = [0, int(steps[-1])]
        if meta.get("over") == "training" and meta["z"] in known:
            trace.y, values = known[meta["z"]]
            trace.z = _powers(values) if meta["scale"] == "log" else values
        elif "z" in meta and meta["z"] in arrays:
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
        elif ("bins" in meta or "histogram" in meta) and meta["y"] in arrays:
            trace.x, trace.y = density(meta, arrays, sample)
        elif "y" in meta and meta.get("x", "step") != "step" and {meta["x"], meta["y"]} <= arrays.keys():
            trace.x, trace.y = shares(arrays[meta["x"]]), shares(arrays[meta["y"]])
        elif "y" in meta and "x" not in meta and meta["y"] in arrays:
            trace.y = arrays[meta["y"]]
            if trace.x is None or len(trace.x) == 0:
                trace.x = np.arange(len(trace.y))
    return figure


def shares(stored: Array) -> Array:
    """Bytes as shares, 255 standing for all; other numbers as they are."""
    return stored / 255 if stored.dtype == np.uint8 else stored


def density(meta: Mapping[str, Any], arrays: Mapping[str, Array], sample: int) -> tuple[Array, Array]:
    """A histogram as (middles of its bins, density), with an area of 1: as it was counted, or of the bytes of a map."""
    stored = arrays[meta["y"]]
    if "bins" in meta:
        high = float(np.ravel(arrays[meta["bins"]])[0])
        low, counts = -high, stored.astype(float)
    else:
        low, high = _span(meta, arrays)
        counts = np.bincount(stored[:, : meta["ends"][sample]].ravel() // 8, minlength=32).astype(float)
    width = (high - low) / len(counts)
    return low + width * (np.arange(len(counts)) + 0.5), counts / max(counts.sum() * width, FLOOR)


def _span(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[float, float]:
    """What the bytes 0 and 255 of a map stand for."""
    low, high = float(meta["low"]), float(meta["high"])
    if "range" in meta and meta["range"] in arrays:
        high = float(np.ravel(arrays[meta["range"]])[0])
        low *= high
    return low, high


def _powers(values: Array) -> Array:
    """log₁₀, with nothing where there is nothing."""
    return np.where(values > 0, np.log10(np.maximum(values, FLOOR)), np.nan)


def values_of(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> Array:
    """A map's values (units, T): bytes 0 … 255 stand for low … high; an attention (T,) becomes one row."""
    stored = np.atleast_2d(arrays[meta["z"]])
    if stored.dtype != np.uint8:
        return stored
    low, high = _span(meta, arrays)
    return low + stored.astype(np.float32) / 255 * (high - low)


def _say(trace: Any, meta: Mapping[str, Any], arrays: Mapping[str, Array], sample: int) -> None:
    """Fill bars or a table with answers in a person's words."""
    said = arrays[meta["words"]]
    if "gallery" in meta:
        trace.cells.values = _gallery(meta, said, arrays.get("gallery/confidence"))
        return
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


def _gallery(meta: Mapping[str, Any], said: Array, confidence: Array | None) -> list[list[str]]:
    """Right answers, answers and, where there are classes, how sure they are; one row for each sample."""
    right = [_right(sample) for sample in meta["gallery"]]
    if confidence is None:
        zero, one = meta["scale"]
        return [right, [f"{zero + float(value) * (one - zero):.3f} {meta['unit']}".strip() for value in said]]
    names, told = meta["names"], []
    for sample, answer in zip(meta["gallery"], np.atleast_2d(said.T).T, strict=True):
        asked = sample["targets"] and [k for k, target in enumerate(sample["targets"]) if target]
        told.append(" ".join(names[answer[k]] for k in asked) if asked else names[answer[0]])
    return [right, told, [f"{share:.2f}" for share in confidence]]


def _right(sample: Mapping[str, Any]) -> str:
    return " ".join(target for target in sample["targets"] if target) if sample["targets"] else str(sample["target"])


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
