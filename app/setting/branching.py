"""The settings of a run that comes of another one: what must be that one's own, and what is said about it. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from app.setting import settle
from app.setting.fields import settings_in
from lstm_core.config import RunConfig
from lstm_core.runs.records import Run


def fork(wanted: RunConfig, parent: RunConfig, step: int) -> tuple[RunConfig, list[str]]:
    """What is `wanted` from `step` of the parent on, and a sentence for everything that had to be otherwise.

    The weights are there already, so their shapes and how they were first drawn are the parent's.
    """
    fitting, notes = _like(wanted, parent, ("model", "init"), "A fork goes on with the weights that it finds")
    if fitting.training.steps > step:
        return fitting, notes
    steps = step + fitting.training.steps
    longer, more = settle.change(fitting, "training.steps", steps)
    said = f"Steps is now {steps}: the fork begins at step {step}, and {wanted.training.steps} more were wanted."
    return longer, [*notes, *(more or [said])]


def start(wanted: RunConfig, parent: RunConfig, file: str) -> tuple[RunConfig, list[str]]:
    """What is `wanted`, beginning with the parent's weights, which are kept as `file`; and what gave way."""
    fitting, notes = _like(wanted, parent, ("model",), "Weights fit only the network that they are of")
    fitting, more = settle.change(fitting, "init.weights", file)
    return fitting, [*notes, *more]


def _like(wanted: RunConfig, parent: RunConfig, groups: tuple[str, ...], reason: str) -> tuple[RunConfig, list[str]]:
    """`wanted` with some groups of the parent's settings, and its task where inputs or answers are of other shapes."""
    own = [*groups, *(["task"] if _shapes(wanted) != _shapes(parent) else [])]
    differing = [label for group in own for label in _differing(wanted, parent, group)]
    tree = wanted.model_dump() | {group: getattr(parent, group).model_dump() for group in own}
    fitting, notes = settle.settle(tree, parent)
    if not differing:
        return fitting, notes
    verb = "is" if len(differing) == 1 else "are"
    return fitting, [f"{reason}: {_listed(differing)} {verb} as in that run.", *notes]


def _shapes(config: RunConfig) -> object:
    """What the task asks of a network."""
    return replace(config.task.spec, decoded_steps=0)


def _differing(one: RunConfig, other: RunConfig, group: str) -> list[str]:
    """The labels of the settings in which two differ; the task by its own name."""
    mine, theirs = getattr(one, group), getattr(other, group)
    if group == "task":
        return ["the task"]
    return [
        control.label
        for control in settings_in(mine, group, one)
        if control.value != getattr(theirs, control.path.split(".")[-1])
    ]


def _listed(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def file_name(run: Run) -> str:
    """A name for the file of a run's weights, after the run: «recall-lstm-64-step-600.safetensors»."""
    config = settle.settle(run.config)[0]
    title = run.name or f"{config.task.name} {config.model.cell} {config.model.hidden_size}"
    plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "run"
    return f"{plain}-step-{max(run.step, 0)}.safetensors"
