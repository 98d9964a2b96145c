"""The elements of a page as Streamlit's server sends them, and the values of widgets as its page sends them back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from streamlit.proto.Slider_pb2 import Slider
from streamlit.proto.WidgetStates_pb2 import WidgetState


@dataclass(frozen=True)
class Element:
    """One element of the page: its kind as Streamlit names it, and all that the server said of it."""

    kind: str
    proto: Any
    id: str = ""
    fragment: str = ""
    run: int = 0  # the rerun that drew it last

    @property
    def label(self) -> str:
        return str(getattr(self.proto, "label", ""))

    @property
    def name(self) -> str:
        """Of a component: the name under which it is known."""
        return str(getattr(self.proto, "component_name", ""))

    @property
    def disabled(self) -> bool:
        return bool(getattr(self.proto, "disabled", False))

    @property
    def options(self) -> list[str]:
        return [getattr(option, "content", option) for option in getattr(self.proto, "options", ())]

    @property
    def data(self) -> Any:
        """What a component was given."""
        (given,) = json.loads(self.proto.json)
        return given

    def called(self, words: str) -> bool:
        """Whether this is meant: by its label, by its key, or as a component by its name."""
        return words in (self.label, self.name) or self.id.endswith(f"-{words}")


def reported(element: Element) -> WidgetState | None:
    """What the page reports of a widget that it was just told of; None for one without a value.

    `set_value` comes once, when the script has changed the value: from then on it is the page that remembers it.
    """
    proto = element.proto
    match element.kind:
        case "selectbox" | "radio":
            if proto.set_value:
                return state_of(element, proto.raw_value if proto.HasField("raw_value") else None)
            return state_of(element, element.options[proto.default] if proto.HasField("default") else None)
        case "multiselect" | "button_group":
            chosen = proto.raw_values if proto.set_value else [element.options[place] for place in proto.default]
            return state_of(element, list(chosen))
        case "slider" if proto.type == Slider.SELECT_SLIDER:
            chosen = proto.raw_value if proto.set_value else [element.options[int(place)] for place in proto.default]
            return state_of(element, list(chosen))
        case "slider":
            return state_of(element, list(proto.value if proto.set_value else proto.default))
        case "number_input" | "text_input" | "text_area":
            part = "value" if proto.set_value else "default"
            return state_of(element, getattr(proto, part) if proto.HasField(part) else None)
        case "checkbox":
            return state_of(element, proto.value if proto.set_value else proto.default)
        case "expandable":
            return state_of(element, proto.expanded)
        case "popover":
            return state_of(element, proto.open)
    return None


def state_of(element: Element, value: Any) -> WidgetState:
    """A widget's value as it goes over the line; None is no value."""
    state = WidgetState(id=element.id)
    if value is None:
        return state
    several = value if isinstance(value, list | tuple) else [value]
    match element.kind:
        case "selectbox" | "radio" | "text_input" | "text_area":
            state.string_value = str(value)
        case "number_input":
            state.double_value = float(value)
        case "checkbox" | "expandable" | "popover":
            state.bool_value = bool(value)
        case "slider" if element.proto.type != Slider.SELECT_SLIDER:
            state.double_array_value.data.extend(several)
        case "multiselect" | "button_group" | "slider":
            state.string_array_value.data.extend(map(str, several))
            state.string_array_value.SetInParent()
        case _:
            raise AssertionError(f"nothing can be set in a {element.kind}")
    return state
