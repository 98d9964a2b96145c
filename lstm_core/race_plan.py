"""What a race is: settings that all its runs share, the one that is varied, and the seeds. Pure: no store, no torch.

For a seed all values get the same data in the same order and, apart from what is varied, the same everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from lstm_core.config import RunConfig, applies, explain
from lstm_core.recipes import BiasForget
from lstm_core.settings import Impossible, Settings

MOST_RUNS = 64
SAID = 4  # sentences of a refusal
MOST_STEPS = 1_000_000  # of all runs together, so that reading them all at once stays cheap
MOST_SEEDS = 2**31  # a seed is smaller than this
FORGET_BIAS = "init.bias.value"
_SCHEMES: Mapping[str, str] = {
    "pytorch": "PyTorch default",
    "kaiming_uniform": "He uniform",
    "kaiming_normal": "He normal",
    "forget": "Forget bias",
}
_APART: Mapping[str, str] = {
    "task.name": "each task has an accuracy or an error of its own; choose another setting",
    "training.seed": "the seeds are given by themselves; choose another setting",
}


@dataclass(frozen=True)
class Plan:
    """A race as it was wished for. `values` are those of the setting `vary`, as settings are written in JSON.

    Made by `plan`, which refuses what could not be run.
    """

    config: RunConfig
    vary: str
    values: tuple[Any, ...]
    seeds: tuple[int, ...]

    def settings(self, value: int, seed: int) -> RunConfig:
        """The settings of one run: value number `value` with this seed."""
        return with_value(self.config, self.vary, self.values[value]).replace(**{"training.seed": seed})

    def runs(self, seeds: Sequence[int] | None = None) -> Iterator[tuple[int, int]]:
        """(value, seed) of every run, in the order of the queue: first every value once, then the next seed."""
        return ((value, seed) for seed in (seeds or self.seeds) for value in range(len(self.values)))

    def words(self, value: int) -> str:
        """Value number `value` as a person reads it."""
        return in_words(self.config, self.vary, self.values[value])

    @property
    def label(self) -> str:
        return label_of(self.config, self.vary)

    @property
    def title(self) -> str:
        """What a person calls this race: «Recall the first of 40 tokens · Initializer: PyTorch default, Chrono»."""
        named = ", ".join(self.words(value) for value in range(len(self.values)))
        return f"{self.config.task.headline} · {self.label}: {named}"

    def with_seeds(self, count: int) -> Plan:
        """The same race with `count` more seeds behind its last; raises Impossible as `plan` does."""
        more = [(max(self.seeds) + 1 + k) % MOST_SEEDS for k in range(min(count, MOST_RUNS))]
        return plan(self.config, self.vary, self.values, (*self.seeds, *more))

    def dump(self) -> dict[str, Any]:
        """As JSON, for the store."""
        config = self.config.model_dump(mode="json")
        return {"config": config, "vary": self.vary, "values": list(self.values), "seeds": list(self.seeds)}

    @classmethod
    def load(cls, dumped: Mapping[str, Any]) -> Plan:
        """What `dump` wrote; raises pydantic.ValidationError for settings of an older version that no longer stand."""
        config = RunConfig.model_validate(dumped["config"])
        return cls(config, dumped["vary"], tuple(dumped["values"]), tuple(dumped["seeds"]))


def plan(config: RunConfig, vary: str, values: Sequence[Any], seeds: Sequence[int]) -> Plan:
    """A race that can be run; raises Impossible with a sentence for each thing that could not."""
    if vary in _APART or vary in RunConfig.model_fields:
        raise Impossible(f"{vary} cannot be varied: {_APART.get(vary, 'it is many settings; name one of them')}.")
    if len(values) > MOST_RUNS or len(seeds) > MOST_RUNS:
        raise Impossible(
            f"These are {max(len(values), len(seeds))} values or seeds; choose at most {MOST_RUNS} runs in all."
        )
    kept, problems = [], []
    for value in values:
        try:
            kept.append(value_of(with_value(config, vary, value), vary))
        except ValidationError as error:
            problems += [sentence for sentence in explain(error) if sentence not in problems]
    if not values:
        problems.append(f"Choose at least one value of {label_of(config, vary)}.")
    problems += [
        f"{in_words(config, vary, value)} is there twice; name each value once."
        for place, value in enumerate(kept)
        if kept.index(value) == place and kept.count(value) > 1
    ]
    problems += _seed_problems(seeds)
    made = Plan(config, vary, tuple(kept), tuple(seeds))
    if not problems:
        problems = _size_problems(made)
    if problems:
        raise Impossible(" ".join(problems[:SAID]))
    return replace(made, config=config.replace(**{"training.seed": seeds[0]}))


def _seed_problems(seeds: Sequence[int]) -> list[str]:
    if not seeds:
        return ["Choose at least one seed."]
    problems = [f"Seed {seed} is there twice." for seed in sorted({s for s in seeds if list(seeds).count(s) > 1})]
    return problems + [
        f"Seed {seed} is impossible; choose one from 0 to {MOST_SEEDS - 1}."
        for seed in seeds
        if not 0 <= seed < MOST_SEEDS
    ]


def _size_problems(made: Plan) -> list[str]:
    values, seeds = len(made.values), len(made.seeds)
    configs = [made.settings(value, made.seeds[0]) for value in range(values)]
    steps = seeds * sum(config.training.steps for config in configs)
    problems = []
    if values * seeds > MOST_RUNS:
        problems.append(
            f"{values} values with {seeds} seeds each are {values * seeds} runs; choose at most {MOST_RUNS} in all."
        )
    elif steps > MOST_STEPS:
        problems.append(
            f"All runs together would have {steps} steps; choose fewer runs or fewer steps, at most {MOST_STEPS}."
        )
    if not any(applies(made.vary, config) for config in configs):
        problems.append(f"{made.label} has no effect with these settings, so all runs would be the same.")
    return problems


def with_value(config: RunConfig, vary: str, value: Any) -> RunConfig:
    """The settings with another value of the one that is varied; raises pydantic.ValidationError.

    A forget bias is set whatever biases the settings have; a scheme may be named without its own settings.
    """
    if vary == FORGET_BIAS and config.init.bias is None:
        return config.replace(**{"init.bias": {"scheme": "forget", "value": value}})
    if isinstance(value, str) and _is_recipe(vary):
        value = {"scheme": value}
    return config.replace(**{vary: value})


def _is_recipe(vary: str) -> bool:
    return vary in ("init.weight_ih", "init.weight_hh", "init.bias", "init.head", "init.attention")


def value_of(config: RunConfig, vary: str) -> Any:
    """The value that a setting has, as settings are written in JSON."""
    place: Any = config
    for name in vary.split("."):
        place = getattr(place, name)
    return place.model_dump(mode="json") if isinstance(place, Settings) else place


def label_of(config: RunConfig, vary: str) -> str:
    """What a person calls a setting; its dotted name where it is none."""
    extra = _extra(config, vary)
    return str(extra["label"]) if "label" in extra else vary


def in_words(config: RunConfig, vary: str, value: Any) -> str:
    """A value of a setting as a person reads it: «PyTorch default», «Forget bias 3», «empty»."""
    extra = _extra(config, vary)
    choices = extra.get("choices") or {}
    if isinstance(value, Mapping):
        own = [f"{inner:g}" for inner in value.values() if isinstance(inner, int | float)]
        return " ".join([_scheme(str(value.get("scheme", ""))), *own]).replace("-", "−")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "as the preset" if vary.startswith("init.") else "empty"
    if isinstance(value, int | float):
        return f"{value:g}".replace("-", "−")
    return str(choices.get(value) or _scheme(str(value)))


def _scheme(name: str) -> str:
    return _SCHEMES.get(name) or name.replace("_", " ").capitalize()


def _extra(config: RunConfig, vary: str) -> Mapping[str, Any]:
    """What is said of a setting beside its type; nothing where there is no such setting."""
    *groups, name = vary.split(".")
    place: Any = config
    for group in groups:
        place = getattr(place, group, None)
    if vary == FORGET_BIAS and place is None:
        place = BiasForget()
    field = type(place).model_fields.get(name) if isinstance(place, Settings) else None
    extra = field.json_schema_extra if field is not None else None
    return extra if isinstance(extra, Mapping) else {}
