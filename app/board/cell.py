"""The drawing of a cell with its numbers: one Components-v2 component that gets all steps of one unit at once.

Stepping through time happens in the browser alone; the page is asked only for another unit, and told the step now
and then, so that the address can say it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from app import theme
from app.board.mounting import component, mounted
from app.outside.static import static_url
from lstm_core.cells import CELLS
from lstm_core.walk import Walk

_component = component("cell")


def cell(walk: Walk, *, at: int, about: str, key: str, on_place: Callable[[Mapping[str, Any]], None]) -> None:
    """Show a walk, at first at step `at`; `about` says whose weights these are.

    `on_place` gets {"t": step, "unit": unit} once somebody rests at a step or wants another unit.
    """
    mounted(_component, component_data(walk, at, about), key=key, event="place", hear=on_place)


def component_data(walk: Walk, at: int, about: str) -> dict[str, Any]:
    """What `cell.js` is told: the numbers, where to begin, and how things look."""
    made = CELLS[walk.cell]
    backward = walk.layer.endswith("bwd")
    layer, _ = walk.layer[1:].split(".")
    direction = ", backward" if backward else ", forward" if any(name.endswith("bwd") for name in walk.layers) else ""
    where = f", layer {layer}{direction}" if len(walk.layers) > 1 else ""
    return {
        "walk": {
            "kind": made.kernel.lower(),
            "squash": "relu" if walk.cell in ("lstm_relu", "rnn_relu") else "tanh",
            "before": "t+1" if backward else "t−1",
            "backward": backward,
            "projected": walk.projected,
            "bias": walk.bias,
            "unit": walk.unit,
            "units": walk.units,
            "marks": list(walk.marks),
            "reads": list(walk.reads),
            "quantities": [name for name in made.quantities if name in walk.values],
            "sigmoids": list(made.sigmoids),
            "unbounded": list(made.unbounded),
            "values": {name: [_sendable(value) for value in series] for name, series in walk.values.items()},
        },
        "at": at,
        "title": f"{made.title}{where}",
        "about": about,
        "css": static_url("cell.css"),
        "look": theme.look(),
    }


def _sendable(value: float) -> float | None:
    """What has grown beyond all numbers cannot be written as JSON."""
    return float(value) if math.isfinite(value) else None
