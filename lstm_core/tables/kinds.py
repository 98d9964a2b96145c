"""Columns of a table as text, as numbers and as dates: what a cell may look like, and which kind a column is of.

All functions take and give pandas columns; a cell that is not of the kind asked for becomes missing.
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import product
from typing import Any, Literal

Kind = Literal["number", "date", "text"]

MISSING = ["", "na", "n/a", "#n/a", "nan", "null", "none", "-", "--", "–", "—", ".", "?", "#value!", "#div/0!"]
ENOUGH = 0.9  # the share of a column's cells that decides its kind
SPACES = [" ", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}", "'", "’"]  # between groups of three digits
SAMPLE = 1000  # cells by which a way of writing is found

_PLAIN = r"[+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?"
_LIKE_A_NUMBER = r"[+−-]?[$€£¥]?\s*[+−-]?[0-9.,'’\s  ]+(?:[eE][+-]?[0-9]+)?\s*[$€£¥%]?"
_LIKE_A_DATE = r"[0-9][^0-9]*[0-9][^0-9]*[0-9][^0-9]*[0-9]"
_GROUPED = {sign: rf"[+-]?[1-9][0-9]{{0,2}}(?:[{sign}][0-9]{{3}})+" for sign in ".,"}
_FRACTION = {sign: rf"[+-]?[0-9]+[{sign}][0-9]+" for sign in ".,"}
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_AROUND = r"^[$€£¥]\s*|\s*[$€£¥%]$"  # what may stand at a number as its unit

DAYS = ["%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%Y", "%m-%d-%Y"]
DAYS += ["%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y"]
DAYS += ["%b %Y", "%B %Y", "%m/%Y", "%Y/%m"]
TIMES = ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"]
FORMATS = ["ISO8601", *(day + time for day, time in product(DAYS, TIMES))]


def sample(cells: Any, count: int = SAMPLE) -> Any:
    """At most about `count` cells, from all over the column."""
    return cells.iloc[:: max(1, len(cells) // count)]


def is_missing(cells: Any) -> Any:
    """Which cells say that there is no value: empty ones, «n/a», «–» and the like."""
    return cells.str.lower().isin(MISSING)


def are_formulas(cells: Any) -> Any:
    """Which cells a spreadsheet would work out; here they are text."""
    return cells.str.startswith("=")


def decimal_sign(cells: Any) -> Literal[".", ","] | None:
    """The sign before the decimals in most numbers; None where «1,234» is all there is to go by, or less."""
    cells = cells.str.replace(f"[{''.join(SPACES)}]", "", regex=True)
    votes = {}
    for sign, other in (".,", ",."):
        certain = cells.str.fullmatch(_FRACTION[sign]) & ~cells.str.fullmatch(_GROUPED[sign])
        both = cells.str.fullmatch(rf"{_GROUPED[other]}[{sign}][0-9]+")
        votes[sign] = int((certain | both).sum())
    if votes["."] == votes[","]:
        return None
    return "." if votes["."] > votes[","] else ","


def grouped(cells: Any, sign: str) -> str | None:
    """A number such as «1,234», with groups of three behind `sign`, if there is one."""
    found = cells[cells.str.fullmatch(_GROUPED[sign])]
    return str(found.iloc[0]) if len(found) else None


def numbers(cells: Any, decimal: str) -> Any:
    """The cells as float64 with NaN for what is no finite number; `decimal` is the sign before the decimals."""
    import pandas as pd

    plain = cells.str.fullmatch(_PLAIN if decimal == "." else "[+-]?[0-9]+")
    values = pd.to_numeric(cells.where(plain), errors="coerce").astype("float64")
    rest = cells[~plain & cells.str.fullmatch(_LIKE_A_NUMBER)]
    if len(rest):
        rest = _plain(rest, decimal)
        values[rest.index] = pd.to_numeric(rest.where(rest.str.fullmatch(_PLAIN)), errors="coerce").astype("float64")
    return values.where(values.abs() != float("inf"))


def _plain(cells: Any, decimal: str) -> Any:
    """Numbers without their unit, their groups of three and their own kind of minus and decimal sign."""
    thousands = "." if decimal == "," else ","
    cells = cells.str.replace("−", "-", regex=False).str.replace(_AROUND, "", regex=True)
    for space in SPACES:
        in_groups = cells.str.fullmatch(rf"[+-]?[0-9]{{1,3}}(?:{space}[0-9]{{3}})+(?:[{decimal}][0-9]*)?")
        cells = cells.mask(in_groups, cells.str.replace(space, "", regex=False))
    in_groups = cells.str.fullmatch(rf"{_GROUPED[thousands]}(?:[{decimal}][0-9]*)?")
    cells = cells.mask(in_groups, cells.str.replace(thousands, "", regex=False))
    if decimal == ",":
        cells = cells.where(~cells.str.contains(".", regex=False), "").str.replace(",", ".", regex=False)
    return cells


def dates(cells: Any) -> Any:
    """The cells as points in time (UTC, without a zone), NaT for what is none; None where most are no dates.

    Where day and month could each stand first, the reading that runs in order is taken, else the day first.
    """
    import pandas as pd

    there = cells[~is_missing(cells)]
    some = sample(there, 50)
    if not len(some) or not some.str.contains(_LIKE_A_DATE).mean() >= ENOUGH:
        return None

    def parsed(part: Any, form: str) -> Any:
        return pd.to_datetime(part, format=form, errors="coerce", utc=True)

    first = some.iloc[:3].tolist()
    likely = [form for form in FORMATS if form == "ISO8601" or any(_fits(cell, form) for cell in first)]
    fitting = [form for form in likely if parsed(some, form).notna().mean() >= ENOUGH]
    readings = [parsed(cells, form) for form in fitting[:1] if form == "ISO8601"] or [
        parsed(cells, form) for form in fitting
    ]
    readings = [reading for reading in readings if reading[there.index].notna().mean() >= ENOUGH]
    if not readings:
        return None
    in_order = (
        reading
        for reading in readings
        if (known := reading.dropna()).is_monotonic_increasing or known.is_monotonic_decreasing
    )
    return next(in_order, readings[0]).dt.tz_localize(None)


def _fits(cell: str, form: str) -> bool:
    """Whether a cell is a date of this form; much quicker than to ask pandas, which then decides."""
    try:
        datetime.strptime(cell, form)
    except ValueError:
        return False
    return True


def kind_of(cells: Any, decimal: str) -> Kind:
    """What most cells that hold something are."""
    there = sample(cells[~is_missing(cells)])
    if not len(there):
        return "text"
    if numbers(there, decimal).notna().mean() >= ENOUGH:
        return "number"
    return "text" if dates(there) is None else "date"
