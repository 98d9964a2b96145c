"""Gives memory back to the system: glibc keeps what was freed between pieces that are in use, for as long as it may."""

from __future__ import annotations

import ctypes
import threading
import time

REST = 10.0  # seconds between two times, for each takes some milliseconds

_last = float("-inf")
_lock = threading.Lock()


def give_back() -> None:
    """Where the C library can: return the pages that nothing is in any more."""
    global _last
    with _lock:
        if time.monotonic() - _last < REST:
            return
        _last = time.monotonic()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
