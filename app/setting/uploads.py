"""The widget of a setting that refers to a file: bring one, see which is in use, take it out again."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from app import session
from app.plain import plain
from app.setting import own_data
from app.setting.fields import Control
from lstm_core.files import FileProblem
from lstm_core.runs.records import StoreError


def draw(control: Control) -> None:
    """The file in use with its size, or a place to drop one; beside it whatever is wrong with it."""
    state = session.current()
    missing = None if control.value is None else _in_use(control)
    if control.value is None or missing:
        sort = own_data.SORTS[control.extra["file"]]
        file = st.file_uploader(
            control.label,
            list(sort.endings),
            max_upload_size=sort.largest // 2**20,
            help=control.help,
            disabled=control.fixed,
            key=f"file:{control.path}:{state.brought}",
        )
        if file is not None:
            _bring(control, file)
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
            disabled=control.fixed,
            on_click=session.change,
            args=(control.path, None),
        )
    return None if found is not None else own_data.missing_file(control.value)


def _bring(control: Control, file: UploadedFile) -> None:
    """Look at what was dropped, keep it and put its id into the settings, or say why not; then draw afresh.

    This takes seconds, in which another press may break it off: in a callback it would be lost, here it begins again.
    """
    state = session.current()
    try:
        with st.spinner("Looking at the file…"):
            file_id = own_data.keep(control.extra["file"], file.getvalue(), file.name, state.config)
        session.change(control.path, file_id)
        fitting = own_data.choices_that_fit(state.config)
        if fitting != state.config:
            session.use(fitting, state.notes)
    except (FileProblem, StoreError) as error:
        session.reject(control.path, str(error))
    state.brought += 1
    st.rerun()


def _size(size: int) -> str:
    """Bytes as a person reads them: 812 bytes, 12.4 kB, 3.1 MB."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
