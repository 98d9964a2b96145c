"""Readers that go away, full disks, narrow encodings and Ctrl-C: no command stumbles over them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lstm_core.__main__ import main
from lstm_core.runs.store import RunStore
from tests.runs.conftest import finished, small


def shell(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("LSTM", f"{sys.executable} -m lstm_core")],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("LSTM train --help | head -n 1", 0),
        ("LSTM show RUN | head -n 1", 0),
        ("LSTM show RUN | true", 0),
        ("LSTM show RUN >&- 2>&-", 0),
        ("LSTM train --steps 3 --length 4 2>&1 | true", 0),
    ],
)
def test_a_reader_may_go_away(own_store: RunStore, line: str, code: int) -> None:
    """Neither a traceback nor Python's own complaint, and the training is not disturbed."""
    run, _ = finished(own_store, small(2))
    done = shell(line.replace("RUN", run))
    assert (done.returncode, done.stderr) == (code, "")
    assert all(each.status == "finished" for each in own_store.list())


def test_a_closed_input_is_said(own_store: RunStore) -> None:
    done = shell("LSTM train --json - <&-")
    assert (done.returncode, done.stderr) == (2, "- cannot be read as JSON: standard input is closed.\n")
    assert own_store.list() == []


def test_a_full_disk_is_said(own_store: RunStore) -> None:
    run, _ = finished(own_store, small(2))
    done = shell(f"LSTM show {run} > /dev/full")
    assert (done.returncode, done.stderr) == (1, "The output cannot be used: No space left on device.\n")


def test_signs_that_a_terminal_cannot_show_stop_nothing(own_store: RunStore) -> None:
    run, _ = finished(own_store, small(2))
    done = shell(f"PYTHONIOENCODING=ascii LSTM show {run} | head -n 1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Recall the first of 8 tokens ? LSTM 6 ?")


def test_ctrl_c_ends_other_commands_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lstm_core.terminal.commands.list_tasks", interrupted)
    assert main(["tasks"]) == 130
    assert capsys.readouterr().err == "Ended.\n"
