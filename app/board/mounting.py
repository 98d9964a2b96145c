"""Putting a component on the page, whatever its other half in the browser has sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def mounted(component: Callable[..., Mapping[str, Any]], **given: Any) -> Mapping[str, Any]:
    """What the component says; nothing, and no component in this rerun, where it sent what nobody can take in.

    Streamlit copies what came, and cannot copy what is nested hundreds of times; the page's own scripts send no such
    thing.
    """
    try:
        return component(**given)
    except RecursionError:
        return {}
