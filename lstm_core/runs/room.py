"""Room in the store: how much is used, which runs stay as they are, and what is taken out where it becomes too much.

Nobody's run is ever deleted for space. The oldest runs that are over and not pinned are thinned: of their pictures the
first, the last and a few between them stay, of the states along the way only the last. All scalars, the settings and
the weights are kept, so every curve is whole, and a fork from any step still comes out the same; it only takes longer.
"""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa

from lstm_core.runs import frames as pieces
from lstm_core.runs.leases import CHANGED, present, update
from lstm_core.runs.limits import MIB, LimitReached, limits, variable
from lstm_core.runs.records import OVER
from lstm_core.runs.schema import Clock, Database, checkpoints, files, frames, runs

PICTURES = 8  # snapshots that a thinned run keeps
GOAL = 0.9  # of the limit, down to which room is made once it is reached

_ALONG = checkpoints.c.name.like("at-%")


class Room:
    """The part of `RunStore` that looks after its size."""

    _database: Database

    def pin(self, run_id: str, pinned: bool = True) -> None:
        """Let a run stay as it is, whatever room is needed; or no longer. Raises RunNotFound."""
        with self._database.write() as connection:
            update(connection, run_id, pinned=int(pinned), **CHANGED)

    def used(self) -> int:
        """Bytes that the store takes; of a file the pages in use, as those that are free are used again first."""
        with self._database.read() as connection:
            if connection.dialect.name == "sqlite":
                pages, free, size = (
                    int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0)
                    for name in ("page_count", "freelist_count", "page_size")
                )
                return (pages - free) * size
            sums = (
                sa.func.sum(frames.c.size + sa.func.coalesce(sa.func.length(frames.c.overview), 0)),
                sa.func.sum(sa.func.length(checkpoints.c.data)),
                sa.func.sum(files.c.size),
            )
            return sum(int(connection.scalar(sa.select(each)) or 0) for each in sums)

    def make_room(self) -> int:
        """Thin the oldest runs while the store is larger than it may be; returns how many were thinned.

        One after the other, so that no worker waits long for its turn to write.
        """
        most = limits().store_mb * MIB
        if not most or self.used() <= most:
            return 0
        thinned = 0
        while self.used() > GOAL * most and (run_id := self._oldest()) is not None:
            self._thin(run_id)
            thinned += 1
        return thinned

    def check_room(self) -> None:
        """Raise LimitReached where the store is full and nothing is left to thin."""
        most = limits().store_mb
        if most and self.used() > most * MIB:
            self.make_room()
            if self.used() > most * MIB:
                raise LimitReached(
                    f"The store of all runs is full: {self.used() // MIB} MiB of {most}. Nothing new can begin until "
                    "there is room. Delete runs that are not needed any more under Runs, and remove them there for "
                    f"good, or ask whoever runs this server to raise {variable('store_mb')}."
                )

    def _oldest(self) -> str | None:
        """The oldest run of which something can be taken out."""
        pictures = (
            sa.select(sa.func.count())
            .where(frames.c.run_id == runs.c.id, frames.c.kind == "snapshot")
            .scalar_subquery()
        )
        along = sa.exists().where(checkpoints.c.run_id == runs.c.id, _ALONG)
        here = runs.c.deleted.is_(None) & (runs.c.pinned == 0) & runs.c.status.in_(OVER)
        free = here & runs.c.lease_holder.is_(None) & sa.or_(along, pictures > PICTURES)
        query = sa.select(runs.c.id).where(free).order_by(runs.c.last_ran, runs.c.id).limit(1)
        with self._database.read() as connection:
            return connection.scalar(query)

    def _thin(self, run_id: str) -> None:
        with self._database.write() as connection:
            free = present(run_id) & (runs.c.pinned == 0) & runs.c.status.in_(OVER)
            values = {"thinned": Clock(), **CHANGED}
            if not connection.execute(sa.update(runs).where(free).values(**values)).rowcount:
                return  # pinned, deleted or resumed in the meantime
            connection.execute(sa.delete(checkpoints).where(checkpoints.c.run_id == run_id, _ALONG))
            steps = pieces.snapshot_steps(connection, run_id)
            kept = (
                {steps[place] for place in np.linspace(0, len(steps) - 1, PICTURES).round().astype(int)}
                if steps
                else set()
            )
            of_run = (frames.c.run_id == run_id) & frames.c.kind.in_(pieces.PICTURES)
            connection.execute(sa.delete(frames).where(of_run, frames.c.last.not_in(kept)))
