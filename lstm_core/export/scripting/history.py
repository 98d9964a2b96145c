"""The settings of a run over its steps: what was changed while it went on, and what its parents were trained with."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lstm_core.config import Override, RunConfig, with_overrides
from lstm_core.export.scripting.layout import LINE
from lstm_core.groups import TrainingConfig
from lstm_core.settings import Impossible

NOW = '''\
def now(values, step):
    """The value of a setting that changed in the course of the run: the newest one up to this step."""
    return values[max(since for since in values if since <= step)]'''


@dataclass(frozen=True)
class Stage:
    """A stretch of training: its settings, what was changed on the way, and the step at which it begins."""

    config: RunConfig
    overrides: Sequence[Override] = ()
    begin: int = 0


@dataclass
class History:
    """All settings of the training, each as the values that it had, by the step from which they held."""

    stages: Sequence[Stage]
    last: int
    used: dict[str, str] = field(default_factory=dict)  # constant → its value and what it means, as source text

    @property
    def config(self) -> RunConfig:
        return self.stages[-1].config

    def at(self, step: int) -> TrainingConfig:
        """The settings that hold at a step."""
        stage = next(stage for stage in reversed(self.stages) if stage.begin <= step)
        return with_overrides(stage.config.training, stage.overrides, step)

    def values(self, name: str) -> dict[int, Any]:
        """Every value of a setting by the step from which it holds, up to the end of the run."""
        steps = {stage.begin for stage in self.stages} | {o.step for stage in self.stages for o in stage.overrides}
        found: dict[int, Any] = {}
        for step in sorted(step for step in steps if step <= self.last):
            value = getattr(self.at(step), name)
            if name == "bptt_length" and value is not None and value >= self.config.task.time_steps:
                value = None  # nothing is cut
            if not found or value != list(found.values())[-1]:
                found[step] = value
        return found

    def ever(self, name: str, test: Callable[[Any], bool] = bool) -> bool:
        """Whether a setting ever had such a value."""
        return any(test(value) for value in self.values(name).values())

    def __call__(self, name: str) -> str:
        """What stands for a setting in the script, at the step `step`."""
        values = self.values(name)
        constant = name.upper()
        help = TrainingConfig.model_fields[name].description or ""
        if len(values) == 1:
            self.used[constant] = f"{constant} = {literal(values[0])}  # {help}"
            return constant
        shown = ", ".join(f"{step}: {literal(value)}" for step, value in values.items())
        self.used[constant] = f"{constant} = {{{shown}}}  # {help} Each from the step before it on."
        return f"now({constant}, step)"

    @property
    def turns(self) -> dict[int, list[Stage]]:
        """The stages, the one before included, by each step at which the run goes on from another one."""
        found: dict[int, list[Stage]] = {}
        for before, stage in zip(self.stages[:-1], self.stages[1:], strict=True):
            if stage.begin:
                found.setdefault(stage.begin, [before]).append(stage)
        return found

    @property
    def put_off(self) -> list[int]:
        """The steps at which the run was given more of them; there it was validated once more."""
        ends = [*(stage.begin for stage in self.stages[1:]), self.last + 1]
        return [
            o.step
            for stage, end in zip(self.stages, ends, strict=True)
            for o in stage.overrides
            if o.field == "steps" and stage.begin <= o.step < min(end, int(o.value))
        ]


def history(config: RunConfig, overrides: Sequence[Override], before: Sequence[Stage], begin: int) -> History:
    """The whole course of a run; raises Impossible where a script could not follow it."""
    stages = [stage for stage in before if stage.begin <= begin]
    stages = [stage for place, stage in enumerate(stages) if all(stage.begin <= s.begin for s in stages[place:])]
    stages.append(Stage(config, tuple(overrides), begin))
    for stage in stages:
        _check(stage.config, stages[0].config)
    ends = [config.training.steps, *(int(o.value) for o in overrides if o.field == "steps")]
    for step in range(begin, max(ends) + 1):
        if step == with_overrides(config.training, overrides, step).steps:
            return History(stages, step)
    raise Impossible(f"The run has no end: of its {min(ends)} steps more had already gone when that was set.")


def _check(config: RunConfig, first: RunConfig) -> None:
    if config.training.device != "cpu":
        raise Impossible(
            "A script gives the same losses to the last bit on the CPU alone; this run is computed on CUDA. "
            "Train it once more with the device cpu."
        )
    if (config.task, config.model, config.training.seed) != (first.task, first.model, first.training.seed):
        raise Impossible(
            "This run goes on from another one with another task, model or seed, which a script does not replay. Save "
            "the weights of the other run, begin a run from them, and export that one."
        )


def literal(value: Any) -> str:
    """A value as Python source."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def settings_lines(settings: Sequence[str]) -> list[str]:
    """Assignments with their comments, those that are too long with the comment above."""
    lines = []
    for text in settings:
        code, _, comment = text.partition("  # ")
        above = [f"# {line}" for line in textwrap.wrap(comment, LINE - 2)]
        lines += [text] if len(text) <= LINE else [*above, code]
    return lines
