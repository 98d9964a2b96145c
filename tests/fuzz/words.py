"""Names, lessons, settings files, frames, and everything that is written out for people to take home."""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import tempfile
import unicodedata
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

from plotly.offline import get_plotlyjs
from pydantic import ValidationError
from safetensors.torch import save
from torch import nn

from app.lessons import texts
from app.racing import route
from app.reports import exports
from app.reports.findings import look
from app.reports.html import report
from lstm_core import files
from lstm_core.cleaning import LONGEST, clean_name
from lstm_core.config import RunConfig, explain
from lstm_core.export import script_of, settings_json
from lstm_core.export.script import script
from lstm_core.files import FileProblem
from lstm_core.runs import telemetry
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.settings import Impossible
from lstm_core.terminal.options import config_from
from tests.fuzz import inputs
from tests.fuzz.harness import Entry, sentence
from tests.fuzz.standing import SETTINGS

TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
PLANTED = "planted_by_a_name"  # an identifier that must not become one in any script


def name(given: str) -> None:
    """A name is one line without signs that act on what stands around it, and stays as it is when cleaned again."""
    cleaned = clean_name(given)
    assert len(cleaned) <= LONGEST
    assert not any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in cleaned), "a control character"
    assert not set(cleaned) & set(TURNING), "a sign that turns the line"
    assert clean_name(cleaned) == cleaned, "cleaned twice it is another name"
    cleaned.encode()


@cache
def _lessons() -> list[str]:
    return [file.read_text(encoding="utf-8") for file in sorted(texts.FOLDER.glob(texts.FILES))]


def lesson(rng: Random) -> str:
    """A real lesson with something wrong in it."""
    text = rng.choice(_lessons())
    kind = rng.randrange(6)
    if kind < 3:
        return inputs.damaged(rng, text.encode()).decode(errors="replace")
    fence, front, rest = text.split("---", 2)
    lines = front.split("\n")
    place = rng.randrange(len(lines))
    if kind == 3:
        key = lines[place].partition(":")[0]
        lines[place] = f"{key}: {json.dumps(inputs.value(rng))}"
    elif kind == 4:
        laughs = "a: &a [x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\ntitle: [*c, *c, *c]"
        lines.insert(
            place,
            rng.choice(
                ("[" * 3000, laughs, "? " * 500, "!!python/object/apply:os.system ['x']", "- &a *a", "\t", "&" * 99)
            ),
        )
    else:
        rest += rng.choice(("[[", "[[[[: " * 2000, "\n## \n## \n", "[[x: solved]]", "\0", "\n---\n" * 50))
    return f"{fence}---{chr(10).join(lines)}---{rest}"


def read_lesson(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "01-given.md"
        file.write_text(text, encoding="utf-8", errors="replace", newline="")
        book = texts.book(Path(folder))
    for broken in book.broken:
        for words in broken.sentences:
            sentence(words)
    assert len(book.lessons) + len(book.broken) == 1


def settings(rng: Random) -> str:
    """Settings as JSON, which may be no JSON."""
    usual = RunConfig().model_dump(mode="json")
    kind = rng.randrange(10)
    if kind < 7:
        return json.dumps(inputs.bent(rng, usual, 6))
    if kind == 7:
        return json.dumps(inputs.value(rng, 4))
    if kind == 8:
        return rng.choice(
            ("[" * 100_000, '{"task":' * 3000, "9" * 6000, '{"training": {"seed": ' + "9" * 6000 + "}}", "", "\ufeff{}")
        )
    return inputs.damaged(rng, json.dumps(usual).encode()).decode(errors="replace")


def read_settings(text: str) -> None:
    """The terminal and Python refuse in sentences; what they take, they write and read back."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        try:
            config = config_from(file.name, {})
        except ValidationError as error:
            for words in explain(error):
                sentence(words)
            return
        except ValueError as error:
            sentence(str(error))
            return
    assert RunConfig.model_validate(json.loads(settings_json(config.model_dump(mode="json")))) == config
    assert RunConfig.from_query(config.to_query()) == config


def frame(rng: Random) -> bytes:
    import numpy as np

    good = telemetry.encode(
        "scalars", {"step": np.arange(9, dtype=np.int32), "loss/train": np.ones(9, np.float32)}, 3, 0, 8
    )
    return inputs.damaged(rng, good)


def read_frame(data: bytes) -> None:
    """What is no frame raises ValueError and nothing else."""
    with contextlib.suppress(ValueError):
        telemetry.decode(data)


class Tags(HTMLParser):
    """Every element of a document, and whatever of it would run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.running: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.running += [
            f"{tag} {key}" for key, value in attrs if key.startswith("on") or "javascript:" in (value or "").lower()
        ]


@cache
def _kept() -> tuple[RunStore, tuple[str, str]]:
    """A store with runs of a table and of a text that hold markup; both have finished."""
    folder = tempfile.mkdtemp(prefix="lstm-lab-fuzz-")
    store = RunStore(str(Path(folder) / "runs.sqlite3"))
    nasty = f'<img src=x onerror=hit()> """ {PLANTED}'
    table = f'day,"{nasty.replace(chr(34), chr(34) * 2)}"\n' + "".join(
        f"2020-01-{k % 28 + 1:02},{k * 7 % 23}.5\n" for k in range(60)
    )
    text = "<script>hit()</script><b>bold</b> & \"quoted\" 'text' \\ </script> ${x} {y} \u202e\n" * 30
    tasks: list[dict[str, Any]] = [
        {"name": "csv", "file": store.keep_file("<b>.csv", table.encode(), "csv"), "column": nasty, "length": 3},
        {"name": "text", "file": store.keep_file("a.txt", text.encode(), "text"), "length": 8},
    ]
    small = {"training": {**SETTINGS["training"], "steps": 4}, "model": {"hidden_size": 4}}
    runs = [store.create(RunConfig.model_validate({"task": task, **small})) for task in tasks]
    for run in runs:
        run_slice(store.url, run, seconds=60)
    return store, (runs[0], runs[1])


def exported(rng: Random) -> tuple[int, str]:
    return rng.randrange(2), inputs.text(rng)


def export(given: tuple[int, str]) -> None:
    """A report runs nothing but its own script, a script holds names as texts only, a file's name is one."""
    store, runs = _kept()
    run = runs[given[0]]
    store.rename(run, given[1])
    tags = Tags()
    tags.feed(report(look(store, run), store).replace(get_plotlyjs(), ""))
    assert tags.tags["script"] == 3, f"{tags.tags['script']} scripts"
    assert not {"img", "b", "a", "svg", "iframe", "object"} & set(tags.tags), f"elements from a text: {tags.tags}"
    assert not tags.running, f"handlers: {tags.running}"
    tree = ast.parse(script_of(store, run))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert PLANTED not in names, "a name became code"
    for kind in exports.EXPORTS:
        called = exports.download_name(store.get(run), kind)
        assert called.isascii(), called
        assert not set('"\\/\r\n;') & set(called), called


def scripted(rng: Random) -> tuple[str, str]:
    """(what is called so, a name that would like to be code)."""
    quotes = ("", '"', "'", '"""', "\\", "\n", ")", "(" * 60, ", " * 60)
    made = (
        rng.choice(quotes)
        + rng.choice((f"), {PLANTED}(", f"; {PLANTED} #", inputs.text(rng)[:90]))
        + rng.choice(quotes)
    )
    return rng.choice(("column", "weights")), inputs.clean(made)


def script_names(given: tuple[str, str]) -> None:
    """A script says the same whatever the columns of a table and the tensors of a file are called."""
    what, name = given
    try:
        if what == "weights":
            state = {f"{name}{key}": tensor for key, tensor in nn.LSTM(32, 4).state_dict().items()}
            init = {"weights": files.keep(save(state), "weights")}
            config = RunConfig.model_validate({"model": {"hidden_size": 4}, "init": init})
        else:
            out = io.StringIO()
            csv.writer(out).writerows([["day", name], *([f"2020-01-{k + 1:02}", k * 7 % 23] for k in range(28))])
            task = {"name": "csv", "file": files.keep(out.getvalue().encode(), "table"), "column": name, "length": 3}
            config = RunConfig.model_validate({"task": task})
        tree = ast.parse(script(config))
    except (FileProblem, Impossible) as error:
        sentence(" ".join(str(error).split()))
        return
    except ValidationError:
        return  # no name that a column may have
    finally:
        files._kept.clear()
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert PLANTED not in found, "a name became code"


def cells(rng: Random) -> list[str]:
    return [inputs.text(rng) for _ in range(3)]


def spreadsheet(given: list[str]) -> None:
    """A spreadsheet takes no cell of an exported race for a formula, and finds every cell in its place."""
    fixed = {key: None for _, key in route.COLUMNS}
    about = {"vary": given[0], "values": [given[1]], "runs": [{**fixed, "value": 0, "seed": 1, "error": given[2]}]}
    written = route.as_csv(about).encode("utf-8", "replace").decode()
    rows = list(csv.reader(io.StringIO(written, newline="")))
    assert [len(row) for row in rows] == [len(route.COLUMNS)] * 2
    for row in rows:
        for cell in row:
            assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n") or _is_number(cell), (
                f"a formula: {cell[:20]!r}"
            )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


ENTRIES = (
    Entry("names", 60, inputs.text, name),
    Entry("lessons", 40, lesson, read_lesson),
    Entry("settings files", 60, settings, read_settings),
    Entry("frames", 20, frame, read_frame),
    Entry("tables that are exported", 30, cells, spreadsheet),
    Entry("names in scripts", 5, scripted, script_names),
    Entry("reports and scripts", 2, exported, export),
)
