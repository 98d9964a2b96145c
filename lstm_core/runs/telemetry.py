"""Frames: telemetry as safetensors byte strings, encoded once by the worker and read everywhere as they are.

Three kinds. A *scalars* frame is a table: `step` int32 (n,) and every other column float32 (n,), NaN where a
value was not measured. A *snapshot* frame holds the arrays common to one step, a *sample* frame those of one
shown sample at that step. The header's metadata carries kind, sequence number, first and last step.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

NORMS = ("grad_norm/", "update_ratio/")
DROPPED = 14  # of the 24 binary digits of a number in 32 bits

Array = NDArray[Any]
Columns = dict[str, Array]


@dataclass(frozen=True)
class Frame:
    """A decoded frame; `first` and `last` are steps, `sample` is set for sample frames only."""

    kind: str
    seq: int
    first: int
    last: int
    sample: int | None
    arrays: Columns


def encode(
    kind: str,
    arrays: Mapping[str, Array],
    seq: int,
    first: int,
    last: int,
    sample: int | None = None,
    made: float | None = None,
) -> bytes:
    """One frame as bytes. `made` says when its oldest value was measured, in seconds since 1970."""
    metadata = {"kind": kind, "seq": str(seq), "first": str(first), "last": str(last)}
    if sample is not None:
        metadata["sample"] = str(sample)
    if made is not None:
        metadata["made"] = str(round(1000 * made))
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata)


class Heading(NamedTuple):
    """What the header of a frame says, read without its arrays."""

    kind: str
    seq: int
    first: int
    last: int
    sample: int | None


def heading(data: bytes) -> Heading:
    """Read the metadata of an encoded frame; raises ValueError for bytes that are not a frame."""
    try:
        (length,) = struct.unpack_from("<Q", data)
        meta = json.loads(data[8 : 8 + length])["__metadata__"]
        sample = int(meta["sample"]) if "sample" in meta else None
        return Heading(meta["kind"], int(meta["seq"]), int(meta["first"]), int(meta["last"]), sample)
    except (struct.error, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"these {len(data)} bytes are not a telemetry frame: {error}") from error


def decode(data: bytes) -> Frame:
    """Read what `encode` wrote; raises ValueError for bytes that are not a frame."""
    head = heading(data)
    try:
        return Frame(*head, load(data))
    except SafetensorError as error:
        raise ValueError(f"these {len(data)} bytes are not a telemetry frame: {error}") from error


_TYPES = {"F64": "<f8", "F32": "<f4", "I32": "<i4", "I16": "<i2", "U16": "<u2", "I8": "i1", "U8": "u1"}


def pick(data: bytes, name: str) -> Array | None:
    """One array of an encoded frame, read without the others; None where the frame has none of that name."""
    (length,) = struct.unpack_from("<Q", data)
    told = json.loads(data[8 : 8 + length]).get(name)
    if told is None:
        return None
    start, end = told["data_offsets"]
    return np.frombuffer(data[8 + length + start : 8 + length + end], _TYPES[told["dtype"]]).reshape(told["shape"])


def table(rows: Sequence[tuple[int, Mapping[str, float]]]) -> Columns:
    """The columns of a scalars frame from (step, scalars) rows; what a row lacks is NaN.

    Norms, which are most of all columns, are recorded with ten binary digits, within 0.1 %: further digits of such a
    noisy number say nothing, and would take half of the store.
    """
    columns: Columns = {"step": np.array([step for step, _ in rows], np.int32)}
    for name in dict.fromkeys(name for _, scalars in rows for name in scalars):
        column = np.array([scalars.get(name, np.nan) for _, scalars in rows], np.float32)
        columns[name] = as_recorded(name, column)
    return columns


def as_recorded(name: str, column: Array) -> Array:
    """A column of float32 as `table` has it: norms rounded, what is not finite as it is."""
    if not name.startswith(NORMS):
        return column
    digits = (column.view(np.uint32) + np.uint32(1 << (DROPPED - 1))) & np.uint32(-(1 << DROPPED) & 0xFFFFFFFF)
    rounded: Array = digits.view(np.float32)
    return np.where(np.isfinite(column) & np.isfinite(rounded), rounded, column)


def merge(frames: Iterable[Frame]) -> Columns:
    """All rows of several scalars frames as one table in the order of the steps.

    Columns are united, with NaN where a frame lacks one. Of two rows for one step, the later frame's is kept.
    """
    parts = sorted(frames, key=lambda frame: frame.seq)
    sizes = [len(part.arrays["step"]) for part in parts]
    steps = np.concatenate([part.arrays["step"] for part in parts] or [np.empty(0, np.int32)])
    names = dict.fromkeys(name for part in parts for name in part.arrays)
    merged: Columns = {"step": steps}
    for name in names:
        if name != "step":
            merged[name] = np.concatenate(
                [part.arrays.get(name, np.full(n, np.nan, np.float32)) for part, n in zip(parts, sizes, strict=True)]
            )
    if np.all(np.diff(steps) > 0):
        return merged
    _, from_the_end = np.unique(steps[::-1], return_index=True)
    return take(merged, len(steps) - 1 - from_the_end)


def take(columns: Mapping[str, Array], rows: Array | slice) -> Columns:
    """The chosen rows of every column."""
    return {name: column[rows] for name, column in columns.items()}


def thin(columns: Mapping[str, Array], points: int) -> Columns:
    """At most `points` rows (≥ 4) that draw the same picture: the least and the greatest value of each bucket.

    The first and the last row stay as they are. The rows between fall into equal buckets; a bucket becomes two
    rows, at its first and last step, in which each column has its minimum and maximum in the order in which
    they occurred. A column measured once in a bucket appears once, one not measured stays NaN.
    """
    n = len(columns["step"])
    if n <= max(points, 4):
        return dict(columns)
    buckets = (max(points, 4) - 2) // 2
    width = -(-(n - 2) // buckets)
    padding = -(n - 2) % width
    thinned: Columns = {}
    for name, column in columns.items():
        middle = column[1:-1]
        if name == "step":
            starts = np.arange(0, n - 2, width)
            ends = np.minimum(starts + width, n - 2) - 1
            inner = np.stack([middle[starts], middle[ends]], axis=1)
        else:
            inner = _extremes(np.pad(middle, (0, padding), constant_values=np.nan).reshape(-1, width))
        thinned[name] = np.concatenate([column[:1], inner.ravel(), column[-1:]]).astype(column.dtype)
    steps = thinned["step"]
    return take(thinned, np.concatenate([[True], np.diff(steps) > 0])) if len(steps) > 1 else thinned


def _extremes(rows: Array) -> Array:
    """Minimum and maximum of each row (n, width) in the order of occurrence, (n, 2); ignores NaN."""
    measured = ~np.isnan(rows)
    low = np.where(measured, rows, np.inf).argmin(axis=1)
    high = np.where(measured, rows, -np.inf).argmax(axis=1)
    where = np.sort(np.stack([low, high], axis=1), axis=1)
    pairs = np.take_along_axis(rows, where, axis=1)
    pairs[measured.sum(axis=1) == 1, 1] = np.nan
    pairs[~measured.any(axis=1)] = np.nan
    return pairs


def thinned(steps: Sequence[int], limit: int) -> list[int]:
    """Which of the ascending snapshot steps to keep: at most `limit` (≥ 2), the first and the newest always.

    The others keep the first of every stretch of 2^k steps, with the smallest k that fits. What is kept for a
    larger k is part of what is kept for a smaller one, so thinning as a run grows never regrets what it dropped.
    """
    kept, spacing = list(steps), 1
    while len(kept) > max(limit, 2):
        spacing *= 2
        stretches = [step // spacing for step in steps]
        kept = [step for i, step in enumerate(steps) if i in (0, len(steps) - 1) or stretches[i] != stretches[i - 1]]
    return kept
