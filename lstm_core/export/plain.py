"""A run as plain text: every scalar of every step as CSV, the settings as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS = 2000  # of a piece


def scalars_csv(columns: Mapping[str, NDArray[Any]], rows: int = ROWS) -> Iterator[str]:
    """CSV in pieces of so many rows: a head of names, what one looks for first, then a line for each step.

    `columns` are those of `RunStore.scalars`, each (n,). What was not measured stays empty; every number has as many
    digits as it needs to be read back as it is, in 32 bits.
    """
    names = sorted(columns, key=_place)
    yield ",".join(map(_quoted, names)) + "\n"
    for begin in range(0, len(columns["step"]), rows):
        texts = [_texts(columns[name][begin : begin + rows]) for name in names]
        yield "".join(",".join(row) + "\n" for row in zip(*texts, strict=True))


def _place(name: str) -> tuple[int, str]:
    """Where a column stands: the step, the losses, the metrics, the rate, the whole gradient, all else."""
    what, _, part = name.partition("/")
    measured = part in ("train", "val", "test")
    order = (
        name == "step",
        what == "loss" and measured,
        measured,
        not part,
        name in ("grad_norm/total", "grad_norm/clipped"),
        True,
    )
    return order.index(True), name


def _texts(values: NDArray[Any]) -> list[str]:
    """Numbers as text (n,); no number is an empty one."""
    if not np.issubdtype(values.dtype, np.floating):
        return [str(value) for value in values.tolist()]
    return ["" if text == "nan" else text for text in values.astype(np.str_).tolist()]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if any(sign in name for sign in ',"\n') else name


def settings_json(config: Mapping[str, Any]) -> str:
    """The settings of a run as a JSON document, as `RunConfig` and `train --json` read them."""
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"
