"""A file that a person brings is looked at, kept, named and found again; what is wrong with it is said in words."""

from __future__ import annotations

import html
import io
import re
import tomllib
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import torch
from streamlit.testing.v1 import AppTest

import app
from app.plain import plain
from app.session import Session
from app.setting import fitting, own_data, preview
from lstm_core import files, texts
from lstm_core.config import RunConfig
from lstm_core.files import FileProblem
from lstm_core.runs.store import RunStore
from lstm_core.tasks import TASKS
from tests.core.own_files import csv_of, ready, walk

pytestmark = pytest.mark.usefixtures("store")

PNG = b"\x89PNG\r\n\x1a\n" + bytes(300)
NASTY = "<script>alert(1)</script>"


def sidebar() -> None:
    from app import controls, session

    controls.draw(session.current().config)


def opened(**values: Any) -> AppTest:
    test = AppTest.from_function(sidebar, default_timeout=30)
    test.session_state["lab"] = Session(config=RunConfig.model_validate(values))
    test.run()
    assert not test.exception
    return test


def bring(test: AppTest, path: str, name: str, data: bytes) -> AppTest:
    (uploader,) = [each for each in test.get("file_uploader") if each.key.split(":")[1] == path]
    uploader.set_value((name, data, "application/octet-stream")).run()
    assert not test.exception
    return test


def now(test: AppTest) -> Session:
    return test.session_state["lab"]  # type: ignore[no-any-return]


def file_of(test: AppTest) -> Any:
    return now(test).config.task.model_dump()["file"]


def texts_of(test: AppTest) -> str:
    said = " ".join(element.value for kind in ("caption", "warning") for element in test.get(kind))
    return re.sub(r"\\([^\w\s])", r"\1", said)


def test_a_file_is_kept_named_and_taken_out_again(store: RunStore) -> None:
    test = bring(opened(task={"name": "csv"}), "task.file", "walk.csv", csv_of(walk()))
    assert store.file(file_of(test)) == csv_of(walk())
    assert "walk.csv · 5.9 kB" in texts_of(test)
    assert [each.key for each in test.get("file_uploader")] == ["file:init.weights:1"]
    (out,) = [button for button in test.button if button.key == "take-out:task.file"]
    out.click().run()
    assert file_of(test) is None
    assert len(test.get("file_uploader")) == 2


@pytest.mark.parametrize(
    ("task", "name", "data", "words"),
    [
        ("csv", "table.csv", PNG, "table.csv is a PNG picture"),
        ("csv", "table.csv", b"", "table.csv is empty"),
        ("text", "own.txt", PNG, "own.txt is a PNG picture"),
        ("text", "own.txt", b"short", "too few to learn from"),
    ],
)
def test_what_cannot_be_used_is_refused_beside_the_setting_and_the_old_value_stays(
    store: RunStore, task: str, name: str, data: bytes, words: str
) -> None:
    test = bring(opened(task={"name": task}), "task.file", name, data)
    assert words in texts_of(test)
    assert file_of(test) is None
    assert store.files() == []
    next(each for each in test.selectbox if each.key.startswith("setting:training.clip")).set_value("norm").run()
    assert words not in texts_of(test)


def test_a_file_whose_column_cannot_be_used_is_kept_and_the_reason_said() -> None:
    gaps = b"price\n" + b"".join(b"%d\n" % (n * n % 7) if n != 9 else b"nan\n" for n in range(40))
    test = bring(opened(task={"name": "csv"}), "task.file", "gaps.csv", gaps)
    assert file_of(test) is not None
    assert "has no number in 1 of 40 rows" in texts_of(test)
    missing = next(each for each in test.selectbox if each.key.startswith("setting:task.missing"))
    missing.set_value("drop").run()
    assert "has no number" not in texts_of(test)


def test_another_file_forgets_the_columns_of_the_one_before() -> None:
    test = opened(task={"name": "csv", "column": "volume", "length": 4})
    bring(test, "task.file", "walk.csv", csv_of(walk()))
    assert now(test).config.task.model_dump()["column"] is None
    assert now(test).config.task.model_dump()["length"] == 4


def test_a_file_of_another_store_is_said_beside_the_setting() -> None:
    test = opened(task={"name": "text", "file": "0123456789abcdef"})
    assert "The file 0123456789abcdef is not here" in texts_of(test)
    assert len(test.get("file_uploader")) == 2


@pytest.mark.parametrize("kind", own_data.SORTS)
def test_a_file_that_is_too_large_is_refused_before_it_is_looked_at(kind: files.Kind, store: RunStore) -> None:
    with pytest.raises(FileProblem, match="larger than"):
        own_data.keep(kind, bytes(files.LARGEST + 1), "large", RunConfig())
    assert store.files() == []


def test_the_server_takes_in_no_more_than_can_be_read() -> None:
    config = tomllib.loads((Path(app.__path__[0]).parent / ".streamlit" / "config.toml").read_text())
    assert config["server"]["maxUploadSize"] * 2**20 == files.LARGEST
    assert {sort.largest for sort in own_data.SORTS.values()} <= {files.LARGEST, texts.LARGEST}


def weights(hidden: int) -> bytes:
    buffer = io.BytesIO()
    torch.save(torch.nn.LSTM(32, hidden).state_dict(), buffer)
    return buffer.getvalue()


def test_weights_are_held_against_the_network_before_they_are_kept() -> None:
    fitting.check(weights(64), "own.pt", RunConfig())
    with pytest.raises(FileProblem) as refused:
        fitting.check(weights(48), "own.pt", RunConfig())
    assert "weight_hh_l0 is 192 × 48; expected is 256 × 64." in str(refused.value)
    with pytest.raises(FileProblem, match="cannot be read as weights"):
        fitting.check(PNG, "own.pt", RunConfig())


def test_weights_are_looked_at_even_where_the_text_is_elsewhere() -> None:
    config = RunConfig.model_validate({"task": {"name": "text", "file": "0123456789abcdef"}})
    fitting.check(weights(64), "own.pt", config)


@pytest.mark.parametrize("name", TASKS)
def test_there_is_something_to_see_of_every_task(name: str) -> None:
    task = ready(name)
    config = RunConfig(task=task)
    shown = html.unescape(preview.page(config))
    data = task.data(config.training.seed)
    for part in (data.validation, data.test):
        assert f"{len(part):,} sequences".replace(",", "\u202f") in shown
    assert shown.count("<figure aria-label") == preview.SAMPLES
    assert all(f"Chance: {level}" in shown for level in data.chance)


def test_what_is_seen_of_a_task_without_a_file_is_why() -> None:
    assert "Choose a CSV file" in preview.page(RunConfig.model_validate({"task": {"name": "csv"}}))


def test_how_a_text_was_read_is_said() -> None:
    file = files.keep(("Gr\u00fc\u00dfe aus M\u00fcnchen. " * 100).encode("cp1252"), "old.txt")
    assert "is not UTF-8; it was read as" in preview.page(
        RunConfig.model_validate({"task": {"name": "text", "file": file}})
    )


def test_nothing_in_a_file_is_taken_for_a_part_of_the_page() -> None:
    rows = "".join(f'{n % 5},"<img src=x onerror=alert({n})>"\n' for n in range(40))
    file = files.keep(f"{NASTY},b\n{rows}".encode(), "nasty.csv")
    shown = preview.page(RunConfig.model_validate({"task": {"name": "csv", "file": file}}))
    assert html.escape(NASTY) in shown
    assert "<script" not in shown
    assert "<img" not in shown
    text = files.keep(f"{NASTY} and again. ".encode() * 100, "nasty.txt")
    assert "<script" not in preview.page(RunConfig.model_validate({"task": {"name": "text", "file": text}}))


def test_a_picture_has_a_cell_for_every_number_and_a_line_a_point() -> None:
    def drawings(name: str) -> list[str]:
        shown = preview.page(RunConfig(task=TASKS[name]()))
        return [b64decode(data).decode() for data in re.findall(r"base64,([\w+/=]+)", shown)]

    assert [drawing.count("<rect") for drawing in drawings("digits")] == [64] * preview.SAMPLES
    lines = [re.findall(r'points="([^"]*)"', drawing)[0].split() for drawing in drawings("stocks")]
    assert [len(points) for points in lines[1:]] == [10] * preview.SAMPLES


def test_markdown_in_a_message_means_nothing() -> None:
    assert plain("a *b* [c](d) www.e.f\nnext") == r"a \*b\* \[c\]\(d\) www\.e\.f" + "  \nnext"
