"""`RunConfig`: every setting of a run in one frozen object, validated once, with its two written forms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from pydantic import SerializeAsAny, field_validator, model_validator
from pydantic_core import PydanticCustomError

from lstm_core.cells import CELLS
from lstm_core.groups import ModelConfig, TrainingConfig
from lstm_core.recipes import PRESET_TITLES, InitConfig
from lstm_core.settings import Settings, explain
from lstm_core.tasks import TASKS, TaskConfig
from lstm_core.tasks.recall import Recall

__all__ = [
    "APPLIES",
    "LIMITS",
    "InitConfig",
    "ModelConfig",
    "RunConfig",
    "TaskConfig",
    "TrainingConfig",
    "applies",
    "explain",
]


class RunConfig(Settings):
    """One run, completely described: the same object on the page, in the link, in Python and in the terminal.

    Raises `pydantic.ValidationError` for unknown, out-of-range and contradictory values;
    `explain(error)` turns it into sentences.
    """

    task: SerializeAsAny[TaskConfig] = Recall()
    model: ModelConfig = ModelConfig()
    init: InitConfig = InitConfig()
    training: TrainingConfig = TrainingConfig()

    @field_validator("task", mode="wrap")
    @classmethod
    def _by_name(cls, value: Any, _handler: Any) -> TaskConfig:
        if isinstance(value, TaskConfig):
            return value
        if not isinstance(value, Mapping):
            raise PydanticCustomError("contradiction", "task must be a mapping such as {'name': 'recall'}.")
        name = value.get("name", "recall")
        if not isinstance(name, str) or name not in TASKS:
            known = ", ".join(TASKS)
            raise PydanticCustomError(
                "contradiction",
                "task.name is {name}; choose one of {known}.",
                {"name": repr(name)[:60], "known": known},
            )
        return TASKS[name].model_validate(value)

    @model_validator(mode="after")
    def _no_contradiction(self) -> RunConfig:
        reasons = [reason for limit in LIMITS if (reason := limit.broken(self))]
        if reasons:
            raise PydanticCustomError("contradiction", "{reasons}", {"reasons": " ".join(reasons)})
        return self

    @property
    def title(self) -> str:
        """What a person calls this run: task, model, initializer."""
        model = self.model
        layers = f" × {model.num_layers}" if model.num_layers > 1 else ""
        start = "given weights" if self.init.weights else PRESET_TITLES[self.init.preset]
        extras = [f"{CELLS[model.cell].title} {model.hidden_size}{layers}", start]
        if model.bidirectional:
            extras.insert(1, "both directions")
        if model.attention != "none":
            extras.insert(1, f"{model.attention} attention")
        return " · ".join([self.task.headline, *extras])

    def to_query(self) -> dict[str, str]:
        """The settings that differ from the defaults, flat, for a link: {"task": "recall", "task.length": "80"}."""
        usual = dict(_flat(RunConfig(task=TASKS[self.task.name]()).model_dump(mode="json")))
        query = {path: text for path, text in _flat(self.model_dump(mode="json")) if usual.get(path) != text}
        return {"task": self.task.name, **query}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> RunConfig:
        """Read what `to_query` wrote; raises `pydantic.ValidationError` as the constructor does."""
        nested: dict[str, Any] = {"task": {"name": query.get("task", "recall")}}
        for path, text in query.items():
            if path != "task":
                _put(nested, path, None if text == "" else text)
        return cls.model_validate(nested)

    def replace(self, **values: Any) -> RunConfig:
        """A copy with dotted names set: `config.replace(**{"training.seed": 2})`; validated like a new one."""
        return self.replaced(values)

    def replaced(self, values: Mapping[str, Any]) -> RunConfig:
        """The same of any names, also ones that no argument may have."""
        nested = self.model_dump()
        for path, value in values.items():
            _put(nested, path, value)
        return RunConfig.model_validate(nested)


@dataclass(frozen=True)
class Override:
    """A setting changed while the run went on: `value` holds from `step` on."""

    step: int
    field: Literal["learning_rate", "clip", "clip_threshold", "steps"]
    value: float | str


def with_overrides(training: TrainingConfig, overrides: Iterable[Override], step: int) -> TrainingConfig:
    """The settings that hold at `step`; the latest change of a field counts."""
    changes = {o.field: o.value for o in sorted(overrides, key=lambda o: o.step) if o.step <= step}
    return TrainingConfig.model_validate(training.model_dump() | changes) if changes else training


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _put(nested: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted name; where a value already stands in its way, the whole name stays as one, to be refused."""
    *groups, name = path.split(".")
    place = nested
    for group in groups:
        inner = place.setdefault(group, {})
        if not isinstance(inner, dict):
            nested[path] = value
            return
        place = inner
    place[name] = value


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of nested settings as (dotted name, text)."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _text(value)


@dataclass(frozen=True)
class Limit:
    """A bound that depends on other settings: `field` may not go beyond `largest(config)`.

    The validator refuses what breaks it; the page reads the same rule and does not offer it.
    """

    field: str
    largest: Callable[[RunConfig], Any]
    reason: str
    remedy: str
    neutral: Any = 0

    def broken(self, config: RunConfig) -> str | None:
        """Why the value of `field` cannot stand, or None where it can."""
        group, name = self.field.split(".")
        value, largest = getattr(getattr(config, group), name), self.largest(config)
        if value == self.neutral or largest is None or (largest is not False and value <= largest):
            return None
        reason, remedy = (text.format(largest=largest) for text in (self.reason, self.remedy))
        return f"{self.field} is {value}, but {reason}; {remedy}."


ROOM = 2**31  # numbers that a batch may hold for the way back: 8 GiB
KEPT = 14  # of them for each unit at each step, measured: an LSTM 14, a GRU 13, a simple RNN 5
SCORES, LOGITS = 4, 3  # of them for each weight of an attention, and for each number of an answer


def _most_sequences(config: RunConfig) -> int | None:
    """How many sequences of this length a network of this size can be trained on at once."""
    model, spec = config.model, config.task.spec
    steps, units = config.task.time_steps, model.hidden_size * model.num_layers * (2 if model.bidirectional else 1)
    answers = {"sequence": 1, "steps": steps, "decoded": spec.decoded_steps}[spec.answers]
    for_each_answer = LOGITS * spec.outputs + (0 if model.attention == "none" else SCORES * steps)
    most = ROOM // (KEPT * units * (steps + spec.decoded_steps) + answers * for_each_answer)
    return most if most < 1024 else None  # no batch is larger in any case


def _keeps(config: RunConfig) -> bool:
    """Whether the cell has a gate that keeps the old state, which some biases are meant for."""
    return CELLS[config.model.cell].keep is not None


# `largest` gives None for "no further bound", False for "only the neutral value".
LIMITS: tuple[Limit, ...] = (
    Limit(
        "model.dropout",
        lambda c: None if c.model.num_layers > 1 else False,
        "dropout acts between layers and there is only one",
        "set it to 0 or use two layers",
    ),
    Limit(
        "model.bidirectional",
        lambda c: None if c.task.spec.foresight else False,
        "the task is to say what comes next, and the backward direction would have read it",
        "read in one direction",
        neutral=False,
    ),
    Limit(
        "model.proj_size",
        lambda c: None if CELLS[c.model.cell].kernel == "LSTM" else False,
        "only an LSTM can project its hidden state",
        "set it to 0 or take an LSTM",
    ),
    Limit(
        "model.proj_size",
        lambda c: c.model.hidden_size - 1,
        "the projection must be smaller than hidden_size",
        "choose at most {largest}",
    ),
    Limit(
        "model.bias",
        lambda c: None if c.init.parts(CELLS[c.model.cell].kernel).bias.scheme in ("pytorch", "zeros") else False,
        "the initializer sets a bias of its own",
        "switch it on or choose other biases",
        neutral=True,
    ),
    Limit(
        "init.bias",
        lambda c: None if _keeps(c) or c.init.bias is None or c.init.bias.scheme not in ("forget", "chrono") else False,
        "it is meant for the gate that keeps the state, and a simple RNN has none",
        "choose other biases or another cell",
        neutral=None,
    ),
    Limit(
        "init.preset",
        lambda c: None if _keeps(c) or c.init.parts(CELLS[c.model.cell].kernel).bias.scheme != "chrono" else False,
        "it sets the bias of the gate that keeps the state, and a simple RNN has none",
        "choose another initializer or another cell",
        neutral="pytorch",
    ),
    Limit(
        "training.batch_size",
        _most_sequences,
        "of sequences as long as these a network of this size can keep {largest} at once in 8 GiB of memory",
        "choose at most {largest}, a smaller network or shorter sequences",
    ),
    Limit(
        "training.bptt_length",
        lambda c: c.task.time_steps,
        "a sequence of this task has {largest} steps",
        "choose at most {largest} or leave it empty",
        neutral=None,
    ),
    Limit(
        "training.bptt_length",
        lambda c: False if c.model.bidirectional else None,
        "the backward direction starts at the end and cannot be cut there",
        "leave it empty or read in one direction",
        neutral=None,
    ),
    Limit(
        "training.momentum",
        lambda c: None if c.training.optimizer in ("sgd", "rmsprop") else False,
        "Adam has a momentum of its own",
        "set it to 0 or choose SGD",
        neutral=0.0,
    ),
)

# A setting that is not named here always has an effect; the others have one only where their rule says so. The page
# does not offer what has none; links, Python and the terminal accept it all the same.
APPLIES: Mapping[str, Callable[[RunConfig], bool]] = MappingProxyType(
    {
        "model.embedding_size": lambda c: c.task.spec.vocabulary is not None or c.task.spec.answers == "decoded",
        "init.weight_ih": lambda c: c.init.weights is None,
        "init.weight_hh": lambda c: c.init.weights is None,
        "init.bias": lambda c: c.model.bias and c.init.weights is None,
        "init.attention": lambda c: c.model.attention in ("general", "additive"),
        "init.per_gate": lambda c: len(CELLS[c.model.cell].gates) > 1 and c.init.weights is None,
        "training.halve_every": lambda c: c.training.schedule == "step",
        "training.clip_threshold": lambda c: c.training.clip != "none",
    }
)


def applies(path: str, config: RunConfig) -> bool:
    """Whether a setting, by its dotted name, has an effect in this run."""
    rule = APPLIES.get(path)
    return rule is None or rule(config)
