"""The teacher's password: whoever gives it may control every run, in this tab and until signing out."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import threading
import time

from app import session
from lstm_core.runs.records import StoreError

FREE = 5  # wrong passwords in a row, of all pages together, before one has to wait
LONGEST = 30.0  # seconds of a wait; each wrong password doubles it up to this
FORGET = 600.0  # seconds without a wrong one after which all is as at first

_log = logging.getLogger("lstm-lab")


def offered() -> bool:
    """Whether the server has a password for teachers: LSTM_LAB_TEACHER_PASSWORD."""
    return bool(_password())


def _password() -> str:
    return os.environ.get("LSTM_LAB_TEACHER_PASSWORD", "")


class Door:
    """Lets the right password in, and makes guessing slow; one for all pages of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong, self._last, self._until = 0, float("-inf"), float("-inf")

    def enter(self, given: str) -> None:
        """Raise StoreError, in words, for a wrong password, and for any as long as one has to wait."""
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                wait = max(round(self._until - now), 1)
                raise StoreError(f"Too many wrong passwords were given. Try again in {wait} s.")
            if offered() and hmac.compare_digest(_digest(given), _digest(_password())):
                self._wrong = 0
                return
            self._wrong = 1 if now - self._last > FORGET else self._wrong + 1
            self._last = now
            if self._wrong >= FREE:
                self._until = now + min(2.0 ** (self._wrong - FREE), LONGEST)
        _log.warning("A wrong teacher password was given.")
        raise StoreError("This is not the teacher's password.")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()  # of one length, so that the comparison tells nothing of it


door = Door()


def sign_in(given: str) -> None:
    """Make this page a teacher's; raises StoreError."""
    door.enter(given)
    session.current().teacher = True


def sign_out() -> None:
    session.current().teacher = False
