"""The way through a lesson: predict, run, compare. What a person has done is in the address and in the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from app import services, session
from app.lessons.measured import Course
from app.lessons.texts import Book, Lesson, LessonRun, Twist
from app.people import changes
from app.setting import links
from lstm_core.config import RunConfig
from lstm_core.files import FileProblem
from lstm_core.runs import telemetry
from lstm_core.runs.records import OVER, Run, StoreError

PAGE = "lessons"
LAST = ""  # under this name a session keeps which lesson was open last
HOLD = ("pause", "resume", "step")  # what a lesson's boards may do: whatever else would make another run of it


@dataclass(frozen=True)
class Progress:
    """How far a person is: the choice, from 1, and the runs in the order of the lesson, none before they are begun."""

    guess: int | None
    runs: tuple[Run, ...]
    lesson: Lesson

    @property
    def over(self) -> bool:
        """Whether everything is measured."""
        if self.guess is None:
            return False
        return not self.lesson.trained or (bool(self.runs) and all(run.status in OVER for run in self.runs))

    @property
    def right(self) -> bool:
        return self.guess == self.lesson.right


def arrive() -> session.Session:
    """Begin the page. Who comes back from another page, by its name alone, finds the lesson that was open."""
    elsewhere = session.current().page not in (None, PAGE)
    here = session.begin(PAGE)
    if elsewhere and not here.own and (last := here.lessons.get(LAST)):
        show(last["lesson"])
        here.acted = False  # no callback: the next address counts
    return here


def opened(book: Book) -> Lesson | None:
    """The lesson that the address names; None shows the list."""
    lesson = book.find(session.own("lesson"))
    session.current().lessons[LAST] = {} if lesson is None else {"lesson": lesson.slug}
    return lesson


def progress(lesson: Lesson) -> Progress:
    """What the address says of the lesson that is open; what it cannot mean is as if it were not there."""
    said = session.own_number("guess")
    guess = said if said is not None and 1 <= said <= len(lesson.choices) else None
    made = session.own("made").split(".", len(lesson.runs))  # with one more than there are, none of them fits
    found = [session.find(run_id) for run_id in filter(None, made)]
    runs = tuple(run for run in found if run is not None)
    fits = len(runs) == len(lesson.runs) and all(map(_fits, runs, lesson.runs))
    now = Progress(guess, runs if fits and guess is not None else (), lesson)
    if guess is not None:
        kept = session.current().lessons.setdefault(lesson.slug, {})
        kept |= (
            {"guess": str(guess)}
            | ({"made": session.own("made")} if now.runs else {})
            | ({"done": "1"} if now.over else {})
        )
    return now


def _fits(run: Run, wanted: LessonRun) -> bool:
    """Whether a run is one that the lesson began: same settings, to its own end, and nobody stopped it."""
    whole = run.steps == wanted.settings.training.steps and run.status != "stopped"
    return whole and session.settings_of(run) == wanted.settings


def done() -> frozenset[str]:
    """The lessons, by their names, whose result this person has seen."""
    known = {slug for slug, said in session.current().lessons.items() if "done" in said}
    return frozenset(known | set(filter(None, session.own("done").split("."))))


def show(slug: str | None) -> None:
    """Open a lesson where it was left, or the list."""
    kept = session.current().lessons.get(slug or "", {})
    said = kept if "guess" in kept else {}
    names = {name: said.get(name) for name in ("guess", "made")}
    session.set_own(lesson=slug, done=".".join(sorted(done())) or None, **names)


def predict(guess: int | None) -> None:
    """Callback: the prediction stands. Nothing can be run before."""
    if guess is not None:
        session.set_own(guess=str(guess))


def again(lesson: Lesson) -> None:
    """Callback: back to the question; runs that are done are used again."""
    session.current().lessons.get(lesson.slug, {}).pop("guess", None)
    session.set_own(guess=None, made=None)


def begin(lesson: Lesson) -> None:
    """Callback: begin the lesson's runs, or take those that this person has already made with the same settings."""
    if progress(lesson).guess is None or not session.first_press(f"lesson:{lesson.slug}"):
        return
    try:
        made = [_made(run) or _create(lesson, run) for run in lesson.runs]
    except (StoreError, FileProblem) as error:
        session.say([str(error)])
        return
    session.set_own(made=".".join(made))


def _made(wanted: LessonRun) -> str | None:
    """The run of an earlier lesson, or of this one, that has the same settings and was left to itself."""
    for said in session.current().lessons.values():
        for run_id in filter(None, said.get("made", "").split(".")):
            run = session.find(run_id)
            if run is not None and _fits(run, wanted) and not services.store().overrides(run_id):
                return run_id
    return None


def _create(lesson: Lesson, wanted: LessonRun) -> str:
    return changes.begin(wanted.settings, name=f"{wanted.name} · {lesson.title}")


def courses(now: Progress) -> dict[str, Course]:
    """What the runs have measured, by their names in the lesson; raises StoreError."""
    if not now.lesson.trained:
        return {wanted.name: Course(wanted.settings) for wanted in now.lesson.runs}
    pairs = zip(now.lesson.runs, now.runs, strict=True)
    return {wanted.name: _course(wanted.settings, run.id, run.seq, _broke(run)) for wanted, run in pairs}


def _broke(run: Run) -> int | None:
    return int((run.error or {}).get("step", run.step)) if run.status == "failed" else None


@lru_cache(maxsize=32)
def _course(config: RunConfig, run_id: str, _seq: int, broke: int | None) -> Course:
    """What a run has recorded up to its frame number `_seq`: read once for each."""
    store = services.store()
    steps = store.snapshot_steps(run_id)
    first, last = ((_pictures(run_id, steps[place]) if steps else {}) for place in (0, -1))
    return Course(config, store.scalars(run_id), first, last, broke)


def _pictures(run_id: str, step: int) -> Mapping[str, Any]:
    """The arrays of a snapshot, with those of its first sample."""
    store = services.store()
    frames = (store.snapshot(run_id, step, sample) for sample in (None, 0))
    return {name: array for data in frames if data for name, array in telemetry.decode(data).arrays.items()}


def hold(perform: Callable[[Mapping[str, Any]], None]) -> Callable[[Mapping[str, Any]], None]:
    """What a board of a lesson may ask for: to hold a run and to let it go on."""
    return lambda action: perform(action) if action.get("name") in HOLD else session.touch()


def follow(twist: Twist) -> None:
    """Open the page of the twist with its settings, and with what it locks and hides. Not within a callback."""
    here = session.current()
    here.config, here.locks = twist.settings, links.Locks(frozenset(twist.lock), frozenset(twist.hide))
    session.go(twist.page, **twist.values)
