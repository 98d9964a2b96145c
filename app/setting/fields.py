"""Each setting as the page sees it: its words, its range, what other settings leave of it. Pure: no page, no state."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from lstm_core.config import LIMITS, RunConfig, applies
from lstm_core.settings import Settings

WORDS = {
    "pytorch": "PyTorch default",
    "xavier_uniform": "Xavier uniform",
    "xavier_normal": "Xavier normal",
    "kaiming_uniform": "He uniform",
    "kaiming_normal": "He normal",
    "forget": "Forget bias",
    "relu": "ReLU",
    "leaky_relu": "Leaky ReLU",
}

FEW, MANY = 100, 1024  # how many values one can slide through one by one, or over round values
BOUNDLESS = 1e9


@dataclass(frozen=True)
class Control:
    """One setting as the page draws it: its field, its value, and what other settings leave of its range."""

    path: str
    field: FieldInfo
    value: Any
    config: RunConfig
    notes: tuple[str, ...] = ()  # further sentences for the help text
    locked: bool = False  # a link keeps it as it is

    @property
    def extra(self) -> Mapping[str, Any]:
        extra = self.field.json_schema_extra
        return extra if isinstance(extra, Mapping) else {}

    @property
    def label(self) -> str:
        label, unit = str(self.extra.get("label") or words(self.path.split(".")[-1])), self.extra.get("unit", "")
        return label if not unit or unit in label.lower() else f"{label} ({unit})"

    @property
    def help(self) -> str | None:
        sentences = [self.field.description, *self.notes, *([] if self.forbidden else self.reasons)]
        return " ".join(text for text in sentences if text) or None

    @property
    def options(self) -> list[Any]:
        """The types this setting's value may have; `T | None` gives two."""
        kind = self.field.annotation
        return list(get_args(kind)) if get_origin(kind) in (Union, types.UnionType) else [kind]

    @property
    def optional(self) -> bool:
        return type(None) in self.options

    @property
    def offered(self) -> Mapping[Any, str] | None:
        """What one's own file leaves to choose, with words; None where it has no say in it."""
        group, _, name = self.path.partition(".")
        return self.config.task.offers(name) if group == "task" else None

    @property
    def reasons(self) -> list[str]:
        """Why the range is narrower than the field's own bounds, a sentence each; only the strictest count."""
        strict = any(largest is False for _, largest in self._limits)
        limits = [(limit, largest) for limit, largest in self._limits if largest is False or not strict]
        found = [limit.reason.format(largest=largest) for limit, largest in limits]
        return [f"{reason[0].upper()}{reason[1:]}." for reason in found]

    @property
    def forbidden(self) -> bool:
        """Whether other settings leave this one only its neutral value."""
        return any(largest is False or largest <= (self.bound("ge") or 0) for _, largest in self._limits)

    @property
    def fixed(self) -> bool:
        """Whether it can only be looked at."""
        return self.forbidden or self.locked

    @property
    def _limits(self) -> list[tuple[Any, Any]]:
        found = [(limit, limit.largest(self.config)) for limit in LIMITS if limit.field == self.path]
        return [(limit, largest) for limit, largest in found if largest is not None]

    @property
    def step(self) -> float:
        return 1 if int in self.options else float(self.extra.get("step", 0.01))

    def bound(self, *names: str) -> Any:
        """The first of the field's own bounds ge, gt, le, lt that is among `names`; None where there is none."""
        found = (getattr(m, name) for name in names for m in self.field.metadata if hasattr(m, name))
        return next(found, None)

    @property
    def _own_range(self) -> tuple[Any, Any]:
        kind = int if int in self.options else float
        low, high = self.bound("ge"), self.bound("le")
        low = (self.bound("gt") or 0) + self.step if low is None else low
        high = (self.bound("lt") or BOUNDLESS) - self.step if high is None else high
        return kind(low), kind(high)

    @property
    def range(self) -> tuple[Any, Any]:
        """The smallest and the largest value to offer; the present value is always one of them or between."""
        low, high = self._own_range
        high = min([high, *(largest for _, largest in self._limits if largest is not False)])
        values = [] if self.value is None else [self.value]
        return min([low, *values]), max([high, *values])

    @property
    def look(self) -> Literal["slider", "ladder", "box"]:
        """How a number is best asked for: slid one by one, slid over round values, or typed."""
        low, high = self._own_range
        count = (high - low) / self.step
        if self.extra.get("log") or (int in self.options and FEW < count <= MANY):
            return "ladder"
        return "slider" if count <= FEW else "box"


def words(name: str) -> str:
    """A value's name as a person reads it."""
    return WORDS.get(name) or name.replace("_", " ").capitalize()


def said(control: Control) -> str:
    """The present value in the words of its widget; a scheme by its name."""
    value, choices = control.value, control.extra.get("choices", {})
    if isinstance(value, Settings):
        return words(str(getattr(value, "scheme", "")))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "preset" if control.path.startswith("init.") and not control.extra.get("file") else "none"
    return choices.get(value) or (words(value) if isinstance(value, str) else f"{value:g}".replace("-", "−"))


def controls(config: RunConfig, group: str) -> list[Control]:
    """One control for each setting of a group that has an effect, in the order of its fields."""
    found = settings_in(getattr(config, group), group, config)
    return [control for control in found if applies(control.path, config) and not _pointless(control)]


def _pointless(control: Control) -> bool:
    """Whether one's own file, or the lack of one, leaves nothing to choose, and nothing was chosen."""
    return control.offered == {} and control.value == control.field.default


def settings_in(settings: Settings, prefix: str, config: RunConfig) -> list[Control]:
    fields = type(settings).model_fields.items()
    made = [Control(f"{prefix}.{name}", field, getattr(settings, name), config) for name, field in fields]
    return [control for control in made if not _single(control.field.annotation)]


def _single(kind: Any) -> bool:
    """Whether a field leaves no choice, as the names do by which tasks and schemes are told apart."""
    return get_origin(kind) is Literal and len(get_args(kind)) == 1


def is_essential(control: Control, config: RunConfig) -> bool:
    """Whether the setting stands at the top of the page, by itself or beside one that does."""
    group, beside = control.path.split(".")[0], control.extra.get("beside")
    others = controls(config, group) if beside else ()
    other = next((other for other in others if other.path == f"{group}.{beside}"), None)
    return is_essential(other, config) if other is not None else bool(control.extra.get("essential"))


def ladder(low: float, high: float) -> list[Any]:
    """Round values from `low` to `high`, closer together where they are small: 1, 2, 3, 5, 10, …

    Whole numbers (int) get the powers of two as well, since widths are often one.
    """
    if isinstance(low, int):
        rounds = [digit * 10**decade for decade in range(10) for digit in (1, 2, 5)] + [2**power for power in range(31)]
        return sorted({low, high, *(stop for stop in rounds if low <= stop <= high)})
    decades = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    stops = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 3, 5)]
    return sorted({low, high, *(stop for stop in stops if low <= stop <= high)})


def schemes(control: Control) -> dict[str, type[Settings]]:
    """The schemes by name, where the setting is a choice between groups of settings."""
    found = (kind for option in control.options for kind in _union(option))
    groups = [kind for kind in found if isinstance(kind, type) and issubclass(kind, Settings)]
    return {kind.model_fields["scheme"].default: kind for kind in groups}


def _union(kind: Any) -> list[Any]:
    """The members of a (nested, annotated) union."""
    if hasattr(kind, "__metadata__"):
        return _union(kind.__origin__)
    return [leaf for part in get_args(kind) for leaf in _union(part)] or [kind]
