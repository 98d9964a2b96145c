"""The tasks whose answer is another sequence, or a sign after every sign, against independent truths."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_core.config import RunConfig
from lstm_core.tasks import TASKS
from lstm_core.tasks.base import IGNORED, Batch
from lstm_core.tasks.dates import FORMS, Dates, _alphabet, _days
from lstm_core.tasks.reversing import Reversing

DECODED = ["reversing", "dates"]


def as_logits(batch: Batch, outputs: int) -> Any:
    """Predictions (B, S, K) that are right wherever an answer is asked for."""
    return np.eye(outputs, dtype=np.float32)[np.maximum(batch.targets, 0)]


@pytest.mark.parametrize("name", DECODED)
def test_exact_counts_whole_answers_and_accuracy_single_signs(name: str) -> None:
    task = TASKS[name]()
    batch = task.data(1).validation.take(slice(0, 8))
    prediction = as_logits(batch, task.spec.outputs)
    assert task.metrics(prediction, batch.targets) == {"accuracy": 1, "exact": 1}
    asked = (batch.targets != IGNORED).sum()
    prediction[3, 0] = np.roll(prediction[3, 0], 1)  # one wrong sign
    assert task.metrics(prediction, batch.targets) == pytest.approx({"accuracy": (asked - 1) / asked, "exact": 7 / 8})
    ignored = batch.targets == IGNORED
    prediction[ignored] = np.random.default_rng(0).normal(size=(ignored.sum(), task.spec.outputs))
    assert task.metrics(prediction, batch.targets) == pytest.approx({"accuracy": (asked - 1) / asked, "exact": 7 / 8})


@pytest.mark.parametrize("name", DECODED)
def test_guessing_reaches_chance(name: str) -> None:
    task = TASKS[name]() if name == "dates" else Reversing(length=1, letters=2)
    data = task.data(1)
    guesses = np.random.default_rng(0).normal(size=(len(data.test), task.spec.decoded_steps, task.spec.outputs))
    measured = task.metrics(guesses, data.test.targets)
    for metric, n in (("accuracy", data.test.targets.size), ("exact", len(data.test))):
        chance = data.chance[metric]
        assert abs(measured[metric] - chance) <= 5 * np.sqrt(chance * (1 - chance) / n) + 1e-9


@pytest.mark.parametrize("name", [*DECODED, "text"])
def test_examples_are_settings_of_the_task_and_its_goal_is_better_than_chance(name: str) -> None:
    task = TASKS[name]
    goal = task.goal
    assert goal is not None
    for example in task.examples.values():
        config = RunConfig.model_validate(example)
        assert config.task.name == name
        assert not goal.reached(config.task.data(1).chance[goal.metric])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(length=st.integers(1, 30), letters=st.integers(2, 26), seed=st.integers(0, 99))
def test_a_reversed_word_is_the_word_backwards_and_an_end(length: int, letters: int, seed: int) -> None:
    task = Reversing(length=length, letters=letters)
    batch = task.generate(np.random.default_rng(seed), 12)
    assert batch.lengths is not None
    for word, n, answer, sample in zip(batch.inputs, batch.lengths, batch.targets, task.samples(batch), strict=True):
        assert [*answer] == [*word[:n][::-1], letters] + [IGNORED] * (length - n)
        assert sample.target == sample.title[::-1]
        assert "".join(sample.marks) == sample.title
        assert sample.targets == [*sample.target, "end"] + [""] * (length - n)
        assert len(sample.marks) == length


def test_words_of_every_length_and_letter_are_equally_frequent() -> None:
    batch = Reversing(length=5, letters=4).generate(np.random.default_rng(0), 20_000)
    assert batch.lengths is not None
    assert set(np.unique(batch.lengths)) == {1, 2, 3, 4, 5}
    inside = np.arange(5) < batch.lengths[:, None]
    for drawn, kinds in ((batch.lengths - 1, 5), (batch.inputs[inside], 4)):
        shares = np.bincount(drawn, minlength=kinds) / drawn.size
        assert np.abs(shares - 1 / kinds).max() < 5 * np.sqrt((1 - 1 / kinds) / kinds / drawn.size)


STRPTIME = {
    "21 November 2026": "%d %B %Y",
    "21 Nov 2026": "%d %b %Y",
    "21 Nov '26": "%d %b '%y",
    "21-Nov-26": "%d-%b-%y",
    "the 21st of November 2026": "the %d of %B %Y",
    "November 21, 2026": "%B %d, %Y",
    "Nov 21, 2026": "%b %d, %Y",
    "November 21st, 2026": "%B %d, %Y",
    "Sat 21 Nov 2026": "%a %d %b %Y",
    "Saturday, 21 November 2026": "%A, %d %B %Y",
    "Saturday, November 21, 2026": "%A, %B %d, %Y",
    "21.11.2026": "%d.%m.%Y",
    "21.11.26": "%d.%m.%y",
    "11/21/2026": "%m/%d/%Y",
    "2026/11/21": "%Y/%m/%d",
    "20261121": "%Y%m%d",
}
ENDINGS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
DAY = date.fromordinal


@pytest.mark.parametrize("form", STRPTIME)
def test_every_form_says_what_the_calendar_reads_in_it(form: str) -> None:
    write, pattern = FORMS["all"][form], STRPTIME[form]
    assert write(date(2026, 11, 21)) == form
    for ordinal in np.concatenate(_days())[::7]:
        day = DAY(int(ordinal))
        text = write(day)
        if ending := re.search(r"\d(st|nd|rd|th)\b", text):
            assert ending[1] == ENDINGS.get(day.day, "th")
            text = re.sub(r"(?<=\d)(st|nd|rd|th)\b", "", text)
        assert datetime.strptime(text, pattern).date() == day
        if "%a" in pattern.lower():  # strptime reads a weekday but does not check it
            assert text.startswith(day.strftime("%a" if "%a" in pattern else "%A"))
        if "'" not in pattern and pattern[:2] != "%Y":
            assert not re.search(r"\b0\d(?!\d*$)", text), "no leading zero before the year"


def test_the_forms_are_all_told_in_the_docstring_and_no_text_has_two_meanings() -> None:
    assert Dates.__doc__ is not None
    assert all(form in Dates.__doc__ for form in FORMS["all"])
    assert {*FORMS["words"]} | {*FORMS["numbers"]} == {*FORMS["all"]} == {*STRPTIME}
    days = [DAY(int(day)) for day in np.concatenate(_days())]
    meanings = {(write(day), day) for write in FORMS["all"].values() for day in days}
    assert len({text for text, _ in meanings}) == len(meanings)


def test_no_day_is_in_two_parts_in_whatever_form() -> None:
    parts = [set(part.tolist()) for part in _days()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 36_525
    assert [len(part) for part in parts] == [29_220, 3652, 3653]
    data = Dates().data(3)
    said = []
    for batch in (data.train.batch(0, 1024, 3), data.validation, data.test):
        said.append({"".join("0123456789-"[token] for token in row) for row in batch.targets})
    for found, part in zip(said, parts, strict=True):
        assert {date.fromisoformat(text).toordinal() for text in found} <= part
    assert not np.array_equal(Dates().data(4).test.inputs, data.test.inputs)
    assert len(Dates().data(1).test) == 2000


@pytest.mark.parametrize("forms", FORMS)
def test_every_date_fits_and_keeps_its_signs(forms: str) -> None:
    task = Dates(forms=forms)  # type: ignore[arg-type]
    signs, steps = _alphabet(forms)
    days = np.concatenate(_days())[::5]
    for number, write in enumerate(FORMS[forms].values()):
        batch = task.written(days, np.full(len(days), number))
        assert batch.lengths is not None
        assert batch.inputs.shape == (len(days), steps)
        assert batch.lengths.min() >= 1
        for day, tokens, length in zip(days[::40], batch.inputs[::40], batch.lengths[::40], strict=True):
            assert "".join(signs[token] for token in tokens[:length]) == write(DAY(int(day)))
    sample = task.samples(batch.take(slice(0, 1)))[0]
    assert date.fromisoformat(sample.target) == DAY(int(days[0]))
    assert len(sample.marks) == task.time_steps
    assert sample.targets == list(sample.target)


def test_all_days_are_written_with_the_known_signs_and_within_the_known_length() -> None:
    for forms, writers in FORMS.items():
        signs, steps = _alphabet(forms)
        for day in np.concatenate(_days()):
            texts = [write(DAY(int(day))) for write in writers.values()]
            assert max(map(len, texts)) <= steps
            assert set("".join(texts)) <= set(signs)
