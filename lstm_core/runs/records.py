"""What the store hands out: a run, a lease on it, the wishes for it; and how it says no."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from lstm_core.config import Override
from lstm_core.files import Kind

Status = Literal["queued", "running", "paused", "finished", "stopped", "failed", "interrupted"]
Desired = Literal["running", "paused", "stopped"]

OVER: tuple[Status, ...] = ("finished", "stopped", "failed")
CHANGEABLE = ("learning_rate", "clip", "clip_threshold")  # settings that may change while a run goes on


ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # of a run and of a race


class StoreError(Exception):
    """The store cannot be used; the message says why and what to do."""


class RunNotFound(StoreError):
    """There is no run of this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id[:40]!r}: it was deleted, or the link is for another run store.")


def checked_id(run_id: str) -> str:
    """The id, if it can be one; raises RunNotFound for what a database need not be asked about, or cannot be."""
    if not ID.fullmatch(run_id):
        raise RunNotFound(run_id)
    return run_id


class LeaseLost(StoreError):
    """Someone else works on this run now, or it was deleted: nothing may be written any more."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"Run {run_id!r} was taken over or deleted; this worker lets go of it.")


@dataclass(frozen=True)
class Run:
    """The state row of a run. Times are seconds since 1970, `train_seconds` seconds of work, `speed` steps/s."""

    id: str
    name: str | None
    owner: str | None  # see `owners`; None for a run that belongs to nobody
    pinned: int  # 1: never thinned to save space
    thinned: float | None  # when it was thinned
    created: float
    config: dict[str, Any]
    about: dict[str, Any] | None
    status: Status
    desired: Desired
    target: int | None  # pause again when this step is recorded
    step: int  # the last step recorded, −1 for none
    steps: int
    error: dict[str, Any] | None  # {"what", "why", "remedy", "step"}
    revision: int  # counts how often recorded telemetry was taken back
    seq: int  # number of the last frame
    state_version: int  # counts changes of this row that a page shows
    train_seconds: float
    started: float | None
    finished: float | None
    speed: float
    attempts: int  # workers that took it since one came through a slice
    lease_holder: str | None
    lease_until: float | None
    last_ran: float
    parent: str | None  # the run that this one goes on from, or was made after
    fork_step: int | None  # the parent's step from which it goes on

    @property
    def remaining(self) -> float | None:
        """Seconds until the last step at the present speed; None where that cannot be told."""
        return max(self.steps - self.step, 0) / self.speed if self.speed > 0 else None


@dataclass(frozen=True)
class KeptFile:
    """A file that somebody gave to the store: its name, what it is for, its size in bytes and when it came."""

    id: str
    name: str
    kind: Kind
    size: int
    created: float


@dataclass(frozen=True)
class Lease:
    """The right to write to a run, with what its holder must know. `fence` grows with every holder."""

    run_id: str
    fence: int
    holder: str
    seconds: float
    config: dict[str, Any]
    owner: str | None
    described: bool
    step: int
    seq: int
    parent: str | None
    fork_step: int | None
    attempts: int
    train_seconds: float


@dataclass(frozen=True)
class Request:
    """A change of a setting that someone asked for and no worker has put into effect yet."""

    id: int
    field: str
    value: float | str


@dataclass(frozen=True)
class Wishes:
    """What people want of a run at this moment."""

    desired: Desired
    target: int | None
    requests: tuple[Request, ...]
    others_waiting: int  # how many runs that may cut this one's slice short wait for a worker, `MANY` at most
    running: int  # how many runs are worked on, `MANY` at most


__all__ = [
    "CHANGEABLE",
    "OVER",
    "Desired",
    "KeptFile",
    "Lease",
    "LeaseLost",
    "Override",
    "Request",
    "Run",
    "RunNotFound",
    "Status",
    "StoreError",
    "Wishes",
    "checked_id",
]
