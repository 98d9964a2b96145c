"""The lease of a run: whoever has it may work on the run, and nobody else can write to it.

Each lease has a number, the fence, and every write checks it in its own transaction: a worker that was taken for dead
and comes back can write nothing (LeaseLost). A lease is taken over at once from a dead process of the same host, else
when it has not been renewed for its `seconds`; every write renews it, and so does `heartbeat`.
"""

from __future__ import annotations

import math
import os
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from lstm_core.runs.holder import is_dead
from lstm_core.runs.records import Lease, LeaseLost, RunNotFound, StoreError, checked_id
from lstm_core.runs.schema import Clock, runs

WAITING = ("queued", "running", "interrupted")  # statuses from which a worker may pick a run up
LEASE = 60.0  # seconds of silence after which a worker of another host is taken for dead
SHORTEST, LONGEST = 0.5, 3600.0
CHANGED = {"state_version": runs.c.state_version + 1}


def is_waiting(now: Any, table: Any = runs) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.desired == "running", table.c.status.in_(WAITING), is_free(now, table))


def is_free(now: Any, table: Any = runs) -> sa.ColumnElement[bool]:
    """That nobody has the lease, as far as the database can tell."""
    far = sa.bindparam("far", callable_=_far, type_=sa.Float, unique=True)
    over = sa.or_(table.c.lease_until < now, table.c.lease_until > now + far)
    return sa.or_(table.c.lease_holder.is_(None), over)


def held(row: Any, now: float, by_other_than: str | None = None) -> bool:
    """Whether a living worker, other than the one named, has the lease at `now`."""
    holder = row.lease_holder
    if holder is None or holder == by_other_than:
        return False
    return bool(now <= row.lease_until <= now + _far()) and not is_dead(holder)


def lease_seconds() -> float:
    """LSTM_LAB_LEASE, else `LEASE`; raises StoreError for what is no number of seconds."""
    asked = os.environ.get("LSTM_LAB_LEASE", "").strip()
    try:
        seconds = float(asked or LEASE)
    except ValueError:
        seconds = math.nan
    if not SHORTEST <= seconds <= LONGEST:
        raise StoreError(
            f"LSTM_LAB_LEASE is {asked!r}; set it to a number of seconds from {SHORTEST:g} to {LONGEST:g}, such as 60."
        )
    return seconds


def _far() -> float:
    # What ends later than any lease can was written before a clock was set back.
    return 2 * lease_seconds()


def state_row(run_id: str) -> sa.Select[Any]:
    return sa.select(runs).where(present(run_id)).with_for_update()


def present(run_id: str) -> sa.ColumnElement[bool]:
    """The run of this id, unless it was thrown away; raises RunNotFound for what is no id."""
    return (runs.c.id == checked_id(run_id)) & runs.c.deleted.is_(None)


def locked(connection: sa.Connection, run_id: str) -> Any:
    row = connection.execute(state_row(run_id)).one_or_none()
    if row is None:
        raise RunNotFound(run_id)
    return row


def update(connection: sa.Connection, run_id: str, **values: Any) -> None:
    if not connection.execute(sa.update(runs).where(present(run_id)).values(**values)).rowcount:
        raise RunNotFound(run_id)


def renew(connection: sa.Connection, lease: Lease, bump: tuple[str, ...] = (), **values: Any) -> None:
    """Write to the row of a leased run and count up the columns in `bump`.

    The whole transaction is undone where the lease is lost.
    """
    known = {"run": lease.run_id, "held": lease.fence, "seconds": lease.seconds}
    parameters = {f"new_{name}": value for name, value in values.items()}
    statement = _renewal(tuple(values), bump)
    if not connection.execute(statement, {**known, **parameters}).rowcount:
        raise LeaseLost(lease.run_id)


@lru_cache(maxsize=64)
def _renewal(names: tuple[str, ...], bump: tuple[str, ...]) -> sa.Update:
    # Built once, like the statements of `leased`: a worker does this twenty times a second.
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}", type_=runs.c[name].type) for name in names}
    values |= {name: runs.c[name] + 1 for name in bump}
    values["lease_until"] = Clock() + sa.bindparam("seconds", type_=sa.Float)
    run, held = sa.bindparam("run", type_=sa.String), sa.bindparam("held", type_=sa.Integer)
    return sa.update(runs).where(runs.c.id == run, runs.c.fence == held).values(values)
