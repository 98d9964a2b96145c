"""Stores, leases and small configs for the tests of `lstm_core.runs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from lstm_core.config import RunConfig
from lstm_core.runs import telemetry
from lstm_core.runs.holder import this_process
from lstm_core.runs.records import Lease
from lstm_core.runs.schema import metadata
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.training import TrainState, train
from tests.postgres import Postgres


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The tests of a file that names its BACKENDS run with a store on each of them."""
    backends = getattr(metafunc.module, "BACKENDS", None)
    if backends and "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", backends)


@pytest.fixture
def backend() -> str:
    return "sqlite"


@pytest.fixture
def store(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunStore]:
    """An empty store."""
    if backend == "sqlite":
        opened = RunStore(str(tmp_path / "runs.sqlite3"))
        yield opened
        opened.close()
        return
    opened = request.getfixturevalue("on_postgresql")
    yield opened
    with opened._database.write() as connection:
        for table in reversed(metadata.sorted_tables[1:]):
            connection.execute(sa.delete(table))


@pytest.fixture(scope="module")
def on_postgresql(postgres: Postgres) -> Iterator[RunStore]:
    with postgres.database() as url:
        opened = RunStore(url)
        yield opened
        opened.close()


@pytest.fixture
def run(store: RunStore) -> str:
    return store.create(small())


@pytest.fixture
def lease(store: RunStore, run: str) -> Lease:
    taken = store.acquire(run, this_process())
    assert taken is not None
    return taken


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LSTM_LAB_DATABASE", str(tmp_path / "runs.sqlite3"))
    monkeypatch.delenv("LSTM_LAB_ADDRESS", raising=False)
    return RunStore()


def small(steps: int = 60, **values: Any) -> RunConfig:
    """A run of about a millisecond per step."""
    quick = {"task.length": 8, "model.hidden_size": 6, "model.embedding_size": 4, "training.batch_size": 8}
    return RunConfig().replace(**{**quick, "training.steps": steps, "training.validate_every": 25, **values})


def rows(first: int, last: int, seq: int) -> bytes:
    """A scalars frame of the steps `first` … `last` whose loss is the step itself."""
    table = telemetry.table([(step, {"loss/train": float(step)}) for step in range(first, last + 1)])
    return telemetry.encode("scalars", table, seq, first, last)


def picture(step: int, seq: int, size: int = 10) -> list[bytes]:
    """A snapshot frame and one sample frame of a step."""
    arrays = {"gate/l0.fwd.f": np.full(size, step % 256, np.uint8)}
    return [
        telemetry.encode("snapshot", arrays, seq, step, step),
        telemetry.encode("sample", arrays, seq + 1, step, step, 0),
    ]


def finished(store: RunStore, config: RunConfig) -> tuple[str, TrainState]:
    """A run that is over, and the state of the same training without a store."""
    run = store.create(config)
    assert run_slice(store.url, run).status == "finished"
    state = TrainState(config)
    list(train(config, state))
    return run, state
