"""The lessons themselves: what they say is what their runs measure, and a file that is wrong is named in words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.lessons import texts
from app.lessons.measured import QUANTITIES, Course
from app.lessons.outcome import filled, sentences, unexpected
from app.lessons.texts import PLACE, Lesson
from lstm_core.config import RunConfig
from tests.learning import measured

BOOK = texts.book(texts.FOLDER)
FIRST = (texts.FOLDER / "01-recall-cliff.md").read_text(encoding="utf-8")
TINY = """---
title: A tiny lesson
minutes: 1
hook: Almost nothing
question: Does it learn in four steps?
choices: [Yes it does, No]
right: 2
runs:
  - name: Short
    settings: {task: {name: recall, length: 4}, model: {hidden_size: 4}, training: {steps: 4, batch_size: 4}}
panels: [loss]
measures: [right, solved]
claims:
  - {run: Short, quantity: solved, at_least: .inf}
twist: {button: On to the Lab}
---
Before.

## Why

It was [[Short: solved, in words]].

## And now

More.
"""


def test_ten_lessons_come_with_the_program_in_the_order_of_their_numbers() -> None:
    assert BOOK.broken == ()
    assert [lesson.number for lesson in BOOK.lessons] == list(range(1, 11))
    assert len({lesson.slug for lesson in BOOK.lessons}) == len({lesson.title for lesson in BOOK.lessons}) == 10


@pytest.mark.parametrize("lesson", BOOK.lessons, ids=lambda lesson: lesson.slug)
def test_what_a_lesson_claims_is_what_its_runs_measure(lesson: Lesson) -> None:
    courses = measured(lesson, lesson.runs)
    assert unexpected(lesson, courses) == []
    assert all("–" not in clause for clause in sentences(lesson, courses).values())
    assert "[[" not in filled(lesson.text, courses)


@pytest.mark.parametrize("lesson", BOOK.lessons, ids=lambda lesson: lesson.slug)
def test_every_run_of_a_lesson_has_claims_of_its_own(lesson: Lesson) -> None:
    """So that no run can come out otherwise than the text says without a test that notices."""
    claimed = {claim.run for claim in lesson.claims}
    assert {run.name for run in (*lesson.runs, *lesson.also)} <= claimed


@pytest.mark.parametrize("lesson", BOOK.lessons, ids=lambda lesson: lesson.slug)
def test_every_number_in_the_text_is_a_setting_a_claim_or_given(lesson: Lesson) -> None:
    known = {*lesson.given, *_settings(lesson)}
    for claim in lesson.claims:
        known |= {bound for bound in (claim.at_least, claim.at_most) if bound is not None}
    text = re.sub(r"\$\$.*?\$\$|\$.*?\$|`.*?`", "", PLACE.sub("", lesson.text), flags=re.DOTALL)
    written = re.findall(r"\d{1,3}(?:[\u2009\u202f]\d{3})+|\d+(?:\.\d+)?", text)
    assert [number for number in written if float(re.sub(r"\s", "", number)) not in known] == []


def _settings(lesson: Lesson) -> Iterator[float]:
    configs = [run.settings for run in (*lesson.runs, *lesson.also)] + [lesson.twist.settings]
    for group in [group for config in configs for group in config.model_dump().values()]:
        yield from (value for value in _leaves(group) if isinstance(value, int | float))


def _leaves(tree: Any) -> Iterator[Any]:
    for value in tree.values():
        yield from _leaves(value) if isinstance(value, dict) else [value]


POWER = re.compile(r"([\d.]+)\^\{(-?\d+)(?:/(\d+))?\} \\approx (?:(?!10\^)([\d.]+)(?: \\cdot )?)?(?:10\^\{(-?\d+)\})?")


def test_powers_in_formulas_are_worked_out_rightly() -> None:
    found = [match for lesson in BOOK.lessons for match in POWER.findall(lesson.text)]
    assert len(found) >= 4
    for base, above, below, digits, exponent in found:
        assert float(base) ** (int(above) / int(below or 1)) == pytest.approx(
            float(digits or 1) * 10.0 ** int(exponent or 0), rel=0.15
        )


def test_the_twist_of_every_lesson_leads_to_a_page_that_there_is() -> None:
    views = Path(texts.__file__).parents[1] / "views"
    assert all((views / f"{lesson.twist.page}.py").is_file() for lesson in BOOK.lessons)


def test_a_lesson_is_added_and_changed_by_its_file_alone(tmp_path: Path) -> None:
    (tmp_path / "01-recall-cliff.md").write_text(FIRST, encoding="utf-8")
    assert [lesson.title for lesson in texts.book(tmp_path).lessons] == ["The recall cliff"]
    (tmp_path / "07-tiny.md").write_text(TINY)
    (tmp_path / "notes.md").write_text("not a lesson")
    found = texts.book(tmp_path)
    assert [(lesson.number, lesson.slug) for lesson in found.lessons] == [(1, "recall-cliff"), (7, "tiny")]
    assert found.broken == ()
    (tmp_path / "07-tiny.md").write_text(TINY.replace("A tiny lesson", "A small lesson"))
    assert texts.book(tmp_path).lessons[1].title == "A small lesson"


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("title: A tiny lesson\n", "", "title is missing."),
        ("minutes: 1", "minutes: soon", "minutes is 'soon'; choose a whole number."),
        ("minutes: 1", "minutes: 0", "minutes is 0; choose a value of at least 1."),
        ("hook: Almost", "hok: Almost", "hok is not a setting; remove it or check its spelling."),
        ("right: 2", "right: 3", "right is 3; there are 2 choices, counted from 1."),
        ("length: 4", "length: 1", "runs → 1 → settings → task → length is 1; choose a value of at least 2."),
        ("name: recall", "name: recal", "task.name is 'recal'; choose one of adding"),
        ("panels: [loss]", "panels: [los]", "panels: 'los' is no panel; choose of"),
        ("[right, solved]", "[right, solve]", "measures: 'solve' is no quantity; choose of right, solved"),
        ("run: Short", "run: Long", "claims: there is no run 'Long'; the runs are Short."),
        ("[[Short:", "[[Long:", "the text speaks of a run 'Long'; the runs are Short."),
        (", at_least: .inf", "", "claims → 1: a claim bounds nothing; give at_least or at_most."),
        ("button: On to the Lab", "button: Go, lock: [model.attn]", "'model.attn' cannot be locked or hidden"),
        ("minutes: 1", "minutes: [1", "The settings are no YAML in line "),
        ("---\ntitle", "title", "It does not begin with its settings"),
        ("## And now", "And now", "The text has 1 headings with two signs #; write two"),
    ],
)
def test_a_broken_file_is_named_with_its_field_and_the_others_still_work(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    assert right in TINY
    (tmp_path / "01-recall-cliff.md").write_text(FIRST, encoding="utf-8")
    (tmp_path / "02-tiny.md").write_text(TINY.replace(right, wrong, 1))
    found = texts.book(tmp_path)
    assert [lesson.slug for lesson in found.lessons] == ["recall-cliff"]
    assert [file.file for file in found.broken] == ["02-tiny.md"]
    assert said in " ".join(found.broken[0].sentences)


def test_a_file_in_another_encoding_and_a_folder_that_is_none_are_said(tmp_path: Path) -> None:
    (tmp_path / "01-tiny.md").write_bytes(TINY.replace("Almost", "Près").encode("latin-1"))
    assert texts.book(tmp_path).broken[0].sentences == ("It is not written in UTF-8; save it so.",)
    assert texts.book(tmp_path / "nowhere") == texts.Book((), ())


def test_quantities_are_read_off_as_they_are_defined() -> None:
    shares = np.concatenate([np.full(30, 0.2), np.ones(60)]).astype(np.float32)
    columns = {"accuracy/train": shares, "grad_norm/total": np.array([1.0, 4.0, np.nan]),
               "grad_norm/clipped": np.array([1.0, 1.0, np.nan])}  # fmt: skip
    first = {"gradient/l0.fwd.h": np.array([0.002, 0.5, 1.0]), "gradient/l0.fwd.c": np.array([1.0, 2.0, 4.0]),
             "gradient/l0.bwd.h": np.array([3.0, 1.0, 0.1])}  # fmt: skip
    last = {"gate/l0.fwd.h": np.array([[1, 2], [1, 2], [3, 2]], np.uint8)}
    run = Course(RunConfig(), columns, first, last, broke=7)
    expected = {"right": 1.0, "solved": 79, "gradient": 0.002, "gradient_c": 0.25, "reaches": 3.002 / 3,
                "largest_gradient": 4.0, "clipped": 0.5, "broke": 7, "units": 2}  # fmt: skip
    assert {name: QUANTITIES[name].measure(run) for name in expected} == pytest.approx(expected)
    assert QUANTITIES["solved"].clause(run) == "solved after 79 steps"
    nothing = Course(RunConfig())
    assert math.isinf(QUANTITIES["solved"].measure(nothing))
    assert QUANTITIES["solved"].clause(nothing) == "not solved"
    assert QUANTITIES["broke"].clause(nothing) == "did not break"


@pytest.mark.parametrize(("cell", "both"), [("lstm", False), ("lstm", True), ("gru", False)])
def test_parameters_are_counted_as_torch_has_them(cell: str, both: bool) -> None:
    config = RunConfig.model_validate({"task": {"name": "digits"}, "model": {"cell": cell, "bidirectional": both}})
    module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](8, config.model.hidden_size, bidirectional=both)
    assert QUANTITIES["parameters"].measure(Course(config)) == sum(p.numel() for p in module.parameters())
