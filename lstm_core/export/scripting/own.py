"""Files of one's own as a script reads them: the plainest way that gives exactly what the run read.

Every way is tried here first; where none gives the same values, the export is refused in words.
"""

from __future__ import annotations

import io
import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from lstm_core import files, tables, texts
from lstm_core.export.scripting.history import literal
from lstm_core.settings import Impossible

CHECK = [
    "content = path.read_bytes()",
    "if not hashlib.sha256(content).hexdigest().startswith(FILE):",
    '    raise SystemExit(f"{path} is not the file of the run: the SHA-256 of that one begins with {FILE}.")',
]

READERS = [
    f"table = pd.read_csv(io.BytesIO(content){separator}{decimal}{encoding}"
    for encoding, separator, decimal in product(
        ("", ', encoding="cp1252"', ', encoding="utf-16"'),
        ("", ', sep=";"', ', sep="\\t"', ', sep="|"'),
        ("", ', decimal=","', ', thousands=","', ', decimal=",", thousands="."'),
    )
]


def csv_lines(task: Any) -> list[str]:
    """Source text that reads the column of a CSV file from `path` into `values`; raises Impossible, FileProblem."""
    content = files.read(task.file)
    wanted = task.series()[0]
    table = tables.read(content, "The file")
    name = task.column or tables.first(table).name
    dates = task.date_column or next((c.name for c in table.columns if c.kind == "date" and not c.constant), None)
    for reader in READERS:
        head = _after([f"{reader}, nrows=3)"], {"content": content}).get("table")
        if head is None or name not in head:
            continue
        read = _after([f"{reader})"], {"content": content})
        for lines in _ways(name, dates):
            values = _after(lines, read).get("values")
            if values is not None and np.array_equal(values, wanted):
                return [*CHECK, f"{reader})", *lines]
    raise Impossible(
        "A plain script cannot read this CSV file as it was read here: it takes more than pandas does by itself. Save "
        f"the column “{name}” alone as a CSV file with a comma between the columns and a point before the decimals, "
        "train on that file, and export that run."
    )


def _ways(name: str, dates: str | None) -> Iterator[list[str]]:
    """Ways to make `values` of a column of the `table`, the plainest first."""
    orders = [[], ["table = table[::-1]"]]
    if dates is not None:
        by = literal(dates)
        sort = f'table = table.sort_values({by}, kind="stable")'
        orders += [[f"table[{by}] = pd.to_datetime(table[{by}]{form})", sort] for form in ("", ", dayfirst=True")]
        orders.append([sort])
    for order, missing in product(orders, ("", ".dropna()", ".ffill().dropna()")):
        yield [*order, f"values = table[{literal(name)}]{missing}.to_numpy(np.float64)"]


def _after(lines: list[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """What these lines, the very text of the script, leave behind; nothing where they fail."""
    import pandas as pd

    there = {name: value.copy() if isinstance(value, pd.DataFrame) else value for name, value in given.items()}
    there |= {"pd": pd, "np": np, "io": io}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ways that are only tried
            exec("\n".join(lines), there)
    except Exception:  # pandas stumbles in any way over what it cannot read; then the next way is tried
        return {}
    return there


def own_text_lines(task: Any) -> list[str]:
    """Source text that reads a text of one's own from `path` into `text`; raises Impossible, FileProblem."""
    content = files.read(task.file)
    wanted = task.corpus().text
    for encoding in ("utf-8-sig", "utf-16", "utf-32", *texts.ENCODINGS, *texts.WIDE):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if texts.overloaded(text):
            continue
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = unicodedata.normalize("NFC", text).strip("\n")
        lines = [
            f'text = content.decode("{encoding}").replace("\\r\\n", "\\n").replace("\\r", "\\n")',
            'text = unicodedata.normalize("NFC", text).strip("\\n")',
        ]
        counts = Counter(text)
        if len(counts) > texts.DISTINCT:
            kept = sorted(counts, key=lambda sign: (-counts[sign], sign))[: texts.DISTINCT - 1]
            text = "".join(sign if sign in kept else texts.REPLACEMENT for sign in text)
            lines += [
                "counts = Counter(text)",
                f"kept = set(sorted(counts, key=lambda sign: (-counts[sign], sign))[:{texts.DISTINCT - 1}])",
                'text = "".join(sign if sign in kept else "\\N{REPLACEMENT CHARACTER}" for sign in text)',
            ]
        if text == wanted:
            return [*CHECK, *lines]
    raise Impossible(
        "A plain script cannot read this text as it was read here. Save it as UTF-8, train on that file, and export "
        "that run."
    )
