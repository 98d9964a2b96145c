"""What the network says to a row of fixed validation samples, right and wrong, and which class it takes for which."""

from __future__ import annotations

import plotly.graph_objects as go

from app import theme
from app.figures.panel import About, figure


def gallery(about: About) -> go.Figure:
    """Notice what the wrong ones have in common, and how sure the network is of them.

    The same validation sequences during the whole run, as they were answered at the last validation; a number is shown
    beside the right one. A decoder is given the right signs before each sign that it answers.
    """
    shown = [{name: sample[name] for name in ("title", "target", "targets")} for sample in about["gallery"]]
    meta = {"gallery": shown, "names": about["answers"], "scale": about["scale"], "unit": about["metric_unit"]}
    said = "gallery/prediction" if about["answers"] is None else "gallery/answer"
    header = ["right", "answer", "probability"] if about["answers"] else ["right", "answer"]
    cells = {"values": [[] for _ in header], "align": "left", "fill": {"color": "rgba(0,0,0,0)"}}
    table = go.Table(header={"values": header, "align": "left"}, cells=cells, meta={"words": said, **meta})
    hidden = {"visible": False}
    return go.Figure(table, layout={"template": theme.template(), "xaxis": hidden, "yaxis": hidden})


def confusion(about: About) -> go.Figure:
    """Notice the bright fields off the diagonal: those classes look alike to the network.

    Rows are the right classes, columns the answers, counted over the whole validation part at each validation.
    """
    drawing = figure("answer", "right")
    scale = theme.colorscale("sequential")
    names, meta = about["answers"], {"z": "confusion", "palette": "sequential"}
    drawing.add_trace(go.Heatmap(name="count", x=names, y=names, meta=meta, colorscale=scale, zmin=0))
    drawing.update_xaxes(type="category")
    return drawing.update_yaxes(type="category", autorange="reversed")
