"""What every group of settings has in common: frozen, strict, declared once, explained in words.

A setting is one line, made with `setting`: its default, its label, one sentence on its effect, its
bounds. Validation, the widgets of the page, the options of the terminal and the link all read that line.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxstring, _BRIEF.maxother = 3, 60, 60

FILE_ID = r"^[0-9a-f]{16}$"  # how a setting refers to a file: by what is in it, never by where it lies


class Settings(BaseModel):
    """A frozen group of settings; unknown names and values out of bounds are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


class Impossible(ValueError):
    """Settings that are valid but cannot be carried out here; the message says why and what to do."""


def setting(
    default: Any,
    label: str,
    help: str,
    *,
    unit: str = "",
    log: bool = False,
    step: float | None = None,
    essential: bool = False,
    beside: str = "",
    choices: Mapping[Any, str] | None = None,
    file: str = "",
    **bounds: Any,
) -> Any:
    """Declare one setting.

    `label` names it on the page, `help` states its effect in one sentence; `unit` is written behind its
    value; `log` asks for a slider in decades, `step` for that spacing; an `essential` setting stands at
    the top of the page, and one `beside` another of its group wherever that one stands; `choices` gives each
    allowed value the words a person reads; `file` says what kind of file ("csv", "text", "weights") the setting
    refers to. `bounds` are those of `pydantic.Field` (ge, gt, le, lt, pattern, max_length).
    """
    extra: dict[str, Any] = {"label": label}
    optional = {"unit": unit, "log": log, "step": step, "essential": essential, "beside": beside, "file": file}
    extra |= {name: value for name, value in optional.items() if value}
    if choices is not None:
        extra["choices"] = dict(choices)
    return Field(default, description=help, json_schema_extra=extra, **bounds)


def explain(error: ValidationError) -> list[str]:
    """Turn a validation error into sentences that name the field, its value and what would be right."""
    return [_sentence(detail) for detail in error.errors(include_url=False)]


def _sentence(detail: Any) -> str:
    field = _short(".".join(str(part) for part in detail["loc"]))
    kind, value, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    if kind == "contradiction":
        return str(detail["msg"])
    if kind == "extra_forbidden":
        return f"{field} is not a setting; remove it or check its spelling."
    shown = _shown(value)
    bounds = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for bound, words in bounds.items():
        if bound in context:
            return f"{field} is {shown}; choose a value of {words} {context[bound]}."
    forms = {"int": "a whole number", "float": "a number", "bool": "true or false"}
    if (form := forms.get(kind.partition("_")[0])) is not None:
        return f"{field} is {shown}; choose {form}."
    if kind == "string_pattern_mismatch" and context.get("pattern") == FILE_ID:
        return f"{field} is {shown}; give the file itself, or the 16 signs by which it is kept."
    if "expected" in context:
        return f"{field} is {shown}; choose one of {context['expected']}."
    if "expected_tags" in context:
        return f"{field} is {shown}; choose one of {context['expected_tags']}."
    said = str(detail["msg"])[:200].rstrip(".")
    return f"{field} is {shown}: {said[0].lower()}{said[1:]}."


def _shown(value: Any) -> str:
    """A value as one writes it, in at most 60 signs; of what is nested or endless only the beginning."""
    if isinstance(value, int) and abs(value) >= 10**60:
        return "a number of too many digits"
    return _short(repr(value) if isinstance(value, str | int | float) else _BRIEF.repr(value))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
