"""Simple RNN: h_t = s(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh), s being tanh or ReLU (Elman, 1990)."""

from __future__ import annotations

import torch
from torch import Tensor

from lstm_core.mechanics.base import Activation, Arriving, Start, StateGradients, Trace, product
from lstm_core.recurrent import Weights


def trace(squash: Activation, weights: Weights, x: Tensor, start: Start) -> Trace:
    """h from torch's kernel: there is nothing else to see."""
    kernel = torch.rnn_relu if squash.name == "relu" else torch.rnn_tanh
    return Trace({"h": kernel(x, start[0][None], weights.flat(), bool(weights.biases), 1, 0.0, False, False, False)[0]})


def flow(
    squash: Activation, weights: Weights, layer: Trace, _start: Start, arriving: Arriving, cut: int, downwards: bool
) -> tuple[StateGradients, Tensor | None]:
    """∂L/∂h_t, and ∂L/∂x if wanted `downwards`."""
    h, dh = layer.h.to(arriving.h.dtype), arriving.h
    slope, dh_at = squash.back(torch.ones_like(h), h), dh.unbind()
    dz = torch.empty_like(dh)  # before squashing
    for t, slope_t, dz_t in zip(reversed(range(len(h))), reversed(slope.unbind()), reversed(dz.unbind()), strict=True):
        torch.mul(slope_t, dh_at[t], out=dz_t)
        if t % cut:
            dh_at[t - 1].addmm_(dz_t, weights.hh)
    return StateGradients(dh), product(dz, weights.ih.T) if downwards else None
