"""The runs that were chosen to be compared: their losses and metrics over each other, while they go on."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st

from app import charts, services, session
from app.figures.curves import METRIC_NAMES
from app.figures.overlay import Line, look, overlay
from app.listing.rows import SHARES
from app.plain import apart
from lstm_core import wording
from lstm_core.config import RunConfig
from lstm_core.runs import telemetry
from lstm_core.runs.records import OVER, Run

MOST = 8  # runs over each other
POINTS = 600  # of a line
REFRESH = 2.0  # seconds, while one of them goes on
NAME = 48  # signs of a name
_CSS = {"solid": "solid", "dash": "dashed", "dot": "dotted"}


def chosen(ids: str) -> list[Run]:
    """The runs of a list of ids as the address has it; those that are not there are left out."""
    found = (session.find(run_id) for run_id in dict.fromkeys(ids.split(",")[:MOST]) if run_id)
    return [run for run in found if run is not None]


def draw() -> None:
    """The charts of the runs in the address, drawn again now and then while one of them goes on."""
    runs = chosen(session.own("compare"))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{len(runs)} runs over each other" if len(runs) > 1 else "One run", anchor=False)
        st.button("Close the comparison", icon=":material/close:", type="tertiary", on_click=_close)
    st.fragment(_draw, run_every=REFRESH if any(run.status not in OVER for run in runs) else None)()


def _draw() -> None:
    runs = chosen(session.own("compare"))
    st.html(legend(_names(runs, [session.settings_of(run) for run in runs])))
    charts.show(pictures(runs), key="comparison", columns=2)


def legend(names: Sequence[str]) -> str:
    """The key to the lines of both charts, as HTML in which a name is text."""
    items = []
    for place, name in enumerate(names):
        colour, dash = look(place)
        line = f"display: inline-block; width: 1.5rem; vertical-align: middle; border-top: 3px {_CSS[dash]} {colour}"
        items.append(f'<li style="margin: 0"><span style="{line}"></span> <bdi>{escape(name)}</bdi></li>')
    layout = "display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; list-style: none; margin: 0; padding: 0"
    return f'<ul style="{layout}; font-size: 0.875rem">{"".join(items)}</ul>'


def _close() -> None:
    session.set_own(compare=None)


def pictures(runs: Sequence[Run]) -> list[charts.Chart]:
    """The loss of the training and the metric of the validation; the metric where all runs have the same."""
    configs = [session.settings_of(run) for run in runs]
    names = _names(runs, configs)
    tables = [telemetry.decode(services.store().history(run.id, POINTS)).arrays for run in runs]
    losses = [_line(name, table, "loss/train") for name, table in zip(names, tables, strict=True)]
    shown = [_chart("loss", "Training loss", losses, "loss", shares=False, log=True)]
    metrics = {config.task.metric: config.task.metric_unit for config in configs}
    if len(metrics) == 1:
        ((metric, unit),) = metrics.items()
        values = [_line(name, table, f"{metric}/val") for name, table in zip(names, tables, strict=True)]
        words = METRIC_NAMES.get(metric, metric)
        y = f"{words} ({unit})" if unit not in ("", words) else words
        shown.append(_chart("metric", f"Validation {words}", values, y, shares=metric in SHARES))
    return shown


def _names(runs: Sequence[Run], configs: Sequence[RunConfig]) -> list[str]:
    """A name for each run: its own, else that in which it differs from the others; the id where two are alike."""
    parts = [config.title.split(" · ") for config in configs]
    common = set.intersection(*map(set, parts)) if len(parts) > 1 else set()
    seeds = len({config.training.seed for config in configs}) > 1
    titles = []
    for run, config, said in zip(runs, configs, parts, strict=True):
        own = [part for part in said if part not in common] or said[:1]
        title = run.name or ", ".join([*own, *([f"seed {config.training.seed}"] if seeds else [])])
        titles.append(f"{title[:NAME]}…" if len(title) > NAME else title)
    return [
        title if titles.count(title) == 1 else f"{title} · {run.id}" for run, title in zip(runs, titles, strict=True)
    ]


def _line(name: str, table: telemetry.Columns, column: str) -> Line:
    values = table.get(column)
    if values is None:
        return Line(name)
    measured = ~np.isnan(values)
    return Line(name, table["step"][measured], values[measured])


def _chart(name: str, title: str, lines: list[Line], y: str, *, shares: bool, log: bool = False) -> charts.Chart:
    """The overlay with the best value in its head, and who has it first below."""
    value, sentence = _best(lines, shares)
    said = wording.percent(value) if shares else wording.number(value)
    return charts.Chart(
        name,
        title,
        overlay(lines, y, log=log),
        number=said if np.isfinite(value) else "",
        label=("highest" if shares else "lowest") if np.isfinite(value) else "",
        sentence=sentence.format(said),
        help="The chosen runs over each other, by the step of their training.",
    )


def _best(lines: Sequence[Line], shares: bool) -> tuple[float, str]:
    """The best value of all, and a sentence on whose it is, with a place for the value in words."""
    pick = max if shares else min
    found = [(line, line.value[np.isfinite(line.value)]) for line in lines]
    best = [(float(pick(values)), line) for line, values in found if len(values)]
    if not best:
        return float("nan"), "Nothing is recorded yet."
    value = pick(each for each, _ in best)
    having = [line for each, line in best if each == value]
    first, step = min(((line, int(line.step[line.value == value][0])) for line in having), key=lambda pair: pair[1])
    whose = f"“{apart(first.name)}”".replace("{", "{{").replace("}", "}}")
    word, place = "highest" if shares else "lowest", wording.count(step)
    if len(having) == 1:
        return value, f"The {word} value, {{}}, is that of {whose} at step {place}."
    return value, f"{len(having)} of {len(lines)} runs reach {{}}; {whose} is the first, at step {place}."
