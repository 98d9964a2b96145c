"""How runs begin, and come of others: with more steps, as a fork with other settings, from another's weights."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from safetensors.numpy import load, save

from lstm_core.runs import frames as pieces
from lstm_core.runs import telemetry
from lstm_core.runs.leases import CHANGED, locked, present, renew, update
from lstm_core.runs.limits import limits
from lstm_core.runs.records import OVER, Desired, Lease, RunNotFound, StoreError
from lstm_core.runs.room import Room
from lstm_core.runs.schema import Database, checkpoints, overrides, runs

if TYPE_CHECKING:
    from lstm_core.config import RunConfig

KEPT = 16  # states kept along a run, from which a fork can be reached by training a stretch once more
KEPT_BYTES = 16 * 2**20
_NAME = "at-{:09d}"


class Branches(Room):
    """The part of `RunStore` that makes runs, anew or of others."""

    _database: Database

    def check_begin(self, owner: str | None, configs: Iterable[RunConfig]) -> None:
        """Raise LimitReached where an owner may not begin runs of these settings, or the store has no room for them."""
        if owner is not None:
            limits().check_settings(configs)
            self.check_room()

    def create(
        self,
        config: RunConfig,
        *,
        owner: str | None = None,
        parent: str | None = None,
        fork_step: int | None = None,
        desired: Desired = "running",
        target: int | None = None,
    ) -> str:
        """Add a run of this owner and return its id; `desired` and `target` mean what they mean in `desire`.

        With a `fork_step` the run goes on from that step of its parent. Raises LimitReached.
        """
        self.check_begin(owner, [config])
        if desired == "paused" and target is not None:
            desired = "running"
        row = new_row(config, time.time(), desired, owner) | {
            "target": target,
            "parent": parent,
            "fork_step": fork_step,
        }
        with self._database.write() as connection:
            check_open(connection, owner)
            connection.execute(sa.insert(runs).values(row))
        return str(row["id"])

    def extend(self, run_id: str, steps: int, *, desired: Desired = "running") -> None:
        """Let a run have `steps` steps in all; one that has finished goes on from where it ended, or is `desired` to.

        Raises StoreError where that would not be more or a limit is reached, pydantic.ValidationError for a number that
        no run could have.
        """
        from lstm_core.config import RunConfig

        with self._database.write() as connection:
            row = locked(connection, run_id)
            least = row.step if row.status == "finished" else row.steps
            if row.status == "failed":
                raise StoreError("This run failed; change its settings and begin a new one.")
            if steps <= least:
                raise StoreError(f"The run has {least} steps already; choose more than that.")
            RunConfig.model_validate(row.config).replace(**{"training.steps": steps})
            if row.owner is not None:
                limits().check_steps(steps)
            connection.execute(sa.insert(overrides).values(run_id=run_id, field="steps", value=steps))
            values: dict[str, Any] = {"steps": steps}
            if row.status == "finished":
                check_going_on(connection, row)
                status = "queued" if desired == "running" else desired
                values |= {"status": status, "desired": desired, "target": None, "finished": None}
            update(connection, run_id, **values, **CHANGED)

    def fork(
        self, run_id: str, step: int, config: RunConfig, *, owner: str | None = None, desired: Desired = "running"
    ) -> str:
        """A new run that goes on from a recorded step of another one with other settings; returns its id.

        It remembers its parent and shares the curve before `step`; `owner` and `desired` mean what they mean in
        `create`. The model must be the parent's. Raises StoreError.
        """
        from lstm_core.config import RunConfig

        with self._database.write() as connection:
            row = locked(connection, run_id)
            if not 0 <= step <= row.step:
                raise StoreError(f"Step {step} of the run is not recorded; choose one from 0 to {max(row.step, 0)}.")
            if RunConfig.model_validate(row.config).model != config.model:
                raise StoreError("A fork goes on with the same weights, so its model must be that of its parent.")
            if config.training.steps <= step:
                raise StoreError(f"The fork begins at step {step}; choose more than {config.training.steps} steps.")
        return self.create(config, owner=owner, parent=run_id, fork_step=step, desired=desired)

    # The worker's side.

    def keep_state(self, lease: Lease, step: int, data: bytes) -> None:
        """Keep a checkpoint beside the latest one; as a run grows those that are kept lie further apart."""
        limit = min(KEPT, KEPT_BYTES // max(len(data), 1))
        if limit < 2:
            return
        with self._database.write() as connection:
            renew(connection, lease)
            known = self._kept_steps(connection, lease.run_id)
            if step in known:
                return
            kept = telemetry.thinned(sorted({*known, step}), limit)
            row = {"run_id": lease.run_id, "name": _NAME.format(step), "step": step, "data": data}
            connection.execute(sa.insert(checkpoints).values(row))
            dropped = [_NAME.format(old) for old in known if old not in kept]
            if dropped:
                of_run = checkpoints.c.run_id == lease.run_id
                connection.execute(sa.delete(checkpoints).where(of_run, checkpoints.c.name.in_(dropped)))

    def nearest_state(self, run_id: str, step: int) -> bytes | None:
        """The latest kept checkpoint from which `step` can still be reached; None where only the beginning is."""
        with self._database.read() as connection:
            return connection.scalar(
                sa.select(checkpoints.c.data)
                .where(checkpoints.c.run_id == run_id, checkpoints.c.step <= step)
                .order_by(checkpoints.c.step.desc())
                .limit(1)
            )

    def adopt(self, lease: Lease, parent: str, step: int, pictures: bool) -> int:
        """Take over what the parent recorded before `step`, its `pictures` too if wanted; returns the last number."""
        with self._database.write() as connection:
            seq = pieces.copy(connection, parent, lease.run_id, step, lease.seq, pictures)
            renew(connection, lease, ("state_version", "revision"), step=step - 1, seq=seq)
        return seq

    def kept_steps(self, run_id: str) -> list[int]:
        """The steps of which `nearest_state` has the state itself, ascending."""
        with self._database.read() as connection:
            return self._kept_steps(connection, run_id)

    def weights(self, run_id: str, best: bool = False) -> bytes:
        """The weights of a run as a safetensors file, by their names in the model.

        Those of the newest checkpoint, or with `best` those with the smallest validation loss. Raises StoreError as
        long as there are none, RunNotFound where there is no run.
        """
        with self._database.read() as connection:
            if connection.scalar(sa.select(runs.c.id).where(present(run_id))) is None:
                raise RunNotFound(run_id)
            row = connection.execute(
                sa.select(checkpoints.c.data).where(checkpoints.c.run_id == run_id, checkpoints.c.name == "latest")
            ).one_or_none()
        if row is None:
            raise StoreError("This run has no weights yet: they are kept a few seconds after it has begun.")
        prefix = "best." if best else "model."
        tensors = {name.removeprefix(prefix): a for name, a in load(row.data).items() if name.startswith(prefix)}
        if not tensors:
            raise StoreError("This run has no best weights yet: they are kept from its first validation on.")
        return save(tensors, {"format": "pt"})

    @staticmethod
    def _kept_steps(connection: sa.Connection, run_id: str) -> list[int]:
        query = sa.select(checkpoints.c.step).where(checkpoints.c.run_id == run_id, checkpoints.c.name.like("at-%"))
        return list(connection.scalars(query.order_by(checkpoints.c.step)))


def check_open(connection: sa.Connection, owner: str | None, more: int = 1) -> None:
    """Raise LimitReached where an owner may not have so many more runs that are not over."""
    if owner is not None:
        going = (runs.c.owner == owner) & runs.c.status.not_in(OVER) & runs.c.deleted.is_(None)
        limits().check_open(connection.scalar(sa.select(sa.func.count()).where(going)) or 0, more)


def check_going_on(connection: sa.Connection, row: Any) -> None:
    """Raise LimitReached where a run, given by its row, may not go on."""
    if row.owner is not None:
        limits().check_time(row.train_seconds)
        if row.status in OVER:
            check_open(connection, row.owner)


def new_id() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(10))


def new_row(config: RunConfig, now: float, desired: Desired = "running", owner: str | None = None) -> dict[str, Any]:
    """The row of a run that begins `now`: what waits longest is worked on first."""
    return {
        "id": new_id(),
        "owner": owner,
        "status": "queued" if desired == "running" else desired,
        "desired": desired,
        "steps": config.training.steps,
        "created": now,
        "last_ran": now,
        "config": config.model_dump(mode="json"),
    }
