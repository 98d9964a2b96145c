"""Frames at rest: the same bits in fewer bytes, for what is read rarely.

In a *table*, the columns of a scalars frame, neighbouring numbers have their first bytes alike, and the last are noise:
sorted by their place (as Parquet's encoding BYTE_STREAM_SPLIT does) the former nearly vanish. Of what was not measured
there is a bit, and a column that says the same as one before it is kept once. Any other frame is only compressed.
"""

from __future__ import annotations

import json
import struct
import zlib

import numpy as np

from lstm_core.runs import telemetry
from lstm_core.runs.telemetry import Columns, Frame

TABLE, WHOLE = b"columns1", b"deflate1"  # no frame begins so: its header would be longer than any memory
LEVEL = 6
MISSING = np.float32(np.nan).view(np.uint32)


def pack_table(columns: Columns, seq: int, first: int, last: int) -> bytes:
    """The columns of a scalars frame; all have numbers of four bytes."""
    rows: dict[bytes, int] = {}
    places = {name: rows.setdefault(column.tobytes(), len(rows)) for name, column in columns.items()}
    kinds = {name: column.dtype.str for name, column in columns.items()}
    numbers = [np.frombuffer(row, np.uint32) for row in rows]
    there = [row != MISSING for row in numbers]
    dense = np.concatenate([row[mask] for row, mask in zip(numbers, there, strict=True)])
    masks = b"".join(np.packbits(mask).tobytes() for mask in there if not mask.all())
    counts, size = [int(mask.sum()) for mask in there], len(numbers[0])
    told = {"seq": seq, "first": first, "last": last, "size": size, "counts": counts, "places": places, "kinds": kinds}
    head = json.dumps(told).encode()
    body = dense.view(np.uint8).reshape(-1, 4).T.tobytes() + masks
    return TABLE + struct.pack("<I", len(head)) + head + zlib.compress(body, LEVEL)


def pack(frame: bytes) -> bytes:
    """An encoded frame of any kind."""
    return WHOLE + zlib.compress(frame, LEVEL)


def unpack(data: bytes) -> Frame:
    """What was packed, or any other frame as `telemetry.decode` reads it; raises ValueError as that does."""
    return _table(data) if data.startswith(TABLE) else telemetry.decode(as_frame(data))


def as_frame(data: bytes) -> bytes:
    """The frame as it is sent; what was not packed stays as it is."""
    if data.startswith(WHOLE):
        return zlib.decompress(data[len(WHOLE) :])
    if data.startswith(TABLE):
        frame = _table(data)
        return telemetry.encode(frame.kind, frame.arrays, frame.seq, frame.first, frame.last)
    return data


def _table(data: bytes) -> Frame:
    begin = len(TABLE) + 4
    (length,) = struct.unpack_from("<I", data, len(TABLE))
    head = json.loads(data[begin : begin + length])
    size, counts = head["size"], head["counts"]
    body = np.frombuffer(zlib.decompress(data[begin + length :]), np.uint8)
    end = 4 * sum(counts)
    dense = np.ascontiguousarray(body[:end].reshape(4, -1).T).view(np.uint32).ravel()
    masks = iter(np.unpackbits(body[end:].reshape(-1, -(-size // 8)), axis=1, count=size).astype(bool))
    rows = []
    for part in np.split(dense, np.cumsum(counts)[:-1]):
        row = part
        if len(part) < size:
            row = np.full(size, MISSING)
            row[next(masks)] = part
        rows.append(row)
    columns = {name: rows[place].view(head["kinds"][name]) for name, place in head["places"].items()}
    return Frame("scalars", head["seq"], head["first"], head["last"], None, columns)
