"""Do the ready-made settings solve their tasks? Every one is trained as a person would, and tested once at its end.

Several are trained side by side, so the seconds are those of one processor core, not of the clock.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from tabulate import tabulate

from lstm_core.config import RunConfig
from lstm_core.tasks import TASKS
from lstm_core.tasks.base import Goal
from lstm_core.tasks.series import SeriesConfig
from lstm_core.training import Step, train
from tests.bench.report import Row

SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Job:
    """One example of a task; the goal is the task's own, and the first example is the one that has to reach it."""

    config: RunConfig
    example: str
    goal: Goal | None

    @property
    def metric(self) -> str:
        return self.goal.metric if self.goal else self.config.task.metric

    @property
    def aim(self) -> str:
        return f"{'≥' if self.goal.at_least else '≤'} {self.goal.value}" if self.goal else ""


@dataclass(frozen=True)
class Outcome:
    """What the test said, and the seconds of processor time that the training took."""

    measured: dict[str, float]
    seconds: float


def measure(short: bool = True) -> list[Row]:
    """The first example of every task with one seed; in full every example with three."""
    jobs, seeds = list(_jobs(first_only=short)), SEEDS[:1] if short else SEEDS
    pairs = [(job, seed) for job in jobs for seed in seeds]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as processes:
        done = list(processes.map(_run, *zip(*[(job.config, seed) for job, seed in pairs])))
    outcomes = [done[start : start + len(seeds)] for start in range(0, len(done), len(seeds))]
    headers = ["task", "example", "metric", "goal", "reached", "chance", "seconds", "seeds"]
    print(tabulate([_line(job, results) for job, results in zip(jobs, outcomes)], headers=headers))
    return [row for job, results in zip(jobs, outcomes) for row in _rows(job, results)]


def _jobs(first_only: bool) -> Iterator[Job]:
    """Tasks whose data somebody must bring have no examples, and so no job."""
    for task in TASKS.values():
        for place, (example, settings) in enumerate(task.examples.items()):
            if place == 0 or not first_only:
                yield Job(RunConfig.model_validate(settings), example, task.goal if place == 0 else None)


def _run(config: RunConfig, seed: int) -> Outcome:
    began, scalars = time.process_time(), {}
    for event in train(config.replace(**{"training.seed": seed})):
        if isinstance(event, Step):
            scalars = dict(event.scalars)
    measured = {name.removesuffix("/test"): value for name, value in scalars.items() if name.endswith("/test")}
    return Outcome(measured, time.process_time() - began)


def _line(job: Job, outcomes: Sequence[Outcome]) -> list[Any]:
    values = [outcome.measured[job.metric] for outcome in outcomes]
    reached = sum(job.goal.reached(value) for value in values) if job.goal else None
    known = _chance(job)
    return [
        job.config.task.name,
        job.example,
        f"{job.metric} {', '.join(f'{value:.3g}' for value in values)}",
        job.aim,
        "" if reached is None else f"{reached} of {len(values)}",
        "" if known is None else f"{known:.3g}",
        f"{statistics.median(outcome.seconds for outcome in outcomes):.0f}",
        len(outcomes),
    ]


def _chance(job: Job) -> float | None:
    """What no learning reaches; of a series, what persistence reaches in the test, where the results are from too."""
    task = job.config.task
    data = task.data(1)
    if isinstance(task, SeriesConfig):
        return task.evaluate(data.test.inputs[:, -1], data.test)[job.metric]
    return data.chance.get(job.metric, data.chance["loss"] if job.metric == "mse" else None)


def _rows(job: Job, outcomes: Sequence[Outcome]) -> list[Row]:
    name, asked = f"{job.config.task.name}, {job.example}", {job.metric: job.aim}
    if "attention_on_keys" in outcomes[0].measured:
        asked["attention_on_keys"] = ""
    rows = [
        Row("", f"{name}: {metric}", [o.measured[metric] for o in outcomes], "", aim) for metric, aim in asked.items()
    ]
    return [*rows, Row("", f"{name}: processor time", [o.seconds for o in outcomes], "s", "≤ 120")]
