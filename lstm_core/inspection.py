"""What a snapshot tells of the weights and the gates' units: how they spread, what they stretch, where they stick."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from lstm_core.cells import CELLS
from lstm_core.initializers import suffix_of
from lstm_core.naming import layer_names
from lstm_core.probes import Trace
from lstm_core.recurrent import Weights, cell_of
from lstm_core.tasks.base import Array

BINS = 48
WHOLE = 65535  # what stands for all entries of a block in a histogram
LARGEST = 256  # units; the singular values of larger blocks would take a good part of the time of a validation
BLOCKS = ("weight_ih", "weight_hh")


def histograms(rnn: nn.RNNBase) -> dict[str, Array]:
    """How the weights of each gate spread, `weights/<layer>.<block>.<gate>` (BINS,) uint16, WHOLE standing for all.

    The bins are equally wide and go from −r to r, `range/weights/<layer>.<block>` (1,): a power of two, so that the
    scale seldom changes, and the same for all gates of a matrix. `spread/<layer>.<block>` (gates,) has their standard
    deviations.
    """
    gates = CELLS[cell_of(rnn)].gates
    arrays: dict[str, Array] = {}
    for layer in layer_names(rnn):
        weights = Weights.of(rnn, suffix_of(layer))
        for block, matrix in zip(BLOCKS, (weights.ih, weights.hh), strict=True):
            values = matrix.detach().cpu().numpy().astype(np.float64).reshape(len(gates), -1)
            if not np.isfinite(values).all():
                values = np.nan_to_num(values, posinf=1e30, neginf=-1e30)
            reach = _reach(float(np.abs(values).max()))
            bins = np.minimum(((values / reach + 1) * (BINS / 2)).astype(int), BINS - 1)
            places = bins + BINS * np.arange(len(gates))[:, None]
            counts = np.bincount(places.ravel(), minlength=BINS * len(gates)).reshape(len(gates), BINS)
            shares = np.rint(counts * (WHOLE / values.shape[1])).astype(np.uint16)
            arrays |= {f"weights/{layer}.{block}.{gate}": row for gate, row in zip(gates, shares, strict=True)}
            arrays[f"range/weights/{layer}.{block}"] = np.array([reach], np.float32)
            arrays[f"spread/{layer}.{block}"] = values.std(1).astype(np.float32)
    return arrays


def spectra(rnn: nn.RNNBase) -> dict[str, Array]:
    """The singular values of each gate's recurrent block, `spectrum/<layer>.<gate>`, largest first.

    What lies within the rounding of 32 bits is 0. Nothing for layers wider than LARGEST, and where a weight is no
    number.
    """
    gates = CELLS[cell_of(rnn)].gates
    arrays: dict[str, Array] = {}
    for layer in layer_names(rnn) if rnn.hidden_size <= LARGEST else ():
        blocks = Weights.of(rnn, suffix_of(layer)).hh.detach().view(len(gates), rnn.hidden_size, -1)
        if not bool(blocks.isfinite().all()):
            continue
        values = torch.linalg.svdvals(blocks)
        rounding = values[:, :1] * max(blocks.shape[1:]) * torch.finfo(values.dtype).eps
        values = torch.where(values > rounding, values, 0.0)
        arrays |= {f"spectrum/{layer}.{gate}": row for gate, row in zip(gates, values.cpu().numpy(), strict=True)}
    return arrays


def stuck(traces: dict[str, Trace], sigmoids: str, lengths: Tensor | None) -> dict[str, Array]:
    """For each unit of a gate the share of the time that it is nearly shut, and nearly open.

    `stuck/<layer>.<gate>.low` and `.high` (H,) uint8, 255 standing for always: below 0.1 and above 0.9, over all
    steps of all sequences, padding left out. The saturation plot of Karpathy, Johnson and Fei-Fei (2015).
    """
    arrays: dict[str, Array] = {}
    for layer, gates in traces.items():
        for gate in sigmoids:
            values = gates[gate]  # (T, B, H)
            if lengths is not None:
                values = values[torch.arange(len(values), device=values.device)[:, None] < lengths.to(values.device)]
            values = values.flatten(0, -2)
            for name, beyond in (("low", values < 0.1), ("high", values > 0.9)):
                share = beyond.float().mean(0).cpu().numpy()
                arrays[f"stuck/{layer}.{gate}.{name}"] = np.rint(255 * share).astype(np.uint8)
    return arrays


def most_looked(weights: Array, causal: bool, asking: int, read: int) -> Array:
    """How much of its attention the step that looks at it most gives to each input, (T,) float32.

    `weights` (S, T) of one sequence with `asking` steps that ask and `read` inputs. A causal map's first step, which
    has no choice, does not count. Inputs that nobody may look at have 0.
    """
    rows = weights[1 if causal and asking > 1 else 0 : asking]
    most = np.zeros(weights.shape[1], np.float32)
    most[:read] = rows[:, :read].max(0)
    return most


def _reach(largest: float) -> float:
    """The next power of two, 2⁻⁶ at least."""
    return float(2.0 ** np.ceil(np.log2(max(largest, 2.0**-6))))
