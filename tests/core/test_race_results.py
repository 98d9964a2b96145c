"""When a run counts as solved, and what seeds have in common: against loops, NumPy and the standard library."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lstm_core.race_results import (
    POINTS,
    SOLVED,
    WINDOW,
    Array,
    RunResult,
    Tally,
    band,
    by_value,
    gradient_ratio,
    places,
    solved_at,
    spread,
    stretch,
)

RIGHT = st.sampled_from([1.0, 1.0, 1.0, 1.0, 0.984375, 0.96875, 0.5])


def one_after_the_other(shares: list[float]) -> int | None:
    """The rule as one would say it: after each step, look back at the last fifty."""
    for step in range(WINDOW - 1, len(shares)):
        last = shares[step - WINDOW + 1 : step + 1]
        if not any(map(math.isnan, last)) and math.fsum(last) / WINDOW >= SOLVED:
            return step
    return None


@given(st.lists(RIGHT, max_size=160))
def test_solved_is_found_at_the_step_at_which_looking_back_finds_it(shares: list[float]) -> None:
    assert solved_at(np.array(shares, np.float32)) == one_after_the_other(shares)


def test_solved_needs_fifty_steps_and_takes_99_percent_for_enough() -> None:
    assert solved_at(np.ones(WINDOW - 1)) is None
    assert solved_at(np.ones(WINDOW)) == WINDOW - 1
    assert solved_at(np.full(WINDOW, 0.99, np.float32)) == WINDOW - 1
    assert solved_at(np.full(1000, 0.989)) is None
    assert solved_at(np.array([np.nan] + [1.0] * WINDOW)) == WINDOW


@settings(max_examples=50)
@given(
    arrays.arrays(np.float32, st.integers(1, 300), elements=st.sampled_from([0.5, 0.9, 1.0, float("nan")])),
    st.lists(st.integers(1, 80), max_size=8),
    st.integers(1, 12),
)
def test_a_tally_does_not_mind_how_its_steps_come_in(shares: Array, sizes: list[int], width: int) -> None:
    steps = np.arange(len(shares), dtype=np.int32)
    tally = Tally(width, ["accuracy/train"], "accuracy/train")
    begin = 0
    for size in [*sizes, len(shares)]:
        # each table begins with steps that are known, as merged frames do
        rows = slice(max(0, begin - 5), begin + size)
        tally.add({"step": steps[rows], "accuracy/train": shares[rows]})
        begin += size
    assert tally.solved == one_after_the_other(list(shares))
    curve = tally.curve("accuracy/train")
    for point in range(POINTS):
        last = len(shares) if point == POINTS - 1 else (point + 1) * width
        known = [value for value in shares[point * width : last] if not math.isnan(value)]
        assert curve[point] == pytest.approx(statistics.fmean(known) if known else math.nan, nan_ok=True)


@given(st.integers(1, 10**6))
def test_all_steps_of_a_run_have_a_place(steps: int) -> None:
    width = stretch(steps)
    assert steps // width < POINTS
    assert width == 1 or steps // (width - 1) >= POINTS
    x = places(width, steps)
    last = steps // width
    assert x[last] == (last * width + min((last + 1) * width - 1, steps)) / 2
    assert np.all(np.diff(x) > 0)


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(0, 5), st.integers(1, 6)),
        elements=st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)),
    )
)
def test_a_band_is_the_median_and_the_ends_of_the_seeds_that_are_there(curves: Array) -> None:
    found = band(curves)
    for point in range(curves.shape[1]):
        known = [value for value in curves[:, point] if not math.isnan(value)]
        truth = [statistics.median(known), min(known), max(known)] if known else [math.nan] * 3
        np.testing.assert_allclose(found[:, point], truth)


@given(st.lists(st.one_of(st.none(), st.just(math.inf), st.floats(-1e9, 1e9))))
def test_a_spread_leaves_out_what_is_not_known(values: list[float | None]) -> None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    found = spread(values)
    if not known:
        assert found is None
    else:
        assert found is not None
        assert (found.low, found.high) == (min(known), max(known))
        assert found.median == pytest.approx(statistics.median(known))


def run(value: int, seed: int, status: str = "finished", solved: int | None = None, **rest: float) -> RunResult:
    return RunResult(f"{value}-{seed}", value, seed, status, 100, 100, solved, **rest)  # type: ignore[arg-type]


def test_seeds_of_a_value_are_put_together_and_a_value_without_runs_is_told() -> None:
    runs = [run(0, 1, solved=80, final=1.0), run(0, 2, solved=60, final=0.5), run(0, 3, "failed"), run(2, 1, "running")]
    first, second, third = by_value(runs, 3)
    assert (first.runs, first.solved, first.failed, first.open) == (3, 2, 1, 0)
    assert (first.steps, first.final) == ((70, 60, 80), (0.75, 0.5, 1.0))
    assert (second.runs, second.solved, second.steps) == (0, 0, None)
    assert (third.runs, third.solved, third.open) == (1, 0, 1)


def test_the_gradient_that_arrives_nowhere_has_no_ratio() -> None:
    assert gradient_ratio(np.array([1e-12, 1.0, 0.5])) == 2e-12
    assert gradient_ratio(np.array([1.0, 0.0])) is None
    assert gradient_ratio(np.array([])) is None
