"""Recall the first token: what is remembered over T − 1 steps of noise. The headline experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from lstm_core.settings import setting
from lstm_core.tasks.base import Array, Batch, Endless, Goal, Sample, Spec, TaskConfig, TaskData

CLASSES = 2


class Recall(TaskConfig):
    """Token 0 is one of two letters, A or B, and is the answer; then T − 1 random digits out of `vocabulary`.

    Tokens 0 and 1 are the letters, 2 … vocabulary + 1 the digits, all drawn independently and uniformly.
    Chance: accuracy 1/2, cross-entropy log 2. (After Hochreiter & Schmidhuber, 1997, "embedded noise".)

    Measured: the first example is right of 100 % of the test with each of the seeds 1, 2, 3, in 8 s of one core.
    """

    title: ClassVar[str] = "Recall the first token"
    summary: ClassVar[str] = "The first token decides the answer; everything after it is noise."
    metric: ClassVar[str] = "accuracy"
    goal: ClassVar[Goal | None] = Goal("accuracy", 1.0)
    examples: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {"The first of 80, with chrono": {"task": {"name": "recall", "length": 80}, "init": {"preset": "chrono"}}}
    )

    name: Literal["recall"] = "recall"
    length: int = setting(
        40, "Length", "How many tokens a sequence has; the first decides.", unit="steps", ge=2, le=500
    )
    vocabulary: int = setting(10, "Noise tokens", "How many different tokens the noise is drawn from.", ge=1, le=1000)

    @property
    def time_steps(self) -> int:
        return self.length

    @property
    def spec(self) -> Spec:
        return Spec(outputs=CLASSES, loss="cross_entropy", vocabulary=CLASSES + self.vocabulary)

    @property
    def headline(self) -> str:
        return f"Recall the first of {self.length} tokens"

    def generate(self, rng: np.random.Generator, n: int) -> Batch:
        tokens = rng.integers(CLASSES, CLASSES + self.vocabulary, size=(n, self.length))
        tokens[:, 0] = rng.integers(0, CLASSES, size=n)
        keys = np.zeros(tokens.shape, bool)
        keys[:, 0] = True
        return Batch(tokens, tokens[:, 0].copy(), keys=keys)

    def data(self, seed: int) -> TaskData:
        return TaskData(
            train=Endless(self.generate),
            validation=self.generate(np.random.default_rng([seed, 3]), 256),
            test=self.generate(np.random.default_rng([seed, 4]), 1000),
            chance={"loss": math.log(CLASSES), "accuracy": 1 / CLASSES},
        )

    def samples(self, batch: Batch) -> list[Sample]:
        return [
            Sample(f"Starts with {_mark(row[0])}", [_mark(token) for token in row], _mark(row[0]), keys=[0])
            for row in batch.inputs
        ]

    def answer(self, prediction: Array) -> str:
        return _mark(int(prediction.argmax()))


def _mark(token: int) -> str:
    return "AB"[token] if token < CLASSES else str(token - CLASSES)
