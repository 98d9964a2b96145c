"""Files in the store, and a store of the format before there were any."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from safetensors.torch import save

from app.figures import specs
from lstm_core import files
from lstm_core.config import RunConfig
from lstm_core.files import FileMissing, FileProblem
from lstm_core.runs import schema
from lstm_core.runs.records import StoreError
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.runs.upgrades import UPGRADES
from lstm_core.settings import Impossible
from lstm_core.training import TrainState
from tests.core.own_files import csv_of, walk
from tests.runs.conftest import small

OLD = Path(__file__).with_name("format_1.sql")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store as the first format of the program wrote it: one paused run with its telemetry."""
    path = tmp_path / "old.sqlite3"
    with sqlite3.connect(path) as raw:
        raw.executescript(OLD.read_text())
    raw.close()
    return path


def test_the_same_content_is_one_file(store: RunStore) -> None:
    first = store.keep_file("/home/somebody/prices.csv", b"a\n1\n", "csv")
    assert store.keep_file("other.csv", b"a\n1\n", "csv") == first == files.identify(b"a\n1\n")
    second = store.keep_file("C:\\weights.pt", b"\0\1", "weights")
    assert store.file(first) == b"a\n1\n"
    assert store.file("0" * 16) is None
    assert [(kept.id, kept.name, kept.size) for kept in store.files()] == [
        (second, "weights.pt", 2),
        (first, "prices.csv", 4),
    ]
    assert [kept.id for kept in store.files("csv")] == [first]
    assert store.files("text") == []


def test_what_is_too_large_is_not_kept(store: RunStore) -> None:
    with pytest.raises(FileProblem, match="big is larger than 10 MiB"):
        store.keep_file("big", bytes(files.LARGEST + 1), "csv")
    assert store.files() == []


def test_two_who_bring_the_same_file_at_once_both_have_it(store: RunStore) -> None:
    ids: list[str] = []
    bring = [threading.Thread(target=lambda: ids.append(store.keep_file("x", b"x" * 999, "csv"))) for _ in range(8)]
    for one in bring:
        one.start()
    for one in bring:
        one.join()
    assert ids == [files.identify(b"x" * 999)] * 8
    assert len(store.files()) == 1


def test_a_file_is_found_where_a_place_has_it(store: RunStore) -> None:
    data = b"only in the store"
    file_id = store.keep_file("x.csv", data, "csv")
    with pytest.raises(FileMissing, match=file_id):
        files.read(file_id)
    files.look_in(store.file)
    files.look_in(store.file)
    assert files.read(file_id) == data


def test_a_worker_trains_on_a_file_of_the_store(store: RunStore) -> None:
    file_id = store.keep_file("walk.csv", csv_of(walk(80, seed=5)), "csv")
    settings = {"file": file_id, "column": "close", "length": 5}
    config = RunConfig.model_validate(
        {"task": {"name": "csv", **settings}, "model": {"hidden_size": 4}, "training": {"steps": 4}}
    )
    run = store.create(config)
    assert run_slice(store.url, run).status == "finished"
    assert (store.get(run).about or {})["forecast"]["labels"][0] == "2020-01-06"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "Choose a CSV file"),
        ({"file": "0123456789abcdef"}, "The file 0123456789abcdef is not here"),
    ],
)
def test_a_run_whose_file_is_not_there_says_so(store: RunStore, settings: dict[str, str], sentence: str) -> None:
    run = store.create(RunConfig.model_validate({"task": {"name": "csv", **settings}}))
    assert run_slice(store.url, run).status == "failed"
    error = store.get(run).error or {}
    assert error["what"] == "The file that this run needs cannot be used."
    assert sentence in error["why"]


def test_an_old_store_is_brought_up_to_date_without_loss(old: Path) -> None:
    with sqlite3.connect(old) as raw:
        tables = ("runs", "frames", "checkpoints", "overrides")
        before = {table: raw.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
        assert all(before.values())
    store = RunStore(str(old))
    (run,) = store.list()
    assert (run.name, run.parent, run.fork_step, run.step, run.status) == ("The cliff", "another", None, 4, "paused")
    assert store.scalars(run.id)["loss/train"].tolist() == [0, 1, 2, 3, 4]
    assert store.load_checkpoint(run.id) == (5, b"state")
    assert [(change.step, change.field, change.value) for change in store.overrides(run.id)] == [(3, "clip", "norm")]
    assert store.file(store.keep_file("new.csv", b"new", "csv")) == b"new"
    fork = store.create(small(), parent=run.id, fork_step=3)
    assert (store.get(fork).parent, store.get(fork).fork_step) == (run.id, 3)
    store.delete(fork)
    store.remove(fork)
    with sqlite3.connect(old) as raw:
        assert raw.execute("SELECT schema_version FROM about_database").fetchall() == [(schema.SCHEMA_VERSION,)]
        for table, rows in before.items():
            assert [row[: len(rows[0])] for row in raw.execute(f"SELECT * FROM {table}")] == rows


def test_an_old_store_becomes_what_a_new_one_is(old: Path, store: RunStore) -> None:
    def shape(path: str) -> dict[str, set[tuple[str, str]]]:
        inspector = sa.inspect(sa.create_engine(f"sqlite:///{path}"))
        return {
            table: {(column["name"], str(column["type"])) for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }

    RunStore(str(old))
    assert shape(str(old)) == shape(store.url.removeprefix("sqlite:///"))


def test_an_upgrade_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(connection: sa.Connection, tables: Mapping[str, sa.Table]) -> None:
        UPGRADES[1](connection, tables)
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(schema, "UPGRADES", {**UPGRADES, 1: breaks})
        with pytest.raises(StoreError, match="full"):
            RunStore(str(old))
    with sqlite3.connect(old) as raw:
        assert raw.execute("SELECT schema_version FROM about_database").fetchall() == [(1,)]
    assert len(RunStore(str(old)).list()) == 1


def test_several_programs_may_bring_an_old_store_up_to_date_at_once(old: Path) -> None:
    problems: list[Exception] = []

    def opens() -> None:
        try:
            RunStore(str(old)).list()
        except Exception as problem:
            problems.append(problem)

    programs = [threading.Thread(target=opens) for _ in range(6)]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
    assert problems == []


def test_a_run_of_an_old_store_can_still_be_looked_at_and_says_why_it_cannot_go_on(old: Path) -> None:
    about = OLD.with_name("about_1.json").read_text()
    with sqlite3.connect(old) as raw:
        raw.execute("UPDATE runs SET about = ?", [about])
        (data,) = raw.execute("SELECT config FROM runs").fetchone()
    raw.close()
    store = RunStore(str(old))
    (run,) = store.list()
    assert run.about is not None
    assert run.config == json.loads(data)
    assert {name: run.about[name] for name in json.loads(about) if name != "samples"} == {
        name: value for name, value in json.loads(about).items() if name != "samples"
    }
    fresh = TrainState(RunConfig.model_validate(run.config)).about
    assert set(fresh) - set(run.about) == {"measures", "gallery"}  # panels ask for them with a default
    assert set(run.about) <= set(fresh)
    assert [set(sample) for sample in run.about["samples"]] == [set(sample) for sample in fresh["samples"]]
    drawn = {panel["id"] for panel in specs(run.about)["panels"]}
    assert {"loss", "gates", "attention", "answers", "attention_past", "gradient_past"} <= drawn
    with pytest.raises(Impossible, match="earlier version"):
        TrainState.load(RunConfig.model_validate(run.config), save({}, {"step": "5", "config": "{}"}))
    store.close()
