"""A run that is looked at only: what a link to it shows beside the board, and the way to a run of one's own."""

from __future__ import annotations

import time
from html import escape

import streamlit as st

from app import session
from app.people import owning
from app.setting import own_data
from app.setting.fields import Control, controls, is_essential, said
from lstm_core import wording
from lstm_core.config import RunConfig
from lstm_core.runs.records import Run


def draw(run: Run) -> None:
    """Whose settings these are, all that matter of them, and the button that makes a copy."""
    config = session.settings_of(run)
    ago = wording.duration(max(time.time() - run.created, 0))
    st.html(
        f'<div class="look"><p>You are watching <b><bdi>{escape(run.name or config.title)}</bdi></b>.</p>'
        f"<p>It was begun {ago} ago{_by(run)}, with the settings below. You see it as it goes on; nothing here "
        "changes it.</p>"
        f"{_listed(config)}</div>"
    )
    with st.container(key="train"):
        st.caption("A copy has the same settings; change them as you like, and Train begins a run of your own.")
        st.button(
            "Make a copy with these settings",
            key="copy",
            type="primary",
            icon=":material/content_copy:",
            width="stretch",
            on_click=session.copy_settings,
            args=(config,),
        )


def _by(run: Run) -> str:
    """Who began the run, as far as whoever watches it may know."""
    if run.owner is None:
        return ""
    return " by you" if owning.identity().has(run.owner) else " by someone else"


def _in_words(control: Control) -> str:
    """The value of a setting; of one that names a file the file's own name."""
    file = own_data.kept(control.value) if control.extra.get("file") and control.value is not None else None
    return said(control) if file is None else file.name


def _listed(config: RunConfig) -> str:
    """The settings in words: the essential ones, and whatever is not as usual."""
    usual = RunConfig(task=type(config.task)())
    pairs = [("Task", config.task.title)]
    for group in ("task", "init", "model", "training"):
        for control in controls(config, group):
            *_, name = control.path.split(".")
            differs = control.value != getattr(getattr(usual, group), name)
            if differs or is_essential(control, config):
                pairs.append((control.label, _in_words(control)))
    items = "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in pairs)
    return f"<dl>{items}</dl>"
