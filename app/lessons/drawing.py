"""The pieces of the page of lessons: the list, the question, the runs, the result."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from app import actions, session
from app.board.board import board
from app.lessons import flow, outcome
from app.lessons.flow import Progress
from app.lessons.texts import Book, Lesson
from app.people import owning
from app.plain import plain
from lstm_core.runs.records import OVER, Run


def contents(book: Book) -> None:
    """All lessons: number, title, what it is about, minutes, and a mark at those whose result one has seen."""
    done = flow.done()
    for lesson in book.lessons:
        with st.container(key=f"lesson-row-{lesson.slug}", horizontal=True, vertical_alignment="center", gap="small"):
            st.html(f'<span class="lesson-number">{lesson.number}</span>', width="content")
            with st.container(key=f"lesson-name-{lesson.slug}", gap=None):
                st.button(
                    lesson.title, key=f"open:{lesson.slug}", type="tertiary", on_click=flow.show,
                    args=(lesson.slug,),
                )  # fmt: skip
                st.html(f'<p class="lesson-kicker">{escape(lesson.hook)}</p>')
            mark = '<span class="lesson-done">✓ done</span>' if lesson.slug in done else ""
            st.html(f'<span class="lesson-minutes">{mark}{lesson.minutes} min</span>', width="content")


def broken(book: Book) -> None:
    """What is wrong with files that are no lessons yet; the others can be used all the same."""
    for file in book.broken:
        sentences = "".join(f"\n- {plain(sentence)}" for sentence in file.sentences)
        st.warning(f"The lesson **{plain(file.file)}** cannot be shown.\n{sentences}", icon=":material/edit_document:")


def head(lesson: Lesson, book: Book) -> None:
    """The way back, and where one is."""
    with st.container(key="lesson-head", horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "All lessons", key="lessons", type="tertiary", icon=":material/arrow_back:", on_click=flow.show,
            args=(None,),
        )  # fmt: skip
        place = book.lessons.index(lesson) + 1
        words = f"Lesson {place} of {len(book.lessons)} · about {lesson.minutes} minutes"
        st.html(f'<span class="lesson-kicker">{words}</span>', width="content")
    st.header(lesson.title, anchor=False)


def question(lesson: Lesson, now: Progress) -> None:
    """The question; its answers to choose from, or the one that was chosen."""
    st.subheader("Predict first" if now.guess is None else "Your prediction", anchor=False)
    st.markdown(lesson.question)
    if now.guess is not None:
        st.html(f'<p class="lesson-guess">{escape(lesson.choices[now.guess - 1])}</p>')
        return
    with st.form(f"question:{lesson.slug}", border=False):
        key = f"choice:{lesson.slug}"
        numbers = range(1, len(lesson.choices) + 1)
        st.radio(
            "What do you expect?",
            list(numbers),
            index=None,
            key=key,
            format_func=lambda number: plain(lesson.choices[number - 1]),
        )
        st.form_submit_button("Predict", type="primary", on_click=_predict, args=(key,))


def _predict(key: str) -> None:
    guess = st.session_state.get(key)
    if guess is None:
        session.say(["Choose an answer first: a wrong prediction teaches as much as a right one."])
    flow.predict(guess)


def start(lesson: Lesson, now: Progress) -> None:
    """The button that begins the runs, once something is predicted."""
    count = len(lesson.runs)
    words = "Run" if count == 1 else "Run both" if count == 2 else f"Run all {('three', 'four')[count - 3]}"
    help = (
        "Predict first." if now.guess is None else "They train at the same time, from a few seconds to half a minute."
    )
    st.button(
        words,
        key=f"begin:{lesson.slug}",
        type="primary",
        icon=":material/play_arrow:",
        help=help,
        disabled=now.guess is None,
        on_click=flow.begin,
        args=(lesson,),
    )


@st.fragment(run_every=0.5)
def wait(lesson: Lesson) -> None:
    """Look now and then whether the runs are over; then the page goes on."""
    now = flow.progress(lesson)
    if now.over or not now.runs:
        st.rerun()
    left = [wanted.name for wanted, run in zip(lesson.runs, now.runs, strict=True) if run.status not in OVER]
    st.caption(f"Training: {', '.join(map(plain, left))}. The result appears here.")


def result(lesson: Lesson, now: Progress, courses: Mapping[str, Any]) -> None:
    """What was measured, beside what was predicted."""
    st.subheader("Measured", anchor=False)
    said = outcome.sentences(lesson, courses)
    lines = "; ".join(f"**{plain(name)}**: {plain(words)}" for name, words in said.items())
    assert now.guess is not None
    mark = ":material/check:" if now.right else ":material/compare_arrows:"
    st.markdown(f"{lines}.")
    st.markdown(f"{mark} {plain(outcome.verdict(lesson, now.guess))}")
    if outcome.unexpected(lesson, courses):
        st.info("These runs came out differently from what this lesson expects: trust the numbers, not the text.")


def boards(lesson: Lesson, runs: tuple[Run, ...]) -> None:
    """The runs side by side, live."""
    if lesson.notice:
        st.html(f'<p class="lesson-notice">{escape(lesson.notice)}</p>')
    perform = flow.hold(actions.perform)
    with st.container(key=f"lesson-boards-{len(runs)}"):
        for column, wanted, run in zip(st.columns(len(runs), gap="medium"), lesson.runs, runs, strict=True):
            with column:
                board(run.id, key=f"board:{lesson.slug}:{wanted.name}", on_action=perform, title=wanted.name,
                      only=lesson.panels, editable=owning.may_change(run))  # fmt: skip


def numbers(lesson: Lesson, courses: Mapping[str, Any]) -> None:
    st.html(f'<div class="lesson-table">{outcome.table(lesson, courses)}</div>')


def story(lesson: Lesson, courses: Mapping[str, Any]) -> bool:
    """What happened and why, and the twist; returns whether its button was pressed."""
    after, turn = st.columns([3, 2], gap="large")
    with after, st.container(key="lesson-after"):
        st.markdown(outcome.filled(lesson.after, courses))
    with turn, st.container(key="lesson-turn"):
        st.markdown(outcome.filled(lesson.turn, courses))
        return st.button(lesson.twist.button, key=f"twist:{lesson.slug}", icon=":material/arrow_outward:")


def foot(lesson: Lesson, book: Book) -> None:
    """The next lesson, and this one once more."""
    following = book.after(lesson)
    with st.container(key="lesson-foot", horizontal=True, gap="small"):
        if following is not None:
            st.button(f"Next: {following.title}", key="next", type="primary", on_click=flow.show,
                      args=(following.slug,))  # fmt: skip
        st.button("Predict again", key="again", type="tertiary", icon=":material/replay:", on_click=flow.again,
                  args=(lesson,))  # fmt: skip
