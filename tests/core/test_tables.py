"""Tables from bytes: what pandas writes is read as it was, in whatever form; anything else is refused in words."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_core import tables
from lstm_core.files import LARGEST, FileProblem
from lstm_core.tables import kinds, reading
from tests.core.own_files import csv_of, walk

PARTS = [
    b"date",
    b"close",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r\n",
    b'"',
    b"1",
    b"2,5",
    b"1.234",
    b"-",
    b"=A1",
    b"2020-01-31",
]
PARTS += [
    b"31.1.2020",
    b"nan",
    b"inf",
    b"1e999",
    b" ",
    b"\0",
    b"\xe9",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"0001-01-01",
    b"'",
]


def table(text: str | bytes) -> tables.Table:
    return tables.read(text if isinstance(text, bytes) else text.encode(), "it.csv")


def column(text: str | bytes, *arguments: Any, **named: Any) -> tables.Chosen:
    return tables.column(table(text), *arguments, **named)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    separator=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    decimal=st.sampled_from(".,"),
    days=st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d %b %Y", "%Y-%m-%dT%H:%M:%S"]),
    seed=st.integers(0, 10**6),
)
def test_what_pandas_writes_in_any_form_is_read(
    separator: str, encoding: str, end: str, decimal: str, days: str, seed: int
) -> None:
    truth = walk(40, seed).rename(columns={"open": "Größe"})
    written = truth.assign(date=pd.to_datetime(truth["date"]).dt.strftime(days))
    data = written.to_csv(index=False, sep=separator, lineterminator=end, decimal=decimal).encode(encoding)
    found = tables.read(data, "it.csv")
    assert [(c.name, c.kind, c.missing) for c in found.columns] == [
        ("date", "date", 0),
        ("Größe", "number", 0),
        ("close", "number", 0),
    ]
    values, labels, _ = tables.column(found, "close")
    np.testing.assert_array_equal(values, truth["close"])
    assert labels == truth["date"].tolist()


@pytest.mark.parametrize(
    ("text", "decimal", "values"),
    [
        ("v\n1.5\n2\n", ".", [1.5, 2]),
        ("v\n1,5\n2,25\n", ",", [1.5, 2.25]),
        ("v;w\n1.234,5;1\n2.000.000,25;2\n", ",", [1234.5, 2000000.25]),
        ('v,w\n"1,234.5",1\n"2,000,000",2\n', ".", [1234.5, 2000000]),
        ("v;w\n1 234,5;1\n2 000 000;2\n", ",", [1234.5, 2000000]),
        ("v;w\n1'234.5;1\n2;2\n", ".", [1234.5, 2]),
        ("v;w\n1\u202f234,5;1\n2\N{NO-BREAK SPACE}000;2\n", ",", [1234.5, 2000]),
        ("v\n$1.5\n$2\n", ".", [1.5, 2]),
        ("v\n1.5 %\n−2 %\n", ".", [1.5, -2]),
        ("v\n1e3\n-2.5E-2\n+.5\n", ".", [1000, -0.025, 0.5]),
    ],
)
def test_ways_of_writing_numbers(text: str, decimal: str, values: list[float]) -> None:
    found = table(text)
    assert found.decimal == decimal
    assert tables.column(found, "v").values.tolist() == values


@pytest.mark.parametrize(
    ("text", "value", "note"),
    [
        ("v;w\n1,234;1\n1,235;2\n", 1.234, "Numbers such as 1,234 can be meant in two ways; they were read as 1.234."),
        (
            'v,w\n"1,234",1\n"1,235",2\n',
            1234,
            "Numbers such as 1,234 can be meant in two ways; they were read as 1234.",
        ),
    ],
)
def test_numbers_that_can_be_meant_in_two_ways_are_told(text: str, value: float, note: str) -> None:
    found = table(text)
    assert note in found.notes
    assert tables.column(found, "v").values[0] == value


def test_a_header_is_told_from_data() -> None:
    assert [c.name for c in table("1,2\n3,4\n").columns] == ["column 1", "column 2"]
    assert table("1,2\n3,4\n").rows == 2
    assert "There is no header" in table("1,2\n3,4\n").notes[0]
    assert [c.name for c in table("year,2019\n5,6\n7,8\n").columns] == ["year", "2019"]
    assert [c.name for c in table(",close\n0,4\n1,5\n").columns] == ["column 1", "close"]
    assert [c.name for c in table("close;\n4;\n5;\n").columns] == ["close"]


def test_what_stands_above_a_table_is_skipped() -> None:
    found = table("Prices of two years\n\ndate;close\n2020-01-01;5\n2020-01-02;6\n")
    assert found.notes == ("What stands above the table was skipped (1 line).",)
    assert tables.column(found).values.tolist() == [5, 6]
    assert column("sep=;\na;b\n1;2\n3;4\n", "b").values.tolist() == [2, 4]


def test_quoted_cells_may_hold_anything() -> None:
    found = table('text,v\n"two\nlines, and a ""quote""",1\n"a,b",2\n')
    assert found.preview() == [['two\nlines, and a "quote"', "1"], ["a,b", "2"]]
    assert [c.kind for c in found.columns] == ["text", "number"]


def test_names_that_come_twice_get_a_number() -> None:
    found = table("a,a,a (2),a\n1,2,3,4\n5,6,7,8\n")
    assert len({c.name for c in found.columns}) == 4
    assert found.columns[0].name == "a"
    assert any("More than one column is called a" in note for note in found.notes)
    assert tables.column(found, found.columns[3].name).values.tolist() == [4, 8]


def test_short_rows_lack_values_and_long_rows_are_refused() -> None:
    found = table("a,b\n1,2\n3\n4,5\n")
    assert found.columns[1].missing == 1
    assert "1 rows are shorter" in found.notes[0]
    with pytest.raises(FileProblem, match="3 cells in line 3 where 2 are usual"):
        table("a,b\n1,2\n3,4,5\n6,7\n")


@pytest.mark.parametrize("cell", ["", "n/a", "NaN", "null", "–", "inf", "-inf", "1e999", "closed", "=A1+B2"])
def test_cells_without_a_number(cell: str) -> None:
    text = "date,v\n" + "".join(f"2020-01-{day:02},{cell if day in (1, 5) else day}\n" for day in range(1, 31))
    assert table(text).columns[1].missing == 2
    with pytest.raises(FileProblem, match="has no number in 2 of 30 rows, first in row 1 below the header"):
        column(text, "v")
    dropped, labels, _ = column(text, "v", "drop")
    assert dropped.tolist() == [day for day in range(2, 31) if day != 5]
    assert labels[3] == "2020-01-06"
    filled, labels, notes = column(text, "v", "fill")
    assert filled.tolist() == [2, 3, 4, 4, *range(6, 31)]
    assert labels[:4] == ["2020-01-02", "2020-01-03", "2020-01-04", "2020-01-05"]
    assert "1 missing numbers were filled with the number before." in notes
    assert "1 rows were left out, for they lack a number or a date." in notes


@settings(max_examples=40, deadline=None, derandomize=True)
@given(order=st.permutations(range(12)))
def test_rows_are_put_in_the_order_of_their_dates(order: list[int]) -> None:
    lines = [f"{index + 1:02}.02.2021,{index}" for index in order]
    values, labels, notes = column("date,v\n" + "\n".join(lines), "v")
    assert values.tolist() == list(range(12))
    assert labels == [f"2021-02-{index + 1:02}" for index in range(12)]
    turned, sorted_ = (any(words in note for note in notes) for words in ("turned round", "were sorted"))
    assert turned == (order == sorted(order, reverse=True))
    assert sorted_ == (not turned and order != sorted(order))


def test_dates_that_can_be_meant_in_two_ways() -> None:
    american = "d,v\n1/30/2020,1\n1/31/2020,2\n2/1/2020,3\n"
    assert column(american).labels == ["2020-01-30", "2020-01-31", "2020-02-01"]
    weekly = "d,v\n1/6/2020,1\n2/3/2020,2\n1/13/2020,3\n"
    assert column(weekly).labels == ["2020-01-06", "2020-01-13", "2020-02-03"]
    assert "The date 1/30/2020 was read as 2020-01-30." in column(american).notes


def test_hours_are_labelled_and_doubled_dates_told() -> None:
    values, labels, notes = column("t,v\n2020-01-01 10:00,1\n2020-01-01 11:30,2\n2020-01-01 11:30,3\n")
    assert labels == ["2020-01-01 10:00", "2020-01-01 11:30", "2020-01-01 11:30"]
    assert any("1 dates occur more than once" in note for note in notes)
    assert values.tolist() == [1, 2, 3]


def test_a_column_is_chosen_where_none_is_named() -> None:
    assert column("n,flat,v\n1,5,3\n2,5,1\n3,5,2\n").values.tolist() == [3, 1, 2]
    assert column(csv_of(walk())).values.tolist() == walk()["open"].tolist()
    years = column("year,v\n2001,3\n2000,2\n1999,7\n", "v", dates="year")
    assert (years.values.tolist(), years.labels) == ([7, 2, 3], ["1999", "2000", "2001"])


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty: it has 0 bytes"),
        (b"\n\n  \n", "holds nothing but empty"),
        (b"\xef\xbb\xbf", "holds nothing but empty"),
        (b"date,close\n", "has a header and no rows"),
        (b"close", "has a header and no rows"),
        (b",,,\n,,,\n", "holds nothing but empty"),
        (bytes(LARGEST + 1), "is larger than 10 MiB"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG picture"),
        (b"\xff\xd8\xff\xe0", "is a JPEG picture"),
        (b"%PDF-1.7", "is a PDF document"),
        (b"PK\x03\x04" + b"\0" * 20 + b"xl/workbook.xml", "is an Excel workbook; save the table as CSV"),
        (b"PK\x03\x04", "is a ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Office document of the old kind"),
        (b"a,b\n1,\0\n", "is no text|is not a text"),
        (b"\x01\x02\x03\x04" * 9, "is not a text"),
        (b"\xff\xfea\0,\0b", "begins as UTF-16 but is damaged"),
        (b"x" * 200_000, "cannot be read as CSV at line 1: field larger than"),
        (b'a,b\n1,2\n"3,4\n5,6\n', "cannot be read as CSV"),
        (b",".join(b"c%d" % n for n in range(10_000)) + b"\n", "has 10000 columns; a table may have 200"),
    ],
)
def test_what_is_no_table_is_refused_in_words(data: bytes, sentence: str) -> None:
    with pytest.raises(FileProblem, match=sentence):
        tables.read(data, "it.csv")


def test_too_many_cells_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CELLS", 10)
    assert table("a,b\n1,2\n3,4\n5,6\n").rows == 3
    with pytest.raises(FileProblem, match="more than 10 cells"):
        table("a,b\n" + "1,2\n" * 5)


@pytest.mark.parametrize(
    ("text", "arguments", "sentence"),
    [
        ("a,b\nx,y\nz,w\n", {}, "Column “a” holds words such as “x”, not numbers; choose a file"),
        ("a,b\nx,1\nz,2\n", {"name": "a"}, "choose one of “b”"),
        ("d,b\n2020-01-01,1\n2020-01-02,2\n", {"name": "d"}, "holds dates such as “2020-01-01”"),
        ("a,b\n1,2\n3,4\n", {"name": "c"}, "has no column “c”; its columns are “a”, “b”"),
        ("a,b\n1,2\n3,4\n", {"name": "a", "dates": "c"}, "has no column “c”"),
        (
            "a,b\nx,2\ny,4\n",
            {"name": "b", "dates": "a"},
            "Column “a” holds words such as “x”; choose a column",
        ),
        ("a\n5\n5\n5\n", {}, "always has the same value"),
        ("a\n=A1+B2\n=SUM(B1:B9)\n", {}, r"holds formulas such as =A1\+B2, which are never worked out"),
        ("a\n1e31\n2\n", {}, "numbers may be as large as 1e\\+30"),
        (
            "d,v\n2020-01-01,1\n,2\n" + "2020-01-02,3\n" * 9,
            {"name": "v"},
            "Column “d” has no date in 1 of 11",
        ),
        ("a,b\n,1\n,2\n", {"name": "a"}, "is empty; choose one of “b”"),
    ],
)
def test_a_column_that_cannot_be_used_is_explained(text: str, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FileProblem, match=sentence):
        column(text, **arguments)


def read_all(data: bytes) -> None:
    """Everything that can be asked of any bytes; raises nothing but FileProblem."""
    found = tables.read(data, "it.csv")
    assert found.rows == len(found.cells) > 0
    assert len({c.name for c in found.columns}) == len(found.columns) > 0
    json.dumps([found.preview(), found.notes])
    names: list[str | None] = [None, *(c.name for c in found.columns[:3])]
    for name, missing in itertools.product(names, ("refuse", "drop", "fill")):
        try:
            values, labels, _ = tables.column(found, name, missing)  # type: ignore[arg-type]
        except FileProblem:
            continue
        assert np.isfinite(values).all()
        assert len(values) == len(labels) > 1


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PARTS), max_size=40).map(b"".join)))
def test_any_bytes_are_a_table_or_one_kind_of_refusal(data: bytes) -> None:
    try:
        read_all(data)
    except FileProblem as refused:
        said = str(refused)
        assert said.endswith((".", "?"))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    rows=st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6), min_size=2, max_size=2),
        min_size=2,
        max_size=6,
    )
)
def test_any_cells_are_read_back_or_refused(rows: list[list[str]]) -> None:
    data = pd.DataFrame(rows, columns=["first", "second"]).to_csv(index=False).encode()
    try:
        found = tables.read(data, "it.csv")
    except FileProblem:
        return
    read = [[cell.strip() for cell in row] for row in found.preview(99)]
    told = [[cell.strip() for cell in row] for row in rows]
    if [c.name for c in found.columns] == ["first", "second"]:
        assert read == [row for row in told if any(row)]


def test_the_sign_before_the_decimals_is_found_by_the_numbers_that_tell() -> None:
    def sign(*cells: str) -> str | None:
        return kinds.decimal_sign(pd.Series(cells, dtype="str"))

    assert sign("1.5", "1,234") == "."
    assert sign("1,5", "1.234") == ","
    assert sign("1.234.567", "1,5") == ","
    assert sign("1,234", "5") is None
    assert sign("word", "") is None
