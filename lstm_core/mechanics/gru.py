"""GRU: h_t = (1 − z_t) n_t + z_t h_{t−1} with n_t = tanh(W_in x_t + b_in + r_t ⊙ (W_hn h_{t−1} + b_hn)).

The equations are those of https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html: b_hn stands inside of what
r_t opens and shuts, so the two biases of n cannot be added up beforehand.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lstm_core.mechanics.base import TANH, Arriving, Start, StateGradients, Trace, before, product, sigmoid_back
from lstm_core.recurrent import Weights


def trace(weights: Weights, x: Tensor, start: Start) -> Trace:
    """h from torch's kernel; then all gates of all steps are two matrix products."""
    (h0,) = start
    h = torch.gru(x, h0[None], weights.flat(), bool(weights.biases), 1, 0.0, False, False, False)[0]
    x_r, x_z, x_n = product(x, weights.ih, *weights.biases[:1]).chunk(3, dim=-1)
    h_r, h_z, h_n = product(before(h0, h), weights.hh, *weights.biases[1:]).chunk(3, dim=-1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    return Trace({"r": r, "z": z, "n": torch.addcmul(x_n, r, h_n).tanh(), "h": h})


def flow(
    weights: Weights, layer: Trace, start: Start, arriving: Arriving, cut: int, downwards: bool
) -> tuple[StateGradients, Tensor | None]:
    """∂L/∂h_t, and ∂L/∂x if wanted `downwards`.

    All that h_t sends back is ∂L/∂h_t times factors that are known for all steps beforehand: to r, z and n before
    squashing, to q_t = W_hn h_{t−1} + b_hn, and straight to h_{t−1}.
    """
    dh = arriving.h
    r, z, n, h_before = (v.to(dh.dtype) for v in (layer.r, layer.z, layer.n, before(start[0], layer.h)))
    steps, batch, hidden = z.shape
    q = product(h_before, weights.hh[2 * hidden :], *(bias[2 * hidden :] for bias in weights.biases[1:]))
    to_n = TANH.back(1 - z, n)
    to_r, to_z = sigmoid_back(to_n * q, r), sigmoid_back(h_before - n, z)
    from_h = torch.stack([to_r, to_z, to_n * r, z], dim=2).unbind()  # the last is the way straight to h_{t−1}

    dh_at = dh.unbind()
    sent = dh.new_empty(batch, 4, hidden)
    sent_to_h, through_weights = sent[:, 3], sent.flatten(1)[:, : 3 * hidden]
    for t in reversed(range(steps)):
        if t % cut:
            torch.mul(from_h[t], dh_at[t].unsqueeze(1), out=sent)
            dh_at[t - 1].add_(sent_to_h).addmm_(through_weights, weights.hh)
    if not downwards:
        return StateGradients(dh), None
    return StateGradients(dh), product(torch.cat([to_r * dh, to_z * dh, to_n * dh], dim=-1), weights.ih.T)
