"""Frames keep what they are given; thinning keeps what one would see."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lstm_core.runs import telemetry
from tests.runs.conftest import rows

names = st.text("abcdefgh/._0123456789", min_size=1, max_size=20)
arrays = st.one_of(
    hnp.arrays(np.uint8, hnp.array_shapes(max_dims=2, min_side=0)),
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=2, min_side=0), elements=st.floats(width=32)),
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=1), elements=st.floats()),
)
column = st.lists(st.one_of(st.just(math.nan), st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=300)


@given(
    kind=st.sampled_from(["scalars", "snapshot", "sample"]),
    content=st.dictionaries(names, arrays, max_size=4),
    seq=st.integers(0, 2**53),
    first=st.integers(0, 10**6),
    sample=st.none() | st.integers(0, 3),
)
def test_a_frame_comes_back_as_it_was(
    kind: str, content: dict[str, telemetry.Array], seq: int, first: int, sample: int | None
) -> None:
    data = telemetry.encode(kind, content, seq, first, first + 5, sample)
    frame = telemetry.decode(data)
    assert (frame.kind, frame.seq, frame.first, frame.last, frame.sample) == (kind, seq, first, first + 5, sample)
    assert telemetry.heading(data) == (kind, seq, first, first + 5, sample)
    assert set(frame.arrays) == set(content)
    for name, array in content.items():
        assert frame.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(frame.arrays[name], array)


def test_arrays_that_are_not_contiguous_keep_their_values() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4).T
    np.testing.assert_array_equal(
        telemetry.decode(telemetry.encode("snapshot", {"a": values}, 0, 0, 0)).arrays["a"], values
    )


@pytest.mark.parametrize("data", [b"", b"short", b"\x05" + b"\x00" * 7 + b"nojson", rows(0, 3, 1)[:-4]])
def test_bytes_that_are_no_frame_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a telemetry frame"):
        telemetry.decode(data)


def test_merging_unites_rows_and_columns() -> None:
    a = telemetry.decode(
        telemetry.encode("scalars", telemetry.table([(0, {"x": 1.0}), (1, {"x": 2.0, "y": 5.0})]), 1, 0, 1)
    )
    b = telemetry.decode(telemetry.encode("scalars", telemetry.table([(2, {"z": 7.0})]), 2, 2, 2))
    merged = telemetry.merge([b, a])
    np.testing.assert_array_equal(merged["step"], [0, 1, 2])
    np.testing.assert_array_equal(merged["x"], np.float32([1, 2, math.nan]))
    np.testing.assert_array_equal(merged["y"], np.float32([math.nan, 5, math.nan]))
    np.testing.assert_array_equal(merged["z"], np.float32([math.nan, math.nan, 7]))
    assert merged["step"].dtype == np.int32
    assert merged["z"].dtype == np.float32


def test_merging_keeps_the_later_of_two_rows_for_one_step() -> None:
    early = telemetry.decode(telemetry.encode("scalars", telemetry.table([(3, {"x": 1.0}), (4, {"x": 1.0})]), 1, 3, 4))
    late = telemetry.decode(telemetry.encode("scalars", telemetry.table([(4, {"x": 9.0})]), 2, 4, 4))
    merged = telemetry.merge([early, late])
    assert merged["step"].tolist() == [3, 4]
    assert merged["x"].tolist() == [1, 9]


@given(values=column, points=st.integers(4, 60))
def test_thinning_keeps_ends_and_extremes(values: list[float], points: int) -> None:
    table = {"step": np.arange(len(values), dtype=np.int32) * 3, "x": np.float32(values)}
    thin = telemetry.thin(table, points)
    assert len(thin["step"]) <= points
    assert (np.diff(thin["step"]) > 0).all()
    assert set(thin["step"]) <= set(table["step"])
    for end in (0, -1):
        assert thin["step"][end] == table["step"][end]
        np.testing.assert_array_equal(thin["x"][end], table["x"][end])
    before, after = table["x"][~np.isnan(table["x"])], thin["x"][~np.isnan(thin["x"])]
    assert len(before) == 0 or (before.min(), before.max()) == (after.min(), after.max())
    assert set(after) <= set(before)


def test_a_value_measured_once_is_drawn_once() -> None:
    table = {"step": np.arange(1000, dtype=np.int32), "x": np.full(1000, np.nan, np.float32)}
    table["x"][[100, 500]] = [1, 2]
    assert np.nansum(telemetry.thin(table, 50)["x"]) == 3


@given(
    steps=st.lists(st.integers(0, 10**6), min_size=1, max_size=400, unique=True).map(sorted), limit=st.integers(2, 50)
)
def test_snapshots_are_thinned_to_the_limit(steps: list[int], limit: int) -> None:
    kept = telemetry.thinned(steps, limit)
    assert len(kept) <= max(limit, 2)
    assert kept[0] == steps[0]
    assert kept[-1] == steps[-1]
    assert set(kept) <= set(steps)
    assert len(steps) > limit or kept == steps


@given(gaps=st.lists(st.integers(1, 50), min_size=1, max_size=300), limit=st.integers(4, 30))
def test_snapshots_thinned_as_they_come_stay_evenly_spread(gaps: list[int], limit: int) -> None:
    step, kept = 0, [0]
    for gap in gaps:
        step += gap
        kept = telemetry.thinned([*kept, step], limit)
    # Twice the spacing that would just do, plus what the irregular arrival itself leaves open.
    assert max(np.diff(kept), default=0) <= 4 * (step / limit) + 4 * max(gaps)


@given(st.lists(st.floats(0, width=32), min_size=1, max_size=50))
def test_norms_are_recorded_with_ten_binary_digits(values: list[float]) -> None:
    rows = [(step, {"loss/train": value, "grad_norm/total": value}) for step, value in enumerate(values)]
    columns, exact = telemetry.table(rows), np.array(values, np.float32)
    np.testing.assert_array_equal(columns["loss/train"], exact)
    assert (np.isinf(columns["grad_norm/total"]) == np.isinf(exact)).all()
    normal = np.isfinite(exact) & (exact >= np.finfo(np.float32).tiny)
    np.testing.assert_allclose(columns["grad_norm/total"][normal], exact[normal], rtol=2**-10)
    again = telemetry.as_recorded("grad_norm/total", columns["grad_norm/total"])
    np.testing.assert_array_equal(again, columns["grad_norm/total"])


def test_what_is_no_number_is_recorded_as_it_is() -> None:
    odd = np.array([0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800000, 0x7F7FFFFF], np.uint32).view(np.float32)
    np.testing.assert_array_equal(telemetry.as_recorded("grad_norm/total", odd).view(np.uint32), odd.view(np.uint32))
