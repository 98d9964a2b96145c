"""Files in the store, and a store of the format before there were any."""

from __future__ import annotations

import threading

import pytest

from lstm_core import files
from lstm_core.cleaning import clean_name
from lstm_core.config import RunConfig
from lstm_core.files import FileMissing, FileProblem
from lstm_core.race_plan import plan
from lstm_core.runs import library
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.terminal.options import every_setting
from tests.core.own_files import csv_of, walk


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


def test_a_file_that_no_run_uses_makes_room(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run or a race refers to stays, whatever becomes of the run; of the rest the newest, as far as it fits."""
    used, raced, thrown, *spare = (store.keep_file(f"{n}.csv", csv_of(walk(80, seed=n)), "csv") for n in range(6))
    size = len(csv_of(walk(80, seed=4)))
    store.create(RunConfig.model_validate({"task": {"name": "csv", "file": used}}))
    race = plan(RunConfig.model_validate({"task": {"name": "csv", "file": raced}}), "model.cell", ["lstm"], [1])
    store.create_race(race)
    store.delete(store.create(RunConfig.model_validate({"task": {"name": "csv", "file": thrown}})))
    assert store.drop_files() == 0, "they came just now"
    assert store.drop_files(age=-1) == 0, "there is room"
    assert store.drop_files(age=-1, room=int(2.5 * size)) == 1
    assert {kept.id for kept in store.files()} == {used, raced, thrown, *spare[1:]}
    store.keep_file("again.csv", csv_of(walk(80, seed=4)), "csv")
    assert store.drop_files(age=-1, room=int(1.5 * size)) == 1
    assert {kept.id for kept in store.files()} == {used, raced, thrown, spare[1]}, "brought again, it counts as new"
    monkeypatch.setattr(library, "MOST_UNUSED", 2 * size)
    with pytest.raises(FileProblem, match=r"more.csv cannot be kept: 0 MiB of files that no run uses"):
        store.keep_file("more.csv", csv_of(walk(200, seed=9)), "csv")


def test_every_setting_that_refers_to_a_file_is_looked_at() -> None:
    named = {path for path, field in every_setting() if dict(field.json_schema_extra or {}).get("file")}
    assert named == {".".join(setting) for setting in library.FILE_SETTINGS}


def test_a_name_is_one_line_that_turns_nothing_round() -> None:
    assert clean_name("  a\r\n\tb\0c\x1b[31m\u202egnp.exe\u2066 \ud800 ") == "a bc[31mgnp.exe"
    assert clean_name("👩\u200d👧 נסיון Zu\u0308rich") == "👩\u200d👧 נסיון Zürich"
    assert clean_name("x" * 10_000) == "x" * 200
    assert clean_name("\u200b\u2060\ufeff") == ""
