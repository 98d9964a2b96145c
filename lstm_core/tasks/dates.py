"""Dates in many written forms, to be said in one: a translation with a law that anybody can check."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from lstm_core.settings import setting
from lstm_core.tasks.base import Array, Batch, Endless, Goal, Sample, Spec, TaskConfig, TaskData
from lstm_core.tasks.decoding import shown

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
FIRST, LAST = date(1969, 1, 1), date(2068, 12, 31)
SAID = "0123456789-"
ISO = 10  # signs of every answer


def _month(day: date) -> str:
    return MONTHS[day.month - 1]


def _weekday(day: date) -> str:
    return DAYS[day.weekday()]


def _ordinal(day: date) -> str:
    ending = "th" if 11 <= day.day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return f"{day.day}{ending}"


WORDS: Mapping[str, Callable[[date], str]] = MappingProxyType(
    {
        "21 November 2026": lambda d: f"{d.day} {_month(d)} {d.year}",
        "21 Nov 2026": lambda d: f"{d.day} {_month(d)[:3]} {d.year}",
        "21 Nov '26": lambda d: f"{d.day} {_month(d)[:3]} '{d.year % 100:02}",
        "21-Nov-26": lambda d: f"{d.day}-{_month(d)[:3]}-{d.year % 100:02}",
        "the 21st of November 2026": lambda d: f"the {_ordinal(d)} of {_month(d)} {d.year}",
        "November 21, 2026": lambda d: f"{_month(d)} {d.day}, {d.year}",
        "Nov 21, 2026": lambda d: f"{_month(d)[:3]} {d.day}, {d.year}",
        "November 21st, 2026": lambda d: f"{_month(d)} {_ordinal(d)}, {d.year}",
        "Sat 21 Nov 2026": lambda d: f"{_weekday(d)[:3]} {d.day} {_month(d)[:3]} {d.year}",
        "Saturday, 21 November 2026": lambda d: f"{_weekday(d)}, {d.day} {_month(d)} {d.year}",
        "Saturday, November 21, 2026": lambda d: f"{_weekday(d)}, {_month(d)} {d.day}, {d.year}",
    }
)
NUMBERS: Mapping[str, Callable[[date], str]] = MappingProxyType(
    {
        "21.11.2026": lambda d: f"{d.day}.{d.month}.{d.year}",
        "21.11.26": lambda d: f"{d.day}.{d.month}.{d.year % 100:02}",
        "11/21/2026": lambda d: f"{d.month}/{d.day}/{d.year}",
        "2026/11/21": lambda d: f"{d.year}/{d.month:02}/{d.day:02}",
        "20261121": lambda d: f"{d.year}{d.month:02}{d.day:02}",
    }
)
FORMS: Mapping[str, Mapping[str, Callable[[date], str]]] = MappingProxyType(
    {"all": {**WORDS, **NUMBERS}, "words": WORDS, "numbers": NUMBERS}
)


def _settings(attention: str) -> Mapping[str, Any]:
    return {
        "task": {"name": "dates", "forms": "all"},
        "model": {"hidden_size": 64, "bidirectional": True, "attention": attention},
        "training": {"learning_rate": 0.005, "schedule": "cosine", "clip": "norm", "steps": 600},
    }


class Dates(TaskConfig):
    """A day from 1969 to 2068, signs in, signs out: the answer is always year-month-day, such as 2026-11-21.

    | written form                    | what decides                                              |
    |---------------------------------|-----------------------------------------------------------|
    | 21 November 2026                | the month by its name                                     |
    | 21 Nov 2026                     | the month by the first three letters                      |
    | 21 Nov '26, 21-Nov-26           | two digits of the year: 69 … 99 are 1969 … 1999, 00 … 68  |
    |                                 | are 2000 … 2068 (as POSIX has it)                         |
    | the 21st of November 2026       | 1st, 2nd, 3rd, 4th … 11th, 12th, 13th … 21st              |
    | November 21, 2026               | the month first                                           |
    | Nov 21, 2026                    |                                                           |
    | November 21st, 2026             |                                                           |
    | Sat 21 Nov 2026                 | the weekday is the calendar's                             |
    | Saturday, 21 November 2026      |                                                           |
    | Saturday, November 21, 2026     |                                                           |
    | 21.11.2026, 21.11.26            | dots: the day comes first                                 |
    | 11/21/2026                      | slashes: the month comes first …                          |
    | 2026/11/21                      | … unless the year does                                    |
    | 20261121                        | no sign between: year, month, day                         |

    Only the forms that begin with the year write a day or a month below 10 with a leading zero. So every text has one
    meaning. Days and forms are drawn with equal probability. The 36,525 days are shared out once and for all, 80 % for
    training, 10 % for validation and 10 % for the test, whatever the form and the seed: no day of the test was ever
    read in training in any form. Chance: each of the ten signs drawn from the eleven.

    Measured with the first of the examples, seeds 1, 2, 3 (18 s on one core): exact in 100, 100, 100 % of 2000 test
    dates. Without attention, in as many steps, seeds 1, 2: 88.9, 89.0 %.
    """

    title: ClassVar[str] = "Dates in one form"
    summary: ClassVar[str] = "Read a date as people write it and say it as year, month, day."
    metric: ClassVar[str] = "exact"
    goal: ClassVar[Goal | None] = Goal("exact", 0.95)
    examples: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {"With attention": _settings("dot"), "Through one state alone": _settings("none")}
    )

    name: Literal["dates"] = "dates"
    forms: Literal["all", "words", "numbers"] = setting(
        "all",
        "Written forms",
        "In which of the forms the dates are written: with names of months, in numbers alone, or both.",
        choices={"all": "All sixteen", "words": "With names of months", "numbers": "Numbers alone"},
    )

    @property
    def time_steps(self) -> int:
        return _alphabet(self.forms)[1]

    @property
    def spec(self) -> Spec:
        signs, _ = _alphabet(self.forms)
        return Spec(
            outputs=len(SAID), loss="cross_entropy", vocabulary=len(signs), answers="decoded", decoded_steps=ISO
        )

    @property
    def headline(self) -> str:
        kind = {"all": "", "words": " with names of months", "numbers": " in numbers"}[self.forms]
        return f"Dates{kind} to year-month-day"

    def written(self, days: Array, forms: Array) -> Batch:
        """The task on these days (B,), as ordinals of `datetime.date`, each in one of the forms (B,)."""
        signs, steps = _alphabet(self.forms)
        write = list(FORMS[self.forms].values())
        found = [date.fromordinal(int(day)) for day in days]
        texts = [write[form](day) for day, form in zip(found, forms, strict=True)]
        inputs = np.array([_tokens(text.ljust(steps, signs[0]), signs) for text in texts])
        targets = np.array([_tokens(day.isoformat(), SAID) for day in found])
        return Batch(inputs, targets, np.array([len(text) for text in texts]))

    def generate(self, rng: np.random.Generator, n: int) -> Batch:
        return self._drawn(rng, _days()[0], n)

    def data(self, seed: int) -> TaskData:
        chance = 1 / len(SAID)
        return TaskData(
            train=Endless(self.generate),
            validation=self._drawn(np.random.default_rng([seed, 3]), _days()[1], 320),
            test=self._drawn(np.random.default_rng([seed, 4]), _days()[2], 2000),
            chance={"loss": math.log(len(SAID)), "accuracy": chance, "exact": chance**ISO},
        )

    def _drawn(self, rng: np.random.Generator, days: Array, n: int) -> Batch:
        return self.written(rng.choice(days, n), rng.integers(0, len(FORMS[self.forms]), n))

    def samples(self, batch: Batch) -> list[Sample]:
        assert batch.lengths is not None
        signs, _ = _alphabet(self.forms)
        rows = zip(batch.inputs, batch.lengths, batch.targets, strict=True)
        return [shown(text, length, answer, signs, SAID) for text, length, answer in rows]

    def answer(self, prediction: Array) -> str:
        return SAID[int(prediction.argmax())]


def _tokens(text: str, signs: str) -> list[int]:
    return [signs.index(sign) for sign in text]


@lru_cache(maxsize=1)
def _days() -> list[Array]:
    """The ordinals of the days of training, validation and test; fixed, and no day is in two of them."""
    ordinals = np.arange(FIRST.toordinal(), LAST.toordinal() + 1)
    order = np.random.default_rng(0).permutation(ordinals)
    return [np.sort(part) for part in np.split(order, [len(order) * 8 // 10, len(order) * 9 // 10])]


@lru_cache(maxsize=len(FORMS))
def _alphabet(forms: str) -> tuple[str, int]:
    """The signs that these forms are written with, in order, and the length of the longest date."""
    # names and numbers do not depend on each other: every month, weekday, day and year occurs within these days
    days = [date.fromordinal(day) for day in range(FIRST.toordinal(), LAST.toordinal() + 1, 3)]
    texts = [write(day) for write in FORMS[forms].values() for day in days]
    return "".join(sorted(set("".join(texts)))), max(map(len, texts))
