"""`RunStore`: where runs live. Workers write telemetry and checkpoints to it, pages read them and write wishes.

What a person wants and what is the case are two columns. `desired` is *running*, *paused* or *stopped*; with
*running* there may be a `target`: once that step is recorded the run is *paused* again. So a single step is
`desire(id, "running", target=step + 1)`; `desire(id, "paused", target=n)` with n still ahead means the same.
`status` tells what is: *queued* (waits for a worker), *running*, *paused*, *interrupted* (its worker died; it goes on
by itself) and, at the end, *finished*, *stopped* or *failed*. A stopped or failed run may be desired to run again;
a finished one has nothing left to do.

A worker writes under a lease: see `leases.py`.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Collection
from typing import Any

import numpy as np
import sqlalchemy as sa

from lstm_core.cleaning import clean_name
from lstm_core.runs import frames as pieces
from lstm_core.runs import packing, telemetry
from lstm_core.runs.addresses import database_url
from lstm_core.runs.branches import check_going_on
from lstm_core.runs.leased import LeasedWrites
from lstm_core.runs.leases import CHANGED, held, locked, present, update
from lstm_core.runs.library import Library
from lstm_core.runs.overview import Overview
from lstm_core.runs.queue import Queue
from lstm_core.runs.races import Races
from lstm_core.runs.records import (
    CHANGEABLE,
    OVER,
    Desired,
    Lease,
    LeaseLost,
    Override,
    Run,
    RunNotFound,
    StoreError,
    Wishes,
)
from lstm_core.runs.schema import Database, frames, overrides, runs
from lstm_core.runs.trash import Trash

__all__ = ["Lease", "LeaseLost", "Override", "Run", "RunNotFound", "RunStore", "StoreError", "Wishes"]

_PULSE = sa.select(runs.c.id, runs.c.revision, runs.c.seq, runs.c.state_version).where(
    runs.c.id.in_(sa.bindparam("ids", expanding=True, type_=sa.String)), runs.c.deleted.is_(None)
)
_FIELDS = [column for column in runs.c if column.name in Run.__dataclass_fields__]


class RunStore(LeasedWrites, Queue, Races, Library, Trash, Overview):
    """All runs of one database and the files they need.

    Safe to share between threads, cheap to open again in another process.
    """

    def __init__(self, url: str | None = None) -> None:
        """Open the database at `url`, else LSTM_LAB_DATABASE, else the user's own; raises StoreError."""
        self.url = database_url(url)
        self._database = Database(self.url)

    def __reduce__(self) -> tuple[type[RunStore], tuple[str]]:
        return RunStore, (self.url,)

    def close(self) -> None:
        self._database.close()

    # Runs and wishes: the pages' side.

    def get(self, run_id: str) -> Run:
        """One run; raises RunNotFound."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(*_FIELDS).where(present(run_id))).one_or_none()
        if row is None:
            raise RunNotFound(run_id)
        return Run(**row._mapping)

    def list(self, limit: int = 100, owner: str | None = None) -> builtins.list[Run]:
        """The newest runs first; all, or those of one owner."""
        here = runs.c.deleted.is_(None) if owner is None else runs.c.deleted.is_(None) & (runs.c.owner == owner)
        newest = sa.select(*_FIELDS).where(here).order_by(runs.c.created.desc()).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(newest).all()
        return [Run(**row._mapping) for row in rows]

    def rename(self, run_id: str, name: str | None) -> None:
        with self._database.write() as connection:
            update(connection, run_id, name=clean_name(name or "") or None, **CHANGED)

    def desire(self, run_id: str, desired: Desired, target: int | None = None) -> None:
        """Say what is wanted of a run (see the head of this file); raises RunNotFound and LimitReached."""
        with self._database.write() as connection:
            row = locked(connection, run_id)
            if row.status == "finished" or (row.status in OVER and desired != "running"):
                return
            if desired == "paused" and target is not None and target > row.step:
                desired = "running"
            if desired == "running":
                check_going_on(connection, row)
            values: dict[str, Any] = {"desired": desired, "target": target if desired == "running" else None}
            if not held(row, self._database.now(connection)):
                values["status"] = "queued" if desired == "running" else desired
                values["finished"] = time.time() if desired == "stopped" else None
                if row.error is not None:
                    values |= {"error": None, "attempts": 0}
            update(connection, run_id, **values, **CHANGED)

    def request_override(self, run_id: str, field: str, value: float | str) -> None:
        """Ask for another learning rate or clipping from the next step on.

        Raises ValueError for any other field and pydantic.ValidationError for a value that a run could not have.
        """
        from lstm_core.config import RunConfig

        if field not in CHANGEABLE:
            raise ValueError(f"{field} cannot change while a run goes on; choose one of {', '.join(CHANGEABLE)}.")
        config = RunConfig.model_validate(self.get(run_id).config).replace(**{f"training.{field}": value})
        checked = getattr(config.training, field)
        with self._database.write() as connection:
            update(connection, run_id, **CHANGED)
            connection.execute(sa.insert(overrides).values(run_id=run_id, field=field, value=checked))

    def overrides(self, run_id: str) -> builtins.list[Override]:
        """The changes that took effect, each with its first step, in their order."""
        in_effect = (overrides.c.run_id == run_id) & overrides.c.step.is_not(None)
        query = sa.select(overrides.c.step, overrides.c.field, overrides.c.value).where(in_effect)
        with self._database.read() as connection:
            return [Override(*row) for row in connection.execute(query.order_by(overrides.c.step, overrides.c.id))]

    # Telemetry: the pages' side.

    def pulse(self, run_ids: Collection[str]) -> dict[str, tuple[int, int, int]]:
        """(revision, last frame number, state version) of each run that exists; equal pulses mean nothing is new."""
        with self._database.glance() as connection:
            rows = connection.execute(_PULSE, {"ids": list(run_ids)}).all()
        return {run_id: (revision, seq, version) for run_id, revision, seq, version in rows}

    def stamp(self) -> tuple[int, int] | None:
        """Another one whenever something was written since; None where only a query can tell. See `Database.stamp`."""
        return self._database.stamp()

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
            rows = connection.execute(query).all()
        return [(seq, kind, of, packing.as_frame(data)) for seq, kind, of, data in rows]

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

    def stacked(self, run_id: str, name: str, sample: int | None = None) -> bytes | None:
        """One array over all kept snapshots, or those of one sample, as a frame with `step` (n,) and the array (n, …).

        None where no snapshot has it.
        """
        with self._database.read() as connection:
            found = pieces.stacked(connection, run_id, name, sample)
        if found is None:
            return None
        steps, values = found
        columns = {"step": np.array(steps, np.int32), name: values}
        return telemetry.encode("history", columns, -1, steps[0], steps[-1], sample)

    def snapshot(self, run_id: str, step: int, sample: int | None = None) -> bytes | None:
        """The snapshot frame of a step, or the frame of one sample at that step; None where there is none."""
        kind = "snapshot" if sample is None else "sample"
        query = sa.select(frames.c.data).where(frames.c.run_id == run_id, frames.c.kind == kind, frames.c.last == step)
        if sample is not None:
            query = query.where(frames.c.sample == sample)
        with self._database.read() as connection:
            data = connection.scalars(query.limit(1)).first()
        return None if data is None else packing.as_frame(data)
