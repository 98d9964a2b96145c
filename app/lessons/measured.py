"""What a lesson reads off its runs: one small function per quantity, and the words in which a person reads it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from app.setting import summary
from lstm_core import wording
from lstm_core.config import RunConfig
from lstm_core.race_results import WINDOW, solved_at

Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Course:
    """What a run has recorded: its scalars as columns (n,), and the arrays of its first and its newest snapshot.

    `broke` is the step at which a loss or gradient was no number any more.
    """

    config: RunConfig
    columns: Columns = field(default_factory=dict)
    first: Columns = field(default_factory=dict)
    last: Columns = field(default_factory=dict)
    broke: int | None = None


@dataclass(frozen=True)
class Quantity:
    """A number that can be read off a run: `title` heads its row, `short` writes it, `says` is a clause about it.

    `trained` is False for what the settings alone decide.
    """

    title: str
    measure: Callable[[Course], float]
    short: Callable[[float], str]
    says: str
    trained: bool = True

    def write(self, course: Course) -> str:
        """The number alone."""
        return self.short(self.measure(course))

    def clause(self, course: Course) -> str:
        """A few words with the number in them: «solved after 92 steps»."""
        value = self.measure(course)
        if math.isinf(value) and self.title in _NEVER:
            return _NEVER[self.title]
        return self.says.format(self.short(value))


def _column(course: Course, name: str) -> Any:
    """The measured values of a scalar, in the order of the steps."""
    values = np.asarray(course.columns.get(name, ()), np.float64)
    return values[np.isfinite(values)]


def _end(course: Course, name: str) -> float:
    values = _column(course, name)[-WINDOW:]
    return float(values.mean()) if len(values) else math.nan


def right(course: Course) -> float:
    """The share of right answers over the last steps, as many as have to be right for «solved»."""
    return _end(course, f"{course.config.task.metric}/train")


def solved(course: Course) -> float:
    """The step at which the task was solved, as races count it; ∞ where it never was."""
    found = solved_at(_column(course, f"{course.config.task.metric}/train"))
    return math.inf if found is None else float(found)


def _ratio(course: Course, state: str, when: str = "first") -> float:
    """‖∂L/∂state‖ at the first input ÷ at the last one, of the layer that reads forward."""
    flow = getattr(course, when).get(f"gradient/l0.fwd.{state}")
    if flow is None or not flow[-1] > 0:
        return math.nan
    return float(flow[0] / flow[-1])


def reaches(course: Course) -> float:
    """The gradient of h that arrives at the first input by all directions ÷ the largest anywhere, before training."""
    flows = [flow for name, flow in course.first.items() if re.fullmatch(r"gradient/l0\.\w+\.h", name)]
    largest = max((float(np.max(flow)) for flow in flows), default=0.0)
    return float(sum(flow[0] for flow in flows)) / largest if largest else math.nan


def largest_gradient(course: Course) -> float:
    """The longest gradient of the run, before clipping."""
    values = _column(course, "grad_norm/total")
    return float(values.max()) if len(values) else math.nan


def clipped(course: Course) -> float:
    """The share of the steps whose gradient was shortened."""
    before, after = _column(course, "grad_norm/total"), _column(course, "grad_norm/clipped")
    size = min(len(before), len(after))
    return float(np.mean(after[:size] < before[:size] * 0.9999)) if size else math.nan


def broke(course: Course) -> float:
    """The step at which a number grew beyond all numbers; ∞ where none did."""
    return math.inf if course.broke is None else float(course.broke)


def _test(course: Course, name: str) -> float:
    values = _column(course, f"{name}/test")
    return float(values[-1]) if len(values) else math.nan


def different_units(course: Course) -> float:
    """How many units do something of their own, on the shown sample: rows of h that no other unit has."""
    values = course.last.get("gate/l0.fwd.h")
    return float(len(np.unique(np.asarray(values), axis=0))) if values is not None else math.nan


def parameters(course: Course) -> float:
    """How many numbers the recurrent layers learn."""
    shapes = summary.shapes(course.config)
    return float(sum(math.prod(shape) for name, shape in shapes.items() if name.startswith("rnn.")))


def _steps(value: float) -> str:
    return "never" if math.isinf(value) else f"{wording.count(value)} steps"


def _at(value: float) -> str:
    return "never" if math.isinf(value) else f"step {wording.count(value)}"


# A new quantity is one function and one line.
QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        "right": Quantity("Right in the end", right, wording.percent, "{} right in the end"),
        "solved": Quantity("Solved after", solved, _steps, "solved after {}"),
        "gradient": Quantity(
            "Gradient, first ÷ last, before training", lambda course: _ratio(course, "h"), wording.power,
            "gradient first ÷ last {}",
        ),
        "gradient_end": Quantity(
            "The same after training",
            lambda course: _ratio(course, "h", "last"),
            wording.power,
            "after training {}",
        ),
        "gradient_c": Quantity(
            "Gradient of the cell state, first ÷ last, before training",
            lambda course: _ratio(course, "c"),
            wording.power,
            "gradient of the cell state first ÷ last {}",
        ),
        "reaches": Quantity(
            "Gradient at the first input, of the largest, before training",
            reaches,
            wording.power,
            "of the largest gradient {} at the first input",
        ),
        "loss": Quantity(
            "Loss in the end", lambda course: _end(course, "loss/train"), wording.number, "loss {} in the end"
        ),
        "largest_gradient": Quantity("Longest gradient", largest_gradient, wording.number, "longest gradient {}"),
        "clipped": Quantity("Steps clipped", clipped, wording.percent, "{} of the steps clipped"),
        "broke": Quantity("Broke at", broke, _at, "broke at {}"),
        "error": Quantity("Error in the test", lambda course: _test(course, course.config.task.metric),
                          wording.number, "off by {} in the test"),
        "copy": Quantity(
            "Error of repeating the last value", lambda course: _test(course, "persistence"), wording.number,
            "repeating the last value off by {}",
        ),
        "lag": Quantity("Lag in the test", lambda course: _test(course, "lag"), wording.count, "lag {}"),
        "units": Quantity("Units that differ", different_units, wording.count, "units that differ: {}"),
        "parameters": Quantity("Recurrent parameters", parameters, wording.count, "{} parameters", trained=False),
    }
)  # fmt: skip
_NEVER = {"Solved after": "not solved", "Broke at": "did not break"}
