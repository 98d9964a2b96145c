"""A look at the data before anything is trained: some sequences with their answers, the parts, what chance reaches."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from app.setting import own_data
from app.setting.summary import three
from lstm_core.config import RunConfig
from lstm_core.files import FileProblem
from lstm_core.tasks.base import Endless, Examples, Forecast, Preview, Sample, TaskConfig

SAMPLES, AMONG = 3, 16  # how many sequences are shown, of how many: with different answers where there are such
MARKS = 60  # time steps of which the marks are written out
POINTS = 240  # of a line
COLUMNS = 8  # of a table
PICTURE = 4  # numbers in each time step from which on a sequence is shown as a picture


@dataclass(frozen=True)
class Look:
    """What a person sees of the data. `parts` are the sizes of the three parts in words, `chance` its levels."""

    samples: list[Sample]
    steps_answer: bool  # one answer at each step
    parts: dict[str, str]
    chance: dict[str, str]
    forecast: Forecast | None


@lru_cache(maxsize=16)
def look(task: TaskConfig, seed: int) -> Look:
    """Draw the first training batch and measure the parts; raises FileProblem where the task has no data."""
    data = own_data.data(task, seed)
    train = data.train
    if isinstance(train, Examples):
        size = f"{_count(len(train.examples))} sequences"
    else:
        size = (
            "new ones for each step"
            if isinstance(train, Endless)
            else f"{_count(len(train.tokens))} tokens in one text"
        )
    unit = f" {task.metric_unit}" if task.metric_unit else ""
    return Look(
        samples=_unlike(task.samples(train.batch(0, AMONG, seed))),
        steps_answer=task.spec.answers == "steps",
        parts={
            "Training": size,
            "Validation": f"{_count(len(data.validation))} sequences",
            "Test": f"{_count(len(data.test))} sequences",
        },
        chance={name: f"{three(level)}{unit if name == task.metric else ''}" for name, level in data.chance.items()},
        forecast=task.forecast(data),
    )


def _unlike(samples: list[Sample]) -> list[Sample]:
    """Some of the samples, those with an answer that none before has first."""
    answers = [sample.target for sample in samples]
    return sorted(samples, key=lambda sample: answers.index(sample.target) != samples.index(sample))[:SAMPLES]


def page(config: RunConfig) -> str:
    """The look as HTML in which whatever came from a file is text; why there is none where there is none."""
    parts = [f"<p>{escape(config.task.summary)}</p>"]
    try:
        parts += _file(config.task.preview())
        parts += _data(look(config.task, config.training.seed))
    except FileProblem as error:
        parts.append(f"<p>{escape(str(error))}</p>")
    return f'<div class="look">{"".join(parts)}</div>'


def _file(file: Preview | None) -> list[str]:
    """How the file of one's own begins, and how it was read."""
    if file is None:
        return []
    return [*([_table(file)] if file.columns else []), *(f"<p>{escape(note)}</p>" for note in file.notes)]


def _data(seen: Look) -> list[str]:
    """The series, some sequences, the sizes of the parts and what chance reaches."""
    parts = []
    if seen.forecast is not None:
        parts.append(_series(seen.forecast))
    parts += [_sample(sample, seen.steps_answer) for sample in seen.samples]
    parts.append(_listed(seen.parts))
    parts.append(_listed({f"Chance: {name}": level for name, level in seen.chance.items()}))
    return parts


def _sample(sample: Sample, steps_answer: bool) -> str:
    """The sequence, and under it or under each of its steps the right answer."""
    values = sample.values
    if values is not None and len(values[0]) >= PICTURE:
        shown = _picture(values)
    elif values is not None and len(values[0]) == 1:
        shown = _line([value for (value,) in values])
    else:
        shown = _marks(sample, steps_answer)
    answer = "" if steps_answer else f'<p class="look-answer">→ {escape(sample.target)}</p>'
    return f'<figure aria-label="{escape(sample.title)}">{shown}{answer}</figure>'


def _marks(sample: Sample, steps_answer: bool) -> str:
    """One mark for each time step, the deciding ones marked, with the answers below where each step has one."""
    length = len(sample.marks)
    while length and sample.marks[length - 1] == "":
        length -= 1  # padding
    shown = []
    for step, mark in enumerate(sample.marks[: min(length, MARKS)]):
        kind = ' class="key"' if step in (sample.keys or ()) else ""
        answer = f"<small>{escape(sample.targets[step]) or '·'}</small>" if steps_answer and sample.targets else ""
        shown.append(f"<span{kind}>{escape(mark) if mark.strip() else '␣'}{answer}</span>")
    if length > MARKS:
        shown.append(f"<span>… {_count(length)} in all</span>")
    return f'<div class="look-marks">{"".join(shown)}</div>'


def _line(values: Sequence[float], split: float | None = None) -> str:
    """A line without axes; `split` (0 … 1) marks where validation begins."""
    thin = values[:: max(1, -(-len(values) // POINTS))]
    low, high = min(thin), max(thin)
    height = (high - low) or 1.0
    across = 100 / max(len(thin) - 1, 1)
    points = " ".join(f"{k * across:.1f},{29 - 28 * (value - low) / height:.1f}" for k, value in enumerate(thin))
    look = 'stroke="#000" stroke-dasharray="3 3" vector-effect="non-scaling-stroke"'
    mark = "" if split is None else f'<line x1="{100 * split:.1f}" x2="{100 * split:.1f}" y1="0" y2="30" {look}/>'
    drawing = f'<polyline points="{points}" fill="none" stroke="#000" vector-effect="non-scaling-stroke"/>{mark}'
    return _inked("line", "0 0 100 30", drawing)


def _picture(values: Sequence[Sequence[float]]) -> str:
    """The numbers (T, I) as shades, time downwards."""
    flat = [value for row in values for value in row]
    low, height = min(flat), (max(flat) - min(flat)) or 1.0
    cells = "".join(
        f'<rect x="{x}" y="{y}" width="1" height="1" opacity="{(value - low) / height:.2f}"/>'
        for y, row in enumerate(values)
        for x, value in enumerate(row)
    )
    box = f"0 0 {len(values[0])} {len(values)}"
    return _inked("picture", box, f'<g shape-rendering="crispEdges">{cells}</g>')


def _inked(kind: str, box: str, drawing: str) -> str:
    """A drawing in the colour of the text around it: the page takes no SVG, but a mask may be one."""
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" preserveAspectRatio="none">{drawing}</svg>'
    data = b64encode(svg.encode()).decode()
    return f'<div class="look-{kind}" style="mask-image: url(data:image/svg+xml;base64,{data})"></div>'


def _series(forecast: Forecast) -> str:
    """The whole series as it was understood, with its first and last label."""
    ends = (forecast.labels[0], forecast.labels[-1]) if forecast.labels else ("", "")
    split = forecast.split / max(len(forecast.truth), 1)
    unit = f" ({escape(forecast.unit)})" if forecast.unit else ""
    low, high = (f"{end(forecast.truth):.5g}".replace("-", "−") for end in (min, max))
    return (
        f"<figure>{_line(forecast.truth, split)}"
        f'<p class="look-ends"><span>{escape(ends[0])}</span><span>{escape(ends[1])}</span></p>'
        f"<p>{_count(len(forecast.truth))} values from {low} to {high}{unit}; "
        "validation begins at the mark.</p></figure>"
    )


def _table(file: Preview) -> str:
    more = len(file.columns) > COLUMNS
    heads = [*file.columns[:COLUMNS], *(["…"] if more else [])]
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    rows = (
        "<tr>"
        + "".join(f"<td>{escape(cell[:40])}</td>" for cell in row[:COLUMNS])
        + ("<td>…</td>" if more else "")
        + "</tr>"
        for row in file.rows
    )
    return (
        '<div class="look-table" tabindex="0" role="region" aria-label="The first rows of the file">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _listed(pairs: dict[str, str]) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs.items())
    return f"<dl>{items}</dl>"


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
