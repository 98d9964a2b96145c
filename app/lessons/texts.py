"""Lessons: each is one Markdown file under `assets/lessons/`, read and checked here. Pure: no page, no state.

A file begins with its settings in YAML between two lines of three dashes (see `Lesson`); the text after them has three
parts: what comes before the runs, then under the first heading of the second level what happened and why, and under
the second one twist. In the text `[[Chrono: solved]]` stands for the number that the learner's own run of that name
measured, `[[Chrono: solved, in words]]` for a clause with it. The file's name gives the lesson's number and its name in
the address: `01-recall-cliff.md`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from app.figures import PANELS
from app.lessons.measured import QUANTITIES, Course
from app.setting import links
from lstm_core.config import RunConfig
from lstm_core.settings import explain

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "lessons"
FILES = "[0-9][0-9]-*.md"
PLACE = re.compile(r"\[\[([^\]:]+):\s*(\w+)(, in words)?\]\]")
_FENCE = re.compile(r"\A---\s*\n(.*?)\n---\s*\n(.*)\Z", re.DOTALL)
_HEADING = re.compile(r"^## +", re.MULTILINE)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML in which yes, no, on and off are the words they are, and may answer a question."""


_BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    sign: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for sign, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("^(?:true|false)$", re.IGNORECASE), list("tTfF"))

Words = Annotated[str, Field(min_length=1, max_length=600)]
Name = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[^:\[\]]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class LessonRun(_Part):
    """One run: what the lesson calls it, and its settings, nested as everywhere; what is not named is the default."""

    name: Name
    settings: RunConfig


class Claim(_Part):
    """What the lesson says of a run, in numbers: the quantity lies within the bounds.

    With `of`, another run's name, the bounds are multiples of what that run has, with `than` multiples of another
    quantity. `.inf` is «never».
    """

    run: Name
    quantity: str
    at_least: float | None = None
    at_most: float | None = None
    of: Name | None = None
    than: str | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Claim:
        if self.at_least is None and self.at_most is None:
            raise PydanticCustomError("contradiction", "a claim bounds nothing; give at_least or at_most.")
        return self

    def holds(self, courses: Mapping[str, Course]) -> bool:
        value, scale = QUANTITIES[self.quantity].measure(courses[self.run]), 1.0
        if self.of or self.than:
            scale = QUANTITIES[self.than or self.quantity].measure(courses[self.of or self.run])
        low, high = (None if bound is None else bound * scale for bound in (self.at_least, self.at_most))
        return (low is None or value >= low) and (high is None or value <= high)


class Twist(_Part):
    """Where the last button leads: a page with settings, and what of them cannot be changed or is not shown there."""

    button: Annotated[str, Field(min_length=1, max_length=40)]
    page: Literal["lab", "initializers", "compare", "cell"] = "lab"
    settings: RunConfig = RunConfig()
    values: dict[str, str] = {}  # of that page alone
    lock: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> Twist:
        unknown = [name for name in (*self.lock, *self.hide) if name not in links.titles()]
        if unknown:
            raise PydanticCustomError(
                "contradiction", "{name} cannot be locked or hidden; name a setting, such as model.attention, or a "
                "group of settings.", {"name": repr(unknown[0])},
            )  # fmt: skip
        return self


class Lesson(_Part):
    """One lesson, completely. The `hook` stands in the list of lessons and gives nothing away; `right` is the number of
    the right choice, from 1. Where all that is measured follows from the settings, nothing is trained. `also` are runs
    that only the claims speak of, `given` numbers in the text that are a definition or simple arithmetic.
    """

    slug: str
    number: int
    title: Annotated[str, Field(min_length=1, max_length=60)]
    minutes: Annotated[int, Field(ge=1, le=60)]
    hook: Annotated[str, Field(min_length=1, max_length=120)]
    question: Words
    choices: Annotated[tuple[Words, ...], Field(min_length=2, max_length=5)]
    right: Annotated[int, Field(ge=1)]
    runs: Annotated[tuple[LessonRun, ...], Field(min_length=1, max_length=4)]
    panels: tuple[str, ...] = ()
    notice: Annotated[str, Field(max_length=300)] = ""
    measures: Annotated[tuple[str, ...], Field(min_length=1, max_length=5)]
    claims: tuple[Claim, ...] = ()
    also: tuple[LessonRun, ...] = ()
    given: tuple[float, ...] = ()  # numbers in the text that follow from a definition
    twist: Twist
    before: str
    after: str
    turn: str

    @property
    def trained(self) -> bool:
        """Whether anything has to be trained to know the answer."""
        return any(QUANTITIES[name].trained for name in self.measures)

    @model_validator(mode="after")
    def _consistent(self) -> Lesson:
        reason = next(self._contradictions(), None)
        if reason:
            raise PydanticCustomError("contradiction", "{reason}", {"reason": reason})
        return self

    def _contradictions(self) -> Iterator[str]:
        names = [run.name for run in (*self.runs, *self.also)]
        if len(set(names)) < len(names):
            yield f"two runs have the same name; the names are {', '.join(names)}."
        if self.right > len(self.choices):
            yield f"right is {self.right}; there are {len(self.choices)} choices, counted from 1."
        panels = {panel.id for panel in PANELS}
        for panel in self.panels:
            if panel not in panels:
                yield f"panels: {panel!r} is no panel; choose of {', '.join(sorted(panels))}."
        for place, name in self._quantities():
            if name not in QUANTITIES:
                yield f"{place}: {name!r} is no quantity; choose of {', '.join(QUANTITIES)}."
        shown = [run.name for run in self.runs]
        for claim in self.claims:
            for name in (claim.run, *([claim.of] if claim.of else [])):
                if name not in names:
                    yield f"claims: there is no run {name!r}; the runs are {', '.join(names)}."
        for name, _, _ in PLACE.findall(self.text):
            if name not in shown:
                yield f"the text speaks of a run {name!r}; the runs are {', '.join(shown)}."

    def _quantities(self) -> Iterator[tuple[str, str]]:
        yield from (("measures", name) for name in self.measures)
        yield from (("claims", name) for claim in self.claims for name in (claim.quantity, claim.than) if name)
        yield from (("the text", name) for _, name, _ in PLACE.findall(self.text))

    @property
    def text(self) -> str:
        """Everything that is read, in its order."""
        return "\n\n".join([self.before, self.question, *self.choices, self.notice, self.after, self.turn])


@dataclass(frozen=True)
class Broken:
    """A file that is no lesson yet: its name, and what is wrong with it, a sentence each."""

    file: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Book:
    """All lessons in the order of their numbers, and the files that cannot be read."""

    lessons: tuple[Lesson, ...]
    broken: tuple[Broken, ...]

    def find(self, slug: str) -> Lesson | None:
        return next((lesson for lesson in self.lessons if lesson.slug == slug), None)

    def after(self, lesson: Lesson) -> Lesson | None:
        """The next lesson; None after the last."""
        place = self.lessons.index(lesson) + 1
        return self.lessons[place] if place < len(self.lessons) else None


def folder() -> Path:
    """Where the lessons are: LSTM_LAB_LESSONS, else those that come with the program."""
    return Path(os.environ.get("LSTM_LAB_LESSONS") or FOLDER)


def book(where: Path | None = None) -> Book:
    """The lessons of a folder as they are now: a file that is added, changed or taken away counts at once."""
    where = where or folder()
    try:
        files = sorted(where.glob(FILES))
        return _book(tuple((file, file.stat().st_mtime_ns) for file in files))
    except OSError as error:
        return Book((), (Broken(where.name, (f"The folder cannot be read: {error.strerror}.",)),))


@lru_cache(maxsize=4)
def _book(files: Sequence[tuple[Path, int]]) -> Book:
    found = [_lesson(file) for file, _ in files]
    lessons = tuple(lesson for lesson in found if isinstance(lesson, Lesson))
    return Book(lessons, tuple(broken for broken in found if isinstance(broken, Broken)))


def _lesson(file: Path) -> Lesson | Broken:
    try:
        return parse(file.name, file.read_text(encoding="utf-8"))
    except ValidationError as error:
        return Broken(file.name, tuple(_sentences(error)))
    except UnicodeDecodeError:
        return Broken(file.name, ("It is not written in UTF-8; save it so.",))
    except (ValueError, OSError) as error:
        return Broken(file.name, (str(error),))


def parse(name: str, text: str) -> Lesson:
    """A lesson from a file's name and text; raises ValidationError, or ValueError in words where it is no such file."""
    fenced = _FENCE.match(text.replace("\r\n", "\n"))
    if fenced is None:
        raise ValueError("It does not begin with its settings: write them in YAML between two lines of three dashes.")
    try:
        front = yaml.load(fenced[1], _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 2}" if mark else ""
        raise ValueError(f"The settings are no YAML{where}: {getattr(error, 'problem', None) or error}.") from error
    except RecursionError as error:
        raise ValueError("The settings are nested too deep; write them as the other lessons do.") from error
    if not isinstance(front, dict):
        raise ValueError("The settings at its beginning have no names; write for example «title: The recall cliff».")
    parts = [part.strip() for part in _HEADING.split(fenced[2])]
    if len(parts) != 3 or not all(parts):
        raise ValueError(
            f"The text has {len(parts) - 1} headings with two signs #; write two, each with text below it and text "
            "before the first: the first is above what happened and why, the second above the twist."
        )
    number, _, slug = Path(name).stem.partition("-")
    after, turn = (f"## {part}" for part in parts[1:])
    own = {"slug": slug, "number": int(number), "before": parts[0], "after": after, "turn": turn}
    return Lesson.model_validate({str(key): value for key, value in front.items()} | own)


def _sentences(error: ValidationError) -> Iterator[str]:
    """What is wrong, naming the field; places in lists are counted from 1."""
    details = error.errors(include_url=False)
    counted = all(detail["type"] == "too_short" for detail in details)  # else the list lacks what is wrong in it
    for detail, sentence in zip(details, explain(error), strict=True):
        written = ".".join(map(str, detail["loc"]))
        read = " → ".join(str(part + 1) if isinstance(part, int) else part for part in detail["loc"])
        if detail["type"] == "missing":
            yield f"{read} is missing."
        elif detail["type"] == "contradiction":
            yield f"{read}: {sentence}" if read else sentence
        elif counted or detail["type"] != "too_short":
            yield sentence.replace(written, read, 1)
