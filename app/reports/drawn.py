"""The charts of a report: every chart of the board that has something to show, filled and standing by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app import figures
from app.figures.filling import History
from app.figures.through_time import read_steps
from app.reports.findings import Look
from lstm_core.config import with_overrides
from lstm_core.runs import telemetry
from lstm_core.runs.store import RunStore

POINTS = 4000  # rows of the curves; a longer run is drawn by the least and the greatest value of each stretch
KINDS = ("lines", "maps", "alignment", "evolution")  # panels that are drawn; what is read is written out

Chart = tuple[str, str, go.Figure]  # title, what to notice, the filled figure


def charts(look: Look, store: RunStore) -> Iterator[tuple[str, Chart]]:
    """Every chart of the board that has something to show, filled: id → title, what to notice, figure."""
    about = look.run.about
    if about is None:
        return
    curves = telemetry.thin(look.columns, POINTS)
    arrays = {**curves, **look.arrays, **(look.samples[0] if look.samples else {})}
    for panel in figures.PANELS:
        if panel.kind not in KINDS or not panel.fits(about):
            continue
        figure = panel.draw(about)
        if panel.kind == "evolution":
            figure.data = figure.data[:1]  # of the first layer and its h; the others would lie above it
        figure = figures.fill(figure, arrays, histories=_histories(figure, look.run.id, store))
        title = (figure.layout.meta or {}).get("title") or panel.title
        if panel.kind == "maps":
            _end(figure, about)
        if _finish(figure, look):
            yield panel.id, (title, panel.help, figure)


def _end(figure: go.Figure, about: Any) -> None:
    """Leave blank what stands behind the end of the shown sample."""
    end = read_steps((about.get("samples") or [{}])[0].get("marks") or [])
    for trace in figure.data:
        if trace.z is not None and 0 < end < np.shape(trace.z)[1]:
            values = np.array(trace.z, np.float32)
            values[:, end:] = np.nan
            trace.z = values


def _histories(figure: go.Figure, run_id: str, store: RunStore) -> dict[str, History]:
    """What the traces of a map over the training are bound to, over all kept snapshots."""
    found = {}
    for meta in (trace.meta for trace in figure.data if (trace.meta or {}).get("over") == "training"):
        data = store.stacked(run_id, meta["z"], 0 if meta.get("sample") else None)
        if data is not None:
            arrays = telemetry.decode(data).arrays
            found[meta["z"]] = (arrays["step"].tolist(), arrays[meta["z"]])
    return found


def _finish(figure: go.Figure, look: Look) -> bool:
    """Make a filled figure stand by itself; whether there is anything on it."""
    training = with_overrides(look.config.training, look.overrides, max(look.run.step, 0))
    clips = training.clip != "none" or any(o.field == "clip" for o in look.overrides)
    kept = []
    for trace in figure.data:
        meta = trace.meta or {}
        if meta.get("when") == "clip":
            if not clips:
                continue
            trace.visible = True
        if meta.get("level") == "clip_threshold":
            trace.y = [training.clip_threshold] * 2
        if meta.get("fixed") and figure.layout.yaxis.type == "log":  # far below, it would flatten the curves
            trace.visible = "legendonly"
        kept.append(trace)
    figure.data = kept
    for trace in kept:
        if trace.type == "heatmap":
            _scale(figure, trace)
    named = [trace for trace in kept if trace.type == "scatter"]
    height = figure.layout.height or 320 + 20 * (len(named) // 4)
    figure.update_layout(
        height=height,
        legend={"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0, "xanchor": "left"},
        margin={"l": 72, "r": 24 if named else 88, "t": 24, "b": 64},
        hovermode="x unified" if named else "closest",
        paper_bgcolor="#ffffff",
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    figure.for_each_yaxis(lambda axis: axis.update(dtick=1) if axis.type == "log" else None)
    bound = [trace for trace in kept if not ({"level", "fixed"} & set(trace.meta or {}))]
    return any(_filled(trace) for trace in bound)


def _scale(figure: go.Figure, trace: Any) -> None:
    """Show the colours of a map and what they stand for, beside the map in the last column."""
    axes = [str(trace[name] or name[0]).replace(name[0], name) for name in ("xaxis", "yaxis")]
    right, (low, high) = (figure.layout[axes[0]].domain or (0, 1))[1], figure.layout[axes[1]].domain or (0, 1)
    title = {"text": "log₁₀" if trace.meta.get("scale") == "log" else ""}
    trace.showscale = right > 0.9
    trace.colorbar = {
        "len": high - low, "y": (low + high) / 2, "x": 1.04, "thickness": 8, "nticks": 3, "title": title,
        "tickfont": {"size": 10}, "outlinewidth": 0,
    }  # fmt: skip


def _filled(trace: Any) -> bool:
    values = trace.z if trace.type == "heatmap" else trace.y
    return values is not None and len(values) > 0
