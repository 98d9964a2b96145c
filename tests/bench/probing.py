"""What it costs to see inside the network: gates and gradients through time, against the usual ways to get them."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lstm_core.probes import gradient_flow, trace
from tests.bench.report import Row

T, BATCH, INPUT = 100, 8, 32
UNITS = (32, 64)  # the Lab begins with 64


def measure(short: bool = True) -> list[Row]:
    """`trace` against a loop over the steps that gives the same gates, `gradient_flow` against autograd."""
    torch.set_num_threads(1)
    return [row for units in UNITS for row in _rows(units, 5 if short else 25)]


def _rows(units: int, turns: int) -> list[Row]:
    torch.manual_seed(0)
    rnn, x = nn.LSTM(INPUT, units), torch.randn(T, BATCH, INPUT)
    grad = torch.randn(T, BATCH, units)
    gates, size = trace(rnn, x), f"T {T} B {BATCH} H {units}"
    loop = _ratios(lambda: _loop(rnn, x), lambda: trace(rnn, x), turns)
    flow = _ratios(lambda: _autograd(rnn, x, grad), lambda: gradient_flow(rnn, x, grad, trace=gates), turns)
    return [
        Row("P3", f"loop over the steps ÷ trace, {size}", loop, "×", "≥ 5"),
        Row("P3", f"autograd with kept gradients ÷ gradient_flow, {size}", flow, "×", "≥ 3"),
    ]


@torch.no_grad()
def _loop(rnn: nn.LSTM, x: Tensor) -> list[tuple[Tensor, ...]]:
    """All gates of all steps, one step after the other."""
    h = c = x.new_zeros(x.shape[1], rnn.hidden_size)
    steps = []
    for x_t in x:
        z = x_t @ rnn.weight_ih_l0.T + rnn.bias_ih_l0 + h @ rnn.weight_hh_l0.T + rnn.bias_hh_l0
        i, f, g, o = z.chunk(4, dim=-1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        h = o * c.tanh()
        steps.append((i, f, g, o, c, h))
    return steps


def _autograd(rnn: nn.LSTM, x: Tensor, grad: Tensor) -> list[Tensor]:
    """‖∂L/∂h_t‖ and ‖∂L/∂c_t‖ of every step from `retain_grad`."""
    cell = nn.LSTMCell(rnn.input_size, rnn.hidden_size)
    h = c = x.new_zeros(x.shape[1], rnn.hidden_size)
    states = []
    for x_t in x:
        h, c = cell(x_t, (h, c))
        h.retain_grad()
        c.retain_grad()
        states.append((h, c))
    (torch.stack([h for h, _ in states]) * grad).sum().backward()
    return [state.grad.norm(dim=-1) for pair in states for state in pair if state.grad is not None]


def _ratios(slow: Callable[[], object], fast: Callable[[], object], turns: int) -> list[float]:
    return [_time(slow) / _time(fast) for _ in range(turns)]


def _time(work: Callable[[], object], repeats: int = 20) -> float:
    work()
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    return time.perf_counter() - began
