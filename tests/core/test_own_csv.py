"""The task on a CSV file of one's own, and what holds for every series: the future changes nothing in the past."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lstm_core import files
from lstm_core.config import RunConfig
from lstm_core.files import FileMissing, FileProblem
from lstm_core.tasks import TASKS
from lstm_core.tasks.base import Examples, TaskData
from lstm_core.tasks.own_csv import SHOWN, OwnCsv
from lstm_core.tasks.series import TRAIN, SeriesConfig
from tests.core.own_files import csv_of, ready, walk

SERIES = [name for name, task in TASKS.items() if issubclass(task, SeriesConfig)]


def own(table: pd.DataFrame, **values: Any) -> OwnCsv:
    return OwnCsv(file=files.keep(csv_of(table), "it.csv"), **values)


def of(values: Any, **named: Any) -> OwnCsv:
    return own(pd.DataFrame({"v": values}), **named)


def test_the_windows_are_those_of_the_column() -> None:
    table = walk(100, seed=3)
    task = own(table, column="close", length=7)
    data = task.data(1)
    forecast = task.forecast(data)
    assert isinstance(data.train, Examples)
    train = data.train.examples
    scaled = table["close"].to_numpy()
    low, high = scaled[:60].min(), scaled[:60].max()
    expected = np.array([scaled[start : start + 7] for start in range(53)])
    np.testing.assert_allclose(train.inputs[:, :, 0], (expected - low) / (high - low), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(task.in_unit(data.test.targets)[:, 0], scaled[80:], rtol=1e-5)
    np.testing.assert_allclose(forecast.truth, scaled[7:80], rtol=1e-5)
    np.testing.assert_allclose(forecast.persistence, scaled[6:79], rtol=1e-5)
    assert forecast.labels == table["date"][7:80].tolist()
    persistence = np.abs(np.diff(scaled))[59:79].mean()
    assert data.chance["mae"] == pytest.approx(persistence, rel=1e-4)


def test_settings_are_whole_without_the_file() -> None:
    config = RunConfig.model_validate({"task": {"name": "csv", "file": "0123456789abcdef", "column": "Größe, €"}})
    assert RunConfig.from_query(config.to_query()) == config
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    assert "Größe, €" in config.title
    assert config.task.spec.outputs == 1
    assert config.task.time_steps == 10
    with pytest.raises(FileMissing, match="The file 0123456789abcdef is not here"):
        config.task.data(1)
    with pytest.raises(FileProblem, match="Choose a CSV file"):
        OwnCsv().data(1)


@pytest.mark.parametrize("file", ["/etc/passwd", "../data.csv", "0123456789ABCDEF", ""])
def test_a_link_cannot_make_anything_read_a_path(file: str) -> None:
    with pytest.raises(ValueError, match=r"task\.file|file"):
        RunConfig.model_validate({"task": {"name": "csv", "file": file}})


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (lambda: of(range(16), length=10), "has 16 values, and a window of 10 needs at least 19: choose a shorter"),
        (lambda: of([1.5, 2], length=2), "has 2 values, and a window of 2 needs at least 5"),
        (lambda: of(np.arange(6000) % 7, length=200), "with a window of 200 at most 5000 can be used"),
        (lambda: of([5] * 30 + [6] * 10), "The first 60% of the column hardly change"),
        (lambda: of([1, 1 + 1e-12] * 30), "The first 60% of the column hardly change"),
        (lambda: own(walk(), column="volume"), "The file has no column “volume”"),
        (
            lambda: own(walk(), column="date"),
            "Column “date” holds dates such as “2020-01-01”, not numbers; choose one of “open”, “close”",
        ),
    ],
)
def test_what_cannot_be_forecast_is_explained(task: Callable[[], OwnCsv], sentence: str) -> None:
    with pytest.raises(FileProblem, match=sentence):
        task().data(1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    values=st.lists(st.floats(-1e30, 1e30), min_size=5, max_size=60),
    length=st.integers(2, 20),
)
def test_any_column_gives_finite_data_or_a_sentence(values: list[float], length: int) -> None:
    task = of(values, length=length)
    try:
        data = task.data(1)
    except FileProblem:
        return
    assert isinstance(data.train, Examples)
    for part in (data.train.examples, data.validation, data.test):
        assert len(part) > 0
        assert np.isfinite(part.inputs).all()
        assert np.isfinite(part.targets**2).all()
    assert all(sample.target for sample in task.samples(data.validation))


def test_the_least_length_that_is_named_is_enough() -> None:
    for length in range(2, 40):
        with pytest.raises(FileProblem, match="needs at least") as refused:
            of([1.0, 2.0], length=length).data(1)
        least = int(str(refused.value).split("at least ")[1].split(":")[0])
        assert len(of(np.arange(least) % 3, length=length).data(1).test) > 0
        with pytest.raises(FileProblem, match="needs at least"):
            of(np.arange(least - 1) % 3, length=length).data(1)


def test_of_a_long_series_only_the_border_is_drawn() -> None:
    task = of(np.sin(np.arange(5000)), length=5)
    data = task.data(1)
    assert isinstance(data.train, Examples)
    forecast = task.forecast(data)
    assert len(forecast.inputs) == len(forecast.truth) == len(forecast.labels) == len(forecast.persistence) == SHOWN
    assert forecast.split == SHOWN // 2
    whole = SeriesConfig.forecast(task, data)
    first = whole.split - forecast.split
    assert forecast.truth == whole.truth[first : first + SHOWN]
    assert forecast.labels == whole.labels[first : first + SHOWN]


def past(task: SeriesConfig, data: TaskData) -> list[NDArray[Any]]:
    """Everything that the training part gives the model, and the scale that turns its answers back."""
    assert isinstance(data.train, Examples)
    train = data.train.examples
    return [train.inputs, train.targets, task.in_unit(np.array([0.0, 1.0]))]


@pytest.mark.parametrize("name", SERIES)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(factor=st.floats(-100, 100), shift=st.floats(-1000, 1000))
def test_the_future_changes_nothing_in_the_past(name: str, factor: float, shift: float) -> None:
    task = ready(name)
    assert isinstance(task, SeriesConfig)
    before = past(task, task.data(1))
    values, labels = task.series()
    changed = values.copy()
    changed[int(len(values) * TRAIN) :] *= factor
    changed[int(len(values) * TRAIN) :] += shift
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(task), "series", lambda _: (changed, labels))
        after = past(task, task.data(1))
    for then, now in zip(before, after, strict=True):
        assert np.array_equal(then, now)


@pytest.mark.parametrize("name", SERIES)
def test_the_past_does_change_what_is_given(name: str) -> None:
    task = ready(name)
    assert isinstance(task, SeriesConfig)
    before = past(task, task.data(1))
    values, labels = task.series()
    changed = values.copy()
    changed[int(len(values) * TRAIN) - 1] = values.max() + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(task), "series", lambda _: (changed, labels))
        after = past(task, task.data(1))
    assert not any(np.array_equal(then, now) for then, now in zip(before, after, strict=True))


def test_the_future_of_a_file_changes_nothing_in_the_past() -> None:
    table = walk(100)
    changed = table.copy()
    changed.loc[60:, "close"] *= 50
    before, after = own(table, column="close"), own(changed, column="close")
    assert before.file != after.file
    for then, now in zip(past(before, before.data(1)), past(after, after.data(1)), strict=True):
        assert np.array_equal(then, now)
