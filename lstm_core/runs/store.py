"""`RunStore`: where runs live. Workers write telemetry and checkpoints to it, pages read them and write wishes.

What a person wants and what is the case are two columns. `desired` is *running*, *paused* or *stopped*; with
*running* there may be a `target`: once that step is recorded the run is *paused* again. So a single step is
`desire(id, "running", target=step + 1)`; `desire(id, "paused", target=n)` with n still ahead means the same.
`status` tells what is: *queued* (waits for a worker), *running*, *paused*, *interrupted* (its worker died; it goes on
by itself) and, at the end, *finished*, *stopped* or *failed*. A stopped or failed run may be desired to run again;
a finished one has nothing left to do.

A worker writes under a lease. Each lease has a number, the fence, and every write checks it in its own transaction:
a worker that was taken for dead and comes back can write nothing (LeaseLost). A lease is taken over at once from a
dead process of the same host, else when it has not been renewed for its `seconds`; every write renews it.
"""

from __future__ import annotations

import builtins
import secrets
import string
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from lstm_core.runs import frames as pieces
from lstm_core.runs import telemetry
from lstm_core.runs.holder import is_dead
from lstm_core.runs.records import (
    Desired,
    Lease,
    LeaseLost,
    Override,
    Request,
    Run,
    RunNotFound,
    Status,
    StoreError,
    Wishes,
)
from lstm_core.runs.schema import Database, checkpoints, database_url, frames, overrides, runs

if TYPE_CHECKING:
    from lstm_core.config import RunConfig

__all__ = ["Lease", "LeaseLost", "Override", "Run", "RunNotFound", "RunStore", "StoreError", "Wishes"]

WAITING = ("queued", "running", "interrupted")  # statuses from which a worker may pick a run up
OVER = ("finished", "stopped", "failed")
_FIELDS = [column for column in runs.c if column.name in Run.__dataclass_fields__]
_CHANGED = {"state_version": runs.c.state_version + 1}


class RunStore:
    """All runs of one database. Safe to share between threads, cheap to open again in another process."""

    def __init__(self, url: str | None = None) -> None:
        """Open the database at `url`, else LSTM_LAB_DATABASE, else the user's own; raises StoreError."""
        self.url = database_url(url)
        self._database = Database(self.url)

    def __reduce__(self) -> tuple[type[RunStore], tuple[str]]:
        return RunStore, (self.url,)

    def close(self) -> None:
        self._database.close()

    # Runs and wishes: the pages' side.

    def create(
        self,
        config: RunConfig,
        *,
        parent: str | None = None,
        desired: Desired = "running",
        target: int | None = None,
    ) -> str:
        """Add a run and return its id."""
        run_id = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(10))
        now = time.time()
        with self._database.write() as connection:
            connection.execute(
                sa.insert(runs).values(
                    id=run_id,
                    status="queued" if desired == "running" else desired,
                    desired=desired,
                    target=target,
                    steps=config.training.steps,
                    created=now,
                    last_ran=now,
                    parent=parent,
                    config=config.model_dump(mode="json"),
                )
            )
        return run_id

    def get(self, run_id: str) -> Run:
        """One run; raises RunNotFound."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(*_FIELDS).where(runs.c.id == run_id)).one_or_none()
        if row is None:
            raise RunNotFound(run_id)
        return Run(**row._mapping)

    def list(self, limit: int = 100) -> builtins.list[Run]:
        """The newest runs first."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(*_FIELDS).order_by(runs.c.created.desc()).limit(limit)).all()
        return [Run(**row._mapping) for row in rows]

    def rename(self, run_id: str, name: str | None) -> None:
        with self._database.write() as connection:
            _update(connection, run_id, name=(name or "").strip()[:200] or None, **_CHANGED)

    def delete(self, run_id: str) -> None:
        """Remove a run with all that belongs to it; a worker that has it lets go at its next write."""
        with self._database.write() as connection:
            if not connection.execute(sa.delete(runs).where(runs.c.id == run_id)).rowcount:
                raise RunNotFound(run_id)

    def desire(self, run_id: str, desired: Desired, target: int | None = None) -> None:
        """Say what is wanted of a run (see the head of this file); raises RunNotFound."""
        with self._database.write() as connection:
            row = _locked(connection, run_id)
            if row.status == "finished" or (row.status in OVER and desired != "running"):
                return
            if desired == "paused" and target is not None and target > row.step:
                desired = "running"
            values: dict[str, Any] = {"desired": desired, "target": target if desired == "running" else None}
            if not _held(row):
                values["status"] = "queued" if desired == "running" else desired
                values["finished"] = time.time() if desired == "stopped" else None
                if row.status == "failed":
                    values |= {"error": None, "attempts": 0}
            _update(connection, run_id, **values, **_CHANGED)

    def request_override(self, run_id: str, field: str, value: float | str) -> None:
        """Ask for another learning rate or clipping from the next step on.

        Raises ValueError for any other field and pydantic.ValidationError for a value that a run could not have.
        """
        from lstm_core.config import RunConfig

        allowed = ("learning_rate", "clip", "clip_threshold")
        if field not in allowed:
            raise ValueError(f"{field} cannot change while a run goes on; choose one of {', '.join(allowed)}.")
        config = RunConfig.model_validate(self.get(run_id).config).replace(**{f"training.{field}": value})
        checked = getattr(config.training, field)
        with self._database.write() as connection:
            _update(connection, run_id, **_CHANGED)
            connection.execute(sa.insert(overrides).values(run_id=run_id, field=field, value=checked))

    def overrides(self, run_id: str) -> builtins.list[Override]:
        """The changes that took effect, each with its first step, in their order."""
        in_effect = (overrides.c.run_id == run_id) & overrides.c.step.is_not(None)
        query = sa.select(overrides.c.step, overrides.c.field, overrides.c.value).where(in_effect)
        with self._database.read() as connection:
            return [Override(*row) for row in connection.execute(query.order_by(overrides.c.step, overrides.c.id))]

    def waiting(self) -> builtins.list[str]:
        """The runs that want to run and have no worker, the one that has waited longest first."""
        query = sa.select(runs.c.id).where(_is_waiting(time.time())).order_by(runs.c.last_ran, runs.c.id)
        with self._database.read() as connection:
            return list(connection.scalars(query))

    def queue_place(self, run_id: str) -> int | None:
        """1 for the run that a worker takes next; None for a run that does not wait."""
        waiting = self.waiting()
        return waiting.index(run_id) + 1 if run_id in waiting else None

    # Telemetry: the pages' side.

    def pulse(self, run_ids: Collection[str]) -> dict[str, tuple[int, int, int]]:
        """(revision, last frame number, state version) of each run that exists; equal pulses mean nothing is new."""
        query = sa.select(runs.c.id, runs.c.revision, runs.c.seq, runs.c.state_version)
        with self._database.read() as connection:
            rows = connection.execute(query.where(runs.c.id.in_(list(run_ids)))).all()
        return {run_id: (revision, seq, version) for run_id, revision, seq, version in rows}

    def frames(
        self, run_id: str, after: int = -1, kinds: Collection[str] | None = None, sample: int | None = None
    ) -> builtins.list[tuple[int, str, int | None, bytes]]:
        """(number, kind, sample, bytes) of the frames after number `after`, ascending.

        `kinds` chooses kinds, `sample` one of the sample frames. A merged frame carries the number of its last part:
        for a reader that lags far behind it may begin with steps the reader has; those are to be skipped.
        """
        query = sa.select(frames.c.seq, frames.c.kind, frames.c.sample, frames.c.data)
        query = query.where(frames.c.run_id == run_id, frames.c.seq > after).order_by(frames.c.seq)
        if kinds is not None:
            query = query.where(frames.c.kind.in_(list(kinds)))
        if sample is not None:
            query = query.where(sa.or_(frames.c.sample.is_(None), frames.c.sample == sample))
        with self._database.read() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def scalars(self, run_id: str) -> telemetry.Columns:
        """Every recorded step as columns: `step` int32 (n,), the others float32 (n,) with NaN where not measured."""
        with self._database.read() as connection:
            return pieces.scalars(connection, run_id).arrays

    def history(self, run_id: str, points: int = 4000) -> bytes:
        """The whole run as one scalars frame of at most `points` rows; its number is that of the last frame in it."""
        with self._database.read() as connection:
            last = connection.scalar(sa.select(runs.c.step).where(runs.c.id == run_id))
            long = last is not None and last >= points * pieces.OVERVIEW
            whole = pieces.scalars(connection, run_id, overview=long)
        thin = telemetry.thin(whole.arrays, points)
        return telemetry.encode("scalars", thin, whole.seq, whole.first, whole.last)

    def snapshot_steps(self, run_id: str) -> builtins.list[int]:
        """The steps of which there is a snapshot, ascending."""
        with self._database.read() as connection:
            return pieces.snapshot_steps(connection, run_id)

    def snapshot(self, run_id: str, step: int, sample: int | None = None) -> bytes | None:
        """The snapshot frame of a step, or the frame of one sample at that step; None where there is none."""
        kind = "snapshot" if sample is None else "sample"
        query = sa.select(frames.c.data).where(frames.c.run_id == run_id, frames.c.kind == kind, frames.c.last == step)
        if sample is not None:
            query = query.where(frames.c.sample == sample)
        with self._database.read() as connection:
            return connection.scalars(query.limit(1)).first()

    # The worker's side: every write renews the lease, and raises LeaseLost where it is no longer the run's lease.

    def acquire(self, run_id: str, holder: str, seconds: float = 60.0, *, claim: bool = False) -> Lease | None:
        """Take the run to work on it, or None if it is not to run or someone else has it; raises RunNotFound.

        `claim` wishes the run to run in the same moment, so that nobody else can take it first.
        """
        with self._database.write() as connection:
            row = _locked(connection, run_id)
            runnable = row.desired == "running" and row.status in WAITING
            if _held(row, holder) or not (runnable or (claim and row.status != "finished")):
                return None
            now = time.time()
            values = {
                "fence": row.fence + 1,
                "lease_holder": holder,
                "lease_until": now + seconds,
                "attempts": 1 if claim else row.attempts + 1,
                "last_ran": now,
                "started": row.started or now,
                "status": "running",
            }
            if claim:
                values |= {"desired": "running", "target": None, "error": None, "finished": None}
            if claim or row.status != "running":
                values |= _CHANGED
            _update(connection, run_id, **values)
            return Lease(
                run_id=run_id,
                fence=row.fence + 1,
                holder=holder,
                seconds=seconds,
                config=row.config,
                described=row.about is not None,
                step=row.step,
                seq=row.seq,
                attempts=values["attempts"],
                train_seconds=row.train_seconds,
            )

    def wishes(self, lease: Lease) -> Wishes:
        """What is wanted of the leased run now; cheap enough for every 50 ms. Raises LeaseLost."""
        other = runs.alias()
        waits = _is_waiting(time.time(), other) & (other.c.id != lease.run_id) & (other.c.status != "running")
        pending = (overrides.c.run_id == lease.run_id) & overrides.c.step.is_(None)
        query = sa.select(runs.c.desired, runs.c.target, sa.exists().where(pending), sa.exists().where(waits)).where(
            runs.c.id == lease.run_id, runs.c.fence == lease.fence
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                raise LeaseLost(lease.run_id)
            desired, target, asked, others = row
            requests: tuple[Request, ...] = ()
            if asked:
                details = sa.select(overrides.c.id, overrides.c.field, overrides.c.value)
                requests = tuple(
                    Request(*each) for each in connection.execute(details.where(pending).order_by(overrides.c.id))
                )
        return Wishes(desired, target, requests, bool(others))

    def apply_override(self, lease: Lease, request_id: int, step: int) -> None:
        """Record that a requested change takes effect at `step`."""
        with self._database.write() as connection:
            _renew(connection, lease, **_CHANGED)
            connection.execute(
                sa.update(overrides)
                .where(overrides.c.id == request_id, overrides.c.run_id == lease.run_id)
                .values(step=step)
            )

    def describe(self, lease: Lease, about: dict[str, Any]) -> None:
        """Store what a page must know to draw the run; viewers who came earlier start afresh."""
        with self._database.write() as connection:
            _renew(connection, lease, about=about, revision=runs.c.revision + 1, **_CHANGED)

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
        given = {"step": step, "status": status, "speed": speed, "train_seconds": train_seconds}
        values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if status is not None:
            values |= _CHANGED
        with self._database.write() as connection:
            if encoded:
                values["seq"] = pieces.write(connection, lease.run_id, encoded)
            _renew(connection, lease, **values)

    def checkpoint(self, lease: Lease, step: int, data: bytes, name: str = "latest") -> None:
        """Keep the state from which the run goes on by measuring `step`; small frames are merged on the way."""
        key = (checkpoints.c.run_id == lease.run_id) & (checkpoints.c.name == name)
        with self._database.write() as connection:
            before = connection.scalar(sa.select(checkpoints.c.step).where(key))
            progress = before is None or step > before
            _renew(connection, lease, **({"attempts": 0} if progress else {}))
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
            _renew(connection, lease, step=step - 1, revision=runs.c.revision + 1, **_CHANGED)
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
            values |= {"status": status, "error": error, "last_ran": time.time()}
            if status in OVER:
                values["finished"] = time.time()
            if status != row.status or "desired" in values:
                values |= _CHANGED
            _update(connection, lease.run_id, **values)
        return status

    def reap(self) -> int:
        """Free the runs whose worker died or fell silent, and return how many there were."""
        held = sa.select(runs.c.id, runs.c.lease_holder, runs.c.lease_until).where(runs.c.lease_holder.is_not(None))
        with self._database.read() as connection:
            suspects = [row.id for row in connection.execute(held) if not _held(row)]
        for run_id in suspects:
            with self._database.write() as connection:
                row = connection.execute(_state(run_id)).one_or_none()
                if row is None or row.lease_holder is None or _held(row):
                    continue
                status = row.desired if row.desired != "running" else "interrupted"
                free = {"fence": row.fence + 1, "lease_holder": None, "lease_until": None}
                _update(connection, run_id, status=status, **free, **_CHANGED)
        return len(suspects)


def _is_waiting(now: float, table: Any = runs) -> sa.ColumnElement[bool]:
    free = sa.or_(table.c.lease_holder.is_(None), table.c.lease_until < now)
    return sa.and_(table.c.desired == "running", table.c.status.in_(WAITING), free)


def _held(row: Any, by_other_than: str | None = None) -> bool:
    """Whether a living worker, other than the one named, has the lease."""
    holder = row.lease_holder
    return not (holder is None or holder == by_other_than or row.lease_until < time.time() or is_dead(holder))


def _state(run_id: str) -> sa.Select[Any]:
    return sa.select(runs).where(runs.c.id == run_id).with_for_update()


def _locked(connection: sa.Connection, run_id: str) -> Any:
    row = connection.execute(_state(run_id)).one_or_none()
    if row is None:
        raise RunNotFound(run_id)
    return row


def _fenced(connection: sa.Connection, lease: Lease) -> Any:
    row = connection.execute(_state(lease.run_id)).one_or_none()
    if row is None or row.fence != lease.fence:
        raise LeaseLost(lease.run_id)
    return row


def _update(connection: sa.Connection, run_id: str, **values: Any) -> None:
    if not connection.execute(sa.update(runs).where(runs.c.id == run_id).values(**values)).rowcount:
        raise RunNotFound(run_id)


def _renew(connection: sa.Connection, lease: Lease, **values: Any) -> None:
    """Write to the row of a leased run; the whole transaction is undone where the lease is lost."""
    holds = (runs.c.id == lease.run_id) & (runs.c.fence == lease.fence)
    values["lease_until"] = time.time() + lease.seconds
    if not connection.execute(sa.update(runs).where(holds).values(**values)).rowcount:
        raise LeaseLost(lease.run_id)
