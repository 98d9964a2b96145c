"""Do the lessons hold? Every claim of every lesson, with the lesson's own seed, and in full with others as well.

What a lesson's own seed does not bear out is wrong in the lesson; how the others come out tells whether its story is
one of a lucky seed.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context

from tabulate import tabulate

from app.lessons import texts
from app.lessons.texts import Claim, Lesson
from tests.bench.report import Row
from tests.learning import measured

SEEDS = (None, 2, 3)  # None is the lesson's own


def measure(short: bool = True) -> list[Row]:
    """For each lesson how many of its claims hold, a value per seed."""
    book, seeds = texts.book(texts.FOLDER), SEEDS[:1] if short else SEEDS
    jobs = list(product(book.lessons, seeds))
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as processes:
        failed = list(processes.map(_failing, *zip(*jobs, strict=True)))
    pairs = [(lesson, seed, claim) for (lesson, seed), claims in zip(jobs, failed, strict=True) for claim in claims]
    lines = [[lesson.title, seed or "own", claim] for lesson, seed, claim in pairs]
    print(tabulate(lines, headers=["lesson", "seed", "a claim that does not hold"]) if lines else "every claim holds")
    return [
        Row(
            "",
            f"{lesson.number} {lesson.title}: claims that hold",
            [len(lesson.claims) - sum(pair[:2] == (lesson, seed) for pair in pairs) for seed in seeds],
            f"of {len(lesson.claims)}",
            "all",
        )
        for lesson in book.lessons
    ]


def _failing(lesson: Lesson, seed: int | None) -> list[str]:
    courses = measured(lesson, (*lesson.runs, *lesson.also), seed)
    return [_in_words(claim) for claim in lesson.claims if not claim.holds(courses)]


def _in_words(claim: Claim) -> str:
    return ", ".join(f"{name} {value}" for name, value in claim if value is not None)
