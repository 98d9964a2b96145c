"""Own data: a column of a CSV file that somebody brings, forecast like the stock prices."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from lstm_core import files, tables
from lstm_core.settings import FILE_ID, setting
from lstm_core.tasks.base import Array, Forecast, Preview, TaskData
from lstm_core.tasks.series import TRAIN, SeriesConfig

MOST = 1_000_000  # values × window: what all windows together may hold
SHOWN = 1000  # forecasts that are drawn, half of them before validation begins
FLAT = 1e-9  # the least that the training part may vary, as a share of the largest value


class OwnCsv(SeriesConfig):
    """A column of numbers from a CSV file of one's own.

    The settings hold the file's id alone, so that they can be described, linked and stored where the file is not;
    `series` and `data` raise FileProblem, with what to do, where the file or the column cannot be used.
    """

    title: ClassVar[str] = "Own CSV"
    summary: ClassVar[str] = "Forecast the next value of a column of your own; the honest rival is to repeat the last."
    needs_file: ClassVar[bool] = True

    name: Literal["csv"] = "csv"
    file: str | None = setting(
        None, "CSV file", "The table that holds the series.", essential=True, file="csv", pattern=FILE_ID
    )
    column: str | None = setting(
        None,
        "Column",
        "The numbers that are forecast; empty is the first column that has changing numbers.",
        essential=True,
        min_length=1,
        max_length=200,
    )
    date_column: str | None = setting(
        None,
        "Date column",
        "Orders and labels the rows; empty is the first column that has dates.",
        essential=True,
        min_length=1,
        max_length=200,
    )
    missing: Literal["refuse", "drop", "fill"] = setting(
        "refuse",
        "Missing values",
        "What becomes of rows without a number.",
        essential=True,
        choices={"refuse": "Refuse the file", "drop": "Leave the rows out", "fill": "Repeat the value before"},
    )
    length: int = setting(10, "Window", "How many past values the forecast may look at.", unit="steps", ge=2, le=200)

    @property
    def headline(self) -> str:
        return f"Next value of {self.column or 'a column of your own'}"

    def offers(self, field: str) -> Mapping[Any, str] | None:
        """The columns of the file; how to treat missing values only where the table has any."""
        if field not in ("column", "date_column", "missing"):
            return None
        try:
            table = _table(self.file or "")
            usual = tables.first(table).name
        except files.FileProblem:
            return {}
        if field == "missing":
            return None if any(found.missing for found in table.columns if found.kind != "text") else {}
        dates = [found.name for found in table.columns if found.kind == "date" and not found.constant]
        numbers = [found.name for found in table.columns if found.kind == "number" and not found.constant]
        if field == "column":
            return {None: f"The first that changes: {usual}", **dict(zip(numbers, numbers, strict=True))}
        by_itself = f"The first with dates: {dates[0]}" if dates else "None: the rows as they stand"
        return {None: by_itself, **{name: name for name in (*dates, *numbers)}}

    def preview(self) -> Preview | None:
        """The first rows of the table, and how the table and, where it can be used, the column were read."""
        if self.file is None:
            return None
        table = _table(self.file)
        notes = list(table.notes)
        with suppress(files.FileProblem):
            notes += _series(self.file, self.column, self.date_column, self.missing).notes
        return Preview([found.name for found in table.columns], table.preview(), notes)

    def series(self) -> tuple[Array, list[str]]:
        if self.file is None:
            raise files.FileProblem("Choose a CSV file: the task “Own CSV” has no data of its own.")
        chosen = _series(self.file, self.column, self.date_column, self.missing)
        self._check(chosen.values)
        return chosen.values, chosen.labels

    def forecast(self, data: TaskData) -> Forecast:
        """As for every series; of a long one only what lies around the beginning of validation."""
        whole = super().forecast(data)
        first, last = max(0, whole.split - SHOWN // 2), whole.split + SHOWN // 2
        if len(whole.truth) <= SHOWN:
            return whole
        return replace(
            whole,
            inputs=whole.inputs[first:last],
            truth=whole.truth[first:last],
            persistence=whole.persistence[first:last],
            labels=whole.labels[first:last],
            split=whole.split - first,
        )

    def _check(self, values: Array) -> None:
        """Raise FileProblem where no windows can be cut or the training part shows no change."""
        seen = int(len(values) * TRAIN)
        if seen <= self.length or len(values) < 5:
            least = max(5, next(n for n in range(self.length, 2 * self.length + 5) if int(n * TRAIN) > self.length))
            raise files.FileProblem(
                f"The column has {len(values)} values, and a window of {self.length} needs at least {least}: "
                "choose a shorter window or a longer file."
            )
        if len(values) * self.length > MOST:
            raise files.FileProblem(
                f"The column has {len(values)} values, and with a window of {self.length} at most "
                f"{MOST // self.length} can be used: choose a shorter window, or keep the newest rows."
            )
        if not np.ptp(values[:seen]) > FLAT * np.abs(values).max():
            raise files.FileProblem(
                f"The first {TRAIN:.0%} of the column hardly change, and they are the part that is learned from: "
                "choose another column, or leave out the rows before it begins to change."
            )

    def _in_words(self, scaled: float) -> str:
        return f"{self.in_unit(np.asarray(scaled)):.5g}"


@lru_cache(maxsize=16)
def _series(file: str, column: str | None, dates: str | None, missing: tables.Missing) -> tables.Chosen:
    chosen = tables.column(_table(file), column, missing, dates)
    chosen.values.setflags(write=False)
    return chosen


@lru_cache(maxsize=2)
def _table(file: str) -> tables.Table:
    return tables.read(files.read(file), "The file")
