"""The adding problem: two numbers out of many are marked, and their sum is asked for at the end."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from lstm_core.settings import setting
from lstm_core.tasks.base import Array, Batch, Endless, Goal, Sample, Spec, TaskConfig, TaskData


class Adding(TaskConfig):
    """`length` steps of (value, marker); the answer is the sum of the two values whose marker is 1.

    The law: all values are drawn independently and uniformly from [0, 1); of the first ⌊T/2⌋ steps one is marked
    with 1, of the others one too, each equally likely; all other markers are 0. Inputs (B, T, 2), targets (B, 1).
    Chance is the best answer that never looks, 1: the mean squared error is the variance of the sum, 1/6, and the
    mean absolute error 1/3. (After Hochreiter & Schmidhuber, 1997, https://doi.org/10.1162/neco.1997.9.8.1735, with
    the two markers in different halves as in Le et al., 2015, https://arxiv.org/abs/1504.00941.)

    Measured: the first example ends with a mean squared error of 0.0007, 0.0004 and 0.0007 (seeds 1, 2, 3) in the
    test, in 14 s of one core.
    """

    title: ClassVar[str] = "Adding problem"
    summary: ClassVar[str] = "Two of many numbers are marked; their sum is asked for at the end."
    metric: ClassVar[str] = "mae"
    goal: ClassVar[Goal | None] = Goal("mse", 0.05, at_least=False)
    examples: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "Two of 100 numbers": {
                "task": {"name": "adding", "length": 100},
                "init": {"preset": "chrono"},
                "training": {"learning_rate": 0.005, "schedule": "cosine", "batch_size": 32, "steps": 2000},
            }
        }
    )

    name: Literal["adding"] = "adding"
    length: int = setting(50, "Length", "How many numbers are read, two of them marked.", unit="steps", ge=2, le=500)

    @property
    def time_steps(self) -> int:
        return self.length

    @property
    def spec(self) -> Spec:
        return Spec(outputs=1, loss="mse", features=2)

    @property
    def headline(self) -> str:
        return f"Add two of {self.length} numbers"

    def generate(self, rng: np.random.Generator, n: int) -> Batch:
        values, half, rows = rng.random((n, self.length)), self.length // 2, np.arange(n)
        marked = np.zeros((n, self.length), bool)
        marked[rows, rng.integers(0, half, size=n)] = True
        marked[rows, rng.integers(half, self.length, size=n)] = True
        inputs = np.stack([values, marked], axis=-1).astype(np.float32)
        return Batch(inputs, (inputs[..., 0] * marked).sum(1, keepdims=True), keys=marked)

    def data(self, seed: int) -> TaskData:
        return TaskData(
            train=Endless(self.generate),
            validation=self.generate(np.random.default_rng([seed, 3]), 256),
            test=self.generate(np.random.default_rng([seed, 4]), 1000),
            chance={"loss": 1 / 6, "mae": 1 / 3},
        )

    def metrics(self, prediction: Array, targets: Array) -> dict[str, float]:
        """Mean absolute error."""
        return {"mae": float(np.abs(prediction - targets).mean())}

    def evaluate(self, prediction: Array, batch: Batch, attention: Array | None = None) -> dict[str, float]:
        """Also the mean squared error, by which this problem is usually judged."""
        error = float(np.square(prediction - batch.targets).mean())
        return {**super().evaluate(prediction, batch, attention), "mse": error}

    def samples(self, batch: Batch) -> list[Sample]:
        assert batch.keys is not None
        samples = []
        for inputs, target, keys in zip(batch.inputs, batch.targets, batch.keys, strict=True):
            marks = [f"{value:.2f}" if key else "·" for value, key in zip(inputs[:, 0], keys, strict=True)]
            title = " + ".join(mark for mark in marks if mark != "·")
            samples.append(
                Sample(title, marks, f"{target[0]:.2f}", inputs.round(3).tolist(), keys=np.flatnonzero(keys).tolist())
            )
        return samples

    def answer(self, prediction: Array) -> str:
        return f"{prediction[0]:.2f}"
