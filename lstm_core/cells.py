"""What each recurrent cell is made of: facts only, so that settings, figures and pages can ask without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kernel = Literal["LSTM", "GRU", "RNN"]


@dataclass(frozen=True)
class Cell:
    """One kind of recurrent cell, with its parts in torch's order.

    `kernel` is the torch module whose parameters it has, `gates` one letter per block of rows in weight_ih, weight_hh
    and the biases, `keep` the gate that multiplies the old state, `quantities` what can be read off at every step,
    `states` what goes from one step to the next, `unbounded` what may leave −1 … 1 (with a projection h does).
    """

    title: str
    kernel: Kernel
    gates: str
    keep: str | None
    quantities: tuple[str, ...]
    states: tuple[str, ...]
    unbounded: tuple[str, ...]
    note: str = ""

    @property
    def sigmoids(self) -> str:
        """The gates that lie between 0 and 1, in torch's order."""
        return "".join(gate for gate in self.gates if gate in "iforz")


CELLS: Mapping[str, Cell] = MappingProxyType(
    {
        "lstm": Cell("LSTM", "LSTM", "ifgo", "f", ("i", "f", "g", "o", "c", "h"), ("h", "c"), ("c", "h")),
        "lstm_relu": Cell(
            "LSTM with ReLU",
            "LSTM",
            "ifgo",
            "f",
            ("i", "f", "g", "o", "c", "h"),
            ("h", "c"),
            ("g", "c", "h"),
            "ReLU instead of tanh for g and for the output, so nothing bounds the cell state; it runs in a Python loop "
            "and is several times slower.",
        ),
        # torch computes h' = (1 − z) n + z h, https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html
        "gru": Cell(
            "GRU",
            "GRU",
            "rzn",
            "z",
            ("r", "z", "n", "h"),
            ("h",),
            (),
            "z keeps the old state: h' = (1 − z) n + z h. "
            "PyTorch has no fast kernel for it on the CPU, so it is slower than the LSTM.",
        ),
        "rnn_tanh": Cell("Simple RNN, tanh", "RNN", "h", None, ("h",), ("h",), ()),
        "rnn_relu": Cell(
            "Simple RNN, ReLU", "RNN", "h", None, ("h",), ("h",), ("h",), "Nothing bounds the state, so it can grow."
        ),
    }
)
