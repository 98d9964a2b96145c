"""The frames of a run in the database: written in small pieces, merged as they age, thinned where they would pile up.

Merging keeps the number of a piece's last frame. A viewer that has seen everything up to some number therefore
gets nothing twice, unless it lags so far behind that its place was merged over: then the merged frame begins
with steps that it has, and it skips those. Steps only ever grow within one revision of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from lstm_core.runs import packing, telemetry
from lstm_core.runs.schema import frames

SNAPSHOTS = 200  # kept per run
SNAPSHOT_BYTES = 32 * 2**20  # kept per run
FAN_IN = 32  # so many frames of one tier become one of the next
TIERS = 2
PACKABLE = 2**18  # bytes of a picture that is packed: a worker would spend too long on a larger one
OVERVIEW = 32  # rows of a frame ÷ rows of its overview
PICTURES = ("snapshot", "sample")

_INSERT = sa.insert(frames)
_SNAPSHOT_STEPS = (
    sa.select(frames.c.last)
    .where(frames.c.run_id == sa.bindparam("run", type_=sa.String), frames.c.kind == "snapshot")
    .order_by(frames.c.last)
)


def write(connection: sa.Connection, run_id: str, encoded: Sequence[bytes]) -> None:
    """Store encoded frames. New snapshots push out some of the older ones."""
    rows: list[dict[str, Any]] = []
    for data in encoded:
        kind, seq, first, last, sample = telemetry.heading(data)
        rows.append(
            {"run_id": run_id, "seq": seq, "kind": kind, "sample": sample, "first": first, "last": last}
            | {"tier": 0, "size": len(data), "overview": None, "data": data}
        )
    connection.execute(_INSERT, rows)
    pictures = [row for row in rows if row["kind"] in PICTURES]
    if pictures:
        newest = max(row["last"] for row in pictures)
        _thin(connection, run_id, sum(row["size"] for row in pictures if row["last"] == newest))


def _thin(connection: sa.Connection, run_id: str, size: int) -> None:
    steps = snapshot_steps(connection, run_id)
    kept = telemetry.thinned(steps, max(2, min(SNAPSHOTS, SNAPSHOT_BYTES // size)))
    dropped = sorted(set(steps) - set(kept))
    if dropped:
        connection.execute(
            sa.delete(frames).where(frames.c.run_id == run_id, frames.c.kind.in_(PICTURES), frames.c.last.in_(dropped))
        )


def snapshot_steps(connection: sa.Connection, run_id: str) -> list[int]:
    """The steps of which there is a snapshot, ascending."""
    return list(connection.scalars(_SNAPSHOT_STEPS, {"run": run_id}))


def stacked(connection: sa.Connection, run_id: str, name: str, sample: int | None) -> tuple[Sequence[int], Any] | None:
    """(steps, values (n, …)) of one array over the kept snapshots, or over those of one sample; None where none has it.

    Those of another shape than the newest are left out.
    """
    query = (
        sa.select(frames.c.last, frames.c.data).where(frames.c.run_id == run_id, _of(sample)).order_by(frames.c.last)
    )
    found = [(step, telemetry.pick(packing.as_frame(data), name)) for step, data in connection.execute(query)]
    there = [(step, values) for step, values in found if values is not None]
    alike = [(step, values) for step, values in there if values.shape == there[-1][1].shape]
    return ([step for step, _ in alike], np.stack([values for _, values in alike])) if alike else None


def _of(sample: int | None) -> sa.ColumnElement[bool]:
    if sample is None:
        return frames.c.kind == "snapshot"
    return (frames.c.kind == "sample") & (frames.c.sample == sample)


def compact(connection: sa.Connection, run_id: str) -> None:
    """Merge small scalars frames into larger ones, and pack an old picture.

    The newest of each tier are left as viewers are reading them.
    """
    for tier in range(TIERS):
        of_tier = (frames.c.run_id == run_id) & (frames.c.kind == "scalars") & (frames.c.tier == tier)
        oldest = sa.select(frames.c.seq).where(of_tier).order_by(frames.c.last).limit(2 * FAN_IN)
        while len(seqs := connection.scalars(oldest).all()) == 2 * FAN_IN:
            _merge(connection, run_id, seqs[:FAN_IN], tier + 1)
    _pack_a_picture(connection, run_id)


def _merge(connection: sa.Connection, run_id: str, seqs: Sequence[int], tier: int) -> None:
    chosen = (frames.c.run_id == run_id) & frames.c.seq.in_(seqs)
    parts = [packing.unpack(data) for data in connection.scalars(sa.select(frames.c.data).where(chosen))]
    columns = telemetry.merge(parts)
    first, last = int(columns["step"][0]), int(columns["step"][-1])
    data = packing.pack_table(columns, max(seqs), first, last)
    overview = _overview(columns, max(seqs)) if tier == TIERS else None
    connection.execute(sa.delete(frames).where(chosen, frames.c.seq != max(seqs)))
    connection.execute(
        sa.update(frames)
        .where(frames.c.run_id == run_id, frames.c.seq == max(seqs))
        .values(first=first, last=last, tier=tier, size=len(data), overview=overview, data=data)
    )


def _overview(columns: telemetry.Columns, seq: int) -> bytes:
    fewer = telemetry.thin(columns, len(columns["step"]) // OVERVIEW)
    return packing.pack_table(fewer, seq, int(columns["step"][0]), int(columns["step"][-1]))


def _pack_a_picture(connection: sa.Connection, run_id: str) -> None:
    """Pack the oldest snapshot that is not, with its samples; the newest stays as viewers are sent it."""
    of_run = (frames.c.run_id == run_id) & frames.c.kind.in_(PICTURES) & (frames.c.tier == 0)
    of_run &= frames.c.size <= PACKABLE
    steps = connection.scalars(sa.select(frames.c.last).where(of_run).distinct().order_by(frames.c.last).limit(2)).all()
    if len(steps) < 2:
        return
    of_step = of_run & (frames.c.last == steps[0])
    for seq, data in connection.execute(sa.select(frames.c.seq, frames.c.data).where(of_step)).all():
        packed = packing.pack(data)
        values = {"tier": 1, "size": len(packed), "data": packed}
        connection.execute(sa.update(frames).where(frames.c.run_id == run_id, frames.c.seq == seq).values(values))


def cut(connection: sa.Connection, run_id: str, step: int) -> None:
    """Take back everything recorded at `step` or later; a frame that begins before it keeps its beginning."""
    connection.execute(sa.delete(frames).where(frames.c.run_id == run_id, frames.c.first >= step))
    straddling = (frames.c.run_id == run_id) & (frames.c.last >= step)
    for data in connection.scalars(sa.select(frames.c.data).where(straddling)).all():
        frame = packing.unpack(data)
        columns = telemetry.take(frame.arrays, frame.arrays["step"] < step)
        last = int(columns["step"][-1])
        shorter = telemetry.encode("scalars", columns, frame.seq, frame.first, last)
        connection.execute(
            sa.update(frames)
            .where(frames.c.run_id == run_id, frames.c.seq == frame.seq)
            .values(last=last, size=len(shorter), overview=None, data=shorter)
        )


def copy(connection: sa.Connection, run_id: str, other: str, step: int, seq: int, pictures: bool) -> int:
    """Give another run what this one recorded before `step`, as frames numbered from `seq` on; returns the last."""
    whole = scalars(connection, run_id)
    columns = telemetry.take(whole.arrays, whole.arrays["step"] < step)
    if not len(columns["step"]):
        return seq
    seq += 1
    last = int(columns["step"][-1])
    write(connection, other, [telemetry.encode("scalars", columns, seq, whole.first, last)])
    if last >= OVERVIEW:
        data = packing.pack_table(columns, seq, whole.first, last)
        of_all = (frames.c.run_id == other) & (frames.c.seq == seq)
        values = {"tier": TIERS, "size": len(data), "data": data, "overview": _overview(columns, seq)}
        connection.execute(sa.update(frames).where(of_all).values(values))
    if pictures:
        chosen = (frames.c.run_id == run_id) & frames.c.kind.in_(PICTURES) & (frames.c.last < step)
        for data in connection.scalars(sa.select(frames.c.data).where(chosen).order_by(frames.c.seq)).all():
            kind, _, first, last, sample, arrays = vars(packing.unpack(data)).values()
            seq += 1
            write(connection, other, [telemetry.encode(kind, arrays, seq, first, last, sample)])
    return seq


def scalars(connection: sa.Connection, run_id: str, overview: bool = False) -> telemetry.Frame:
    """All scalars of a run as one frame; with `overview` in fewer rows where a frame has an overview."""
    column: sa.ColumnElement[Any] = sa.func.coalesce(frames.c.overview, frames.c.data) if overview else frames.c.data
    query = sa.select(column).where(frames.c.run_id == run_id, frames.c.kind == "scalars")
    parts = [packing.unpack(data) for data in connection.scalars(query.order_by(frames.c.seq))]
    columns = telemetry.merge(parts)
    steps = columns["step"]
    seq = max((part.seq for part in parts), default=-1)
    first, last = (int(steps[0]), int(steps[-1])) if len(steps) else (-1, -1)
    return telemetry.Frame("scalars", seq, first, last, None, columns)
