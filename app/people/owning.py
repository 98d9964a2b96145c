"""Who sits before a page, and what they may change: their own runs and races, nobody else's.

Whoever can reach the server may look at everything. What is to be changed goes through `changes.py`, which asks here.
A run that belongs to nobody (the example, one begun in a terminal) may be changed by whoever sits at the server's own
machine. A teacher may change everything.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import streamlit as st

from app import session
from app.outside import cookies, counters
from lstm_core.runs.owners import new_token, owner_of, owner_of_person, same
from lstm_core.runs.records import StoreError

_log = logging.getLogger("lstm-lab")
_KEY = secrets.token_bytes(32)  # of this process alone: what `mark` gives cannot be led back to an owner


class NotYours(StoreError):
    """What was to be changed belongs to someone else."""


class Owned(Protocol):
    """A run or a race."""

    @property
    def id(self) -> str: ...
    @property
    def owner(self) -> str | None: ...


@dataclass(frozen=True)
class Identity:
    """Who sits before a page. `lasting`: the owner outlives the tab. `person`: the name of somebody who signed in."""

    owner: str
    local: bool = False
    teacher: bool = False
    lasting: bool = True
    person: str | None = None

    def may_change(self, owner: str | None) -> bool:
        """Whether what belongs to this owner, None for nobody, may be changed."""
        return self.teacher or self.has(owner)

    def has(self, owner: str | None) -> bool:
        """Whether what belongs to this owner counts as one's own."""
        return self.local if owner is None else same(owner, self.owner)


def identity() -> Identity:
    """Who sits before this page: a person who signed in, else a browser by its cookie, else this tab alone."""
    here, known = session.current(), connection()
    local = known.get(cookies.LOCAL) == "1"
    subject = known.get("sub")
    if known.get("is_logged_in") is True and subject:
        owner = owner_of_person(str(known.get("iss") or ""), str(subject))
        name = known.get("name") or known.get("email") or subject
        return Identity(owner, local, here.teacher, person=str(name)[:80])
    owner_here = known.get(cookies.OWNER)
    if isinstance(owner_here, str) and owner_here:
        return Identity(owner_here, local, here.teacher)
    here.token = here.token or new_token()
    return Identity(owner_of(here.token), local, here.teacher, lasting=not known)  # nothing is known after signing out


def connection() -> Mapping[str, Any]:
    """What Streamlit knows of whoever opened this page's session; it stays the same as long as the session lasts."""
    return st.user.to_dict()


def may_change(what: Owned) -> bool:
    """Whether this page may change a run or a race."""
    return identity().may_change(what.owner)


def check(what: str, id: str, owner: str | None, kind: str = "run") -> None:
    """Raise NotYours, in words, where this page may not do `what` with a run or race of this owner."""
    if identity().may_change(owner):
        return
    counters.refused(what)
    _log.warning("Refused: %s of %s %s by somebody whose it is not.", what, kind, id)
    whose = "nobody in particular" if owner is None else "someone else"
    if kind == "race":
        raise NotYours(f"This race belongs to {whose}: it is to look at. Start the same one to have one of your own.")
    raise NotYours(f"This run belongs to {whose}. Make a copy with its settings to train one of your own.")


def check_teacher(what: str) -> None:
    """Raise NotYours where this page is not a teacher's."""
    if not identity().teacher:
        counters.refused(what)
        _log.warning("Refused: %s by somebody who is no teacher.", what)
        raise NotYours("Only a teacher can do this: sign in with the teacher's password first.")


def mark(owner: str | None) -> str | None:
    """A sign by which a browser tells its own runs in a list; it says nothing of the owner. None for nobody's."""
    return None if owner is None else hmac.new(_KEY, owner.encode(), hashlib.sha256).hexdigest()[:16]
