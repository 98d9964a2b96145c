"""What a lesson says once its runs are over: every number in it is one that these runs have measured. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from app.lessons.measured import QUANTITIES, Course
from app.lessons.texts import PLACE, Claim, Lesson
from lstm_core import wording

Courses = Mapping[str, Course]
UNBROKEN = "\u202f"  # the thin space at which no line ends: these numbers stand in running text


def sentences(lesson: Lesson, courses: Courses) -> dict[str, str]:
    """Run → what it measured: «solved after 71 steps, gradient first ÷ last 10⁻²»."""
    return {
        run.name: ", ".join(QUANTITIES[name].clause(courses[run.name]) for name in lesson.measures)
        for run in lesson.runs
    }


def table(lesson: Lesson, courses: Courses) -> str:
    """The measured numbers as an HTML table, a column for each run."""
    heads = "".join(f'<th scope="col">{escape(run.name)}</th>' for run in lesson.runs)
    rows = "".join(
        f'<tr><th scope="row">{escape(QUANTITIES[name].title)}</th>'
        + "".join(f"<td>{QUANTITIES[name].write(courses[run.name])}</td>" for run in lesson.runs)
        + "</tr>"
        for name in lesson.measures
    )
    return f"<table><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def filled(text: str, courses: Courses) -> str:
    """A text with the measured numbers in it: `[[Chrono: solved]]` → «71 steps»."""

    def measured(found: re.Match[str]) -> str:
        quantity, course = QUANTITIES[found[2]], courses[found[1]]
        words = quantity.clause(course) if found[3] else quantity.write(course)
        return words.replace(wording.THIN, UNBROKEN)

    return PLACE.sub(measured, text)


def verdict(lesson: Lesson, guess: int) -> str:
    """Whether the prediction came true, as a sentence."""
    return "As you predicted." if guess == lesson.right else f"It came out as: {lesson.choices[lesson.right - 1]}"


def unexpected(lesson: Lesson, courses: Courses) -> list[Claim]:
    """The claims of the lesson that these runs do not bear out, such as on a machine that rounds differently."""
    mine = [claim for claim in lesson.claims if {claim.run, claim.of} - {None} <= set(courses)]
    return [claim for claim in mine if not claim.holds(courses)]
