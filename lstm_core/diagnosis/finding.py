"""What a finding is, and the next experiments that several rules share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import ValidationError

from lstm_core.cells import CELLS
from lstm_core.config import RunConfig
from lstm_core.diagnosis.evidence import Evidence
from lstm_core.wording import number

Tone = Literal["bad", "good", "warn", "note"]
TONES: tuple[Tone, ...] = ("bad", "good", "warn", "note")  # what matters most first
USUAL_RATE: Mapping[str, float] = {"adam": 0.003, "adamw": 0.003, "rmsprop": 0.001, "sgd": 0.1}


@dataclass(frozen=True)
class Experiment:
    """What to try next: in a few words, and as settings by their dotted names (a whole group by its own)."""

    title: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """One thing that a run shows.

    `number` is what a person reads large, `value` the same as a number, `label` what it is; `panel` is the id of the
    panel that proves it and `step` the step at which it was seen.
    """

    id: str
    tone: Tone
    sentence: str
    number: str
    value: float
    label: str
    panel: str
    step: int
    experiment: Experiment | None = None

    def as_json(self) -> dict[str, Any]:
        """For a page; a number that JSON cannot write is None there."""
        return asdict(self) | {"value": self.value if math.isfinite(self.value) else None}


Rule = Callable[[Evidence], Finding | None]


def experiment(config: RunConfig, title: str, settings: Mapping[str, Any]) -> Experiment | None:
    """A next experiment; None where a run could not have these settings, or has them already."""
    try:
        changed = config.replace(**settings)
    except ValidationError:
        return None
    return Experiment(title, dict(settings)) if changed != config else None


def written(value: float) -> str:
    """A setting as one would type it, as far as that is short."""
    plain = f"{value:g}"
    return number(value) if "e" in plain else plain


def remember(config: RunConfig) -> Experiment | None:
    """First weights that remember as long as the sequence is; where they are there already, a look back."""
    initializer = {"init": {"preset": "chrono"}, "model.bias": True}
    if CELLS[config.model.cell].keep is None:
        return experiment(config, "an LSTM with chrono", {"model.cell": "lstm", **initializer})
    if config.init.preset != "chrono" or config.init.bias is not None or config.init.weights is not None:
        return experiment(config, "chrono", initializer)
    return experiment(config, "attention", {"model.attention": "scaled"})


def fresh_weights(config: RunConfig) -> Experiment | None:
    """First weights of the usual size, each unit's its own."""
    if CELLS[config.model.cell].keep is not None and config.task.spec.answers == "sequence":
        return remember(config)
    return experiment(config, "orthogonal", {"init": {"preset": "orthogonal"}})


def slower(config: RunConfig, rate: float) -> Experiment | None:
    """A tenth of the learning rate, and no more than is usual for the optimizer."""
    new = float(f"{max(min(rate / 10, USUAL_RATE[config.training.optimizer]), 1e-6):.3g}")
    return experiment(config, f"learning rate {written(new)}", {"training.learning_rate": new})
