"""The widget of a setting that refers to a file: bring one, see which is in use, take it out again."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app import own_data, session
from app.fields import Control
from app.plain import plain
from lstm_core.files import FileProblem
from lstm_core.runs.records import StoreError


def draw(control: Control) -> None:
    """The file in use with its size, or a place to drop one; beside it whatever is wrong with it."""
    state = session.current()
    missing = None if control.value is None else _in_use(control)
    if control.value is None or missing:
        kind = control.extra["file"]
        key = f"file:{control.path}:{state.brought}"
        sort = own_data.SORTS[kind]
        st.file_uploader(
            control.label,
            list(sort.endings),
            max_upload_size=sort.largest // 2**20,
            help=control.help,
            key=key,
            on_change=_bring,
            args=(control, key),
        )
    wrong = state.rejected.get(control.path) or missing
    if wrong is None and control.value is not None and control.path.startswith("task."):
        wrong = own_data.problem(control.config)
    if wrong:
        st.warning(plain(wrong), icon=":material/draft:")


def _in_use(control: Control) -> str | None:
    """Name, size and a button that takes the file out; returns why it cannot be read, if it cannot."""
    found = own_data.kept(control.value)
    said = f"{found.name} · {_size(found.size)}" if found is not None else f"file {control.value}"
    with st.container(key=f"file-{control.path.replace('.', '-')}", horizontal=True, vertical_alignment="center"):
        st.caption(f"{control.label}  \n**{plain(said)}**", help=control.help)
        st.button(
            "Take out",
            key=f"take-out:{control.path}",
            icon=":material/close:",
            type="tertiary",
            help="Go on without this file; runs that were begun with it keep it.",
            on_click=session.change,
            args=(control.path, None),
        )
    return None if found is not None else own_data.missing_file(control.value)


def _bring(control: Control, key: str) -> None:
    """Look at what was dropped, keep it and put its id into the settings; or say why not."""
    file: Any = st.session_state.get(key)
    if file is None:
        return
    state = session.current()
    state.brought += 1
    try:
        file_id = own_data.keep(control.extra["file"], file.getvalue(), file.name, state.config)
    except (FileProblem, StoreError) as error:
        session.reject(control.path, str(error))
        return
    session.change(control.path, file_id)
    session.use(own_data.choices_that_fit(session.current().config), session.current().notes)


def _size(size: int) -> str:
    """Bytes as a person reads them: 812 bytes, 12.4 kB, 3.1 MB."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
