"""What a command says: to readers that may go away at any time, and measured figures in words."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

PARTS = ("train", "val", "test")


def prepare() -> None:
    """Let no sign that a terminal cannot show stop a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def tell(text: str, end: str = "\n") -> None:
    """Print to standard output; what a reader that has gone away does not want is not printed.

    Raises OSError where it cannot be written for another reason, such as a full disk.
    """
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        _silence()
    except OSError:
        _silence()
        raise


def complain(text: str) -> None:
    """Print to standard error, if anybody reads it."""
    print(text, file=Patient(sys.stderr), flush=True)


def flush() -> None:
    """Print what is left, so that Python does not stumble over it as it ends."""
    try:
        tell("", end="")
    except OSError as error:
        complain(f"Standard output cannot be written: {error.strerror or error}.")


def _silence() -> None:
    """Let standard output lead nowhere from here on, also for what its buffer still holds."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class Patient:
    """A stream that may be missing or break at any time: what cannot be written to it is left out."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text) if self._stream is not None else len(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        try:
            if self._stream is not None:
                self._stream.flush()
        except OSError:
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def figures(scalars: Mapping[str, float]) -> str:
    """A line for each part that was measured, with its loss and the task's metrics; at the end where the test was.

    `scalars` are named as those of a `Step`; others than loss and metrics are left out.
    """
    lines = []
    for part in PARTS:
        ending = f"/{part}"
        names = sorted((name for name in scalars if name.endswith(ending)), key=lambda name: name != f"loss{ending}")
        measured = {name.removesuffix(ending): scalars[name] for name in names}
        if measured:
            lines.append("  ".join([f"{part:<5}", *(f"{name} {value:.6g}" for name, value in measured.items())]))
    if "best/step" in scalars and lines:
        lines[-1] += f"  (with the weights of step {scalars['best/step']:.0f}, the best in validation)"
    return "\n".join(lines)
