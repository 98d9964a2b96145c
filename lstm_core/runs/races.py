"""Races in the store: many runs that differ in one setting and in their seeds, begun, looked at and ended together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError

from lstm_core.cleaning import LONGEST, clean_name
from lstm_core.config import RunConfig
from lstm_core.race_plan import Plan
from lstm_core.runs.branches import Branches, check_open, new_id, new_row
from lstm_core.runs.leases import CHANGED, held
from lstm_core.runs.limits import limits
from lstm_core.runs.records import ID, OVER, Desired, Status, StoreError
from lstm_core.runs.schema import Database, race_runs, races, runs

APART = 1e-5  # seconds between two runs in the queue, so that they are taken in their order


class RaceNotFound(StoreError):
    """There is no race of this id."""

    def __init__(self, race_id: str) -> None:
        super().__init__(f"There is no race “{race_id[:40]}” here: it was deleted, or the link is incomplete.")


@dataclass(frozen=True)
class Race:
    """A race as it was begun; `created` in seconds since 1970."""

    id: str
    created: float
    owner: str | None
    plan: Plan


@dataclass(frozen=True)
class Runner:
    """One run of a race: which value and seed it has, and how it stands. The times are as in `Run`."""

    run: str
    value: int
    seed: int
    status: Status
    desired: Desired
    step: int
    steps: int
    speed: float
    train_seconds: float
    error: dict[str, Any] | None
    revision: int
    seq: int
    state_version: int
    described: bool


_COLUMNS = [
    race_runs.c.run_id.label("run"),
    race_runs.c.value,
    race_runs.c.seed,
    *(runs.c[name] for name in Runner.__dataclass_fields__ if name in runs.c),
    runs.c.about.is_not(None).label("described"),
]
_RUNNERS = (
    sa.select(*_COLUMNS)
    .join(runs, runs.c.id == race_runs.c.run_id)
    .where(race_runs.c.race_id == sa.bindparam("race", type_=sa.String), runs.c.deleted.is_(None))
    .order_by(race_runs.c.value, race_runs.c.seed)
)


class Races(Branches):
    """The part of `RunStore` that keeps races."""

    _database: Database

    def create_race(self, plan: Plan, owner: str | None = None) -> str:
        """Begin all runs of a race of this owner and return its id.

        Each value has its first run in the queue before any has a second. Raises LimitReached.
        """
        race_id = new_id()
        self.check_begin(owner, _configs(plan, plan.seeds))
        with self._database.write() as connection:
            connection.execute(sa.insert(races).values(id=race_id, created=time.time(), owner=owner, plan=plan.dump()))
            _begin(connection, race_id, plan, plan.seeds, owner)
        return race_id

    def race(self, race_id: str) -> Race:
        """One race; raises RaceNotFound."""
        with self._database.read() as connection:
            return _race(connection, race_id)

    def races(self, limit: int = 50) -> list[Race]:
        """The newest races first; not those of another version whose settings no longer stand."""
        query = sa.select(races).order_by(races.c.created.desc()).limit(limit)
        with self._database.read() as connection:
            found = [_read(row) for row in connection.execute(query)]
        return [race for race in found if race is not None]

    def runners(self, race_id: str) -> list[Runner]:
        """The runs of a race that are not deleted, by value and seed; none where there is no such race."""
        with self._database.read() as connection:
            return [Runner(**row._mapping) for row in connection.execute(_RUNNERS, {"race": race_id})]

    def add_seeds(self, race_id: str, count: int = 1) -> list[int]:
        """Begin `count` more runs of every value, with the seeds behind the last; returns those seeds.

        Raises Impossible where the race would have too many runs, LimitReached where its owner would.
        """
        self.check_begin(self.race(race_id).owner, [])
        with self._database.write() as connection:
            race = _race(connection, race_id, lock=True)
            plan = race.plan.with_seeds(count)
            added = plan.seeds[len(race.plan.seeds) :]
            if race.owner is not None:
                limits().check_settings(_configs(plan, added))
            connection.execute(sa.update(races).where(races.c.id == race_id).values(plan=plan.dump()))
            _begin(connection, race_id, plan, added, race.owner)
        return list(added)

    def stop_race(self, race_id: str) -> int:
        """Stop every run that is not over and return how many those are; raises RaceNotFound."""
        with self._database.write() as connection:
            _race(connection, race_id, lock=True)
            of_race = sa.select(race_runs.c.run_id).where(race_runs.c.race_id == race_id)
            query = sa.select(runs).where(runs.c.id.in_(of_race), runs.c.status.not_in(OVER)).with_for_update()
            going = connection.execute(query).all()
            now = time.time()
            for row in going:
                values: dict[str, Any] = {"desired": "stopped", "target": None}
                if not held(row, self._database.now(connection)):
                    values |= {"status": "stopped", "finished": now}
                connection.execute(sa.update(runs).where(runs.c.id == row.id).values(**values, **CHANGED))
        return len(going)

    def delete_race(self, race_id: str) -> None:
        """Remove a race and throw its runs away, to be taken back as any other runs; raises RaceNotFound."""
        with self._database.write() as connection:
            _race(connection, race_id, lock=True)
            of_race = sa.select(race_runs.c.run_id).where(race_runs.c.race_id == race_id)
            here = runs.c.id.in_(of_race) & runs.c.deleted.is_(None)
            now = time.time()
            ended: dict[str, Any] = {"status": "stopped", "desired": "stopped", "target": None, "finished": now}
            connection.execute(sa.update(runs).where(here, runs.c.status.not_in(OVER)).values(**ended))
            free: dict[str, Any] = {"fence": runs.c.fence + 1, "lease_holder": None, "lease_until": None}
            connection.execute(sa.update(runs).where(here).values(deleted=now, attempts=0, **free, **CHANGED))
            connection.execute(sa.delete(races).where(races.c.id == race_id))


def _race(connection: sa.Connection, race_id: str, lock: bool = False) -> Race:
    if not ID.fullmatch(race_id):
        raise RaceNotFound(race_id)
    query = sa.select(races).where(races.c.id == race_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise RaceNotFound(race_id)
    race = _read(row)
    if race is None:
        raise StoreError("This race was begun by another version of the program, whose settings are no longer known.")
    return race


def _read(row: Any) -> Race | None:
    try:
        return Race(row.id, row.created, row.owner, Plan.load(row.plan))
    except ValidationError:
        return None


def _configs(plan: Plan, seeds: Sequence[int]) -> list[RunConfig]:
    return [plan.settings(value, seed) for value, seed in plan.runs(seeds)]


def _begin(connection: sa.Connection, race_id: str, plan: Plan, seeds: Sequence[int], owner: str | None) -> None:
    order = list(plan.runs(seeds))
    check_open(connection, owner, len(order))
    since = time.time()
    rows, members = [], []
    for place, (value, seed) in enumerate(order):
        config = plan.settings(value, seed)
        name = f"{plan.label}: {plan.words(value)} · seed {seed} · race {race_id}"
        rows.append(new_row(config, since + APART * place, owner=owner) | {"name": clean_name(name[-LONGEST:])})
        members.append({"race_id": race_id, "run_id": rows[-1]["id"], "value": value, "seed": seed})
    connection.execute(sa.insert(runs), rows)
    connection.execute(sa.insert(race_runs), members)
