"""A store that cannot be used for a while: nothing that was measured is lost, and no run fails of it."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from sqlalchemy import event

from lstm_core.runs import kept, patience
from lstm_core.runs.records import StoreError
from lstm_core.runs.slices import work
from lstm_core.runs.store import RunStore
from tests.runs.conftest import small
from tests.runs.test_slices import alone, assert_same, at, take

MARGIN = 0.4  # seconds for which it cannot be used after that was noticed


def _file(store: RunStore) -> Path:
    return Path(store.url.removeprefix("sqlite:///"))


@contextmanager
def _pragma(store: RunStore, name: str, bad: int, good: int) -> Iterator[None]:
    """A setting of SQLite, for every transaction in the block and none after it: made before the transaction begins."""
    values = [bad]

    def set_it(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA {name} = {values[0]}")

    event.listen(store._database._engines.writing, "checkout", set_it)
    yield
    values[0] = good


@contextmanager
def full(store: RunStore) -> Iterator[None]:
    with _pragma(store, "max_page_count", 1, 2**30):  # no more pages than there are
        yield


@contextmanager
def read_only(store: RunStore) -> Iterator[None]:
    with _pragma(store, "query_only", 1, 0):
        yield


@contextmanager
def locked(store: RunStore) -> Iterator[None]:
    with _pragma(store, "busy_timeout", 10, 10_000):
        other = sqlite3.connect(_file(store), isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.close()


@contextmanager
def gone(store: RunStore) -> Iterator[None]:
    elsewhere = _file(store).rename(_file(store).with_name("elsewhere"))
    yield
    elsewhere.rename(_file(store))


@pytest.mark.parametrize("trouble", [full, read_only, locked, gone])
def test_trouble_that_passes_leaves_no_trace(
    store: RunStore, trouble: Callable[[RunStore], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    said: list[str] = []
    tried = patience.patiently

    def overhear(do: Callable[..., object], *arguments: object, **named: object) -> object:
        def heard(*again: object, **more: object) -> object:
            try:
                return do(*again, **more)
            except StoreError as error:
                if not said:
                    threading.Timer(MARGIN, lambda: bad.__exit__(None, None, None)).start()
                said.append(str(error))
                raise

        return tried(heard, *arguments, **named)

    monkeypatch.setattr("lstm_core.runs.slices.patiently", overhear)
    config = small(300)
    run = store.create(config)
    bad = trouble(store)
    assert work(store, take(store, run), watch=at(100, bad.__enter__), longest=math.inf) == "finished"
    assert said
    assert all(sentence.startswith(f"The run store {_file(store)} cannot be used (") for sentence in said)
    assert not any("Check LSTM_LAB_DATABASE" in sentence for sentence in said)  # each trouble has its own remedy
    found = store.get(run)
    assert (found.status, found.revision, found.attempts) == ("finished", 1, 0)
    assert_same(store.scalars(run), alone(config))


def test_trouble_that_lasts_costs_what_came_after_the_last_checkpoint_and_no_attempt(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(patience, "PATIENCE", 0.2)
    config = small(150)
    run = store.create(config)
    bad = gone(store)
    for attempt in range(5):  # more often than a run may die
        lease = take(store, run)
        assert lease.attempts == 1
        with pytest.raises(StoreError, match="the file is gone"):
            work(store, lease, watch=at(20 + attempt, bad.__enter__))
        bad.__exit__(None, None, None)
        bad = gone(store)
        kept.forget()
    assert work(store, take(store, run), longest=math.inf) == "finished"
    assert_same(store.scalars(run), alone(config))


def test_a_store_that_was_replaced_is_opened_again(store: RunStore, tmp_path: Path) -> None:
    before = store.create(small())
    other = RunStore(str(tmp_path / "other.sqlite3"))
    after = other.create(small())
    other.close()
    (tmp_path / "other.sqlite3").replace(_file(store))
    for left in ("-wal", "-shm"):
        _file(store).with_name(f"{_file(store).name}{left}").unlink(missing_ok=True)
    assert [run.id for run in store.list()] == [after] != [before]


def test_a_file_that_is_no_store_is_explained_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "runs.sqlite3"
    file.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(StoreError, match="damaged or is something else: move it away"):
        RunStore(str(file))
    assert file.read_bytes() == b"not a database at all" * 1000
