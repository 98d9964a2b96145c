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


KNOWN = """
async ([panel, about, curves, arrays]) => {
  const { READINGS } = await import('/lab/static/readings.js');
  const { Series } = await import('/lab/static/frames.js');
  const scalars = new Map();
  for (const [name, [steps, values]] of Object.entries(curves)) {
    scalars.set(name, new Series());
    steps.forEach((step, k) => scalars.get(name).push(step, values[k]));
  }
  const found = new Map(Object.entries(arrays).map(([name, data]) => [name, { data }]));
  return READINGS[panel]({ about, scalars, arrays: found, state: null, at: null, sample: 0 });
}
"""
ABOUT = {"metric": "accuracy", "chance": {"accuracy": 0.5}, "layers": ["l0.fwd"], "attention": "none", "T": 3}


@pytest.mark.parametrize(
    ("accuracy", "flow", "bptt", "words"),
    [
        (0.5, [1e-3, 1e-2, 1], None, "learning from it is slow"),
        (1.0, [1e-3, 1e-2, 1], None, "little is left to learn"),
        (0.5, [0, 0, 1], 1, "cut every 1 time steps"),
        (0.5, [0, 0, 1], None, "counts as zero"),
    ],
)
def test_what_is_said_of_the_gradient_fits_the_run(
    page: Page, accuracy: float, flow: list[float], bptt: int | None, words: str
) -> None:
    curves = {"accuracy/val": [[0, 50], [0.5, accuracy]], "accuracy/train": [[0, 50], [0.5, accuracy]]}
    known = ["gradient_time", ABOUT | {"bptt_length": bptt}, curves, {"gradient/l0.fwd.h": flow}]
    assert words in page.evaluate(KNOWN, known)["sentence"]


@pytest.mark.parametrize(("last", "label"), [(0, "validation accuracy"), (7, "train accuracy")])
def test_a_validation_from_before_the_first_update_is_soon_out_of_date(page: Page, last: int, label: str) -> None:
    steps = list(range(last + 1))
    curves = {"accuracy/val": [[0], [0.5]], "accuracy/train": [steps, [1.0 for _ in steps]]}
    assert page.evaluate(KNOWN, ["metric", ABOUT, curves, {}])["label"] == label
