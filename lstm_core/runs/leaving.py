"""Whether this process is about to end: what it works on is then given back at the next look, and nothing is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WITHIN = 2.0  # seconds that a slice in progress is given to keep its state

_leaving = threading.Event()
_work = threading.Condition()
_slices = 0


def leave() -> None:
    """Let every slice of this process end at its next look; none begins any more."""
    _leaving.set()


def is_leaving() -> bool:
    return _leaving.is_set()


@contextmanager
def at_work() -> Iterator[None]:
    """Around a slice, so that `leave_on_sigterm` can wait for its end."""
    global _slices
    with _work:
        _slices += 1
    try:
        yield
    finally:
        with _work:
            _slices -= 1
            _work.notify_all()


def leave_on_sigterm() -> None:
    """Let SIGTERM do what it did before only when the slices of this process have ended, or `WITHIN` is over.

    To be called in the main thread, where Python handles signals.
    """
    before: Any = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
    ended = threading.Event()

    def end_after_the_work() -> None:
        with _work:
            _work.wait_for(lambda: not _slices, timeout=WITHIN)
        ended.set()
        os.kill(os.getpid(), signal.SIGTERM)

    def when_asked(*_: object) -> None:
        if ended.is_set():
            signal.signal(signal.SIGTERM, before)
            os.kill(os.getpid(), signal.SIGTERM)
        elif not _leaving.is_set():  # who ends a whole service asks each of its processes, and some of them ask too
            leave()
            threading.Thread(target=end_after_the_work, name="leaving", daemon=True).start()

    signal.signal(signal.SIGTERM, when_asked)
