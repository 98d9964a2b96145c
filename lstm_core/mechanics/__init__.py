"""The mathematics of each recurrent cell, layer by layer: what it computes at every step, and how gradients go back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor

from lstm_core.mechanics import gru, lstm, rnn
from lstm_core.mechanics.base import RELU, TANH, Arriving, GradientFlow, Start, StateGradients, Trace
from lstm_core.recurrent import Weights

__all__ = ["MECHANICS", "Arriving", "GradientFlow", "Mechanics", "Start", "StateGradients", "Trace"]


class Mechanics(NamedTuple):
    """One layer and direction of a cell, everything in the order in which it reads.

    `trace` takes the weights, x (T, B, I) and the initial states. `flow` takes the weights, the trace, the
    initial states, what arrives from outside the recurrence, the steps between two cuts of the gradient, and whether
    ∂L/∂x (T, B, I) is wanted as well; weights and what arrives are of the precision in which it is to compute.
    """

    trace: Callable[[Weights, Tensor, Start], Trace]
    flow: Callable[[Weights, Trace, Start, Arriving, int, bool], tuple[StateGradients, Tensor | None]]


MECHANICS: Mapping[str, Mechanics] = MappingProxyType(
    {
        "lstm": Mechanics(partial(lstm.trace, TANH), partial(lstm.flow, TANH)),
        "lstm_relu": Mechanics(partial(lstm.trace, RELU), partial(lstm.flow, RELU)),
        "gru": Mechanics(gru.trace, gru.flow),
        "rnn_tanh": Mechanics(partial(rnn.trace, TANH), partial(rnn.flow, TANH)),
        "rnn_relu": Mechanics(partial(rnn.trace, RELU), partial(rnn.flow, RELU)),
    }
)
