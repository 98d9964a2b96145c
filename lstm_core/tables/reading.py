"""Reading a table that a user brings as CSV, whatever its encoding, separator and way of writing numbers and dates.

Cells are read as text and nothing in them is ever worked out. pandas does the parsing; whatever cannot be used is
refused with one kind of exception, `FileProblem`, in words.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lstm_core.files import FileProblem
from lstm_core.tables import kinds
from lstm_core.tables.kinds import Kind
from lstm_core.texts import decode, signature

COLUMNS, CELLS = 200, 2_000_000  # the most that a table may have
SAMPLE = 100  # rows by which the separator is found
SEPARATORS = {"\t": "tab", ";": ";", "|": "|", ",": ",", " ": "space"}  # the likelier one first


@dataclass(frozen=True)
class Column:
    """One column as a person chooses it; `missing` counts the cells without a value of its kind."""

    name: str
    kind: Kind
    missing: int
    constant: bool


@dataclass(frozen=True)
class Table:
    """A table of text cells (a pandas frame), what its columns hold, and how it was read, a sentence each."""

    name: str
    cells: Any
    columns: tuple[Column, ...]
    decimal: str
    notes: tuple[str, ...]

    @property
    def rows(self) -> int:
        return len(self.cells)

    def preview(self, rows: int = 5) -> list[list[str]]:
        """The first rows, cell by cell, as they are written in the file."""
        return [[str(cell) for cell in row] for row in self.cells.head(rows).itertuples(index=False)]


def read(data: bytes, name: str) -> Table:
    """The table in a CSV file; raises FileProblem for what is none, saying what it is and what to do."""
    if (what := signature(data)) is not None:
        raise FileProblem(f"{name} is {_spreadsheet(data) or what}; save the table as CSV and choose that file.")
    text, notes = decode(data, name)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    separator, text = _separator(text, name)
    cells, skipped = _cells(text, separator, name)
    some = kinds.sample(cells.iloc[1:]).melt()["value"]
    known = kinds.decimal_sign(some)
    # A table that does not separate by commas, but has some in its numbers, means decimals.
    decimal = known or ("," if separator == ";" and kinds.grouped(some, ",") else ".")
    guesses = [] if known else _guesses(some, decimal)
    cells, more = _with_names(cells, decimal, name)
    described = tuple(_describe(str(name), cells[name], decimal) for name in cells.columns)
    return Table(name, cells, described, decimal, (*notes, *skipped, *guesses, *more))


def _spreadsheet(data: bytes) -> str | None:
    return "an Excel workbook" if data.startswith(b"PK") and b"xl/" in data else None


def _separator(text: str, name: str) -> tuple[str, str]:
    """The sign between the cells, and the text without the line in which Excel may name it."""
    first, _, rest = text.partition("\n")
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4], rest
    usual: dict[str, float] = {}
    for sign in SEPARATORS:
        widths = [len(row) for _, row in islice(_rows(text, sign, name), SAMPLE)]
        width, times = Counter(widths).most_common(1)[0] if widths else (1, 0)
        if width > 1:
            usual[sign] = times / len(widths)
    if usual.get(",") and _is_one_column(text):
        return ";", text
    full = [sign for sign, share in usual.items() if share == 1]
    return (full or sorted((sign for sign in usual if sign != " "), key=lambda s: -usual[s]) or [","])[0], text


def _is_one_column(text: str) -> bool:
    """Whether the commas stand only in numbers, below a header that has none."""
    header, *lines = [line for line in text.split("\n", SAMPLE)[:SAMPLE] if line.strip()]
    return bool(lines) and "," not in header and all(kinds.DECIMAL_COMMA.fullmatch(line.strip()) for line in lines)


def _rows(text: str, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that hold anything, each with the number of its last line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise FileProblem(
            f"{name} cannot be read as CSV at line {reader.line_num}: {error}. Is a quotation mark left open, or is "
            "everything in one line?"
        ) from error


def _cells(text: str, separator: str, name: str) -> tuple[Any, tuple[str, ...]]:
    """Every cell as text, the header included, and what is worth saying about the rows."""
    import pandas as pd

    sample = list(islice(_rows(text, separator, name), SAMPLE))
    if not sample:
        raise FileProblem(f"{name} holds nothing but empty lines. Choose another file.")
    usual = Counter(len(row) for _, row in sample).most_common(1)[0][0]
    # Lines above the table, such as its title, have one cell only.
    titles = next((n for n, (_, row) in enumerate(sample) if not _is_title(row, usual)), 0)
    width = max(usual, len(sample[titles][1]))
    if width > COLUMNS:
        raise FileProblem(f"{name} has {width} columns; a table may have {COLUMNS}. Leave out those not needed.")
    short, count = 0, 0
    for number, (line, row) in enumerate(_rows(text, separator, name)):
        if number >= titles and len(row) > width:
            raise FileProblem(
                f"{name} has {len(row)} cells in line {line} where {width} are usual; is a cell with “{separator}” in "
                "it to be put in quotation marks?"
            )
        short += number > titles and len(row) < width
        count += width
        if count > CELLS:
            raise FileProblem(
                f"{name} has more than {CELLS:,} cells, the most that can be read; leave out columns or rows."
            )
    if titles:
        text = "\n".join(text.split("\n")[sample[titles - 1][0] :])
    try:
        cells = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            header=None,
            names=range(width),
            index_col=False,
            dtype=str,
            keep_default_na=False,
        )
    except (ValueError, OverflowError) as error:  # pandas' own errors are kinds of ValueError
        why = "a quotation mark is left open" if "inside string" in str(error) else str(error).strip().rstrip(".")
        raise FileProblem(f"{name} cannot be read as CSV: {why}.") from error
    cells = cells.fillna("").apply(lambda column: column.str.strip())
    if width > 1:
        cells = cells[(cells != "").any(axis=1)].reset_index(drop=True)
    if not len(cells):
        raise FileProblem(f"{name} holds nothing but empty cells. Choose another file.")
    notes = []
    if titles:
        notes.append(f"What stands above the table was skipped ({titles} line{'s' * (titles > 1)}).")
    if short:
        notes.append(f"{short} rows are shorter than the others; the cells that they lack count as missing.")
    return cells, tuple(notes)


def _is_title(row: list[str], usual: int) -> bool:
    return sum(bool(cell.strip()) for cell in row) < 2 and (len(row) < usual or usual > 2)


def _guesses(cells: Any, decimal: str) -> list[str]:
    """What to say where numbers could be read in two ways."""
    notes = []
    for mark in ".,":
        example = kinds.grouped(cells, mark)
        if example is not None:
            value = example.replace(mark, ".") if mark == decimal else example.replace(mark, "")
            notes.append(f"Numbers such as {example} can be meant in two ways; they were read as {value}.")
    return notes


def _with_names(cells: Any, decimal: str, name: str) -> tuple[Any, list[str]]:
    """The table below its header, or all of it where the first row is data; every column with a name of its own."""
    first, rest = cells.iloc[0], cells.iloc[1:].reset_index(drop=True)
    if _is_header(cells, decimal):
        if not len(rest):
            raise FileProblem(f"{name} has a header and no rows below it. Choose a file with values.")
        given, cells, notes = [str(cell) for cell in first], rest, []
        if given[-1] == "" and (rest[rest.columns[-1]] != "").any() and all(given[:-1]):
            given = ["", *given[:-1]]  # R names the rows but not their column
    else:
        given, notes = [""] * len(first), ["There is no header: the columns are called by their number."]
    filled = [(cells[column] != "").any() for column in cells.columns]
    kept = [n for n, (column_name, some) in enumerate(zip(given, filled, strict=True)) if column_name or some]
    cells = cells[[cells.columns[n] for n in kept]].copy()
    names = _unique([given[n] or f"column {n + 1}" for n in kept])
    doubled = sorted({given[n] for n, unique in zip(kept, names, strict=True) if given[n] and given[n] != unique})
    if doubled:
        notes.append(f"More than one column is called {', '.join(doubled)}; the later ones got a number.")
    cells.columns = names
    return cells, notes


def _is_header(cells: Any, decimal: str) -> bool:
    """Whether the first row names the columns: none of it is data, or it is text above numbers or dates."""
    rest = cells.iloc[1:]
    first = cells.iloc[0].reset_index(drop=True)
    numbers = kinds.numbers(first, decimal).notna()
    above = ["number" if n else kinds.kind_of(first[[at]], decimal) for at, n in numbers.items()]
    if set(above) == {"text"}:
        return True
    below = [kinds.kind_of(rest[column], decimal) for column in cells.columns]
    there = [bool(cell) for cell in cells.iloc[0]]
    return any(a == "text" != b and some for a, b, some in zip(above, below, there, strict=True))


def _unique(names: list[str]) -> list[str]:
    """The names with « (2)» and so on behind those that came before."""
    taken = set(names)
    found: list[str] = []
    for name in names:
        unique, number = name, 1
        while unique in found:
            number += 1
            unique = f"{name} ({number})"
            if unique in taken:
                unique = name
        found.append(unique)
    return found


def _describe(name: str, cells: Any, decimal: str) -> Column:
    kind = kinds.kind_of(cells, decimal)
    values = {"number": lambda: kinds.numbers(cells, decimal), "date": lambda: kinds.dates(cells)}.get(
        kind, lambda: cells.mask(kinds.is_missing(cells))
    )()
    return Column(name, kind, int(values.isna().sum()), int(values.nunique()) < 2)
