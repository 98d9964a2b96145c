"""Answers to be read: class probabilities, tags under tokens, an answer sign by sign, a text that the network wrote."""

from __future__ import annotations

import plotly.graph_objects as go

from app import theme
from app.figures.panel import About, figure

COLUMNS = ("step", "input", "right", "answer", "probability")


def answers(about: About) -> go.Figure:
    """Notice not only whether the answer is right, but how sure of it the network is.

    One answer among classes: a bar for each class. One number: beside the right one. Several steps: a row for each.
    """
    samples = [{name: sample[name] for name in ("marks", "target", "targets")} for sample in about["samples"]]
    if about["answering"] != "sequence":
        meta = {"words": "answer", "confidence": "confidence", "names": about["answers"], "samples": samples}
        return _table(COLUMNS, meta)
    if about["answers"] is None:
        meta = {"words": "prediction", "scale": about["scale"], "unit": about["metric_unit"], "samples": samples}
        return _table(("right", "answer"), meta)
    drawing = figure("probability", "class")
    bars = go.Bar(
        name="probability",
        orientation="h",
        x=[0.0] * len(about["answers"]),
        y=about["answers"],
        marker={"color": theme.INK},
        meta={"words": "prediction", "softmax": True},
    )
    drawing.add_trace(bars)
    drawing.update_yaxes(type="category", autorange="reversed")
    return drawing.update_xaxes(range=[0, 1], autorange=False)


def fixed(about: About) -> go.Figure:
    """Notice with how few bits the network still does what it has learned, and which values grow too large for them.

    Weights and values rounded to fixed point as on small hardware; Qm.n is a sign, m integer and n fractional bits.
    """
    return _table(("everything rounded to", about["metric"]), {"words": "fixed/metric", "bits": "fixed/bits"})


def text(about: About) -> go.Figure:
    """Notice what comes first: the frequent letters, then spaces between words, then words, then sense.

    The same beginning continued at each temperature: low ones repeat what is likely, high ones dare more.
    """
    told = about["generation"]
    header = [f"temperature {temperature:g}" for temperature in told["temperatures"]]
    return _table(header, {"words": "generated", "signs": told["signs"], "prompt": told["prompt"]})


def findings(_about: About) -> go.Figure:
    """Notice the first one: what keeps the run from learning comes before what follows from it.

    There is nothing to draw: the board writes findings out, each with the panel that proves it.
    """
    hidden = {"visible": False}
    return go.Figure(layout={"template": theme.template(), "xaxis": hidden, "yaxis": hidden})


def _table(header: tuple[str, ...] | list[str], meta: dict[str, object]) -> go.Figure:
    cells = {"values": [[] for _ in header], "align": "left", "fill": {"color": "rgba(0,0,0,0)"}}
    table = go.Table(header={"values": list(header), "align": "left"}, cells=cells, meta=meta)
    hidden = {"visible": False}
    return go.Figure(table, layout={"template": theme.template(), "xaxis": hidden, "yaxis": hidden})
