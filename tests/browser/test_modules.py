"""The board's own modules, each against an independent truth, in the browser that will run them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from app.figures import filling
from lstm_core.runs import telemetry
from tests.serving import Server


@pytest.fixture(scope="module")
def page(server: Server, browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    opened.goto(f"{server.url}/healthz")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.6931, "0.693"), (0, "0"), (-0.5, "−0.500"), (12, "12.0"), (1234, "1\u2009230"), (999.6, "1\u2009000"),
        (1.6e-10, "1.60\u2009×\u200910⁻¹⁰"), (-2e-5, "−2.00\u2009×\u200910⁻⁵"), (3e7, "3.00\u2009×\u200910⁷"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(page: Page, value: float, text: str) -> None:
    found = page.evaluate("async (v) => (await import('/lab/static/text.js')).number(v)", value)
    assert found == text


@pytest.mark.parametrize(("n", "text"), [(7, "7"), (1234, "1\u2009234"), (1_000_000, "1\u2009000\u2009000")])
def test_whole_numbers_have_thin_spaces(page: Page, n: int, text: str) -> None:
    assert page.evaluate("async (n) => (await import('/lab/static/text.js')).count(n)", n) == text


def test_frames_are_read_as_they_were_written(page: Page) -> None:
    """Every kind of array, aligned or not, comes out value by value."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "gate/l0.fwd.i": rng.integers(0, 256, (3, 7), dtype=np.uint8),
        "gradient/l0.fwd.h": rng.normal(size=7),
        "attention": rng.normal(size=5).astype(np.float32),
        "step": np.arange(4, dtype=np.int32),
        "odd": rng.integers(0, 256, (5,), dtype=np.uint8),
    }
    data = telemetry.encode("sample", arrays, 12, 3, 6, 2)
    found = page.evaluate(
        """async (bytes) => {
          const frame = (await import('/lab/static/frames.js')).decode(new Uint8Array(bytes).buffer);
          const arrays = [...frame.arrays].map(([name, { data, shape }]) => [name, { data: [...data], shape }]);
          return { ...frame, arrays: Object.fromEntries(arrays) };
        }""",
        list(data),
    )
    assert {name: found[name] for name in ("kind", "seq", "first", "last", "sample")} == {
        "kind": "sample", "seq": 12, "first": 3, "last": 6, "sample": 2,
    }  # fmt: skip
    assert set(found["arrays"]) == set(arrays)
    for name, array in arrays.items():
        assert found["arrays"][name]["shape"] == list(array.shape)
        np.testing.assert_array_equal(found["arrays"][name]["data"], array.ravel().astype(float))


@pytest.mark.parametrize(("count", "buckets"), [(10, 8), (1000, 40), (16384, 4096), (997, 31)])
def test_thinning_loses_no_peak(page: Page, count: int, buckets: int) -> None:
    y = np.random.default_rng(count).normal(size=count).astype(np.float32)
    x, kept = page.evaluate(
        """async ([y, buckets]) => {
          const { extremes } = await import('/lab/static/frames.js');
          const values = Float32Array.from(y), steps = Int32Array.from(y, (_, k) => k);
          const n = extremes(steps, values, 0, y.length, buckets, steps, values);
          return [[...steps.slice(0, n)], [...values.slice(0, n)]];
        }""",
        [y.tolist(), buckets],
    )
    assert len(x) <= max(2 * buckets, count if count <= 2 * buckets else 0)
    assert x == sorted(x)
    np.testing.assert_array_equal(kept, y[x])
    for part in np.array_split(np.arange(count), 5):
        inside = [k for k in x if part[0] <= k <= part[-1]]
        assert len(inside) > 0
    assert y.argmax() in x
    assert y.argmin() in x


def test_curves_stay_bounded_and_ordered(page: Page) -> None:
    """A hundred thousand steps, one of them a spike, in the memory of sixteen thousand."""
    length, ordered, highest = page.evaluate(
        """async () => {
          const { Series } = await import('/lab/static/frames.js');
          const series = new Series();
          for (let k = 0; k < 100000; k++) series.push(k, k === 31415 ? 1000 : Math.sin(k));
          const x = series.x.slice(0, series.length);
          return [series.length, x.every((step, k) => k === 0 || step > x[k - 1]), Math.max(...series.y)];
        }"""
    )
    assert length <= 16384
    assert ordered
    assert highest == 1000


def test_smoothing_is_that_of_the_exports(page: Page) -> None:
    y = np.random.default_rng(3).normal(size=700)
    found = page.evaluate(
        """async (y) => {
          const { smooth } = await import('/lab/static/frames.js');
          return [...smooth(Float32Array.from(y), y.length, 150)];
        }""",
        y.tolist(),
    )
    np.testing.assert_allclose(found, filling.smooth(y, 150), atol=1e-5)
