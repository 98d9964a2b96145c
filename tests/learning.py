"""Lessons measured without page, store or worker: their runs trained here, read as the page reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from app.lessons.measured import Course
from app.lessons.texts import Lesson, LessonRun
from lstm_core.config import RunConfig
from lstm_core.runs import telemetry
from lstm_core.training import NonFinite, Snapshot, Step, train


def measured(lesson: Lesson, runs: Iterable[LessonRun], seed: int | None = None) -> dict[str, Course]:
    """The courses of some runs of a lesson by name; `seed` takes the place of the lesson's own."""
    change: dict[str, Any] = {} if seed is None else {"training.seed": seed}
    settings = {run.name: run.settings.replace(**change) for run in runs}
    return {name: course(config) if lesson.trained else Course(config) for name, config in settings.items()}


def course(config: RunConfig) -> Course:
    """Train to the end, and keep what a run in the store would have: every scalar, the first and the last snapshot."""
    rows, snapshots, broke = [], [], None
    try:
        for item in train(config, snapshot_seconds=1e9):
            if isinstance(item, Step):
                rows.append((item.step, item.scalars))
            else:
                snapshots.append(item)
    except NonFinite as error:
        broke = error.step
    return Course(config, telemetry.table(rows), _arrays(snapshots[0]), _arrays(snapshots[-1]), broke)


def _arrays(snapshot: Snapshot) -> dict[str, Any]:
    return {**snapshot.arrays, **snapshot.samples[0]}
