"""The dialog in which a teacher chooses what a link locks and hides."""

from __future__ import annotations

import streamlit as st

from app import session
from app.setting import links
from app.setting.fields import controls
from lstm_core.config import RunConfig


@st.dialog("Link for a class", width="medium")
def dialog() -> None:
    """Two lists to choose from, and the link that comes of them."""
    here = session.current()
    offered = names(here.config)
    st.caption("Whoever opens the link has the settings that are now at the left, and what you choose here.")
    locked = st.multiselect(
        "Locked",
        list(offered),
        format_func=lambda name: offered[name],
        placeholder="Shown, and cannot be changed",
        help="These settings are shown with the words “Locked by the link.”; nothing else changes them either.",
        key="class:lock",
    )
    hidden = st.multiselect(
        "Hidden",
        list(offered),
        format_func=lambda name: offered[name],
        placeholder="Not shown",
        help="These settings are not shown. They keep the value of the link unless ready-made settings change it.",
        key="class:hide",
    )
    locks = links.Locks(frozenset(locked), frozenset(hidden))
    st.code(
        links.address(st.context.url or "", here.config.to_query() | locks.to_query()), language=None, wrap_lines=True
    )


def names(config: RunConfig) -> dict[str, str]:
    """What can be locked or hidden of these settings: its name, and words that say in which group it stands."""
    found = {links.READY: links.titles()[links.READY], "task.name": "Task"}
    for group, title in links.GROUPS.items():
        found[group] = f"{title}: everything"
        found |= {control.path: f"{title}: {control.label}" for control in controls(config, group)}
    return found
