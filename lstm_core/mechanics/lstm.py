"""LSTM: c_t = f_t c_{t−1} + i_t g_t and h_t = o_t s(c_t), projected or not; s is tanh, or ReLU for the variant.

The equations are those of https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lstm_core.mechanics.base import Activation, Arriving, Start, StateGradients, Trace, before, product, sigmoid_back
from lstm_core.recurrent import Weights, relu_lstm


def trace(squash: Activation, weights: Weights, x: Tensor, start: Start) -> Trace:
    """h from the kernel; then all gates of all steps are one matrix product, of which c follows element by element."""
    h0, c0 = start
    h = _hidden(squash, weights, x, h0, c0)
    z = product(x, weights.ih, *weights.biases)  # (T, B, 4H)
    z.flatten(0, 1).addmm_(before(h0, h).flatten(0, 1), weights.hh.T)
    i, f, g, o = z.chunk(4, dim=-1)  # views: squashed where they lie, since to move them costs as much
    for gate in (i, f, o):
        gate.sigmoid_()
    g.copy_(squash.of(g))
    c = i * g
    last = c0
    for c_t, f_t in zip(c.unbind(), f.unbind(), strict=True):
        last = c_t.addcmul_(f_t, last)
    return Trace({"i": i, "f": f, "g": g, "o": o, "c": c, "h": h})


def _hidden(squash: Activation, weights: Weights, x: Tensor, h0: Tensor, c0: Tensor) -> Tensor:
    if squash.name == "relu":
        steps, batch = x.shape[:2]
        return relu_lstm(x.flatten(0, 1), [batch] * steps, (h0, c0), weights)[0].view(steps, batch, -1)
    h: Tensor = torch.lstm(x, (h0[None], c0[None]), weights.flat(), bool(weights.biases), 1, 0.0, False, False, False)[
        0
    ]
    return h


def flow(
    squash: Activation, weights: Weights, layer: Trace, start: Start, arriving: Arriving, cut: int, downwards: bool
) -> tuple[StateGradients, Tensor | None]:
    """∂L/∂h_t and ∂L/∂c_t, and ∂L/∂x if wanted `downwards`.

    Every elementwise factor is worked out for all steps at once, so that the loop is left with four operations:
    ∂L/∂c_t from ∂L/∂m_t and from what step t + 1 sent; what c_t and m_t send to c_{t−1} and the gates; ∂L/∂h_{t−1}
    through W_hh. Here m_t = o_t s(c_t), the hidden state before any projection.
    """
    i, f, g, o, c = (layer[name] for name in "ifgoc")
    steps, batch, hidden = c.shape
    squashed, dh = squash.of(c), arriving.h
    from_m_to_c = squash.back(o, squashed).to(dh.dtype).unbind()
    from_m_to_o = sigmoid_back(squashed, o).to(dh.dtype).unbind()
    to_gates = sigmoid_back(g, i), sigmoid_back(before(start[1], c), f), squash.back(i, g)
    from_c = torch.stack([f, *to_gates], dim=2).to(dh.dtype).unbind()

    dc, dx = dh.new_empty(steps, batch, hidden), dh.new_empty(steps, batch, weights.ih.shape[1]) if downwards else None
    dh_at, dc_at, dx_at = dh.unbind(), dc.unbind(), () if dx is None else dx.unbind()
    sent = dh.new_zeros(batch, 5, hidden)  # by one step: to c_{t−1}, and to the gates i, f, g, o before squashing
    sent_to_c, sent_by_c, sent_by_m, dz = sent[:, 0], sent[:, :4], sent[:, 4], sent.flatten(1)[:, hidden:]
    for t in reversed(range(steps)):
        if t in arriving.c:
            sent_to_c += arriving.c[t]
        dm = dh_at[t] if weights.hr is None else dh_at[t] @ weights.hr
        torch.addcmul(sent_to_c, from_m_to_c[t], dm, out=dc_at[t])
        torch.mul(from_c[t], dc_at[t].unsqueeze(1), out=sent_by_c)
        torch.mul(from_m_to_o[t], dm, out=sent_by_m)
        if t % cut:
            dh_at[t - 1].addmm_(dz, weights.hh)
        else:
            sent_to_c.zero_()
        if downwards:
            torch.mm(dz, weights.ih, out=dx_at[t])
    return StateGradients(dh, dc), dx
