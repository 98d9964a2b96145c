"""The short form of `make chaos`."""

from __future__ import annotations

import pytest

from tests.chaos import main


def test_nothing_is_lost_whoever_is_killed(capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["--runs", "4", "--kills", "6"])
    told = capfd.readouterr().out
    assert code == 0, told
    assert "6 kills" in told
