"""The worker's half of the store: taking a run, asking what is wanted of it, writing to it, giving it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from lstm_core.runs import frames as pieces
from lstm_core.runs import telemetry
from lstm_core.runs.leases import CHANGED, WAITING, held, is_waiting, lease_seconds, locked, renew, state_row, update
from lstm_core.runs.records import OVER, Lease, LeaseLost, Request, Status, Wishes
from lstm_core.runs.schema import Clock, Database, checkpoints, overrides, race_runs, runs

MANY = 64  # runs that are counted one by one


def _wishes() -> sa.Select[Any]:
    # Built once: putting this statement together takes longer than the database takes to answer it.
    other = runs.alias()
    run = sa.bindparam("run", type_=sa.String)
    waits = is_waiting(Clock(), other) & (other.c.id != run) & (other.c.status != "running")
    # The runs of a race go one after the other: each change costs a new start, and whole results are waited for.
    of_race = sa.select(race_runs.c.race_id).where(race_runs.c.run_id == run)
    waits &= ~sa.exists().where(race_runs.c.run_id == other.c.id, race_runs.c.race_id.in_(of_race))
    pending = (overrides.c.run_id == run) & overrides.c.step.is_(None)
    works = (other.c.desired == "running") & (other.c.status == "running")
    counts = (_at_most_many(sa.select(other.c.id).where(which)) for which in (waits, works))
    query = sa.select(runs.c.desired, runs.c.target, sa.exists().where(pending), *counts)
    return query.where(runs.c.id == run, runs.c.fence == sa.bindparam("fence", type_=sa.Integer))


def _at_most_many(query: sa.Select[Any]) -> sa.ScalarSelect[Any]:
    some = query.limit(sa.literal_column(str(MANY))).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()


_WISHES = _wishes()
_REQUESTS = (
    sa.select(overrides.c.id, overrides.c.field, overrides.c.value)
    .where(overrides.c.run_id == sa.bindparam("run", type_=sa.String), overrides.c.step.is_(None))
    .order_by(overrides.c.id)
)


class LeasedWrites:
    """What a worker may do with a run; `RunStore` adds what the pages need."""

    _database: Database

    def acquire(self, run_id: str, holder: str, seconds: float | None = None, *, claim: bool = False) -> Lease | None:
        """Take the run to work on it, or None if it is not to run or someone else has it; raises RunNotFound.

        The lease lasts `lease_seconds` where nothing else is given. `claim` wishes the run to run in the same moment,
        so that nobody else can take it first.
        """
        seconds = lease_seconds() if seconds is None else seconds
        with self._database.write() as connection:
            row, now = locked(connection, run_id), self._database.now(connection)
            runnable = row.desired == "running" and row.status in WAITING
            if held(row, now, holder) or not (runnable or (claim and row.status != "finished")):
                return None
            values = {
                "fence": row.fence + 1,
                "lease_holder": holder,
                "lease_until": now + seconds,
                "attempts": 1
                if claim
                else row.attempts + (row.lease_holder != holder),  # who is still there did not die
                "last_ran": now,
                "started": row.started or now,
                "status": "running",
            }
            if claim:
                values |= {"desired": "running", "target": None, "error": None, "finished": None}
            if claim or row.status != "running":
                values |= CHANGED
            update(connection, run_id, **values)
            return Lease(
                run_id=run_id,
                fence=row.fence + 1,
                holder=holder,
                seconds=seconds,
                config=row.config,
                owner=row.owner,
                described=row.about is not None,
                step=row.step,
                seq=row.seq,
                parent=row.parent,
                fork_step=row.fork_step,
                attempts=values["attempts"],
                train_seconds=row.train_seconds,
            )

    def wishes(self, lease: Lease) -> Wishes:
        """What is wanted of the leased run now. Raises LeaseLost."""
        with self._database.glance() as connection:
            return _wished(connection, lease)

    def apply_override(self, lease: Lease, request_id: int, step: int) -> None:
        """Record that a requested change takes effect at `step`."""
        with self._database.write() as connection:
            renew(connection, lease, ("state_version",))
            connection.execute(
                sa.update(overrides)
                .where(overrides.c.id == request_id, overrides.c.run_id == lease.run_id)
                .values(step=step)
            )

    def describe(self, lease: Lease, about: dict[str, Any]) -> None:
        """Store what a page must know to draw the run; viewers who came earlier start afresh."""
        with self._database.write() as connection:
            renew(connection, lease, ("state_version", "revision"), about=about)

    def append(
        self,
        lease: Lease,
        encoded: Sequence[bytes],
        *,
        step: int | None = None,
        status: Status | None = None,
        speed: float | None = None,
        train_seconds: float | None = None,
    ) -> None:
        """Add frames whose numbers follow on those stored, with the last recorded step and the state of the work."""
        with self._database.write() as connection:
            _append(connection, lease, encoded, step=step, status=status, speed=speed, train_seconds=train_seconds)

    def report(
        self, lease: Lease, encoded: Sequence[bytes], *, step: int, speed: float | None, train_seconds: float
    ) -> Wishes:
        """`append` and `wishes` at once, which a worker does twenty times a second."""
        with self._database.write() as connection:
            _append(connection, lease, encoded, step=step, speed=speed, train_seconds=train_seconds)
            return _wished(connection, lease)

    def checkpoint(self, lease: Lease, step: int, data: bytes, name: str = "latest") -> None:
        """Keep the state from which the run goes on by measuring `step`; small frames are merged on the way."""
        key = (checkpoints.c.run_id == lease.run_id) & (checkpoints.c.name == name)
        with self._database.write() as connection:
            before = connection.scalar(sa.select(checkpoints.c.step).where(key))
            renew(connection, lease)
            if before is None:
                row = {"run_id": lease.run_id, "name": name, "step": step, "data": data}
                connection.execute(sa.insert(checkpoints).values(row))
            else:
                connection.execute(sa.update(checkpoints).where(key).values(step=step, data=data))
            pieces.compact(connection, lease.run_id)

    def load_checkpoint(self, run_id: str, name: str = "latest") -> tuple[int, bytes] | None:
        """(next step to measure, state) as `checkpoint` stored it, or None."""
        query = sa.select(checkpoints.c.step, checkpoints.c.data)
        query = query.where(checkpoints.c.run_id == run_id, checkpoints.c.name == name)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.step, row.data)

    def rewind(self, lease: Lease, step: int) -> None:
        """Take back what was recorded at `step` or later, because the work goes on there; viewers start afresh.

        Overrides stay: they take effect at their steps again, so that the same curve is drawn a second time.
        """
        with self._database.write() as connection:
            renew(connection, lease, ("state_version", "revision"), step=step - 1)
            pieces.cut(connection, lease.run_id, step)

    def release(
        self,
        lease: Lease,
        status: Status,
        error: dict[str, Any] | None = None,
        *,
        train_seconds: float | None = None,
    ) -> Status:
        """Give the run back and return its new status. *finished* and *failed* stand as they are given.

        Any other status follows from what is desired at this moment; where the run shall go on it is *queued*, or stays
        *running* if that is what was given.
        """
        with self._database.write() as connection:
            row = _fenced(connection, lease)
            pending = connection.execute(_REQUESTS, {"run": lease.run_id}).all() if status == "finished" else []
            if any(request.field == "steps" for request in pending):
                status = "queued"  # its end was put off at the last moment
            values: dict[str, Any] = {
                "fence": lease.fence + 1,
                "lease_holder": None,
                "lease_until": None,
                "attempts": 0,
            }
            if status not in ("finished", "failed"):
                desired = row.desired
                if desired == "running" and row.target is not None and row.step >= row.target:
                    desired = "paused"
                    values |= {"desired": "paused", "target": None}
                going_on: Status = "running" if status == "running" else "queued"
                status = going_on if desired == "running" else desired
            if train_seconds is not None:
                values["train_seconds"] = train_seconds
            now = self._database.now(connection)
            values |= {"status": status, "error": error, "last_ran": now}
            if status in OVER:
                values["finished"] = now
            if status != row.status or "desired" in values:
                values |= CHANGED
            update(connection, lease.run_id, **values)
        return status

    def reap(self) -> int:
        """Free the runs whose worker died or fell silent, and return how many there were."""
        leased = sa.select(runs.c.id, runs.c.lease_holder, runs.c.lease_until).where(runs.c.lease_holder.is_not(None))
        with self._database.read() as connection:
            now = self._database.now(connection)
            suspects = [row.id for row in connection.execute(leased) if not held(row, now)]
        for run_id in suspects:
            with self._database.write() as connection:
                # Locked: someone writes to it, or was stopped in the middle; nobody may wait for that one here.
                row = connection.execute(state_row(run_id).with_for_update(skip_locked=True)).one_or_none()
                if row is None or row.lease_holder is None or held(row, self._database.now(connection)):
                    continue
                status = row.desired if row.desired != "running" else "interrupted"
                free = {"fence": row.fence + 1, "lease_holder": None, "lease_until": None}
                update(connection, run_id, status=status, **free, **CHANGED)
        return len(suspects)


def _fenced(connection: sa.Connection, lease: Lease) -> Any:
    row = connection.execute(state_row(lease.run_id)).one_or_none()
    if row is None or row.fence != lease.fence:
        raise LeaseLost(lease.run_id)
    return row


def _append(connection: sa.Connection, lease: Lease, encoded: Sequence[bytes], **given: Any) -> None:
    values = {name: value for name, value in given.items() if value is not None}
    if encoded:
        values["seq"] = telemetry.heading(encoded[-1]).seq
    renew(connection, lease, ("state_version",) if "status" in values else (), **values)
    if encoded:
        pieces.write(connection, lease.run_id, encoded)


def _wished(connection: sa.Connection, lease: Lease) -> Wishes:
    row = connection.execute(_WISHES, {"run": lease.run_id, "fence": lease.fence}).one_or_none()
    if row is None:
        raise LeaseLost(lease.run_id)
    desired, target, asked, others, running = row
    rows = connection.execute(_REQUESTS, {"run": lease.run_id}).all() if asked else ()
    return Wishes(desired, target, tuple(Request(*each) for each in rows), others, running)
