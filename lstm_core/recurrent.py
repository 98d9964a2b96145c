"""The recurrent layers by the name of their cell, and the one cell that torch does not have: an LSTM with ReLU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from lstm_core.cells import CELLS
from lstm_core.initializers import cell_name, suffixes


def make(
    cell: str,
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    bias: bool = True,
    batch_first: bool = False,
    dropout: float = 0.0,
    bidirectional: bool = False,
    proj_size: int = 0,
) -> nn.RNNBase:
    """The recurrent layers of a cell from `CELLS`; all arguments are those of `nn.LSTM`.

    Raises ValueError for an unknown cell, a projection where there is none, and sizes that torch refuses.
    """
    if cell not in _MAKERS:
        raise ValueError(f"There is no cell {cell!r}; choose one of {', '.join(_MAKERS)}.")
    if proj_size and CELLS[cell].kernel != "LSTM":
        raise ValueError(
            f"Only an LSTM can project its hidden state, and the cell is {cell!r}; "
            f"choose proj_size 0 instead of {proj_size}, or an LSTM."
        )
    return _MAKERS[cell](
        input_size=input_size,
        hidden_size=hidden_size,
        num_layers=num_layers,
        bias=bias,
        batch_first=batch_first,
        dropout=dropout,
        bidirectional=bidirectional,
        **({"proj_size": proj_size} if proj_size else {}),
    )


def cell_of(rnn: nn.RNNBase) -> str:
    """The name in `CELLS` of what these layers are made of, also for derived classes.

    Raises TypeError for what is no nn.LSTM, nn.GRU or nn.RNN.
    """
    if isinstance(rnn, ReluLSTM):
        return "lstm_relu"
    cell_name(rnn)
    return rnn.mode.lower()  # LSTM, GRU, RNN_TANH or RNN_RELU


class Weights(NamedTuple):
    """The parameters of one layer and direction, with G gates, in the order that torch's kernels want."""

    ih: Tensor  # (G·H, I)
    hh: Tensor  # (G·H, P)
    biases: tuple[Tensor, ...]  # bias_ih and bias_hh, each (G·H,), or none
    hr: Tensor | None  # (P, H), where the hidden state is projected

    @staticmethod
    def of(rnn: nn.RNNBase, suffix: str) -> Weights:
        """`suffix` is the end of torch's parameter names: _l0, _l0_reverse, …"""
        biases = (getattr(rnn, "bias_ih" + suffix), getattr(rnn, "bias_hh" + suffix)) if rnn.bias else ()
        hr = getattr(rnn, "weight_hr" + suffix) if rnn.proj_size else None
        return Weights(getattr(rnn, "weight_ih" + suffix), getattr(rnn, "weight_hh" + suffix), biases, hr)

    def flat(self) -> list[Tensor]:
        return [self.ih, self.hh, *self.biases, *([] if self.hr is None else [self.hr])]

    def to(self, precision: torch.dtype) -> Weights:
        hr = None if self.hr is None else self.hr.to(precision)
        return Weights(self.ih.to(precision), self.hh.to(precision), tuple(b.to(precision) for b in self.biases), hr)


class ReluLSTM(nn.LSTM):
    """An `nn.LSTM` with ReLU in place of both tanh: g = relu(W_ig x + W_hg h + b_g) and h = o ⊙ relu(c).

    Same arguments, parameters, shapes and dropout stream as `nn.LSTM`, for input with a batch, packed or not. It is
    a loop of ordinary operations over time, as torch has no kernel of it.
    """

    def forward(  # type: ignore[override]
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """x (T, B, I), (B, T, I) where `batch_first`, or packed → output in the same layout, (h_n, c_n)."""
        if isinstance(input, PackedSequence):
            data, batch_sizes, order, back = input
            start = self._zeros(data, int(batch_sizes[0])) if hx is None else self.permute_hidden(hx, order)
            self.check_forward_args(data, start, batch_sizes)
            output, end = self._layers(data, batch_sizes.tolist(), start)
            return PackedSequence(output, batch_sizes, order, back), self.permute_hidden(end, back)
        if input.dim() != 3:
            raise ValueError(f"x has the shape {tuple(input.shape)}; expected three dimensions: time, batch, I.")
        x = input.transpose(0, 1) if self.batch_first else input
        steps, batch = x.shape[:2]
        start = self._zeros(x, batch) if hx is None else hx
        self.check_forward_args(input, start, None)
        output, end = self._layers(x.flatten(0, 1), [batch] * steps, start)
        output = output.view(steps, batch, -1)
        return output.transpose(0, 1) if self.batch_first else output, end

    def _zeros(self, like: Tensor, batch: int) -> tuple[Tensor, Tensor]:
        places, width = len(suffixes(self)), self.proj_size or self.hidden_size
        return like.new_zeros(places, batch, width), like.new_zeros(places, batch, self.hidden_size)

    def _layers(
        self, data: Tensor, sizes: Sequence[int], start: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """As `relu_lstm`, for all layers and directions; the states are (layers · directions, B, ·)."""
        width = 2 if self.bidirectional else 1
        outputs: list[Tensor] = []
        ends: list[tuple[Tensor, Tensor]] = []
        for place, suffix in enumerate(suffixes(self)):
            backward = place % width == 1
            if place and not backward:
                data, outputs = torch.dropout(torch.cat(outputs, dim=-1), self.dropout, self.training), []
            state = start[0][place], start[1][place]
            output, end = relu_lstm(data, sizes, state, Weights.of(self, suffix), backward)
            outputs.append(output)
            ends.append(end)
        h_n, c_n = (torch.stack(states) for states in zip(*ends, strict=True))
        return torch.cat(outputs, dim=-1), (h_n, c_n)


def relu_lstm(
    data: Tensor, sizes: Sequence[int], start: tuple[Tensor, Tensor], weights: Weights, backward: bool = False
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One layer and direction of a `ReluLSTM`: outputs (N, P) and the final (h, c), each (B, ·).

    `data` (N, I) holds the steps one after the other, the first `sizes[t]` sequences at step t, as in a
    `PackedSequence`; `start` is (h_0, c_0), each (B, ·).
    """
    hidden = start[1].shape[-1]
    # the three gates side by side, so that one sigmoid does for all
    ih, hh, *biases = (
        torch.cat([rows[: 2 * hidden], rows[3 * hidden :], rows[2 * hidden : 3 * hidden]])
        for rows in (weights.ih, weights.hh, *weights.biases)
    )
    z = nn.functional.linear(data, ih, biases[0] + biases[1] if biases else None)
    hh = hh.t()
    hr = None if weights.hr is None else weights.hr.t()
    outputs, ended = [], []
    h, c = (state[: sizes[-1] if backward else sizes[0]] for state in start)
    steps = z.split(list(sizes))
    for z_t in reversed(steps) if backward else steps:
        running, now = len(h), len(z_t)
        if now < running:
            ended.append((h[now:], c[now:]))
            h, c = h[:now], c[:now]
        elif now > running:
            h, c = (torch.cat([s, s_0[running:now]]) for s, s_0 in zip((h, c), start, strict=True))
        ifo, g = torch.addmm(z_t, h, hh).split([3 * hidden, hidden], dim=1)
        i, f, o = ifo.sigmoid().chunk(3, dim=1)
        c = torch.addcmul(f * c, i, g.relu())
        h = o * c.relu()
        if hr is not None:
            h = h @ hr
        outputs.append(h)
    if backward:
        outputs.reverse()
    ended.append((h, c))
    return torch.cat(outputs), (torch.cat([h for h, _ in ended[::-1]]), torch.cat([c for _, c in ended[::-1]]))


_MAKERS: Mapping[str, Callable[..., nn.RNNBase]] = MappingProxyType(
    {
        "lstm": nn.LSTM,
        "lstm_relu": ReluLSTM,
        "gru": nn.GRU,
        "rnn_tanh": partial(nn.RNN, nonlinearity="tanh"),
        "rnn_relu": partial(nn.RNN, nonlinearity="relu"),
    }
)
