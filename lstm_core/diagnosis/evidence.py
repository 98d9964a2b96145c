"""What is known of a run, and the few quantities that several rules ask for. Nothing here says anything yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_core.cells import CELLS, Cell
from lstm_core.config import Override, RunConfig, TrainingConfig, with_overrides

Array = NDArray[Any]
SHARES = ("accuracy", "exact")  # metrics that are shares of right answers
ENOUGH = 0.99  # of the answers right: as good as all
WINDOW = 50  # steps over which "now" is averaged


@dataclass(frozen=True)
class Evidence:
    """A run as `diagnose` gets it; missing and non-finite values are left out of everything that is asked for."""

    config: RunConfig
    about: Mapping[str, Any]
    scalars: Mapping[str, Array]
    arrays: Mapping[str, Array]
    samples: Sequence[Mapping[str, Array]]
    at: int | None
    status: str
    error: Mapping[str, Any]
    overrides: Sequence[Override]

    @property
    def cell(self) -> Cell:
        return CELLS[self.config.model.cell]

    @cached_property
    def step(self) -> int:
        """The last recorded step, −1 for none."""
        steps = self.scalars.get("step")
        return int(steps[-1]) if steps is not None and len(steps) else -1

    @property
    def seen(self) -> int:
        """The step of the pictures."""
        return self.step if self.at is None else self.at

    @cached_property
    def training(self) -> TrainingConfig:
        """The settings that hold now."""
        return with_overrides(self.config.training, self.overrides, max(self.step, 0))

    @property
    def steps(self) -> int:
        """T: how many time steps a sequence has."""
        return self.config.task.time_steps

    @property
    def layer(self) -> str | None:
        """The first layer, forward: the one that reads the inputs."""
        layers = self.about.get("layers") or []
        return str(layers[0]) if layers else None

    # Curves.

    def series(self, name: str) -> tuple[Array, Array]:
        """Steps (n,) and values (n,) of a scalar where it was measured and is a number."""
        steps, values = self.scalars.get("step"), self.scalars.get(name)
        if steps is None or values is None:
            return np.empty(0, np.int64), np.empty(0)
        steps, values = np.asarray(steps, np.int64), np.asarray(values, np.float64)
        there = np.isfinite(values)
        return steps[there], values[there]

    def last(self, name: str) -> float:
        """The newest value; NaN where there is none."""
        values = self.series(name)[1]
        return float(values[-1]) if len(values) else float("nan")

    def recent(self, name: str, window: int = WINDOW) -> float:
        """The mean of the last values; NaN where there is none."""
        values = self.series(name)[1]
        return float(values[-window:].mean()) if len(values) else float("nan")

    @cached_property
    def updates(self) -> int:
        """How many updates the recorded steps have seen."""
        return max(self.step, 0)

    @property
    def complete(self) -> bool:
        """Whether all steps were taken that it was set to: it neither goes on nor ended early."""
        return self.status == "finished" and self.step >= self.training.steps

    # How well it does.

    @property
    def chance_loss(self) -> float:
        """The loss that no learning at all would reach; NaN where nobody knows it."""
        return float((self.about.get("chance") or {}).get("loss") or float("nan"))

    @cached_property
    def level(self) -> float:
        """The present loss ÷ that of chance; NaN where either is unknown."""
        return self.recent("loss/train") / self.chance_loss

    @cached_property
    def never_learned(self) -> bool:
        """Whether the loss has stayed at chance (or above it) all along, over enough steps to tell."""
        values = self.series("loss/train")[1]
        if self.updates < 2 * WINDOW or len(values) < 2 * WINDOW or not self.chance_loss > 0:
            return False
        means = np.convolve(values, np.ones(WINDOW) / WINDOW, mode="valid")
        return bool(means.min() > 0.97 * self.chance_loss)

    @property
    def unlearned(self) -> bool:
        """Whether the loss has hardly left chance, as far as that can be told."""
        return self.solved_at is None and not self.level < 0.8

    @property
    def goal(self) -> tuple[str, float, bool] | None:
        """(metric, value, whether it must be at least that): what counts as solved."""
        goal, metric = self.config.task.goal, str(self.about.get("metric", self.config.task.metric))
        if goal is not None:
            shares = goal.metric in SHARES and goal.at_least
            return goal.metric, min(goal.value, ENOUGH) if shares else goal.value, goal.at_least
        return (metric, ENOUGH, True) if metric in SHARES else None

    @cached_property
    def solved_at(self) -> int | None:
        """The first validation from which on every one reached the goal; None where the last, or the test, did not."""
        if self.goal is None:
            return None
        metric, value, at_least = self.goal
        steps, values = self.series(f"{metric}/val")
        reached = values >= value if at_least else values <= value
        test = self.last(f"{metric}/test")
        if not len(steps) or not reached[-1] or (np.isfinite(test) and (test >= value) != at_least and test != value):
            return None
        missed = np.flatnonzero(~reached)
        return int(steps[missed[-1] + 1 if len(missed) else 0])

    # The gradient on its way back, and the inside of the network.

    @cached_property
    def carried(self) -> Mapping[str, tuple[float, float]]:
        """Of every state (gradient at the first time step ÷ at the last, at the first); none where it is not known."""
        found: dict[str, tuple[float, float]] = {}
        for state in self.cell.states:
            norms = np.asarray(self.arrays.get(f"gradient/{self.layer}.{state}", ()), np.float64)
            running = np.flatnonzero(norms)  # beyond the longest of the shown sequences there is nothing
            if len(norms) > 1 and np.isfinite(norms).all() and len(running) and running[-1] > 0:
                found[state] = float(norms[0] / norms[running[-1]]), float(norms[0])
        return found if "h" in found else {}

    @property
    def only_through_time(self) -> bool:
        """Whether the first input reaches the answer by no other way than through all time steps."""
        model = self.config.model
        return (
            self.config.task.spec.answers != "steps"
            and model.attention == "none"
            and not model.bidirectional
            and self.steps >= 5
        )

    @property
    def cut(self) -> int | None:
        """After how many time steps backpropagation is cut, where it is cut at all."""
        length = self.config.training.bptt_length
        return length if length is not None and length < self.steps else None

    def bytes(self, layer: str, name: str) -> Iterator[Array]:
        """The bytes (units, t) of one quantity on each shown sample, without what stands behind its end."""
        told = self.about.get("samples") or []
        for place, sample in enumerate(self.samples):
            found = sample.get(f"gate/{layer}.{name}")
            if found is None or found.ndim != 2:
                continue
            marks = told[place].get("marks", []) if place < len(told) else []
            end = max((k + 1 for k, mark in enumerate(marks) if mark), default=found.shape[1])
            yield np.asarray(found[:, :end])
