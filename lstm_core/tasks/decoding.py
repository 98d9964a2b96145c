"""What tasks share whose answer is another sequence: how it is kept, and how a person reads it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstm_core.tasks.base import IGNORED, Array, Sample


def ended(answers: Array, lengths: Array, end: int) -> Array:
    """answers (B, S) of which the first `lengths` (B,) signs count → targets (B, S + 1): those, `end`, then IGNORED."""
    places = np.arange(answers.shape[1] + 1)
    targets = np.pad(answers, ((0, 0), (0, 1)))
    targets[np.arange(len(targets)), lengths] = end
    targets[places > lengths[:, None]] = IGNORED
    return targets


def shown(inputs: Array, length: int, targets: Array, read: Sequence[str], said: Sequence[str]) -> Sample:
    """One example: inputs (T,), of which the first `length` count, and targets (S,), each as the sign it stands for."""
    marks = [read[token] for token in inputs[:length]]
    answer = ["" if target == IGNORED else said[target] for target in targets]
    blank = [""] * (len(inputs) - length)
    word = "".join(sign for sign in answer if len(sign) == 1)
    return Sample("".join(marks), marks + blank, word, targets=answer)
