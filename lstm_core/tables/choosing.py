"""One column of a table as a series of numbers in the order of time."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_core.files import FileProblem
from lstm_core.tables import kinds
from lstm_core.tables.reading import Column, Table

Missing = Literal["refuse", "drop", "fill"]
_PLURAL = {"date": "dates", "text": "words", "number": "numbers"}
LARGEST = 1e30  # beyond it, squares no longer fit into 32 bits


class Chosen(NamedTuple):
    """values (N,) float64, a label for each (its date, else its row's number), and what was done, a sentence each."""

    values: NDArray[np.float64]
    labels: list[str]
    notes: tuple[str, ...]


def column(table: Table, name: str | None = None, missing: Missing = "refuse", dates: str | None = None) -> Chosen:
    """The numbers of one column in the order of time; raises FileProblem.

    Without a name: the first column of numbers that neither is constant nor counts. `dates` names the column by which
    the rows are ordered and labelled; without one, the first column of dates, else the rows stay as they are.
    `missing` says what becomes of rows without a number: refused, left out, or filled with the number before.
    """
    chosen = _of_numbers(table, name) if name else first(table)
    by = _named(table, dates) if dates else _first_of_dates(table)
    times, notes = _times(table, by)
    rows = times.dropna().index
    if by is not None and len(rows) < table.rows and missing == "refuse":
        raise FileProblem(_no_value(table, by, "date", times))
    in_order, more = _ordered(times[rows])
    numbers = kinds.numbers(table.cells[chosen.name], table.decimal)
    if missing == "refuse" and chosen.missing:
        raise FileProblem(_no_value(table, chosen, "number", numbers))
    values = numbers[in_order.index]
    values = (values.ffill() if missing == "fill" else values).dropna()
    left_out, filled = table.rows - len(values), int(numbers[values.index].isna().sum())
    if left_out:
        more.append(f"{left_out} rows were left out, for they lack a number or a date.")
    if filled:
        more.append(f"{filled} missing numbers were filled with the number before.")
    if values.abs().max() > LARGEST:
        raise FileProblem(
            f"Column “{chosen.name}” holds {values.abs().max():g}; "
            f"numbers may be as large as {LARGEST:g}. Write them in a larger unit."
        )
    if values.nunique() < 2:
        raise FileProblem(
            f"Column “{chosen.name}” always has the same value, so there is nothing to forecast; "
            f"choose {_others(table, chosen.name)}."
        )
    return Chosen(values.to_numpy(), _labels(in_order[values.index]), (*notes, *more))


def _of_numbers(table: Table, name: str) -> Column:
    """The named column; raises FileProblem for one that is not there or is no column of numbers."""
    found = _named(table, name)
    if found.kind == "number":
        return found
    cells = table.cells[name]
    cells = cells[~kinds.is_missing(cells)]
    formulas = cells[kinds.are_formulas(cells)]
    if len(formulas):
        raise FileProblem(
            f"Column “{name}” holds formulas such as {formulas.iloc[0][:40]}, which are never worked "
            "out here; save the table with the values in place of the formulas."
        )
    what = f"holds {_PLURAL[found.kind]} such as “{cells.iloc[0][:40]}”, not numbers" if len(cells) else "is empty"
    raise FileProblem(f"Column “{name}” {what}; choose {_others(table, name)}.")


def _named(table: Table, name: str) -> Column:
    for found in table.columns:
        if found.name == name:
            return found
    known = ", ".join(f"“{other.name[:40]}”" for other in table.columns[:20])
    raise FileProblem(f"{table.name} has no column “{name[:80]}”; its columns are {known}.")


def first(table: Table) -> Column:
    """The column that is taken where none is named; raises FileProblem where there are no numbers."""
    columns = [found for found in table.columns if found.kind == "number"]
    varied = [found for found in columns if not found.constant]
    telling = [found for found in varied if not _counts(kinds.numbers(table.cells[found.name], table.decimal))]
    for group in (telling, varied, columns):
        if group:
            return group[0]
    formulas = [found for found in table.columns if kinds.are_formulas(table.cells[found.name]).any()]
    return _of_numbers(table, (formulas or table.columns)[0].name)


def _counts(numbers: Any) -> bool:
    """Whether the numbers only count the rows."""
    return bool((numbers.diff().iloc[1:] == 1).all())


def _others(table: Table, name: str) -> str:
    others = [other for other in table.columns if other.kind == "number" and not other.constant and other.name != name]
    shown = ", ".join(f"“{other.name[:40]}”" for other in others[:20])
    return f"one of {shown}" if others else "a file with a column of numbers that change"


def _first_of_dates(table: Table) -> Column | None:
    return next((found for found in table.columns if found.kind == "date" and not found.constant), None)


def _times(table: Table, found: Column | None) -> tuple[Any, list[str]]:
    """What the rows are ordered by, one entry per row: a column, else their number; and how it was read."""
    import pandas as pd

    if found is None:
        return pd.Series(range(1, table.rows + 1)), []
    cells = table.cells[found.name]
    if found.kind == "text":
        there = cells[~kinds.is_missing(cells)]
        what = f"holds words such as “{there.iloc[0][:40]}”" if len(there) else "is empty"
        raise FileProblem(f"Column “{found.name}” {what}; choose a column of dates such as 2024-01-31 or 31.1.2024.")
    times = kinds.dates(cells) if found.kind == "date" else kinds.numbers(cells, table.decimal)
    notes = [f"The rows are in the order of the column “{found.name}”."]
    if found.kind == "date":
        first = times.notna().to_numpy().argmax()
        written, understood = str(cells.iloc[first]), _labels(times.iloc[first : first + 1])[0]
        if written != understood:
            notes.append(f"The date {written} was read as {understood}.")
    return times, notes


def _ordered(times: Any) -> tuple[Any, list[str]]:
    """The times in their order, and what had to be done for it."""
    notes = []
    if not times.is_monotonic_increasing:
        if times.is_monotonic_decreasing:
            notes.append("The rows run backwards in time and were turned round.")
            times = times[::-1]
        else:
            notes.append("The rows were not in the order of time and were sorted.")
        times = times.sort_values(kind="stable")
    doubled = int(times.duplicated().sum())
    if doubled:
        notes.append(f"{doubled} dates occur more than once; does the file hold several series, one below the other?")
    return times, notes


def _no_value(table: Table, found: Column, what: str, values: Any) -> str:
    """Where a value is missing, and what can be done."""
    where = int(values.isna().to_numpy().argmax())
    cell = str(table.cells[found.name].iloc[where])
    said = f"“{cell[:40]}”" if cell else "an empty cell"
    return (
        f"Column “{found.name}” has no {what} in {int(values.isna().sum())} of {table.rows} rows, "
        f"first in row {where + 1} below the header ({said}). Leave such rows out, or fill them with the value before."
    )


def _labels(times: Any) -> list[str]:
    """Dates as 2024-01-31, with the hour where it matters; numbers as they are."""
    if times.dtype.kind != "M":
        return [f"{value:g}" if value < 1e6 else f"{value:.0f}" for value in times]
    form = "%Y-%m-%d" if (times == times.dt.normalize()).all() else "%Y-%m-%d %H:%M"
    return [str(label) for label in times.dt.strftime(form)]
