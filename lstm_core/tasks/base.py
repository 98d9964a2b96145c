"""What a task is: its settings, its data as NumPy arrays, its metrics, and a sample in a person's words.

A task never imports torch, so that the page can list the tasks before torch is loaded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lstm_core.settings import Settings

Array = NDArray[Any]


@dataclass(frozen=True)
class Batch:
    """inputs (B, T) int64 tokens or (B, T, I) float32; targets (B,) int64 or (B, K) float32; lengths (B,) or None."""

    inputs: Array
    targets: Array
    lengths: Array | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: Array | slice) -> Batch:
        lengths = None if self.lengths is None else self.lengths[rows]
        return Batch(self.inputs[rows], self.targets[rows], lengths)


@dataclass(frozen=True)
class Examples:
    """A finite training part: every epoch visits each example once, in an order that (seed, epoch) decides."""

    examples: Batch

    def batch(self, index: int, size: int, seed: int) -> Batch:
        """Batch number `index` (0, 1, …), a pure function of its arguments; never more than there is."""
        size = min(size, len(self.examples))
        epoch, place = divmod(index, len(self.examples) // size)
        order = np.random.default_rng([seed, 1, epoch]).permutation(len(self.examples))
        return self.examples.take(order[place * size : (place + 1) * size])


@dataclass(frozen=True)
class Endless:
    """A generated training part: no example is ever seen twice; `generate(rng, n)` makes n of them."""

    generate: Callable[[np.random.Generator, int], Batch]

    def batch(self, index: int, size: int, seed: int) -> Batch:
        """Batch number `index` (0, 1, …), a pure function of its arguments."""
        return self.generate(np.random.default_rng([seed, 2, index]), size)


@dataclass(frozen=True)
class Sample:
    """One sequence as a person wants to see it: a mark under each time step, and the right answer in words."""

    title: str
    marks: list[str]
    target: str
    values: list[list[float]] | None = None  # (T, I), where the input is numbers and not tokens


@dataclass(frozen=True)
class Forecast:
    """A series in its own unit: what the model reads, the truth, and the forecast that repeats the last value."""

    inputs: Array  # (N, T, I), one window for each value of the truth, in the order of time
    truth: list[float]
    persistence: list[float]
    unit: str
    labels: list[str]
    split: int  # where validation begins


@dataclass(frozen=True)
class TaskData:
    """The three parts of a task's data; validation and test never share an example with training."""

    train: Examples | Endless
    validation: Batch
    test: Batch
    chance: Mapping[str, float]  # "loss" and the metric's name → what no learning at all would reach


@dataclass(frozen=True)
class Spec:
    """What the model must know: tokens (vocabulary) or numbers (features) in, `outputs` numbers out."""

    outputs: int
    loss: Literal["cross_entropy", "mse"]
    vocabulary: int | None = None
    features: int | None = None


class TaskConfig(Settings, ABC):
    """Settings of one task together with everything that follows from them."""

    title: ClassVar[str]
    summary: ClassVar[str]
    metric: ClassVar[str]
    metric_unit: ClassVar[str] = ""
    variable_lengths: ClassVar[bool] = False

    name: str = ""

    @property
    @abstractmethod
    def time_steps(self) -> int:
        """T: how many time steps the (longest) sequence has."""

    @property
    @abstractmethod
    def spec(self) -> Spec: ...

    @property
    @abstractmethod
    def headline(self) -> str:
        """The task in a few words, for the head of the page: «Recall the first of 40 tokens»."""

    @abstractmethod
    def data(self, seed: int) -> TaskData:
        """All data of the task, a pure function of the settings and the seed."""

    @abstractmethod
    def samples(self, batch: Batch) -> list[Sample]:
        """Each row of a batch, in a person's words."""

    def metrics(self, prediction: Array, targets: Array) -> dict[str, float]:
        """The task's metric on predictions (B, K) and targets; by default the share of right answers."""
        return {self.metric: float((prediction.argmax(-1) == targets).mean())}

    def evaluate(self, prediction: Array, batch: Batch) -> dict[str, float]:
        """Metrics on a whole validation or test part; a task may add what only a whole part can tell."""
        return self.metrics(prediction, batch.targets)

    @property
    def answers(self) -> list[str] | None:
        """The names of the classes, in order, where the answer is one of a few."""
        return [self.answer(row) for row in np.eye(self.spec.outputs)] if self.spec.loss == "cross_entropy" else None

    def answer(self, prediction: Array) -> str:
        """One prediction (K,) in a person's words."""
        return str(int(prediction.argmax()))

    def forecast(self, data: TaskData) -> Forecast | None:
        """Where the targets are a series: the truth to draw and the persistence baseline."""
        return None

    def in_unit(self, scaled: Array) -> Array:
        """Predictions in the unit of `forecast`."""
        return scaled
