"""All runs at a glance: what a list says of each, read without the documents and pictures that belong to them."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from lstm_core.runs import packing
from lstm_core.runs.records import Desired, Status
from lstm_core.runs.schema import Database, frames, runs


@dataclass(frozen=True)
class Entry:
    """A run as a list has it; see `Run`. `deleted` is when it was thrown away, None for one that was not."""

    id: str
    revision: int
    seq: int
    state_version: int
    status: Status
    desired: Desired
    target: int | None
    step: int
    steps: int
    last_ran: float
    created: float
    finished: float | None
    train_seconds: float
    speed: float
    name: str | None
    owner: str | None
    pinned: int
    thinned: float | None
    parent: str | None
    fork_step: int | None
    deleted: float | None


@dataclass(frozen=True)
class Piece:
    """Some columns of recorded steps: float32 (n,) by name, NaN where not measured, beside `step` int32 (n,).

    `seq` is the number of the last frame that they come from.
    """

    seq: int
    columns: dict[str, NDArray[Any]]


_SIZES = {
    "sqlite": sa.text("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"),
    "postgresql": sa.text("SELECT pg_database_size(current_database())"),
}
_ENTRIES = sa.select(*(runs.c[name] for name in Entry.__dataclass_fields__)).order_by(runs.c.created.desc(), runs.c.id)


class Overview:
    """The part of `RunStore` that a list of all runs reads."""

    _database: Database

    def entries(self) -> list[Entry]:
        """Every run, the newest first, those that were thrown away included."""
        with self._database.read() as connection:
            return [Entry(*row) for row in connection.execute(_ENTRIES)]

    def census(self) -> dict[Status, int]:
        """How many runs there are of each status; those that were thrown away do not count."""
        query = (
            sa.select(runs.c.status, sa.func.count().label("runs"))
            .where(runs.c.deleted.is_(None))
            .group_by(runs.c.status)
        )
        with self._database.read() as connection:
            return {row.status: row.runs for row in connection.execute(query)}

    def size(self) -> int:
        """Bytes that the database takes up."""
        with self._database.read() as connection:
            return int(connection.scalar(_SIZES[connection.dialect.name]) or 0)

    def configs(self, run_ids: list[str]) -> dict[str, dict[str, Any]]:
        """The settings of these runs, as they were written."""
        query = sa.select(runs.c.id, runs.c.config).where(runs.c.id.in_(run_ids))
        with self._database.read() as connection:
            return {row.id: row.config for row in connection.execute(query)}

    def columns(self, run_id: str, names: tuple[str, ...], after: int = -1) -> list[Piece]:
        """These scalars in what was recorded after frame number `after`, a piece for each frame, in their order.

        A frame that was merged meanwhile may begin with steps from before.
        """
        data = sa.func.coalesce(frames.c.overview, frames.c.data)
        query = sa.select(frames.c.seq, data).where(
            frames.c.run_id == run_id, frames.c.kind == "scalars", frames.c.seq > after
        )
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(frames.c.seq)).all()
        return [Piece(seq, _columns(data, names)) for seq, data in rows]


def _columns(data: bytes, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """A few arrays of an encoded frame, found by its header: decoding all of it takes five times as long."""
    data = packing.as_frame(data)
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    step = _array(data, 8 + length, header["step"], np.int32)
    found = {"step": step}
    for name in names:
        known = name in header
        found[name] = _array(data, 8 + length, header[name], np.float32) if known else np.full(len(step), np.nan)
    return found


def _array(data: bytes, base: int, entry: dict[str, Any], kind: type) -> NDArray[Any]:
    first, last = entry["data_offsets"]
    return np.frombuffer(data, kind, (last - first) // 4, base + first)
