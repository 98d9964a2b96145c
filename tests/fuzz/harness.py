"""How input is given to an entry point: drawn by seed and number, checked, made as small as it still fails."""

from __future__ import annotations

import contextlib
import gc
import re
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.fuzz import inputs

SLOWEST = 10.0  # seconds that one input may take, on a machine that does other things too


class Refusal(AssertionError):
    """Input was refused in a way that nobody can read."""


@dataclass(frozen=True)
class Entry:
    """One way into the program: what is drawn for it, and what raises where such input breaks something.

    `share` is its part of all inputs, in thousandths.
    """

    name: str
    share: int
    draw: Callable[[Random], Any]
    give: Callable[[Any], None]


@dataclass
class Found:
    """What a run of inputs through one entry showed."""

    entry: str
    given: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    faults: dict[str, tuple[int, Any, str]] = field(default_factory=dict)  # where → number, smallest input, traceback


def sentence(words: str) -> None:
    """Raise where what a person is told is no sentence, or could fill their screen."""
    if not words or len(words) > 3000 or not words.rstrip().endswith((".", "?", "!", "…", ")")):
        raise Refusal(f"no sentence ({len(words)} characters): {words[:200]!r}")
    if any(sign in words for sign in ("Traceback", "Error:", "object at 0x", "pydantic")):
        raise Refusal(f"not for a reader: {words[:300]!r}")


def run(entry: Entry, seed: int, count: int) -> Found:
    """Give `count` inputs to an entry; the same seed gives the same inputs."""
    found, begun = Found(entry.name), time.monotonic()
    for number in range(count):
        bad = entry.draw(Random(f"{seed}:{entry.name}:{number}"))
        start = time.monotonic()
        where = fault(entry, bad)
        spent = time.monotonic() - start
        found.given += 1
        found.slowest = max(found.slowest, spent)
        if where is None and spent > SLOWEST:
            where = f"takes {spent:.0f} s"
            found.faults.setdefault("too slow", (number, bad, where))
        elif where is not None and where not in found.faults and len(found.faults) < 20:
            small = inputs.smallest(bad, lambda other: fault(entry, other))
            found.faults[where] = (number, small, _trace(entry, small))
    found.seconds = time.monotonic() - begun
    gc.collect()
    return found


def fault(entry: Entry, bad: Any) -> str | None:
    """Where and how the input breaks something; None where it does not."""
    try:
        entry.give(bad)
    except Exception as error:
        last = [frame for frame in traceback.extract_tb(error.__traceback__) if "/fuzz/" not in frame.filename][-1:]
        place = f"{last[0].filename.rsplit('/', 2)[-1]}:{last[0].lineno} " if last else ""
        said = str(error).partition(":")[0][:60] if isinstance(error, AssertionError) else ""
        said = re.sub(r"\d+", "#", said)
        return f"{place}{type(error).__name__} {said}"
    return None


def _trace(entry: Entry, bad: Any) -> str:
    try:
        entry.give(bad)
    except Exception:
        return "".join(traceback.format_exc(limit=-8))
    return "(the smallest input fails only sometimes)"


def told(found: Found) -> Iterator[str]:
    """One line for the entry, and what was found."""
    yield f"{found.entry:28} {found.given:6} inputs {found.seconds:7.1f} s  slowest {found.slowest:5.2f} s  " + (
        f"{len(found.faults)} FAULTS" if found.faults else "nothing found"
    )
    for where, (number, bad, trace) in found.faults.items():
        shown = ""
        with contextlib.suppress(Exception):
            shown = repr(bad)
        yield f"\n  {where}\n  input {number}, smallest: {shown[:600]}{'…' if len(shown) > 600 else ''}"
        yield "    " + trace.replace("\n", "\n    ")
