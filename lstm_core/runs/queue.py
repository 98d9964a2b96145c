"""The line of runs that wait for a worker: who is next, how long each waits, and how long a slice may be.

Owners take turns, not runs: before one has a second run worked on, everybody has had a first. Among those whose turn
is the same, the owner who was served longest ago is next. Runs that belong to nobody count as one owner's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, get_args

import sqlalchemy as sa

from lstm_core import wording
from lstm_core.runs.leases import is_free, is_waiting
from lstm_core.runs.records import Desired, Status
from lstm_core.runs.schema import Clock, Database, race_runs, runs

ROUND = 4.0  # seconds in which everybody who waits is worked on once, as far as slices can be that short
SHORTEST, LONGEST = 0.15, 1.0  # seconds of a slice while others wait
FIRST = 0.1  # of a run that has nothing to show yet, while others wait
ALONE = 10.0  # of a slice that nobody waits for: the runs of a race do not cut each other short
SURE = 3  # runs in the line whose last slices tell how fast it moves
LATELY = 600.0  # seconds; who was served before counts as never served
AHEAD = 5.0  # seconds by which a clock may be ahead; what is said to have happened later was noted by a wrong one
_ORDINALS = ("next", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


@dataclass(frozen=True)
class Place:
    """A place in the line of `of` runs, 1 being next; `own` of those before it are the same owner's.

    `seconds` is about how long the run waits.
    """

    place: int
    of: int
    own: int
    seconds: float

    @property
    def brief(self) -> str:
        """As a person reads it: «third in line, about 4 s»."""
        which = _ORDINALS[self.place - 1] if self.place <= len(_ORDINALS) else _ordinal(self.place)
        return f"{which} in line, {_about(self.seconds)}"

    @property
    def words(self) -> str:
        """With those of the same owner that go first: «third in line, about 4 s, behind 1 run of the same owner»."""
        behind = f", behind {self.own} {'run' if self.own == 1 else 'runs'} of the same owner" if self.own else ""
        return self.brief + behind


def slice_seconds(others: int, running: int, first: bool = False) -> float:
    """How long a slice may be while so many others wait and so many are worked on; `first` of a run with no step yet.

    Short where many wait, so that each comes round in about `ROUND` seconds; never so short that taking turns would
    cost more than it gives.
    """
    if first:
        return FIRST
    return min(max(ROUND * max(running, 1) / max(others, 1), SHORTEST), LONGEST)


@dataclass(frozen=True)
class _Waiting:
    """A run in the line, or one that is worked on now."""

    id: str
    owner: str
    race: str | None
    speed: float
    idle: float | None = None  # seconds since it was last worked on; None for one that never was


class Queue:
    """The part of `RunStore` that knows the line."""

    _database: Database

    def waiting(self) -> list[str]:
        """The runs that want to run and have no worker, the one that a worker takes next first."""
        with self._database.glance() as connection:
            return list(connection.scalars(_LINE))

    def queue(self) -> dict[str, Place]:
        """The place of every run that waits, in the order of the line."""
        with self._database.read() as connection:
            line = [_Waiting(*row) for row in connection.execute(_LINE)]
            running = [_Waiting(*row) for row in connection.execute(_RUNNING)] if line else []
        return _places(line, running)

    def queue_place(self, run_id: str) -> Place | None:
        """The place of a run in the line; None for one that does not wait."""
        return self.queue().get(run_id)


def _places(line: list[_Waiting], running: list[_Waiting]) -> dict[str, Place]:
    workers, each, pace = max(1, len(running)), _slice_of(line, running), _pace(line)
    before: dict[str, int] = {}
    places = {}
    for index, run in enumerate(line):
        own = before.get(run.owner, 0)
        before[run.owner] = own + 1
        seconds = math.ceil((index + 1) / workers) * each if pace is None else (index + 1) * pace
        places[run.id] = Place(index + 1, len(line), own if run.owner else 0, seconds)
    return places


def _pace(line: list[_Waiting]) -> float | None:
    """Seconds from one slice to the next, as the runs in the line had theirs; None where too few had one yet.

    By the median, since a run that was paused for long says nothing.
    """
    idle = sorted(run.idle for run in line if run.idle is not None)
    middle = (len(idle) + 1) // 2
    return idle[middle - 1] / middle if len(idle) >= SURE else None


def _slice_of(line: list[_Waiting], running: list[_Waiting]) -> float:
    """Seconds that a slice takes now: what the rule says, or one step of what is worked on where that takes longer."""
    races = {run.race for run in (*line, *running)}
    alone = len(races) == 1 and None not in races
    steps = [1 / run.speed for run in running if run.speed > 0]
    step = sum(steps) / len(steps) if steps else 0.0
    return max(ALONE if alone else slice_seconds(len(line), len(running)), step)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _about(seconds: float) -> str:
    if seconds < 0.75:
        return "under 1 s"
    return f"about {round(seconds)} s" if seconds < 90 else f"about {wording.duration(seconds)}"


def _statements() -> tuple[sa.Select[Any], sa.Select[Any]]:
    # Built once, like the statements of `leases`: several people ask for them every second.
    owner, now = sa.func.coalesce(runs.c.owner, ""), Clock()

    def zero(column: sa.ColumnElement[float]) -> sa.ColumnElement[float]:
        return sa.func.coalesce(column, 0)

    race = sa.select(sa.func.min(race_runs.c.race_id)).where(race_runs.c.run_id == runs.c.id).scalar_subquery()
    described = [runs.c.id, owner.label("owner"), race.label("race"), runs.c.speed]
    busy = ~is_free(now)
    ran = sa.case((runs.c.last_ran <= now + AHEAD, runs.c.last_ran), else_=0.0)
    served = sa.case((runs.c.started.is_not(None), ran), else_=0.0)
    counted = sa.func.sum(sa.case((busy, 1), else_=0)).label("busy"), sa.func.max(served).label("served")
    # What the index `runs_waiting` begins with: it leads to the few that ran lately, however many runs there are.
    any_wish = runs.c.desired.in_(get_args(Desired))
    lately = any_wish & runs.c.status.in_(get_args(Status)) & (runs.c.last_ran > now - LATELY)
    owners = sa.select(owner.label("owner"), *counted).where(lately).group_by(owner).subquery()
    number = sa.func.row_number().over(partition_by=owner, order_by=[ran, runs.c.id]).label("number")
    line = sa.select(*described, ran.label("ran"), served.label("had"), number).where(is_waiting(now)).subquery()
    idle = sa.case((line.c.had > 0, now - line.c.had))
    in_turn = (
        sa.select(line.c.id, line.c.owner, line.c.race, line.c.speed, idle)
        .select_from(line.outerjoin(owners, owners.c.owner == line.c.owner))
        .order_by(zero(owners.c.busy) + line.c.number, zero(owners.c.served), line.c.ran, line.c.id)
    )
    return in_turn, sa.select(*described).where(any_wish, runs.c.status == "running", busy)


_LINE, _RUNNING = _statements()
