"""How far an update moves the weights, as a share of their size: what tells whether a learning rate fits."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from lstm_core.naming import blocks
from lstm_core.tasks.base import Array

EVERY = 10  # steps between two measured updates


class Updates:
    """‖Δw‖ ÷ ‖w‖ of every matrix of weights (per gate where there are gates), for the update in between.

    Biases are left out: they begin at 0, of which nothing is a share.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = list(model.parameters())
        names, sizes = zip(*blocks(model), strict=True)
        self.groups = [name for name in dict.fromkeys(names) if ".bias" not in name]
        self._starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        known = {name: place for place, name in enumerate(self.groups)}
        self._group_of = np.array([known.get(name, len(known)) for name in names])

    def begin(self) -> None:
        """Remember the weights as they are before the update."""
        self._before = self._flat()

    def ratios(self) -> dict[str, float]:
        """`update_ratio/<group>` of the update since `begin`; what is 0 or no number has none."""
        sizes = self._norms(self._before)
        moved = self._norms(self._flat() - self._before)
        named = zip(self.groups, sizes.tolist(), moved.tolist(), strict=False)  # the last one is of all biases
        found = {f"update_ratio/{name}": by / size for name, size, by in named if size > 0}
        return {name: ratio for name, ratio in found.items() if math.isfinite(ratio)}

    def _flat(self) -> Array:
        with torch.no_grad():
            flat: Array = torch.cat([parameter.reshape(-1) for parameter in self._parameters]).cpu().numpy()
        return flat

    def _norms(self, entries: Array) -> Array:
        squares = np.add.reduceat(np.multiply(entries, entries, dtype=np.float64), self._starts)
        return np.sqrt(np.bincount(self._group_of, weights=squares))
