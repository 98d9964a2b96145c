"""The runs that were chosen to be compared: their losses and metrics over each other, while they go on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app import charts, services, session
from app.figures.curves import METRIC_NAMES
from app.figures.overlay import Line, overlay
from app.runs_list import SHARES
from lstm_core import wording
from lstm_core.config import RunConfig
from lstm_core.runs import telemetry
from lstm_core.runs.records import OVER, Run

MOST = 8  # runs over each other
POINTS = 600  # of a line
REFRESH = 2.0  # seconds, while one of them goes on


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
    charts.show(pictures(chosen(session.own("compare"))), key="comparison", columns=2)


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
        titles.append((run.name or ", ".join([*own, *([f"seed {config.training.seed}"] if seeds else [])]))[:60])
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
    """The overlay with the best value in its head, and whose it is below."""
    pick = np.nanmax if shares else np.nanmin
    best = [(float(pick(line.value)), line) for line in lines if np.isfinite(line.value).any()]
    value, line = (max if shares else min)(best, key=lambda pair: pair[0], default=(float("nan"), Line("")))
    said = wording.percent(value) if shares else wording.number(value)
    words = "highest" if shares else "lowest"
    return charts.Chart(
        name,
        title,
        overlay(lines, y, log=log),
        number=said if best else "",
        label=words if best else "",
        sentence=f"The {words} value, {said}, is that of “{line.name}”." if best else "Nothing is recorded yet.",
        help="The chosen runs over each other, by the step of their training.",
    )
