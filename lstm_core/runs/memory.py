"""Gives memory back to the system: glibc keeps what was freed between pieces that are in use, for as long as it may.

Where the C library is another one, none of this does anything.
"""

from __future__ import annotations

import ctypes
import threading
import time
from contextlib import suppress

REST = 10.0  # seconds between two times, for each takes some milliseconds
ARENAS = 2  # heaps that threads share; else each of a server's many threads leaves holes in one of its own
_M_ARENA_MAX = -8  # its number in malloc.h

_last = float("-inf")
_lock = threading.Lock()


def share_arenas() -> None:
    """Let all threads that begin from now on take memory from the same few heaps."""
    _call("mallopt", _M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return the pages that nothing is in any more, unless that was done a moment ago."""
    global _last
    with _lock:
        if time.monotonic() - _last < REST:
            return
        _last = time.monotonic()
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    """Call a function of the C library, if it has one of that name."""
    with suppress(OSError, TypeError, AttributeError):  # Windows has no library that goes by no name
        getattr(ctypes.CDLL(None), name)(*arguments)
