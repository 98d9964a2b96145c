"""What the tests of the page share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app import services
from app.outside import cookies
from app.people import owning
from lstm_core.runs.store import RunStore
from tests.app.lab import Poked


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    monkeypatch.setenv("LSTM_LAB_DATABASE", str(tmp_path / "runs.sqlite3"))
    services.close()
    monkeypatch.setattr(services, "_engine", Poked())
    monkeypatch.setattr(owning, "connection", lambda: {cookies.LOCAL: "1"})  # somebody at this machine
    yield services.store()
    services.close()
