"""Pages take turns to be drawn: few at a time are all there sooner than many at once.

Thirty scripts that run side by side only wait for each other, the first as long as the last, and the line to the
browsers waits among them at every step. Drawn two at a time they come one after the other, and what is live stays so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

AT_ONCE = 2
PATIENCE = 2.0  # seconds until a page no longer waits for the others: one of them may take long

_turns = threading.BoundedSemaphore(AT_ONCE)
_mine = threading.local()


@contextmanager
def turn() -> Iterator[None]:
    """Draw a page within this."""
    _mine.held = _turns.acquire(timeout=PATIENCE)
    try:
        yield
    finally:
        _give_back()


@contextmanager
def aside() -> Iterator[None]:
    """Let another page have this one's turn, if it has one, while this one waits for what is not drawn here."""
    held = _give_back()
    try:
        yield
    finally:
        if held:
            _mine.held = _turns.acquire(timeout=PATIENCE)


def _give_back() -> bool:
    held, _mine.held = getattr(_mine, "held", False), False
    if held:
        _turns.release()
    return held
