"""A run as one HTML file that opens anywhere: settings, findings, charts to hover and zoom, the answers it gives.

Everything is in the file, plotly.js too, so it needs no network and shows the same in ten years.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from html import escape
from typing import Any

import numpy as np
from plotly.offline import get_plotlyjs

from app.figures.filling import Array, softmax
from app.outside.headers import script_hash
from app.reports.drawn import Chart, charts
from app.reports.findings import Look, in_words
from app.setting.fields import controls
from app.setting.summary import parameter_count
from lstm_core.diagnosis import Finding
from lstm_core.runs import telemetry
from lstm_core.runs.store import RunStore
from lstm_core.wording import count, duration, number, percent

GROUPS = {"task": "Task", "model": "Model", "init": "First weights", "training": "Training"}
TONES = {"bad": "to mend", "warn": "to watch", "good": "reached", "note": "to know"}

STYLE = """
:root { --ink: #18222d; --quiet: #5c6773; --grid: #e7e9ec; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 32px 24px; max-width: 960px; color: var(--ink); background: #fff;
  font: 15px/1.5 "Source Sans 3", "Source Sans Pro", system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { margin: 0 0 4px; font-size: 26px; line-height: 1.25; letter-spacing: -0.01em; }
h2 { margin: 40px 0 8px; padding-top: 16px; font-size: 18px; border-top: 1px solid var(--grid); }
h3 { margin: 24px 0 0; font-size: 15px; }
p { margin: 4px 0; } .quiet, th, dt, figcaption { color: var(--quiet); }
ol { margin: 0; padding: 0; list-style: none; }
li { margin: 12px 0; padding-left: 12px; border-left: 4px solid var(--grid); break-inside: avoid; }
li.bad { border-color: #d55e00; } li.good { border-color: #009e73; } li.warn { border-color: #a9b1ba; }
li strong { font-size: 20px; margin: 0 6px; }
figure { margin: 0 0 16px; break-inside: avoid; } figcaption { font-size: 14px; }
.number { float: right; font-size: 22px; font-weight: 600; line-height: 1.2; color: var(--ink); }
.number small { font-size: 13px; font-weight: 400; color: var(--quiet); }
.settings { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 8px 32px; }
dl { margin: 0; display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; font-size: 14px; }
dt, dd { margin: 0; } dd { text-align: right; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 4px 12px 4px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--grid);
  overflow-wrap: anywhere; }
th { font-weight: 400; } .wrong { color: #a84300; font-weight: 600; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 14px/1.5 ui-monospace, monospace; }
@media print { body { padding: 0; font-size: 12px; } h2 { break-after: avoid; } .modebar { display: none; } }
"""

# A chart is as wide as the page; on paper it is drawn anew, for paper is narrower.
SCRIPT = """
const charts = JSON.parse(document.getElementById("charts").textContent);
const config = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };
for (const [id, { data, layout }] of Object.entries(charts)) Plotly.newPlot(id, data, layout, config);
const fit = (width) => Object.keys(charts).forEach((id) => Plotly.relayout(id, width ? { width } : { autosize: true }));
addEventListener("beforeprint", () => fit(680));
addEventListener("afterprint", () => fit(0));
"""


def report(look: Look, store: RunStore) -> str:
    """The whole document; about 5 MB, nearly all of it plotly.js."""
    findings = look.findings
    drawn = dict(charts(look, store))
    body = "\n".join([_head(look), _findings(findings), _settings(look), *_figures(drawn, findings), _answers(look)])
    data = json.dumps({f"chart-{name}": json.loads(figure.to_json()) for name, (_, _, figure) in drawn.items()})
    plotly = get_plotlyjs()
    size = (len(body) + len(data) + len(plotly)) / 1e6
    foot = f"Made by LSTM Lab. This file has {number(size)} MB, {number(len(plotly) / 1e6)} of them plotly.js."
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(plotly, SCRIPT)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(_title(look))}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
<p class="quiet">{escape(foot)}</p>
<script>{plotly}</script>
<script type="application/json" id="charts">{data.replace("<", chr(92) + "u003c")}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _policy(*scripts: str) -> str:
    """Only the two scripts that were written into it run, and nothing is fetched from anywhere."""
    hashes = " ".join(script_hash(script) for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"


def _title(look: Look) -> str:
    return look.run.name or look.config.title


def _head(look: Look) -> str:
    run = look.run
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(run.created))
    lines = [look.config.title] if run.name else []
    steps = f"step {count(max(run.step, 0))} of {count(run.steps)}"
    lines.append(
        f"{run.status.capitalize()}, {steps}, {duration(run.train_seconds)} of training; begun {when}; run {run.id}."
    )
    lines += [f"From step {count(o.step)} on {o.field.replace('_', ' ')} {o.value}." for o in look.overrides]
    error = run.error or {}
    lines += [str(error[part]) for part in ("what", "why", "remedy") if error.get(part)]
    return f"<h1>{escape(_title(look))}</h1>" + "".join(f'<p class="quiet">{escape(line)}</p>' for line in lines)


def _findings(findings: list[Finding]) -> str:
    items = []
    for one in findings:
        next_ = f'<p class="quiet">To try next: {escape(one.experiment.title)}.</p>' if one.experiment else ""
        items.append(
            f'<li class="{one.tone}"><span class="quiet">{TONES[one.tone]}</span><strong>{escape(one.number)}</strong>'
            f'<span class="quiet">{escape(one.label)}</span><p>{escape(one.sentence)}</p>{next_}</li>'
        )
    said = f"<ol>{''.join(items)}</ol>" if items else "<p>No rule finds anything that stands out.</p>"
    return f"<h2>Findings</h2>{said}"


def _settings(look: Look) -> str:
    parts = []
    for group, title in GROUPS.items():
        set_ = [control for control in controls(look.config, group) if control.value is not None]
        shown = [(control.label, in_words(control)) for control in set_]
        if group == "task":
            shown.insert(0, ("Task", look.config.task.title))
        if group == "model":
            shown.append(("Parameters", count(parameter_count(look.config))))
        rows = "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in shown)
        parts.append(f"<div><h3>{title}</h3><dl>{rows}</dl></div>")
    return f'<h2>Settings</h2><div class="settings">{"".join(parts)}</div>'


def _figures(drawn: dict[str, Chart], findings: list[Finding]) -> Iterator[str]:
    yield "<h2>Charts</h2>"
    for name, (title, notice, _) in drawn.items():
        own = [one for one in findings if one.panel == name]
        said = " ".join(one.sentence for one in own) or notice
        large = (
            f'<span class="number"><small>{escape(own[0].label)}</small> {escape(own[0].number)}</span>' if own else ""
        )
        yield (
            f'<figure><h3>{large}{escape(title)}</h3><div id="chart-{name}" role="img" '
            f'aria-label="{escape(f"{title}: {said}")}"></div><figcaption>{escape(said)}</figcaption></figure>'
        )


def _answers(look: Look) -> str:
    """What the network answers on each shown sample, beside what is right; and the text that it writes."""
    about = look.run.about or {}
    rows = []
    for told, arrays in zip(about.get("samples") or [], look.samples, strict=False):
        answer, right = _answer(about, told, arrays)
        marks = [mark for mark in told.get("marks") or [] if mark]
        read = (
            (" " if any(len(mark) > 1 for mark in marks) else "").join(marks)
            if told.get("values") is None
            else told["title"]
        )
        mark = "" if right is None or right else ' class="wrong"'
        rows.append(
            f"<tr><td>{escape(read)}</td><td>{escape(_right(about, told))}</td><td{mark}>{escape(answer)}</td></tr>"
        )
    head = "<tr><th>input</th><th>right</th><th>answer</th></tr>"
    table = f"<h2>Answers on the shown samples</h2><table>{head}{''.join(rows)}</table>" if rows else ""
    return table + _written(about, look.arrays)


def _right(about: Any, told: Any) -> str:
    """The right answer in words; of an answer for each step all of them."""
    if about["answering"] != "steps":
        return str(told.get("target", ""))
    return _joined([right for right in told["targets"] if right])


def _joined(signs: list[str]) -> str:
    return ("" if all(len(sign) < 2 for sign in signs) else " ").join(signs)


def _answer(about: Any, told: Any, arrays: telemetry.Columns) -> tuple[str, bool | None]:
    """One answer in words, and whether it is right (None where it is a number)."""
    names = about.get("answers")
    if about["answering"] != "sequence":
        asked = [(right, names[int(arrays["answer"][k])]) for k, right in enumerate(told["targets"]) if right]
        good = sum(right == said for right, said in asked)
        said = _joined([said for _, said in asked])
        return f"{said} ({count(good)} of {count(len(asked))} right)", good == len(asked)
    scores: Array = np.asarray(arrays["prediction"], np.float64)
    if names is None:
        zero, one = about.get("scale") or (np.nan, np.nan)
        return f"{number(zero + float(scores[0]) * (one - zero))} {about.get('metric_unit', '')}".strip(), None
    shares = softmax(scores)
    best = int(shares.argmax())
    return f"{names[best]} ({percent(float(shares[best]))} sure)", names[best] == told.get("target")


def _written(about: Any, arrays: telemetry.Columns) -> str:
    told, drawn = about.get("generation"), arrays.get("generated")
    if not told or drawn is None:
        return ""
    parts = []
    for temperature, row in zip(told["temperatures"], drawn, strict=False):
        text = "".join(told["signs"][int(token)] for token in row)
        parts.append(
            f"<h3>Temperature {temperature:g}</h3><pre><strong>{escape(told['prompt'])}</strong>{escape(text)}</pre>"
        )
    return f"<h2>Text that it writes</h2>{''.join(parts)}"
