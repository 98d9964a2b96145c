"""The terminal tells of a run what the page tells, and writes the same records."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstm_core.__main__ import main
from lstm_core.config import RunConfig
from lstm_core.export import scalars_csv
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from tests.runs.conftest import finished, small

Captured = pytest.CaptureFixture[str]


def test_findings_are_told_with_what_to_try(own_store: RunStore, capsys: Captured) -> None:
    run = own_store.create(small(120, **{"init.preset": "all_equal"}))
    assert run_slice(own_store.url, run).status == "finished"
    assert main(["findings", run]) == 0
    first, next_ = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("All 6 units do exactly the same")
    assert next_ == "  To try next: chrono."
    waiting = own_store.create(small())
    assert main(["findings", waiting]) == 0
    assert capsys.readouterr().out == "No rule finds anything that stands out.\n"
    assert main(["findings", "nothing"]) == 1
    assert "There is no run 'nothing'" in capsys.readouterr().err


def test_records_are_written_to_a_file(own_store: RunStore, tmp_path: Path, capsys: Captured) -> None:
    run, _ = finished(own_store, small(20))
    scalars, settings = tmp_path / "run.csv", tmp_path / "run.json"
    assert main(["export", run, "--to", str(scalars)]) == 0
    assert scalars.read_text() == "".join(scalars_csv(own_store.scalars(run)))
    assert main(["export", run, "--what", "settings", "--to", str(settings)]) == 0
    assert RunConfig.model_validate_json(settings.read_text()) == small(20)
    assert str(settings) in capsys.readouterr().out
    assert main(["export", run, "--to", str(tmp_path / "no" / "run.csv")]) == 2
    assert "cannot be written: No such file or directory." in capsys.readouterr().err
    assert main(["export", "nothing", "--to", str(scalars)]) == 1
