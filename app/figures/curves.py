"""Curves over the steps of training: the loss, the task's metric, the norms of the gradients."""

from __future__ import annotations

import plotly.graph_objects as go

from app import theme
from app.figures.panel import About, curve, figure, layer_name, level, with_unit

SMOOTH = 150  # windows along the line; the raw line stays visible beneath
METRIC_NAMES = {
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "bits": "bits per character",
    "exact": "exact answers",
}
SHARES = ("accuracy", "exact")  # between 0 and 1, and the more the better
SECONDS = {"exact": {"accuracy": "single signs"}, "accuracy": {"exact": "whole answers"}}  # of another sequence
DOTS = {"mode": "lines+markers", "marker": {"size": 5, "color": theme.QUIET}}  # measured here and not between


def loss(about: About) -> go.Figure:
    """Notice whether the train line leaves the dotted chance level at all, and whether validation follows it."""
    drawing = figure("training step", f"loss ({about['loss_name']})")
    drawing.add_trace(curve("train", "loss/train", theme.line(width=1), opacity=0.45, meta={"group": "train"}))
    drawing.add_trace(
        curve("train, smoothed", "loss/train", theme.line(width=2.25), meta={"smooth": SMOOTH, "group": "train"})
    )
    drawing.add_trace(curve("validation", "loss/val", theme.line(theme.QUIET, width=2, dash=theme.VALIDATION), **DOTS))
    if "loss" in about["chance"]:
        drawing.add_trace(level(_chance(about), about["chance"]["loss"]))
    return drawing.update_yaxes(rangemode="tozero")


def metric(about: About) -> go.Figure:
    """Notice when the metric leaves its chance level: that is the moment the network has understood the task."""
    name = str(about["metric"])
    words = METRIC_NAMES.get(name, name)
    axis = words if about["metric_unit"] == words else with_unit(words, about["metric_unit"])
    drawing = figure("training step", axis, meta={"title": words.capitalize()})
    drawing.add_trace(curve("train", f"{name}/train", theme.line(width=1), opacity=0.45, meta={"group": "train"}))
    drawing.add_trace(
        curve("train, smoothed", f"{name}/train", theme.line(width=2.25), meta={"smooth": SMOOTH, "group": "train"})
    )
    drawing.add_trace(
        curve("validation", f"{name}/val", theme.line(theme.QUIET, width=2, dash=theme.VALIDATION), **DOTS)
    )
    for other, line_name in SECONDS.get(name, {}).items() if about["answering"] == "decoded" else ():
        line = theme.line(theme.FAINT, width=2, dash=theme.VALIDATION)
        drawing.add_trace(curve(f"{line_name}, validation", f"{other}/val", line, meta={"group": line_name}, **DOTS))
    if name in about["chance"]:
        drawing.add_trace(level(_chance(about), about["chance"][name]))
    if name in SHARES:
        return drawing.update_yaxes(range=[0, 1.02], autorange=False)
    return drawing.update_yaxes(rangemode="tozero")


def learning_rate(_about: About) -> go.Figure:
    """Notice where the learning rate falls and what the loss does there: smaller steps settle, larger ones search."""
    drawing = figure("training step", "learning rate")
    drawing.add_trace(curve("learning rate", "learning_rate", {**theme.line(width=2), "shape": "hv"}))
    return drawing.update_yaxes(rangemode="tozero")


def lag(_about: About) -> go.Figure:
    """Notice a lag of 1: the forecast then repeats the last value it saw, however close its line looks."""
    drawing = figure("training step", "lag (time steps)")
    drawing.add_trace(
        curve("validation", "lag/val", {**theme.line(width=2, dash=theme.VALIDATION), "shape": "hv"}, **DOTS)
    )
    drawing.add_trace(level("a copy of the last value", 1))
    return drawing.update_yaxes(range=[-0.2, 5.2], autorange=False)


def gradient_norms(about: About) -> go.Figure:
    """Notice spikes of the norm before clipping, and which gate's recurrent weights receive (almost) no gradient."""
    drawing = figure("training step", "gradient norm")
    drawing.update_yaxes(type="log", exponentformat="power")
    drawing.add_trace(
        curve(
            "clipped",
            "grad_norm/clipped",
            theme.line(theme.FAINT, width=4),
            meta={"when": "clip"},
            visible="legendonly",
        )
    )
    drawing.add_trace(curve("all", "grad_norm/total", theme.line(width=1.5)))
    drawing.add_trace(
        level("threshold", 1.0).update(meta={"level": "clip_threshold", "when": "clip"}, visible="legendonly")
    )
    for number, layer in enumerate(about["layers"]):
        dash = theme.LAYER_DASHES[number % len(theme.LAYER_DASHES)]
        for gate in about["gates"]:
            drawing.add_trace(
                _norm(
                    f"recurrent weights, {gate}, {layer_name(layer)}",
                    f"{layer}.weight_hh.{gate}",
                    gate,
                    gate,
                    1.5,
                    dash,
                )
            )
    for parameter, words in (("weight_ih", "inputs"), ("bias", "biases")):
        for number, layer in enumerate(about["layers"]):
            dash = theme.LAYER_DASHES[number % len(theme.LAYER_DASHES)]
            for gate in about["gates"]:
                trace = _norm(
                    f"{words}, {gate}, {layer_name(layer)}", f"{layer}.{parameter}.{gate}", words, gate, 1, dash
                )
                drawing.add_trace(trace.update(visible="legendonly"))
    if about["answering"] == "decoded":
        drawing.add_trace(_norm("decoder", "decoder", "decoder", "", 1.5, "dash"))
    return drawing


def _norm(name: str, key: str, group: str, gate: str, width: float, dash: str) -> go.Scatter:
    colour = theme.GATES.get(gate, theme.QUIET)
    return curve(name, f"grad_norm/{key}", theme.line(colour, width=width, dash=dash), meta={"group": group})


def _chance(about: About) -> str:
    return "repeat the last value" if about.get("forecast") else "chance"
