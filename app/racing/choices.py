"""What can be raced: the settings that may vary, their values as text, races ready made. Pure: no page, no state."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from app.setting.fields import Control, controls, schemes, settings_in
from lstm_core.cells import CELLS
from lstm_core.config import RunConfig
from lstm_core.race_plan import FORGET_BIAS, MOST_RUNS, in_words
from lstm_core.recipes import BiasForget

EMPTY = "empty"  # how the value of a setting that may be empty is written where it is
SEEDS = 3
NEVER = ("training.seed", "training.device", "training.validate_every", "model.batch_first")  # changes nothing to see
FIRST = (
    "init.preset",
    FORGET_BIAS,
    "model.cell",
    "training.clip",
    "model.hidden_size",
    "model.bidirectional",
    "model.attention",
    "training.learning_rate",
)
# Seconds of one core: for each training step, for each time step in it, for each weight that a sequence meets there.
STEP, TIME_STEP, MULTIPLY = 1.2e-3, 1.5e-5, 9e-11
SLOWER: Mapping[str, float] = MappingProxyType({"lstm_relu": 8.0, "gru": 1.5})  # no fast kernel
USUAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "init.preset": ("pytorch", "keras", "orthogonal", "chrono"),
        FORGET_BIAS: ("0", "1", "3"),
        "init.weight_ih": ("empty", "xavier_uniform", "normal"),
        "init.weight_hh": ("empty", "orthogonal", "normal"),
        "init.bias": ("zeros", "forget", "chrono"),
    }
)


@dataclass(frozen=True)
class Factor:
    """A setting that a race may vary. `options` are its values as text, with words; None where numbers are typed."""

    path: str
    label: str
    help: str
    options: Mapping[str, str] | None
    usual: tuple[str, ...]


def factors(config: RunConfig) -> dict[str, Factor]:
    """Every setting that has an effect with these others, by its dotted name; what is raced most comes first."""
    found = [control for group in RunConfig.model_fields for control in controls(config, group)]
    if config.init.bias is None and config.model.bias and CELLS[config.model.cell].keep:
        found += settings_in(BiasForget(), "init.bias", config)
    made = {control.path: factor for control in found if (factor := _factor(control)) is not None}
    order = [path for path in FIRST if path in made]
    return {path: made[path] for path in [*order, *(path for path in made if path not in order)]}


def _factor(control: Control) -> Factor | None:
    kinds = [kind for kind in control.options if kind is not type(None)]
    if control.extra.get("file") or control.offered is not None or control.forbidden or control.path in NEVER:
        return None
    if str in kinds:
        return None
    options = _options(control, kinds[0])
    usual = USUAL.get(control.path) or (tuple(options)[:4] if options is not None else _around(control))
    return Factor(control.path, control.label, str(control.field.description or ""), options, usual)


def _options(control: Control, kind: Any) -> dict[str, str] | None:
    """The values of a choice as text, with words; None for numbers."""
    names: Sequence[Any]
    if schemes(control):
        names = list(schemes(control))
    elif kind is bool:
        names = [False, True]
    elif get_origin(kind) is Literal:
        names = get_args(kind)
    else:
        return None
    values = [*([None] if control.optional else []), *names]
    return {as_text(value): in_words(control.config, control.path, value) for value in values}


def _around(control: Control) -> tuple[str, ...]:
    """Half, once and twice the present value of a number, as far as that is possible."""
    low, high = control.range
    middle = control.value if control.value is not None else min(high, 10)
    near = [middle / 2, middle, middle * 2] if middle else [low, control.step, 2 * control.step]
    kind = int if isinstance(low, int) else float
    return tuple(dict.fromkeys(as_text(kind(min(max(value, low), high))) for value in near))


def common(config: RunConfig, vary: str) -> str:
    """What the runs of a race have in common, in one line without the setting that varies."""
    model, training = config.model, config.training
    said = {
        "task.length": config.task.headline,
        "model.cell": CELLS[model.cell].title,
        "model.hidden_size": f"{model.hidden_size} units" + (f" × {model.num_layers}" if model.num_layers > 1 else ""),
        "model.bidirectional": "both directions" if model.bidirectional else "",
        "model.attention": f"{model.attention} attention" if model.attention != "none" else "",
        "init.preset": in_words(config, "init.preset", config.init.preset),
        "training.optimizer": f"{in_words(config, 'training.optimizer', training.optimizer)} "
        f"{in_words(config, 'training.learning_rate', training.learning_rate)}",
        "training.clip": f"clipping {training.clip} {training.clip_threshold:g}" if training.clip != "none" else "",
        "training.steps": f"{training.steps} steps",
    }
    return " · ".join(words for path, words in said.items() if words and path != vary)


def as_text(value: Any) -> str:
    """A value as one writes it: in the address, between commas. A scheme is written by its name alone."""
    if value is None:
        return EMPTY
    if isinstance(value, Mapping):
        return str(value.get("scheme", ""))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def as_line(values: Sequence[Any]) -> str:
    """Several values as one writes them."""
    return ",".join(value if isinstance(value, str) else as_text(value) for value in values)


def read(line: str) -> list[str | None]:
    """The values in a line of text, between commas, semicolons or spaces; each still as text, `empty` as None."""
    parts = re.split(r"[,;\s]+", line.replace("−", "-").strip(" ,;"), maxsplit=MOST_RUNS + 1)[: MOST_RUNS + 1]
    return [None if part == EMPTY else part for part in parts if part]


@dataclass(frozen=True)
class Ready:
    """A race that is known to show something."""

    question: str
    settings: Mapping[str, Any]
    vary: str
    values: tuple[str, ...]
    seeds: int = SEEDS

    @property
    def config(self) -> RunConfig:
        return RunConfig().replace(**self.settings)


READY: Mapping[str, Ready] = MappingProxyType(
    {
        "The recall cliff": Ready(
            "Which first weights let the first of 40 tokens be remembered at all?",
            {"task.length": 40},
            "init.preset",
            ("pytorch", "keras", "orthogonal", "chrono"),
        ),
        "Forget bias": Ready(
            "How large must the forget bias be to remember for 40 steps?",
            {"task.length": 40, "init.preset": "orthogonal"},
            FORGET_BIAS,
            ("0", "1", "2", "3", "5"),
        ),
        "Clipping": Ready(
            "What does bounding the gradient save where it explodes?",
            {
                "task.length": 20,
                "model.cell": "rnn_relu",
                "init.preset": "irnn",
                "training.optimizer": "sgd",
                "training.momentum": 0.9,
                "training.learning_rate": 0.03,
            },
            "training.clip",
            ("none", "norm", "value"),
        ),
        "RNN against LSTM": Ready(
            "Which cell still knows after 20 steps what it read first?",
            {"task.length": 20, "init.preset": "orthogonal"},
            "model.cell",
            ("rnn_tanh", "rnn_relu", "gru", "lstm"),
        ),
    }
)


def seconds(config: RunConfig) -> float:
    """About how long a run takes on one processor core, worked out from its sizes and what such sizes were measured at.

    A training step has a cost of its own, one for each time step of each layer, and one for each weight that each
    sequence of the batch meets there.
    """
    model, task = config.model, config.task
    read = model.embedding_size if task.spec.vocabulary else task.spec.features or 1
    wide = model.hidden_size * (2 if model.bidirectional else 1)
    steps = task.time_steps + task.spec.decoded_steps
    weights = len(CELLS[model.cell].gates) * wide * (model.hidden_size + read) * model.num_layers
    each = STEP + steps * model.num_layers * (TIME_STEP + config.training.batch_size * weights * MULTIPLY)
    return config.training.steps * each * SLOWER.get(model.cell, 1.0)


def about(duration: float) -> str:
    """A rough duration as a person says it."""
    if duration < 90:
        return f"about {max(5, 5 * round(duration / 5))} s"
    return f"about {round(duration / 60)} min" if duration < 5400 else f"about {duration / 3600:.1f} h"
