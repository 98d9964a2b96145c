"""Components of the page: how one is made of a module of the board's folder, and put up.

What a component is told goes as a list of one. Of a mapping Streamlit would ask whether one of its values is a data
frame, and load pandas for that: half a second of the first page, and 60 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app.outside.static import static_url

Component = Callable[..., Mapping[str, Any]]


def component(name: str) -> Component:
    """The Components-v2 component whose other half is `name.js`, which exports `mount`."""
    # Streamlit sends this text with every rerun, so it only fetches the real thing.
    loader = f"""
const half = import(new URL("{static_url(f"{name}.js")}", location.origin));
export default async (component) => (await half).mount({{ ...component, data: component.data[0] }});
"""
    return st.components.v2.component(f"lstm_lab_{name}", js=loader, isolate_styles=False)


def mounted(
    shown: Component,
    data: Mapping[str, Any],
    *,
    key: str,
    event: str | None = None,
    hear: Callable[[Mapping[str, Any]], None] | None = None,
) -> None:
    """Put it up with what it is told; `hear` gets what comes with its `event`.

    It is not there in a rerun with what nobody can take in: Streamlit copies what came, and cannot copy what is nested
    hundreds of times. The page's own scripts send no such thing.
    """

    def heard() -> None:
        value = st.session_state[key][event]
        if isinstance(value, Mapping) and hear:
            hear(value)

    known = key in st.session_state
    try:
        said = shown(data=[data], key=key, **({f"on_{event}_change": heard} if event else {}))
    except RecursionError:
        return
    value = said.get(event) if event else None
    if isinstance(value, Mapping) and hear and not known:
        # The server was started anew under an open page: the first press comes before its callback is known here.
        hear(value)
        st.rerun()
