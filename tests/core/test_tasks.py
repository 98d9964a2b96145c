from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from lstm_core.tasks import TASKS
from lstm_core.tasks.base import IGNORED, Batch, Examples
from lstm_core.tasks.digits import Digits
from lstm_core.tasks.recall import Recall
from lstm_core.tasks.series import lag
from lstm_core.tasks.stocks import Stocks
from tests.core.own_files import ready


@pytest.mark.parametrize("name", TASKS)
def test_every_task_keeps_its_word(name: str) -> None:
    task = ready(name)
    data, spec = task.data(1), task.spec
    batch = data.train.batch(0, 8, 1)
    shape = (8, task.time_steps) if spec.vocabulary else (8, task.time_steps, spec.features)
    assert batch.inputs.shape == shape
    for part in (batch, data.validation, data.test):
        assert np.isfinite(part.inputs).all()
        if spec.vocabulary:
            assert part.inputs.min() >= 0
            assert part.inputs.max() < spec.vocabulary
        if spec.loss == "cross_entropy":
            assert set(np.unique(part.targets)) <= {*range(spec.outputs), IGNORED}
    for sample in task.samples(data.validation.take(slice(0, 3))):
        assert len(sample.marks) == task.time_steps
        assert sample.target
    assert set(data.chance) >= {"loss", task.metric}
    assert task.title
    assert task.headline


@pytest.mark.parametrize("name", TASKS)
def test_batches_are_a_pure_function_of_number_and_seed(name: str) -> None:
    task = ready(name)
    first, again, other = (task.data(seed).train.batch(5, 16, seed) for seed in (3, 3, 4))
    assert np.array_equal(first.inputs, again.inputs)
    assert np.array_equal(first.targets, again.targets)
    assert not np.array_equal(first.inputs, other.inputs)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n=st.integers(1, 60), size=st.integers(1, 70), epoch=st.integers(0, 5), seed=st.integers(0, 99))
def test_an_epoch_never_shows_an_example_twice(n: int, size: int, epoch: int, seed: int) -> None:
    train = Examples(Batch(np.arange(n)[:, None], np.arange(n)))
    per_epoch = n // min(size, n)
    seen = np.concatenate([train.batch(epoch * per_epoch + i, size, seed).targets for i in range(per_epoch)])
    assert len(seen) == len(set(seen)) == per_epoch * min(size, n)


def test_recall_is_decided_by_the_first_token_alone() -> None:
    task = Recall(length=30, vocabulary=7)
    batch = task.generate(np.random.default_rng(0), 4000)
    assert np.array_equal(batch.inputs[:, 0], batch.targets)
    assert batch.inputs[:, 1:].min() == 2
    assert batch.inputs[:, 1:].max() == 8
    # nothing after the first token tells the answer: correlations stay within 5 standard errors of 0
    correlations = [np.corrcoef(batch.inputs[:, t], batch.targets)[0, 1] for t in range(1, 30)]
    assert np.abs(correlations).max() < 5 / np.sqrt(4000)
    assert abs(batch.targets.mean() - 0.5) < 5 * 0.5 / np.sqrt(4000)


def test_digits_are_the_real_scans_split_by_scikit_learn() -> None:
    data = Digits().data(1)
    assert isinstance(data.train, Examples)
    scans = load_digits()
    split = partial(train_test_split, random_state=0)
    train, rest, train_labels, rest_labels = split(scans.data, scans.target, train_size=0.6, stratify=scans.target)
    validation, test, validation_labels, test_labels = split(rest, rest_labels, train_size=0.5, stratify=rest_labels)
    wanted = [(train, train_labels), (validation, validation_labels), (test, test_labels)]
    for part, (images, labels) in zip([data.train.examples, data.validation, data.test], wanted, strict=True):
        assert part.inputs.dtype == np.float32
        assert np.array_equal(part.inputs.reshape(-1, 64) * 16, images)
        assert np.array_equal(part.targets, labels)


def test_digits_pixel_by_pixel_are_the_same_scans() -> None:
    rows, pixels = Digits().data(1).validation, Digits(reading="pixels").data(1).validation
    assert np.array_equal(rows.inputs.reshape(-1, 64), pixels.inputs[..., 0])
    assert Digits(reading="pixels").time_steps == 64


@pytest.mark.parametrize("ticker", ["GOOG", "NFLX"])
def test_stock_windows_lead_to_the_next_price(ticker: str) -> None:
    task = Stocks(ticker=ticker, length=6)  # type: ignore[arg-type]
    values, labels = task.series()
    data = task.data(1)
    forecast = task.forecast(data)
    assert len(values) == len(labels) == 105
    np.testing.assert_allclose(forecast.truth, values[6 : 6 + len(forecast.truth)], rtol=1e-6)
    np.testing.assert_allclose(forecast.persistence, values[5 : 5 + len(forecast.truth)], rtol=1e-6)
    assert forecast.labels == labels[6 : 6 + len(forecast.truth)]
    np.testing.assert_allclose(task.in_unit(data.test.targets)[:, 0], values[-len(data.test) :], rtol=1e-6)


def test_the_persistence_baseline_is_in_price_units() -> None:
    task = Stocks(ticker="AMZN")
    values, _ = task.series()
    data = task.data(1)
    start = int(105 * 0.6)
    expected = np.abs(np.diff(values))[start - 1 : start - 1 + len(data.validation)].mean()
    assert data.chance["mae"] == pytest.approx(expected, rel=1e-5)
    copied = data.validation.inputs[:, -1]
    measured = task.evaluate(copied, data.validation)
    assert measured == pytest.approx({"mae": expected, "persistence": expected, "lag": 1.0}, rel=1e-5)


def test_the_future_changes_nothing_in_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Stocks()
    before = task.data(1)
    values, labels = task.series()
    changed = values.copy()
    changed[int(105 * 0.6) :] *= 100
    monkeypatch.setattr(Stocks, "series", lambda _: (changed, labels))
    after = task.data(1)
    assert isinstance(before.train, Examples)
    assert isinstance(after.train, Examples)
    assert np.array_equal(before.train.examples.inputs, after.train.examples.inputs)
    assert np.array_equal(before.train.examples.targets, after.train.examples.targets)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(shift=st.integers(0, 4), noise=st.floats(0, 0.1), seed=st.integers(0, 1000))
def test_the_lag_finds_a_known_shift(shift: int, noise: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.cumsum(rng.normal(size=120))
    prediction = np.concatenate([np.full(shift, truth[0]), truth[: 120 - shift]]) + noise * rng.normal(size=120)
    assert lag(prediction, truth) == shift


def test_a_constant_forecast_has_no_lag() -> None:
    assert lag(np.ones(30), np.arange(30.0)) == 0
    assert lag(np.ones(2), np.ones(2)) == 0
