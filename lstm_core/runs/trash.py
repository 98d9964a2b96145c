"""Throwing runs away: gone from every page at once, to be taken back for a day, then removed with all they have."""

from __future__ import annotations

import time

import sqlalchemy as sa

from lstm_core.runs.leases import CHANGED, locked, update
from lstm_core.runs.records import OVER, RunNotFound, checked_id
from lstm_core.runs.schema import Database, runs

KEPT = 24 * 3600.0  # seconds for which what was thrown away can be taken back

HERE = runs.c.deleted.is_(None)  # what a page may see


class Trash:
    """The part of `RunStore` that throws runs away."""

    _database: Database

    def delete(self, run_id: str) -> None:
        """Throw a run away: nobody finds it any more, and a worker that has it lets go at its next write.

        For a day `restore` takes it back. Raises RunNotFound.
        """
        with self._database.write() as connection:
            row = locked(connection, run_id)
            values = {"fence": row.fence + 1, "lease_holder": None, "lease_until": None, "attempts": 0}
            if row.status not in OVER:
                values |= {"status": "stopped", "desired": "stopped", "target": None, "finished": time.time()}
            update(connection, run_id, deleted=time.time(), **values, **CHANGED)

    def restore(self, run_id: str) -> None:
        """Take back a run that was thrown away; it is as it was, only stopped. Raises RunNotFound."""
        with self._database.write() as connection:
            thrown = (runs.c.id == checked_id(run_id)) & runs.c.deleted.is_not(None)
            if not connection.execute(sa.update(runs).where(thrown).values(deleted=None, **CHANGED)).rowcount:
                raise RunNotFound(run_id)

    def remove(self, run_id: str) -> None:
        """Remove a run that was thrown away, with all that belongs to it, for good. Raises RunNotFound."""
        with self._database.write() as connection:
            thrown = (runs.c.id == checked_id(run_id)) & runs.c.deleted.is_not(None)
            if not connection.execute(sa.delete(runs).where(thrown)).rowcount:
                raise RunNotFound(run_id)

    def thrown_owner(self, run_id: str) -> str | None:
        """The owner of a run that was thrown away, None for nobody's. Raises RunNotFound."""
        query = sa.select(runs.c.owner).where(runs.c.id == run_id, runs.c.deleted.is_not(None))
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise RunNotFound(run_id)
        return None if row.owner is None else str(row.owner)

    def purge(self, age: float = KEPT) -> int:
        """Remove for good what was thrown away at least `age` seconds ago; returns how many runs that were.

        One after the other, so that no worker waits long for its turn to write.
        """
        old = sa.select(runs.c.id).where(runs.c.deleted <= time.time() - age)
        with self._database.read() as connection:
            found = list(connection.scalars(old))
        removed = 0
        for run_id in found:
            with self._database.write() as connection:
                removed += connection.execute(sa.delete(runs).where(runs.c.id == run_id, ~HERE)).rowcount
        return removed
