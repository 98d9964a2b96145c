"""The board's own modules, each against an independent truth, in the browser that will run them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from app.figures import filling
from lstm_core import wording
from lstm_core.cells import CELLS
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


def test_python_and_the_page_write_numbers_alike(page: Page) -> None:
    rng = np.random.default_rng(0)
    spread = rng.choice([-1.0, 1.0], 300) * 10 ** rng.uniform(-12, 9, 300)
    values = [*spread.tolist(), *np.arange(-30.0, 30.0, 0.7).tolist(), 0.0, 1e-3, 999.5, 1e6]
    for name in ("number", "power", "percent", "count", "duration"):
        known = values if name != "duration" else [abs(value) for value in values]
        found = page.evaluate(
            f"async (v) => {{ const {{ {name}: f }} = await import('/lab/static/text.js'); return v.map(f); }}", known
        )
        assert found == [getattr(wording, name)(value) for value in known], name


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
  const found = new Map(Object.entries(arrays).map(([name, rows]) => {
    const flat = rows.flat();
    const shape = Array.isArray(rows[0]) ? [rows.length, rows[0].length] : [rows.length];
    return [name, { data: name.startsWith("gate/") ? Uint8Array.from(flat) : flat, shape }];
  }));
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


@pytest.mark.parametrize(
    ("h", "c", "words"),
    [
        ([5e-2, 1, 1], [1, 1, 1], "weaker, but training can see it"),
        ([0.5, 1, 1], [1, 1, 1], "about as strongly"),
        ([20, 1, 1], [1, 1, 1], "grows 20.0 times on its way back to the first input: training"),
        ([500, 1, 1], [1, 1, 1], "it may explode"),
        ([1e-4, 1, 1], [0.5, 1, 1], "10⁻⁴ of the last one's, of the cell state c 0.500: c carries it"),
        ([1e-4, 1, 1], [1e-4, 1, 1], "learning from it is slow"),
        ([1e-8, 1, 1], [1e-8, 1, 1], "training cannot see it"),
    ],
)
def test_the_first_input_is_seen_through_either_state(page: Page, h: list[float], c: list[float], words: str) -> None:
    arrays = {"gradient/l0.fwd.h": h, "gradient/l0.fwd.c": c}
    assert words in told(page, "gradient_time", {}, arrays, accuracy_val=0.5)["sentence"]


@pytest.mark.parametrize(("last", "label"), [(0, "validation accuracy"), (7, "train accuracy")])
def test_a_validation_from_before_the_first_update_is_soon_out_of_date(page: Page, last: int, label: str) -> None:
    steps = list(range(last + 1))
    curves = {"accuracy/val": [[0], [0.5]], "accuracy/train": [steps, [1.0 for _ in steps]]}
    assert page.evaluate(KNOWN, ["metric", ABOUT, curves, {}])["label"] == label


def told(page: Page, panel: str, about: dict[str, Any], arrays: dict[str, Any], **curves: Any) -> dict[str, str]:
    """What a panel says; the last values of `curves` are given by name, with the last _ for /."""
    series = {"/".join(name.rsplit("_", 1)): [[0, 50], [value, value]] for name, value in curves.items()}
    found: dict[str, str] = page.evaluate(KNOWN, [panel, ABOUT | about, series, arrays])
    return found


LENGTHS = {"samples": [{"marks": ["a", "b", "c", "", ""], "target": "A"}], "T": 5}


@pytest.mark.parametrize(("cell", "keep"), [("lstm", "f"), ("lstm_relu", "f"), ("gru", "z")])
def test_memory_is_read_off_the_gate_that_keeps(page: Page, cell: str, keep: str) -> None:
    """1 / (1 − mean) over the steps that the sample has, and not over its padding."""
    facts = CELLS[cell]
    gate = np.random.default_rng(5).integers(0, 256, (4, 5))
    gate[:, 3:] = 0
    about = LENGTHS | {"cell": cell, "gates": list(facts.gates), "sigmoids": list(facts.sigmoids)}
    arrays = {f"gate/l0.fwd.{keep}": gate.tolist()}
    arrays |= {f"saturation/l0.fwd.{name}": [0.25] for name in facts.sigmoids}
    found = told(page, "gates", about, arrays)
    mean = gate[:, :3].mean() / 255
    assert f"{keep} is {mean:.3g} on average" in found["sentence"]
    assert f"about {1 / (1 - mean):.3g} time steps" in found["sentence"]
    assert found["number"] == "25\u202f%"


def test_a_simple_rnn_is_said_to_have_no_gates(page: Page) -> None:
    state = np.random.default_rng(6).integers(0, 256, (6, 5))
    about = LENGTHS | {"gates": ["h"], "sigmoids": [], "unbounded": []}
    found = told(page, "gates", about, {"gate/l0.fwd.h": state.tolist()})
    beyond = (np.abs(state[:, :3] / 255 * 2 - 1) > 0.9).mean()
    assert found["number"] == f"{round(beyond * 100)}\u202f%"
    assert found["sentence"].startswith("No gate keeps anything here")
    assert "remember" not in found["sentence"]


def test_silent_units_of_a_relu_are_counted(page: Page) -> None:
    values = np.maximum(np.random.default_rng(7).normal(size=(6, 3)), 0)
    stored = np.rint((values + 4) * 255 / 8).astype(int)
    about = {"gates": ["h"], "sigmoids": [], "unbounded": ["h"]}
    found = told(page, "gates", about, {"gate/l0.fwd.h": stored.tolist()})
    assert found["label"] == "silent"
    assert found["number"] == f"{round(float((values < 4 / 255).mean()) * 100)}\u202f%"


def test_attention_on_the_words_that_decide_is_counted(page: Page) -> None:
    sample = {"marks": ["not", "so", "good", "", ""], "target": "negative", "keys": [0, 2]}
    about = {"samples": [sample], "attention": "dot", "answering": "sequence", "T": 5}
    found = told(page, "attention", about, {"attention": [0.5, 0.1, 0.4, 0, 0]}, attention_on_keys_val=0.75)
    assert found["number"] == "0.500"
    assert "90\u202f% of the attention" in found["sentence"]
    assert "over the whole validation 75\u202f%" in found["sentence"]
    assert "an even glance would give them 67\u202f%" in found["sentence"]  # of three steps, not of five


@pytest.mark.parametrize("answering", ["steps", "decoded"])
def test_an_alignment_is_read_row_by_row(page: Page, answering: str) -> None:
    """How much each step gives to the one input it looks at most; of a causal map the first step has no choice."""
    weights = np.random.default_rng(8).dirichlet(np.full(4, 0.2), size=4)
    if answering == "steps":
        weights = np.tril(weights)
        weights /= weights.sum(1, keepdims=True)
    stored = np.rint(weights * 255 / weights.max())
    sample = {"marks": list("abcd"), "target": "", "targets": list("wxyz")}
    about = {"samples": [sample], "attention": "dot", "answering": answering, "answers": list("wxyz"), "T": 4}
    arrays = {"attention": stored.tolist(), "range/attention": [weights.max()], "answer": [0, 1, 2, 3]}
    found = told(page, "attention", about, arrays)
    rows = (stored / 255 * weights.max())[1 if answering == "steps" else 0 :]
    assert found["number"] == f"{round(rows.max(1).mean() * 100)}\u202f%"
    row, t = np.unravel_index(rows.argmax(), rows.shape)
    step = int(row) + (answering == "steps")
    sign = ("abcd" if answering == "steps" else "wxyz")[step]
    assert f"step {step} (‘{sign}’) looks most sharply, at t = {t} (‘{'abcd'[t]}’)" in found["sentence"]


def test_probabilities_are_those_of_the_exports(page: Page) -> None:
    scores = np.random.default_rng(9).normal(size=7) * 5
    found = page.evaluate("async (s) => (await import('/lab/static/answering.js')).softmax(s)", scores.tolist())
    np.testing.assert_allclose(found, filling.softmax(scores), rtol=1e-9)


@pytest.mark.parametrize(("scores", "words"), [([2, 0], "to its answer"), ([0, 2], "‘B’, which is wrong, and 12")])
def test_an_answer_among_classes_is_judged(page: Page, scores: list[float], words: str) -> None:
    about = LENGTHS | {"answering": "sequence", "answers": ["A", "B"]}
    found = told(page, "answers", about, {"prediction": scores})
    assert words in found["sentence"]
    assert found["number"] == f"{round(100 / (1 + np.exp(scores[1] - scores[0])))}\u202f%"


def test_a_number_is_judged_in_its_own_unit(page: Page) -> None:
    sample = {"marks": ["x"], "target": "1.500 m"}
    about = {"samples": [sample], "answering": "sequence", "answers": None, "scale": [1.0, 3.0], "metric_unit": "m"}
    about |= {"metric": "mae", "chance": {"mae": 0.5}}
    assert told(page, "answers", about, {"prediction": [0.5]})["number"] == "0.500"  # 1 + 0.5 · 2 = 2, not 1.5


@pytest.mark.parametrize(
    ("answers", "number", "words"), [([0, 1], "2 of 2", "Every step"), ([0, 0], "1 of 2", "(‘c’)")]
)
def test_steps_that_are_not_asked_do_not_count(page: Page, answers: list[int], number: str, words: str) -> None:
    sample = {"marks": list("abc"), "target": "", "targets": ["x", "", "y"]}
    about = {"samples": [sample], "answering": "steps", "answers": ["x", "y"]}
    found = told(page, "answers", about, {"answer": [answers[0], 1, answers[1]], "confidence": [1, 1, 1]})
    assert found["number"] == number
    assert words in found["sentence"]


@pytest.mark.parametrize(
    ("metric", "unit", "curves", "number", "words"),
    [
        ("bits", "bits per character", {"bits_val": 2.0}, "2.00", "would cost 6.50. Smaller is better"),
        ("bits", "bits per character", {"bits_val": 6.5}, "6.50", "nothing is learned yet"),
        ("exact", "", {"exact_val": 0.5, "accuracy_val": 0.9}, "50\u202f%", "of single signs 90\u202f%"),
        ("mae", "m", {"mae_val": 0.5}, "0.500", "92\u202f% smaller"),
        ("accuracy", "", {"accuracy_val": 0.9, "accuracy_test": 0.972, "best_step": 450}, "90\u202f%",
         "Test: 97.2\u202f% with the weights of step 450, the best validation."),
        ("mae", "m", {"mae_val": 1, "mae_test": 0.25, "best_step": 30}, "1.00",
         "Test: 0.250 m with the weights of step 30"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_metric(
    page: Page, metric: str, unit: str, curves: dict[str, float], number: str, words: str
) -> None:
    about = {"metric": metric, "metric_unit": unit, "chance": {"bits": 6.5, "mae": 6.0, "accuracy": 0.1}}
    found = told(page, "metric", about, {}, **curves)
    assert found["number"] == number
    assert words in found["sentence"]


@pytest.mark.parametrize(
    ("step", "best", "word", "rest"),
    [
        (350, 250, "finished early", "at step 350: no better validation since step 250"),
        (350, None, "finished early", "at step 350 · 2.0 s"),
        (600, 250, "finished", "600 steps"),
    ],
)
def test_an_early_end_is_said_with_its_reason(page: Page, step: int, best: int | None, word: str, rest: str) -> None:
    state = {"status": "finished", "desired": "running", "step": step, "steps": 600, "elapsed": 2.0}
    found = page.evaluate(
        "async ([s, b]) => (await import('/lab/static/text.js')).describe(s, 'live', false, b ?? NaN)", [state, best]
    )
    assert found["word"] == word
    assert rest in found["rest"]


@pytest.mark.parametrize(
    ("steps", "keys", "apart", "steps_written"),
    [(10, [], 4, [0, 4, 8]), (10, [3, 4, 9], 3, [0, 3, 6, 9]), (5, [2], 1, [0, 1, 2, 3, 4])],
)
def test_marks_that_decide_are_written_before_others(
    page: Page, steps: int, keys: list[int], apart: int, steps_written: list[int]
) -> None:
    ask = "async (all) => (await import('/lab/static/marks.js')).written(...all)"
    assert sorted(page.evaluate(ask, [steps, keys, apart])) == steps_written


@pytest.mark.parametrize("kept", ["counted", "bytes"])
def test_histograms_are_those_of_the_exports(page: Page, kept: str) -> None:
    rng = np.random.default_rng(10)
    arrays: dict[str, Any] = {"range/c": [4.0]}
    if kept == "counted":
        meta: dict[str, Any] = {"y": "weights", "bins": "range/c"}
        arrays["weights"] = rng.integers(0, 3000, 48)
    else:
        meta = {"y": "gate", "histogram": True, "low": -1, "high": 1, "range": "range/c", "ends": [9, 5]}
        arrays["gate"] = rng.integers(0, 256, (6, 9)).astype(np.uint8)
    x, y = filling.density(meta, {name: np.asarray(array) for name, array in arrays.items()}, 1)
    found = page.evaluate(
        """async ([meta, arrays]) => {
          const { spread } = await import('/lab/static/histograms.js');
          const known = Object.entries(arrays).map(([name, [data, shape]]) => [name, { data, shape }]);
          return spread(meta, new Map(known), 1);
        }""",
        [meta, {name: [np.ravel(a).tolist(), list(np.shape(a))] for name, a in arrays.items()}],
    )
    width = (found["high"] - found["low"]) / len(found["shares"])
    np.testing.assert_allclose(found["low"] + width * (np.arange(len(x)) + 0.5), x)
    np.testing.assert_allclose(np.array(found["shares"]) / width, y)


@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ([1e-9, 1e-4, 0.5], "At step 0 the first input's gradient was 10⁻⁹ of the last one's; at step 20 it first was"),
        ([1e-9, 1e-8, 1e-7], "it has never been more than a hundredth"),
        ([0.5, 0.5, 0.5], "a good part of the gradient since step 0"),
        ([1e-9, 0.5, 1e-5], "after step 10 it fell back to 10⁻⁵"),
    ],
)
def test_what_is_said_of_the_gradient_over_training(page: Page, ratios: list[float], words: str) -> None:
    found = page.evaluate(
        """async ([about, ratios]) => {
          const { READINGS } = await import('/lab/static/readings.js');
          const past = { steps: [0, 10, 20], rows: ratios.map((ratio) => Float64Array.from([ratio, 1, 1])) };
          return READINGS.gradient_past({ about, scalars: new Map(), arrays: null, at: null, panel: { past } });
        }""",
        [ABOUT | {"answering": "sequence"}, ratios],
    )
    assert words in found["sentence"]
