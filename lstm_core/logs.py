"""One line for each event, on standard error, from this program and the libraries it stands on.

LSTM_LAB_LOG=text is for people, =json for programs that collect; LSTM_LAB_LOG_LEVEL says from which weight on. Nothing
that is logged can begin a line of its own: in text what is no printable character is written as an escape, and a
traceback follows its line indented; in JSON everything of an event is in one line.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

LEVELS = ("debug", "info", "warning", "error")
LONGEST = 300  # characters of a line of a traceback: what failed may have been given by somebody
# uvicorn names addresses of people at lower levels.
AT_LEAST = {"uvicorn": logging.WARNING, "alembic": logging.WARNING}

_NO_LETTER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def set_up(environment: Mapping[str, str] = os.environ, dask: int = logging.WARNING) -> None:
    """Put the two settings into effect; raises ValueError for one that cannot be used.

    `dask` is the least level of Dask, which has much to say of every process that comes or goes.
    """
    kind, level = wanted(environment)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if kind == "json" else Text())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name, least in {**AT_LEAST, "distributed": dask}.items():
        logging.getLogger(name).setLevel(max(level, least))
    gather()


def dask_setup(_worker: object) -> None:
    """The same in a worker process, where Dask calls this before any work is given."""
    set_up(dask=logging.CRITICAL)


def wanted(environment: Mapping[str, str]) -> tuple[str, int]:
    """The form and the level that are set; raises ValueError."""
    kind = environment.get("LSTM_LAB_LOG", "").strip().lower() or "text"
    if kind not in ("text", "json"):
        raise ValueError(f"LSTM_LAB_LOG is {kind!r}; set it to text or json.")
    level = environment.get("LSTM_LAB_LOG_LEVEL", "").strip().lower() or "warning"
    if level not in LEVELS:
        raise ValueError(f"LSTM_LAB_LOG_LEVEL is {level!r}; set it to one of {', '.join(LEVELS)}.")
    return kind, int(getattr(logging, level.upper()))


def gather() -> None:
    """Let everything that is logged go through the one formatter, also of libraries that brought their own."""
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        for handler in [one for one in logger.handlers if type(one) is logging.StreamHandler]:
            logger.removeHandler(handler)
            logger.propagate = True


def _traceback(info: Any) -> list[str]:
    kind, error, trace = info
    lines = "".join(traceback.format_exception(kind, error, trace)).splitlines()
    return [_NO_LETTER.sub(_escape, line[:LONGEST]) for line in lines]


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


_Info = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Text(logging.Formatter):
    """`2026-11-21 18:00:00 WARNING lstm-lab: What happened. run=3f2a`"""

    def __init__(self) -> None:
        super().__init__(datefmt="%Y-%m-%d %H:%M:%S")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        more = {name: value for name, value in vars(record).items() if name not in _KNOWN}
        words = [record.getMessage(), *(f"{name}={value}" for name, value in more.items())]
        head = f"{self.formatTime(record, self.datefmt)} {record.levelname} {record.name}: {' '.join(words)}"
        trace = _traceback(record.exc_info) if record.exc_info and record.exc_info[1] is not None else []
        return "\n".join([_NO_LETTER.sub(_escape, head), *(f"    {line}" for line in trace)])


class Json(JsonFormatter):
    """The same as one JSON object: `time`, `level`, `name`, `message`, what was given besides, `exc_info`."""

    def __init__(self) -> None:
        names = {"levelname": "level", "asctime": "time"}
        super().__init__("{asctime}{levelname}{name}{message}", style="{", rename_fields=names)
        self.default_time_format, self.default_msec_format, self.converter = (
            "%Y-%m-%dT%H:%M:%S",
            "%s.%03dZ",
            time.gmtime,
        )

    def formatException(self, ei: _Info) -> str:  # noqa: N802
        return "\n".join(_traceback(ei))


_KNOWN = {*RESERVED_ATTRS, "message", "asctime", "taskName", "color_message"}
