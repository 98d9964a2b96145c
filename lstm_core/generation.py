"""Writing on: sampling from a language model step by step, the state carried from each sign to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstm_core.model import SequenceModel, State, without_dropout
from lstm_core.tasks.base import Generation

if TYPE_CHECKING:
    from lstm_core.tasks import TaskConfig

Tokens = NDArray[np.int64]

TEMPERATURES = (0.2, 0.5, 0.8, 1.0, 1.3)  # those that a page can choose from
LENGTH = 160  # signs that a page shows
LONGEST = 100_000  # signs that one call writes


def generate(
    model: SequenceModel,
    prompt: Tokens,
    length: int,
    temperatures: Sequence[float],
    rng: np.random.Generator,
    *,
    window: int | None = None,
) -> Tokens:
    """Go on after the prompt (P,), once for each temperature: tokens (temperatures, length).

    Each token is drawn from softmax(logits / temperature); at a temperature of 0 it is the likeliest. Attention looks
    at the last `window` outputs, the newest included, as many as a window of training has; None is all of them. Draws
    from `rng` alone, `length` numbers for each temperature, and leaves the model as it is. Raises
    ValueError for an empty prompt.
    """
    if len(prompt) == 0:
        raise ValueError("The prompt is empty; begin with at least one sign.")
    draws = rng.random((length, len(temperatures)))
    tokens = np.empty((len(temperatures), length), np.int64)
    given = torch.from_numpy(np.tile(prompt, (len(temperatures), 1)))
    with torch.no_grad(), without_dropout(model):
        steps = _Steps(model, window)
        for place in range(length):
            tokens[:, place] = draw(steps.logits(given), temperatures, draws[place])
            given = torch.from_numpy(tokens[:, place : place + 1])
    return tokens


def draw(logits: NDArray[np.float64], temperatures: Sequence[float], numbers: NDArray[np.float64]) -> Tokens:
    """One token for each row of logits (B, K), by the inverse of the distribution at numbers (B,) in [0, 1)."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # a network that explodes writes on as well
        below = logits - logits.max(-1, keepdims=True)
        weights = np.exp(np.divide(below, np.array(temperatures)[:, None], out=np.zeros_like(below), where=below < 0))
    cumulated = weights.cumsum(-1)
    chosen: Tokens = (cumulated <= numbers[:, None] * cumulated[:, -1:]).sum(-1)
    return chosen


def shown(model: SequenceModel, generation: Generation, window: int, seed: Sequence[int]) -> NDArray[np.int32]:
    """What a page shows of a model that writes: tokens (temperatures, length), the same for the same seed."""
    prompt = generation.tokens(generation.prompt)
    rng = np.random.default_rng(seed)
    return generate(model, prompt, LENGTH, TEMPERATURES, rng, window=window).astype(np.int32)


class _Steps:
    """The logits after each piece of a text; what came before is kept as the state and, for attention, as outputs."""

    def __init__(self, model: SequenceModel, window: int | None) -> None:
        self._model, self._window = model, window
        self._device = next(model.parameters()).device
        self._state: State | None = None
        self._outputs: Tensor | None = None

    def logits(self, tokens: Tensor) -> NDArray[np.float64]:
        """Read tokens (B, n) and give the logits (B, K) of what comes after the last of them."""
        model = self._model
        outputs, self._state = model.recur(model.embed(tokens.to(self._device)), state=self._state)
        if model.attention is not None:
            seen = outputs if self._outputs is None else torch.cat([self._outputs, outputs])
            self._outputs = outputs = seen if self._window is None else seen[-self._window :]
        return model.latest(outputs).double().cpu().numpy()


def generate_text(
    model: SequenceModel, task: TaskConfig, prompt: str, length: int, temperature: float, seed: int
) -> str:
    """The `length` signs with which a trained model goes on after the prompt.

    Raises ValueError, in words, for a task whose model cannot write, an empty prompt, a sign that the model does not
    know, a temperature below 0 and a length that is not 1 … 100,000.
    """
    if (generation := task.generation) is None:
        raise ValueError(f"A model of the task {task.name} cannot write; train one on the task text.")
    if not 1 <= length <= LONGEST:
        raise ValueError(f"length is {length}; choose 1 to {LONGEST} signs.")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature is {temperature}; choose 0 or a number above it.")
    tokens = generation.tokens(prompt)
    rng = np.random.default_rng(seed)
    written = generate(model, tokens, length, [temperature], rng, window=task.time_steps)
    return "".join(generation.signs[token] for token in written[0])
