"""Lessons: a question, a prediction, runs, and what they measured beside what was predicted."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import messages
from app.lessons import drawing, flow, texts
from app.lessons.texts import Book, Lesson
from lstm_core.runs.records import StoreError

CSS = Path(__file__).resolve().parent.parent / "lessons.css"


def page() -> None:
    st.html(CSS)
    book = texts.book()
    try:
        here = flow.arrive()
        lesson = flow.opened(book)
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
        drawing.contents(book)
        drawing.broken(book)


def _lesson(lesson: Lesson, book: Book) -> None:
    now = flow.progress(lesson)
    courses = flow.courses(now) if now.over else {}
    with st.container(key="lesson"):
        drawing.head(lesson, book)
        text, ask = st.columns([1, 1], gap="large")
        with text, st.container(key="lesson-before"):
            st.markdown(lesson.before)
        with ask, st.container(key="lesson-ask"):
            drawing.question(lesson, now)
            if now.over:
                drawing.result(lesson, now, courses)
            elif now.runs:
                drawing.wait(lesson)
            elif lesson.trained and now.guess is not None:
                drawing.start(lesson, now)
        if now.runs:
            drawing.boards(lesson, now.runs)
        if now.over:
            drawing.numbers(lesson, courses)
            if drawing.story(lesson, courses):
                flow.follow(lesson.twist)
            drawing.foot(lesson, book)


page()
