"""Lessons: a question, a prediction, runs, and what they measured beside what was predicted."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import lessons, lessons_draw, lessons_flow, messages
from app.lessons import Book, Lesson
from lstm_core.runs.records import StoreError

CSS = Path(__file__).resolve().parent.parent / "lessons.css"


def page() -> None:
    st.html(CSS)
    book = lessons.book()
    try:
        here = lessons_flow.arrive()
        lesson = lessons_flow.opened(book)
        messages.problems(here)
        messages.refusals(here)
        if lesson is None:
            _contents(book)
        else:
            _lesson(lesson, book)
    except StoreError as error:
        messages.unusable(error)


def _contents(book: Book) -> None:
    with st.container(key="lesson-contents"):
        st.header("Lessons", anchor=False)
        st.markdown("Predict, run, compare: each is one question to a network that is trained before your eyes.")
        lessons_draw.contents(book)
        lessons_draw.broken(book)


def _lesson(lesson: Lesson, book: Book) -> None:
    now = lessons_flow.progress(lesson)
    courses = lessons_flow.courses(now) if now.over else {}
    with st.container(key="lesson"):
        lessons_draw.head(lesson, book)
        text, ask = st.columns([1, 1], gap="large")
        with text, st.container(key="lesson-before"):
            st.markdown(lesson.before)
        with ask, st.container(key="lesson-ask"):
            lessons_draw.question(lesson, now)
            if now.over:
                lessons_draw.result(lesson, now, courses)
            elif now.runs:
                lessons_draw.wait(lesson)
            elif lesson.trained and now.guess is not None:
                lessons_draw.start(lesson, now)
        if now.runs:
            lessons_draw.boards(lesson, now.runs)
        if now.over:
            lessons_draw.numbers(lesson, courses)
            if lessons_draw.story(lesson, courses):
                lessons_flow.follow(lesson.twist)
            lessons_draw.foot(lesson, book)


page()
