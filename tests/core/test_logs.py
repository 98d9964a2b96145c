"""What is logged is one line for each event, whatever it is made of."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from lstm_core.logs import LONGEST, Json, Text, wanted

FORGED = "fine\n2026-11-21 18:00:00 ERROR lstm-lab: forged\r\x1b[2J\u2028end"


def record(message: str, *args: Any, trace: bool = False, **more: Any) -> logging.LogRecord:
    info = None
    if trace:
        try:
            raise ValueError(FORGED + "x" * 1000)
        except ValueError:
            info = sys.exc_info()
    made = logging.LogRecord("lstm-lab", logging.WARNING, __file__, 1, message, args, info)
    vars(made).update(more)
    return made


def test_text_has_one_line_for_people() -> None:
    line = Text().format(record("A slice of run %s was lost.", "3f2a", worker=2))
    assert line[10] == " "
    assert line[19:] == " WARNING lstm-lab: A slice of run 3f2a was lost. worker=2"


def test_json_has_the_same_for_programs() -> None:
    told = json.loads(Json().format(record("A slice of run %s was lost.", "3f2a", worker=2)))
    assert told.pop("time").endswith("Z")
    assert told == {"level": "WARNING", "name": "lstm-lab", "message": "A slice of run 3f2a was lost.", "worker": 2}


@pytest.mark.parametrize("formatter", [Text(), Json()])
def test_no_value_can_begin_a_line(formatter: logging.Formatter) -> None:
    line = formatter.format(record("Said %s", FORGED, name2=FORGED))
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


def test_a_traceback_stays_with_its_event() -> None:
    first, *rest = Text().format(record("It failed", trace=True)).splitlines()
    assert first.endswith("It failed")
    assert rest[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") and len(line) <= LONGEST + 60 for line in rest)
    whole = Json().format(record("It failed", trace=True))
    assert len(whole.splitlines()) == 1
    assert "ValueError" in json.loads(whole)["exc_info"]


def test_only_known_settings_are_taken() -> None:
    assert wanted({}) == ("text", logging.WARNING)
    assert wanted({"LSTM_LAB_LOG": " JSON ", "LSTM_LAB_LOG_LEVEL": "info"}) == ("json", logging.INFO)
    with pytest.raises(ValueError, match="set it to text or json"):
        wanted({"LSTM_LAB_LOG": "xml"})
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        wanted({"LSTM_LAB_LOG_LEVEL": "loud"})
