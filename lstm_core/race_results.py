"""What came of a race: when each run had solved its task, and what the seeds of a value have in common. Pure NumPy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SOLVED = 0.99
WINDOW = 50
SHARES = ("accuracy", "exact")  # metrics that are shares of right answers, of which the rule can ask 99 %
POINTS = 80  # stretches of the training that a curve is drawn with
_EXACT = 1e-6  # shares are kept in 32 bits, in which 0.99 is not quite 0.99


def solved_at(shares: Array) -> int | None:
    """The place at which a run has solved its task: the last of the first 50 steps in a row with 99 % right answers.

    `shares` (n,) are the shares of right answers of steps in a row; NaN counts as wrong. None where it never was.
    """
    if len(shares) < WINDOW:
        return None
    sums = np.cumsum(np.concatenate([[0.0], np.nan_to_num(np.asarray(shares, np.float64), nan=0.0)]))
    right = sums[WINDOW:] - sums[:-WINDOW] >= WINDOW * (SOLVED - _EXACT)
    return int(right.argmax()) + WINDOW - 1 if right.any() else None


class Tally:
    """What a race keeps of one run while its steps come in, however many they are.

    Of each of `curves` the mean over every stretch of `width` steps, of the column `share` when it was solved, and the
    last value of every column.
    """

    def __init__(self, width: int, curves: Sequence[str], share: str | None) -> None:
        self.width, self.share = width, share
        self.step = -1
        self.solved: int | None = None
        self.last: dict[str, float] = {}
        self._sums = {name: np.zeros((2, POINTS)) for name in curves}  # of the values, and how many they are
        self._recent = np.empty((2, 0))  # the last steps, and their shares

    def add(self, columns: Mapping[str, Array]) -> None:
        """Take in a table of scalars; steps that are known already are skipped."""
        fresh = columns["step"] > self.step
        if not fresh.any():
            return
        table = {name: np.asarray(column[fresh], np.float64) for name, column in columns.items()}
        steps = table.pop("step")
        self.step = int(steps[-1])
        for name, values in table.items():
            there = np.isfinite(values)
            if there.any():
                self.last[name] = float(values[there][-1])
            if name in self._sums:
                places = np.minimum(steps[there].astype(int) // self.width, POINTS - 1)
                self._sums[name][0] += np.bincount(places, values[there], POINTS)
                self._sums[name][1] += np.bincount(places, minlength=POINTS)
        if self.share in table and self.solved is None:
            self._watch(np.stack([steps, table[self.share]]))

    def _watch(self, rows: Array) -> None:
        rows = np.concatenate([self._recent, rows], axis=1)
        place = solved_at(rows[1])
        self.solved = None if place is None else int(rows[0, place])
        self._recent = rows[:, 1 - WINDOW :]

    def curve(self, name: str) -> Array:
        """The means (POINTS,), NaN where no step has been."""
        sums, counts = self._sums[name]
        return np.asarray(np.divide(sums, counts, out=np.full(POINTS, np.nan), where=counts > 0))


def stretch(steps: int) -> int:
    """How many steps each point of a curve stands for, in a run of so many."""
    return -(-(steps + 1) // POINTS)


def places(width: int, steps: int) -> Array:
    """The step in the middle of each stretch (POINTS,)."""
    first = np.arange(POINTS) * width
    return np.asarray((first + np.minimum(first + width - 1, np.maximum(steps, first))) / 2)


def band(curves: Array) -> Array:
    """Median, least and greatest (3, P) of several curves (n, P); NaN where none of them is."""
    there = np.isfinite(curves).any(axis=0)
    found = np.full((3, curves.shape[1]), np.nan)
    if there.any():
        some = curves[:, there]
        found[:, there] = [np.nanmedian(some, axis=0), np.nanmin(some, axis=0), np.nanmax(some, axis=0)]
    return found


class Spread(NamedTuple):
    """The middle, the least and the greatest of some numbers."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float | None]) -> Spread | None:
    """The spread of the numbers that there are; None where there is none."""
    known = [value for value in values if value is not None and np.isfinite(value)]
    return Spread(float(np.median(known)), min(known), max(known)) if known else None


@dataclass(frozen=True)
class RunResult:
    """What came of one run so far. `value` is the number of its value in the plan.

    `solved` is the step, `seconds` the training time until then; `final` the last measured validation metric, `test`
    that of the test. `before` and `after` are the gradient at the first time step ÷ at the last, at step 0 and at the
    newest snapshot.
    """

    run: str
    value: int
    seed: int
    status: str
    step: int
    steps: int
    solved: int | None = None
    seconds: float | None = None
    final: float | None = None
    test: float | None = None
    before: float | None = None
    after: float | None = None
    error: str = ""

    @property
    def over(self) -> bool:
        return self.status in ("finished", "stopped", "failed")


@dataclass(frozen=True)
class ValueResult:
    """What the runs of one value have in common; `open` of them are not over and not solved."""

    value: int
    runs: int
    open: int
    solved: int
    failed: int
    steps: Spread | None
    seconds: Spread | None
    final: Spread | None
    test: Spread | None
    before: Spread | None
    after: Spread | None


def by_value(runs: Sequence[RunResult], values: int) -> list[ValueResult]:
    """One result for each of the plan's `values`, those without a run included."""
    return [_together(value, [run for run in runs if run.value == value]) for value in range(values)]


def _together(value: int, runs: Sequence[RunResult]) -> ValueResult:
    return ValueResult(
        value=value,
        runs=len(runs),
        open=sum(not run.over and run.solved is None for run in runs),
        solved=sum(run.solved is not None for run in runs),
        failed=sum(run.status == "failed" for run in runs),
        steps=spread(run.solved for run in runs),
        seconds=spread(run.seconds for run in runs),
        final=spread(run.final for run in runs),
        test=spread(run.test for run in runs),
        before=spread(run.before for run in runs),
        after=spread(run.after for run in runs),
    )


def gradient_ratio(gradient: Array) -> float | None:
    """The gradient at the first time step ÷ at the last, of norms (T,); None where none arrives at the last."""
    return float(gradient[0] / gradient[-1]) if len(gradient) and gradient[-1] > 0 else None
