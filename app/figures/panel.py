"""What a panel of the board is, and the small parts that its figures share.

A figure is a pure function of `about`, the JSON document that describes a run. Each trace's `meta` names the
telemetry that fills it: `{"x": "step", "y": "loss/train"}` a curve over the steps of training, `{"y": name}` one
value per place on the x axis, `{"z": name}` a map units × time steps, `{"words": name}` an answer to be read.
`app/board/` fills figures in the browser, `app.figures.filling` in Python.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import plotly.graph_objects as go

from app import theme

About = Mapping[str, Any]

# What stands below the main panels, opened by a button each, in this order; only what is open is drawn.
GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "attention": "Attention over training",
        "gates": "Gates and gradient",
        "weights": "Weights",
        "predictions": "Predictions",
        "findings": "Findings",
    }
)


@dataclass(frozen=True)
class Panel:
    """One picture of the board: where it stands, whether it fits a run, and the function that draws it.

    Panels over the `steps` of training stand on the left, panels over the `time` steps of a sequence on the right,
    where they share one time axis. `group` is `main`, or one of `GROUPS`, which stand below in two equal columns.
    `height` is in units of the board's row. `kind` is what draws it in the browser: lines, maps of bytes over time, an
    alignment of steps that ask with inputs, words, a map of time steps × training, histograms, or findings.
    """

    id: str
    title: str
    column: Literal["steps", "time"]
    kind: Literal["lines", "maps", "alignment", "words", "evolution", "histograms", "findings"]
    draw: Callable[[About], go.Figure]
    fits: Callable[[About], bool] = lambda _: True
    height: float = 1.0
    group: str = "main"
    options: tuple[str, ...] = ()  # what a viewer may switch: "log"

    @property
    def help(self) -> str:
        """The first paragraph of the figure's docstring: what a learner should notice."""
        return " ".join(inspect.cleandoc(self.draw.__doc__ or "").split("\n\n")[0].split())


def figure(x: str, y: str, **layout: Any) -> go.Figure:
    """An empty figure in the project's style with titled axes."""
    return go.Figure(
        layout={
            "template": theme.template(),
            "xaxis": {"title": {"text": x}},
            "yaxis": {"title": {"text": y}},
            **layout,
        }
    )


def curve(name: str, y: str, line: Mapping[str, Any], **rest: Any) -> go.Scatter:
    """A line over the steps of training, filled by the scalar `y`; `meta` in `rest` adds to the binding."""
    meta = {"x": "step", "y": y, **rest.pop("meta", {})}
    return go.Scatter(**{"name": name, "mode": "lines", "line": dict(line), "meta": meta, "x": [], "y": [], **rest})


def level(name: str, value: float) -> go.Scatter:
    """A dotted grey line right across the steps, such as the chance level; it is drawn wherever the x axis ends."""
    return go.Scatter(
        name=name,
        mode="lines",
        line=theme.line(theme.QUIET, dash=theme.CHANCE),
        x=[0, 1],
        y=[value, value],
        meta={"level": value},
    )


def with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def layer_name(layer: str) -> str:
    """`l0.fwd` in words: «layer 0 forward»."""
    number, direction = layer.removeprefix("l").split(".")
    return f"layer {number} {'forward' if direction == 'fwd' else 'backward'}"
