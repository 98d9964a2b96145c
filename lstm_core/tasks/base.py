"""What a task is: its settings, its data as NumPy arrays, its metrics, and a sample in a person's words.

A task never imports torch, so that the page can list the tasks before torch is loaded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from lstm_core.settings import Settings

Array = NDArray[Any]
IGNORED = -100  # the target of a step at which no answer is asked for, as torch's cross-entropy has it


@dataclass(frozen=True)
class Batch:
    """inputs (B, T) int64 tokens or (B, T, I) float32; lengths (B,) where the sequences differ in length.

    targets: (B,) int64 or (B, K) float32 for one answer per sequence, (B, T) int64 for one per step, (B, S) int64 for
    another sequence; IGNORED where no answer is asked for. `keys` (B, T) bool marks the inputs that decide the answer,
    where a task knows them. `continues` says that every row goes on where that row of the batch before ended.
    """

    inputs: Array
    targets: Array
    lengths: Array | None = None
    keys: Array | None = None
    continues: bool = False

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: Array | slice) -> Batch:
        lengths, keys = (None if of_all is None else of_all[rows] for of_all in (self.lengths, self.keys))
        return Batch(self.inputs[rows], self.targets[rows], lengths, keys)


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
class Stream:
    """One long sequence of tokens (N,), read in pieces: each batch goes on where the one before ended.

    The target of every token is the next one. A batch of B reads at B places of the text at once; in every epoch the
    places, and so the pieces, begin a little elsewhere, as (seed, epoch) decides.
    """

    tokens: Array
    length: int

    def batch(self, index: int, size: int, seed: int) -> Batch:
        """Batch number `index` (0, 1, …), a pure function of its arguments; never more rows than there are pieces."""
        room = len(self.tokens) - 1 - self.length  # what is left after the first place has been moved
        size = max(1, min(size, room // self.length))
        stretch = room // size
        epoch, piece = divmod(index, max(1, stretch // self.length))
        first = np.random.default_rng([seed, 5, epoch]).integers(0, self.length + 1)
        starts = first + np.arange(size) * stretch + piece * self.length
        places = starts[:, None] + np.arange(self.length)
        return Batch(self.tokens[places], self.tokens[places + 1], continues=piece > 0)


@dataclass(frozen=True)
class Sample:
    """One sequence as a person wants to see it: a mark under each time step, and the right answer in words."""

    title: str
    marks: list[str]
    target: str
    values: list[list[float]] | None = None  # (T, I), where the input is numbers and not tokens
    targets: list[str] | None = None  # one for each step, or the other sequence; "" where nothing is asked
    keys: list[int] | None = None  # the time steps that decide


@dataclass(frozen=True)
class Preview:
    """The beginning of a file that somebody brought, as it was understood: cells by column, and what was done to it."""

    columns: list[str]
    rows: list[list[str]]
    notes: list[str]


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
class Generation:
    """What a task needs so that its model can go on writing: the text it begins with, and each token's sign."""

    prompt: str
    signs: list[str]

    def tokens(self, text: str) -> Array:
        """Signs as tokens (N,) int64; raises ValueError for one that the model does not know."""
        number = {sign: token for token, sign in enumerate(self.signs)}
        if unknown := sorted(set(text) - set(number)):
            raise ValueError(f"The model has never seen the sign {unknown[0]!r}; leave it out.")
        return np.array([number[sign] for sign in text], np.int64)


@dataclass(frozen=True)
class TaskData:
    """The three parts of a task's data; validation and test never share an example with training."""

    train: Examples | Endless | Stream
    validation: Batch
    test: Batch
    chance: Mapping[str, float]  # "loss" and the metric's name → what no learning at all would reach


@dataclass(frozen=True)
class Spec:
    """What the model must know: tokens (vocabulary) or numbers (features) in, `outputs` numbers out for each answer.

    There is one answer for the whole sequence, one at each of the T steps, or another sequence of up to
    `decoded_steps` tokens out of `outputs`. `foresight` false means that no answer may see later inputs, since they
    are the answer.
    """

    outputs: int
    loss: Literal["cross_entropy", "mse"]
    vocabulary: int | None = None
    features: int | None = None
    answers: Literal["sequence", "steps", "decoded"] = "sequence"
    decoded_steps: int = 0
    foresight: bool = True


@dataclass(frozen=True)
class Goal:
    """What counts as solved: this metric of the test part, at least or at most this value."""

    metric: str
    value: float
    at_least: bool = True

    def reached(self, value: float) -> bool:
        return value >= self.value if self.at_least else value <= self.value


class TaskConfig(Settings, ABC):
    """Settings of one task together with everything that follows from them."""

    title: ClassVar[str]
    summary: ClassVar[str]
    metric: ClassVar[str]
    metric_unit: ClassVar[str] = ""
    examples: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType({})  # title → settings; the first solves it
    goal: ClassVar[Goal | None] = None
    needs_file: ClassVar[bool] = False  # whether there is nothing to learn before somebody brings a file

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
        """The task's metrics on predictions (…, K) and targets: by default the share of right answers.

        Of another sequence also the share that is right from beginning to end, `exact`. A decoder that is given the
        truth is right all along exactly where one that goes on from its own answers is, so the two are one figure.
        """
        asked = targets != IGNORED
        right = (prediction.argmax(-1) == targets) & asked
        measured = {"accuracy": float(right.sum() / max(asked.sum(), 1))}
        if self.spec.answers == "decoded":
            measured["exact"] = float((right == asked).all(-1).mean())
        return measured

    def evaluate(self, prediction: Array, batch: Batch, attention: Array | None = None) -> dict[str, float]:
        """Metrics on a whole validation or test part; a task may add what only a whole part can tell.

        Where the deciding inputs are known and attention (B, T) is pooled: the share of it that lies on them.
        """
        measured = self.metrics(prediction, batch.targets)
        if batch.keys is not None and attention is not None and attention.shape == batch.keys.shape:
            measured["attention_on_keys"] = float((attention * batch.keys).sum(1).mean())
        return measured

    @property
    def answers(self) -> list[str] | None:
        """The names of the classes, in order, where the answer is one of a few."""
        return [self.answer(row) for row in np.eye(self.spec.outputs)] if self.spec.loss == "cross_entropy" else None

    def answer(self, prediction: Array) -> str:
        """One prediction (K,) in a person's words."""
        return str(int(prediction.argmax()))

    def offers(self, field: str) -> Mapping[Any, str] | None:
        """What one's own file leaves to choose for a setting, each value with its words; None for no such restriction.

        Nothing to choose from means that the setting has no effect as things are.
        """
        return None

    def preview(self) -> Preview | None:
        """Where the data come from a file that somebody brought: how it begins. Raises FileProblem."""
        return None

    def forecast(self, data: TaskData) -> Forecast | None:
        """Where the targets are a series: the truth to draw and the persistence baseline."""
        return None

    @property
    def generation(self) -> Generation | None:
        """Where a trained model can write: how it begins."""
        return None

    def in_unit(self, scaled: Array) -> Array:
        """Predictions in the unit of `forecast`."""
        return scaled
