"""What the network says to a row of fixed validation sequences, and which classes it takes for which."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from lstm_core.tasks.base import IGNORED, Array, Batch, Sample, TaskConfig

MOST, FEWEST = 24, 4
ROOM = 6000  # numbers or marks that all sequences together may have, or there are fewer of them
CLASSES = 10  # more make a table that nobody reads


class Gallery:
    """A row of validation sequences of as many classes as there are, the same during the whole run."""

    def __init__(self, task: TaskConfig, validation: Batch) -> None:
        self._task = task
        self._rows = _rows(validation)
        self._batch = validation.take(self._rows)
        self._classes = task.spec.outputs if task.spec.loss == "cross_entropy" else 0

    def describe(self) -> list[dict[str, Any]]:
        """The sequences as a person reads them."""
        return [_short(sample) for sample in self._task.samples(self._batch)]

    def judged(self, step: int, prediction: Array, targets: Array) -> dict[str, Array]:
        """What was said to the N sequences at a validation, of which `prediction` (M, …) is all.

        `gallery/answer` (N,) or (N, S) uint16, the likeliest class, and `gallery/confidence` (N,), its probability, of
        several steps the mean over those that are asked for; or `gallery/prediction` (N,) where the answer is a number.
        `validation/step` is the step of the validation, `confusion` as below.
        """
        mine, asked = prediction[self._rows], targets[self._rows] != IGNORED
        arrays: dict[str, Array] = {"validation/step": np.array([step], np.int32)}
        if not self._classes:
            return arrays | {"gallery/prediction": mine[:, 0].astype(np.float32)}
        with np.errstate(all="ignore"):  # of what has grown beyond all numbers
            powers = np.exp(mine - mine.max(-1, keepdims=True))
            sure = (powers / powers.sum(-1, keepdims=True)).max(-1)
        if sure.ndim > 1:
            sure = np.where(asked, sure, 0.0).sum(1) / np.maximum(asked.sum(1), 1)
        arrays["gallery/answer"] = mine.argmax(-1).astype(np.uint16)
        arrays["gallery/confidence"] = np.nan_to_num(sure).astype(np.float32)
        counts = self.confusion(prediction, targets)
        return arrays if counts is None else arrays | {"confusion": counts}

    @property
    def counts(self) -> bool:
        """Whether there are few enough classes to count which is taken for which."""
        return 0 < self._classes <= CLASSES

    def confusion(self, prediction: Array, targets: Array) -> Array | None:
        """How often the class of the row is taken for that of the column, (K, K) int32; None for many classes."""
        if not self.counts:
            return None
        asked = targets != IGNORED
        right, said = targets[asked].astype(int), prediction.argmax(-1)[asked]
        counts = np.bincount(right * self._classes + said, minlength=self._classes**2)
        return counts.reshape(self._classes, self._classes).astype(np.int32)


def _rows(part: Batch) -> Array:
    """The classes in turn, or evenly spread over the part; as many as have room."""
    numbers = part.inputs[0].size
    count = min(len(part), max(FEWEST, min(MOST, ROOM // numbers)))
    if part.targets.ndim > 1:
        return np.linspace(0, len(part) - 1, count).astype(int)
    rank = np.zeros(len(part), int)  # how many rows of the same class come before
    for label in np.unique(part.targets):
        same = part.targets == label
        rank[same] = np.arange(same.sum())
    return np.lexsort((part.targets, rank))[:count]


def _short(sample: Sample) -> dict[str, Any]:
    """As little of a sample as shows it: of numbers those of a picture or a line, of marked ones only the title."""
    told = asdict(sample)
    if sample.values is not None:
        told["values"] = None if sample.keys else [[float(f"{value:.3g}") for value in row] for row in sample.values]
        told["marks"] = sample.marks[:1]
    return told
