"""All gradients of a model in one flat buffer, so that every norm of every step costs a few microseconds."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import nn

from lstm_core.naming import blocks
from lstm_core.tasks.base import Array


class Gradients:
    """The gradients of a model's parameters as views of one buffer: zeroed, measured and clipped at once."""

    def __init__(self, model: nn.Module) -> None:
        parameters = list(model.parameters())
        device = parameters[0].device
        self.flat = torch.zeros(sum(p.numel() for p in parameters), device=device)
        self._shared = self.flat.numpy() if device.type == "cpu" else None  # the same memory
        place = 0
        for parameter in parameters:
            parameter.grad = self.flat[place : place + parameter.numel()].view_as(parameter)
            place += parameter.numel()
        names, sizes = zip(*blocks(model), strict=True)
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.groups = list(dict.fromkeys(names))
        self._columns = [f"grad_norm/{group}" for group in self.groups]
        self._group_of = np.array([self.groups.index(name) for name in names])

    def zero(self) -> None:
        self.flat.zero_()

    def entries(self) -> Array:
        """All gradients, float32 (n,): on the CPU the very memory that the next step overwrites."""
        return self.flat.cpu().numpy() if self._shared is None else self._shared

    def norms_of(self, entries: Array) -> dict[str, float]:
        """‖∂L/∂θ‖₂ of every group of parameters, per gate where there are gates, from what `entries` gave."""
        squares = np.add.reduceat(np.multiply(entries, entries, dtype=np.float64), self._starts)
        sums = np.bincount(self._group_of, weights=squares)
        return dict(zip(self._columns, np.sqrt(sums).tolist(), strict=True))

    def norms(self) -> dict[str, float]:
        """Those of the groups and, last, of all together."""
        return {**self.norms_of(self.entries()), "grad_norm/total": self.norm()}

    def clip(self, mode: Literal["none", "norm", "value"], threshold: float, total: float) -> float:
        """Bound the gradient in place; gives its norm afterwards. `total` is its norm before.

        By norm: scaled as `torch.nn.utils.clip_grad_norm_` does; by value: every entry cut to ±threshold.
        """
        if mode == "norm" and total > threshold:
            scale = threshold / (total + 1e-6)
            self.flat.mul_(scale)
            return total * scale
        if mode == "value":
            self.flat.clamp_(-threshold, threshold)
            return self.norm()
        return total

    def norm(self) -> float:
        """‖∂L/∂θ‖₂ of all parameters together, summed in double precision: large gradients must not overflow."""
        return float(torch.linalg.vector_norm(self.flat, dtype=torch.float64))
