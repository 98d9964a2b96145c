"""Packed tables: the same bits come out, in fewer bytes, wherever a run is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lstm_core.runs import frames, packing, telemetry
from lstm_core.runs.holder import this_process
from lstm_core.runs.store import RunStore
from tests.runs.conftest import small

LAST = 3000


@st.composite
def tables(draw: Any) -> telemetry.Columns:
    """Any numbers at all, NaN of every sort and columns that say the same included."""
    rows = draw(st.integers(1, 50))
    bits = draw(st.lists(arrays.arrays(np.uint32, rows), min_size=1, max_size=5))
    columns = {f"grad_norm/{k}": each.view(np.float32) for k, each in enumerate([*bits, bits[0]])}
    return {"step": np.arange(rows, dtype=np.int32), **columns}


@given(tables(), st.integers(0, 2**40))
def test_the_same_bits_come_out(columns: telemetry.Columns, seq: int) -> None:
    data = packing.pack_table(columns, seq, 0, len(columns["step"]) - 1)
    for found in (packing.unpack(data), telemetry.decode(packing.as_frame(data))):
        assert (found.kind, found.seq, found.first, found.last) == ("scalars", seq, 0, len(columns["step"]) - 1)
        assert set(found.arrays) == set(columns)
        for name, column in columns.items():
            assert found.arrays[name].dtype == column.dtype
            assert found.arrays[name].tobytes() == column.tobytes()


def test_what_is_not_packed_is_read_as_it_is() -> None:
    data = telemetry.encode("scalars", {"step": np.arange(3, dtype=np.int32)}, 7, 0, 2)
    assert packing.as_frame(data) is data
    assert packing.unpack(data).seq == 7
    with pytest.raises(ValueError, match="not a telemetry frame"):
        packing.unpack(b"nothing")


def test_a_long_run_is_packed_and_reads_as_if_it_were_not(store: RunStore) -> None:
    rng = np.random.default_rng(0)
    whole: telemetry.Columns = {"step": np.arange(LAST, dtype=np.int32)}
    whole |= {f"grad_norm/{k}": rng.lognormal(size=LAST).astype(np.float32) for k in range(6)}
    whole["update_ratio/0"] = np.where(whole["step"] % 10, np.nan, 0.25).astype(np.float32)
    run = store.create(small(LAST))
    lease = store.acquire(run, this_process())
    assert lease is not None
    for seq in range(LAST):
        frame = telemetry.encode("scalars", telemetry.take(whole, slice(seq, seq + 1)), seq, seq, seq)
        store.append(lease, [frame], step=seq)
        if seq % 50 == 0:
            store.checkpoint(lease, seq, b"")
    with store._database.read() as connection:
        query = frames.frames.select().where(frames.frames.c.run_id == run, frames.frames.c.tier == frames.TIERS)
        packed = connection.execute(query).all()
    assert packed
    assert all(row.data.startswith(packing.TABLE) and row.overview.startswith(packing.TABLE) for row in packed)
    for found in (store.scalars(run), telemetry.merge([telemetry.decode(data) for *_, data in store.frames(run)])):
        for name, column in whole.items():
            np.testing.assert_array_equal(found[name], column, err_msg=name)
    (piece, *_) = store.columns(run, ("grad_norm/0",))
    assert set(piece.columns["grad_norm/0"]) <= set(whole["grad_norm/0"])
    store.rewind(lease, 500)
    np.testing.assert_array_equal(store.scalars(run)["grad_norm/0"], whole["grad_norm/0"][:500])
