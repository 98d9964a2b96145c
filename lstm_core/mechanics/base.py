"""What every cell's mathematics shares: its results, its arguments, and the two activations with their slopes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

Start = tuple[Tensor, ...]  # (h_0,) or (h_0, c_0) of one layer and direction, (B, P) and (B, H)


@dataclass(frozen=True, eq=False)
class Trace(Mapping[str, Tensor]):
    """One layer and direction at every time step, in the order of real time for both directions; 0 where padded.

    `trace["f"]` and `trace.f` are the same. An LSTM has the gates i, f, g, o and the cell state c, each (T, B, H), and
    the hidden state h (T, B, P), P = proj_size if it projects, else H. A GRU has r, z, n and h, a simple RNN h alone;
    `names` says what is there, in the order of `Cell.quantities`.
    """

    quantities: dict[str, Tensor]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.quantities)

    def map(self, change: Callable[[Tensor], Tensor]) -> Trace:
        return Trace({name: change(values) for name, values in self.quantities.items()})

    def __getitem__(self, name: str) -> Tensor:
        return self.quantities[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.quantities)

    def __len__(self) -> int:
        return len(self.quantities)

    def __getattr__(self, name: str) -> Tensor:
        quantities: dict[str, Tensor] = self.__dict__.get("quantities", {})
        if name not in quantities:
            raise AttributeError(f"This trace has {', '.join(quantities)}, and no {name}.")
        return quantities[name]


@dataclass(frozen=True)
class GradientFlow:
    """‖∂L/∂h_t‖₂ and ‖∂L/∂c_t‖₂ of one layer and direction, each (T, B) float64, in the order of real time.

    `c` is None where the cell has no cell state.
    """

    h: Tensor
    c: Tensor | None = None


@dataclass(frozen=True)
class StateGradients:
    """∂L/∂h_t (T, B, P) and ∂L/∂c_t (T, B, H) of one layer and direction; `c` is None where there is no cell state."""

    h: Tensor
    c: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> StateGradients:
        return StateGradients(change(self.h), None if self.c is None else change(self.c))

    def norms(self) -> GradientFlow:
        """Taken in double precision: in 32 bits the square of 10⁻²³ is 0, long before the gradient itself is."""
        return GradientFlow(_norms(self.h), None if self.c is None else _norms(self.c))


class Arriving(NamedTuple):
    """What reaches the states of one layer and direction other than by way of its own next step.

    Its precision is that in which the gradient is followed.
    """

    h: Tensor  # (T, B, P): by way of the output, and of h_n at the last step; `flow` adds the rest in place
    c: Mapping[int, Tensor]  # step → (B, H): by way of c_n


class Activation(NamedTuple):
    """A squashing function y = s(x), and `back(grad, y)` = grad · s′(x)."""

    name: str
    of: Callable[[Tensor], Tensor]
    back: Callable[[Tensor, Tensor], Tensor]


sigmoid_back: Callable[[Tensor, Tensor], Tensor] = torch.ops.aten.sigmoid_backward
TANH = Activation("tanh", torch.tanh, torch.ops.aten.tanh_backward)
RELU = Activation("relu", torch.relu, lambda grad, y: torch.ops.aten.threshold_backward(grad, y, 0))


def before(start: Tensor, states: Tensor) -> Tensor:
    """The state that every step began with, (T, B, ·)."""
    return torch.cat([start[None], states[:-1]])


def product(x: Tensor, weight: Tensor, *biases: Tensor) -> Tensor:
    """x (T, B, ·) through a weight (rows, ·), for all steps at once: (T, B, rows)."""
    flat = x.flatten(0, 1)
    through = torch.addmm(sum(biases[1:], biases[0]), flat, weight.T) if biases else flat @ weight.T
    return through.view(*x.shape[:2], -1)


def _norms(gradients: Tensor) -> Tensor:
    """(T, B, ·) → (T, B)."""
    values: Tensor = torch.linalg.vector_norm(gradients, dim=-1, dtype=torch.float64)
    return values
