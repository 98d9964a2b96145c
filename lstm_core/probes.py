"""Pure measurements of a network: gates, gradients through time, saturation, spectra.

Nothing here changes the module, its gradients, its mode or any random stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lstm_core.initializers import suffix_of
from lstm_core.naming import layer_names

State = Tensor | tuple[Tensor, Tensor] | None


@dataclass(frozen=True)
class Trace:
    """One layer and direction at every time step, in the order of real time for both directions; 0 where padded.

    Gates i, f, g, o and cell state c (T, B, H); hidden state h (T, B, P), P = proj_size if it projects, else H.
    """

    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor
    c: Tensor
    h: Tensor

    def map(self, change: Callable[[Tensor], Tensor]) -> Trace:
        return Trace(*(change(values) for values in (self.i, self.f, self.g, self.o, self.c, self.h)))


@dataclass(frozen=True)
class GradientFlow:
    """‖∂L/∂h_t‖₂ and ‖∂L/∂c_t‖₂ of one layer and direction, each (T, B) float64, in the order of real time."""

    h: Tensor
    c: Tensor


@torch.no_grad()
def trace(rnn: nn.LSTM, x: Tensor, h0: State = None, lengths: Tensor | None = None) -> dict[str, Trace]:
    """All gates and states of an `nn.LSTM`, without dropout: `trace(rnn, x)["l0.fwd"].f` is a forget gate, (T, B, H).

    `x` is (T, B, I), or (B, T, I) for a `batch_first` network. `h0` is h_0 or (h_0, c_0), each (layers · directions,
    B, ·); what is missing is 0. `lengths` (B,) says where each sequence ends: the result is that of
    `pack_padded_sequence(…, enforce_sorted=False)`, whatever stands in the padding.

    Torch's own kernel gives h; then every h_{t−1} is known and all gates of all steps are one matrix product, of
    which c follows element by element. Raises TypeError for other cells, ValueError for shapes that do not fit.
    """
    x = _time_first(rnn, x)
    start = _initial_state(rnn, x, h0)
    padding = _padding(x, lengths)
    traces: dict[str, Trace] = {}
    for names in _layers(rnn):
        for name in names:
            turn = _turn(name, len(x), lengths)
            traces[name] = _trace_layer(_weights(rnn, name), turn(x), start[name], padding).map(turn)
        x = torch.cat([traces[name].h for name in names], dim=-1) if len(names) > 1 else traces[names[0]].h
    return traces


_trace = trace  # `gradient_flow` has an argument of the same name


@torch.no_grad()
def gradient_flow(
    rnn: nn.LSTM,
    x: Tensor,
    grad_output: Tensor,
    h0: State = None,
    lengths: Tensor | None = None,
    bptt_length: int | None = None,
    trace: dict[str, Trace] | None = None,
) -> dict[str, GradientFlow]:
    """How much of the loss's gradient arrives at each time step of each layer and direction.

    ∂L/∂h_t is the total derivative: by way of the layer's output at t (the layers above, and `grad_output` = ∂L/∂output
    of the top layer, in the layout of the output) and by way of the recurrence, everything that h_t does to later
    steps. ∂L/∂c_t likewise: through h_t = o_t tanh(c_t) and through c_{t+1}. It is what autograd leaves in `.grad` of
    every h_t and c_t of a loop over `nn.LSTMCell`.

    `bptt_length` cuts the recurrence before every multiple of it, as training does with a truncated gradient; for
    forward networks only. `trace` is that of the same arguments, where there is one already; the other arguments are
    those of `trace`. The recursion is in closed form and always in double precision, so gradients too small for
    32 bits keep their size. Raises as `trace` does.
    """
    if bptt_length is not None and (rnn.bidirectional or bptt_length < 1):
        raise ValueError(f"bptt_length is {bptt_length}; choose at least 1, and None for a bidirectional network.")
    traces = _trace(rnn, x, h0, lengths) if trace is None else trace
    x = _time_first(rnn, x)
    start = _initial_state(rnn, x, h0)
    grad = _grad_of_output(rnn, x, grad_output, _padding(x, lengths))
    layers = _layers(rnn)
    flows: dict[str, GradientFlow] = {}
    for names in reversed(layers):
        below = []
        for name, share in zip(names, grad.chunk(len(names), dim=-1), strict=True):
            turn = _turn(name, len(x), lengths)
            layer, c0, downwards = traces[name].map(turn), start[name][1], names is not layers[0]
            flow, grad_x = _flow_layer(_weights(rnn, name).double(), layer, c0, turn(share), bptt_length, downwards)
            flows[name] = GradientFlow(turn(flow.h), turn(flow.c))
            below.append(turn(grad_x))
        grad = below[0] if len(below) == 1 else below[0] + below[1]
    return {name: flows[name] for name in traces}


def saturation(gate: Tensor, low: float = 0.1, high: float = 0.9, lengths: Tensor | None = None) -> float:
    """The share of the values of a gate (T, B, H) below `low` or above `high`, padding left out.

    A saturated gate lets hardly any gradient through. For g, which goes from −1 to 1, give `g.abs()` and a `low` of 0.
    """
    outside = (gate < low) | (gate > high)
    if lengths is not None:
        outside = outside[torch.arange(len(gate), device=gate.device)[:, None] < lengths.to(gate.device)]
    return float(outside.double().mean())


def spectrum(block: Tensor) -> Tensor:
    """The singular values of a matrix, largest first, in double precision: what it can stretch a vector by."""
    values: Tensor = torch.linalg.svdvals(block.detach().double())
    return values


def spectral_radius(block: Tensor) -> float:
    """The largest |eigenvalue| of a square matrix: what it stretches by when applied again and again.

    Raises ValueError where the matrix is not square, as a gate's recurrent block with projection.
    """
    if block.dim() != 2 or block.shape[0] != block.shape[1]:
        raise ValueError(f"Only a square matrix has eigenvalues; this one is {tuple(block.shape)}.")
    return float(torch.linalg.eigvals(block.detach().double()).abs().max())


def weight_statistics(block: Tensor) -> dict[str, float]:
    """`mean`, `std` (of the values as they are: divided by n), `min` and `max` of all entries."""
    values = block.detach().double()
    statistics = {"mean": values.mean(), "std": values.std(correction=0), "min": values.min(), "max": values.max()}
    return {name: float(value) for name, value in statistics.items()}


class _Weights(NamedTuple):
    ih: Tensor  # (4H, I)
    hh: Tensor  # (4H, P)
    biases: tuple[Tensor, ...]  # two of (4H,), or none
    hr: Tensor | None  # (P, H)

    def flat(self) -> list[Tensor]:
        """In the order that torch's kernel wants."""
        return [self.ih, self.hh, *self.biases, *([] if self.hr is None else [self.hr])]

    def double(self) -> _Weights:
        hr = None if self.hr is None else self.hr.double()
        return _Weights(self.ih.double(), self.hh.double(), tuple(b.double() for b in self.biases), hr)


def _trace_layer(weights: _Weights, x: Tensor, start: tuple[Tensor, Tensor], padding: Tensor | None) -> Trace:
    """One direction in the order in which it reads."""
    h0, c0 = start
    h = torch.lstm(x, (h0[None], c0[None]), weights.flat(), bool(weights.biases), 1, 0.0, False, False, False)[0]
    before = torch.cat([h0[None], h[:-1]])
    z = x.flatten(0, 1) @ weights.ih.T  # (T·B, 4H)
    z.addmm_(before.flatten(0, 1), weights.hh.T)
    for bias in weights.biases:
        z += bias
    i, f, g, o = z.view(*x.shape[:2], -1).chunk(4, dim=-1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = i * g
    last = c0
    for c_t, f_t in zip(c.unbind(), f.unbind(), strict=True):
        last = c_t.addcmul_(f_t, last)
    layer = Trace(i, f, g, o, c, h)
    return layer if padding is None else layer.map(lambda values: values.masked_fill(padding, 0.0))


def _flow_layer(
    weights: _Weights, layer: Trace, c0: Tensor, grad: Tensor, cut: int | None, downwards: bool
) -> tuple[GradientFlow, Tensor]:
    """One direction in the order in which it reads: the norms, and, if wanted `downwards`, ∂L/∂x (T, B, I).

    `grad` (T, B, P) is what reaches h_t by way of the output. Every elementwise factor is worked out for all steps
    at once, so that the loop is left with four operations: ∂L/∂c_t from ∂L/∂m_t and from what step t + 1 sent; what
    c_t and m_t send to c_{t−1} and the gates; ∂L/∂h_{t−1} through W_hh. Here m_t = o_t tanh(c_t), the hidden state
    before any projection.
    """
    i, f, g, o, c = layer.i, layer.f, layer.g, layer.o, layer.c
    steps, batch, hidden = c.shape
    cut = cut or steps
    sigmoid_backward, tanh_backward = torch.ops.aten.sigmoid_backward, torch.ops.aten.tanh_backward  # y·σ′, y·tanh′
    before, squashed = torch.cat([c0[None], c[:-1]]), c.tanh()
    from_m_to_c, from_m_to_o = (
        tanh_backward(o, squashed).double().unbind(),
        sigmoid_backward(squashed, o).double().unbind(),
    )
    to_gates = sigmoid_backward(g, i), sigmoid_backward(before, f), tanh_backward(i, g)
    from_c = torch.stack([f, *to_gates], dim=2).double().unbind()

    dh, dc = grad.clone(), grad.new_empty(steps, batch, hidden)
    dx = grad.new_empty(steps, batch, weights.ih.shape[1] if downwards else 0)
    dh_at, dc_at, dx_at = dh.unbind(), dc.unbind(), dx.unbind()
    sent = grad.new_zeros(batch, 5, hidden)  # by one step: to c_{t−1}, and to the gates i, f, g, o before squashing
    sent_to_c, sent_by_c, sent_by_m, dz = sent[:, 0], sent[:, :4], sent[:, 4], sent.flatten(1)[:, hidden:]
    for t in reversed(range(steps)):
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
    return GradientFlow(torch.linalg.vector_norm(dh, dim=-1), torch.linalg.vector_norm(dc, dim=-1)), dx


def _layers(rnn: nn.LSTM) -> list[list[str]]:
    """The directions of each layer, by name."""
    names, width = layer_names(rnn), 2 if rnn.bidirectional else 1
    return [names[place : place + width] for place in range(0, len(names), width)]


def _weights(rnn: nn.LSTM, name: str) -> _Weights:
    def parameter(kind: str) -> Tensor:
        tensor: Tensor = getattr(rnn, kind + suffix_of(name))
        return tensor.detach()

    biases = (parameter("bias_ih"), parameter("bias_hh")) if rnn.bias else ()
    hr = parameter("weight_hr") if rnn.proj_size else None
    return _Weights(parameter("weight_ih"), parameter("weight_hh"), biases, hr)


def _turn(name: str, steps: int, lengths: Tensor | None) -> Callable[[Tensor], Tensor]:
    """Puts (T, B, …) into the order in which a direction reads; done twice it is the order of time again."""
    if name.endswith(".fwd"):
        return lambda values: values
    if lengths is None:
        return lambda values: values.flip(0)
    t = torch.arange(steps, device=lengths.device)[:, None]
    order = torch.where(t < lengths, lengths - 1 - t, t)  # (T, B): each sequence by itself, the padding stays behind
    column = torch.arange(len(lengths), device=lengths.device)
    return lambda values: values[order, column]


def _padding(x: Tensor, lengths: Tensor | None) -> Tensor | None:
    """(T, B, 1), true where a sequence has ended."""
    if lengths is None:
        return None
    if lengths.shape != x.shape[1:2] or not bool(((lengths >= 1) & (lengths <= len(x))).all()):
        raise ValueError(f"lengths must be {x.shape[1]} numbers from 1 to {len(x)}, got {lengths.tolist()}.")
    return (torch.arange(len(x), device=x.device)[:, None] >= lengths.to(x.device))[..., None]


def _time_first(rnn: nn.LSTM, x: Tensor) -> Tensor:
    """(T, B, I); refuses what is no LSTM and what does not fit it."""
    if not isinstance(rnn, nn.LSTM):
        raise TypeError(f"Gates can be measured in an nn.LSTM, not in {type(rnn).__name__}.")
    if x.dim() != 3 or x.shape[-1] != rnn.input_size or 0 in x.shape:
        layout = "(B, T, I)" if rnn.batch_first else "(T, B, I)"
        raise ValueError(f"x has the shape {tuple(x.shape)}; expected {layout} with I = {rnn.input_size}.")
    return x.detach().transpose(0, 1) if rnn.batch_first else x.detach()


def _initial_state(rnn: nn.LSTM, x: Tensor, h0: State) -> dict[str, tuple[Tensor, Tensor]]:
    """(h_0, c_0) of each layer and direction, (B, P) and (B, H)."""
    names, batch = layer_names(rnn), x.shape[1]
    h, c = h0 if isinstance(h0, tuple) else (h0, None)
    h = x.new_zeros(len(names), batch, rnn.proj_size or rnn.hidden_size) if h is None else h.detach()
    c = x.new_zeros(len(names), batch, rnn.hidden_size) if c is None else c.detach()
    shapes = [tuple(h.shape), tuple(c.shape)]
    expected = [(len(names), batch, width) for width in (rnn.proj_size or rnn.hidden_size, rnn.hidden_size)]
    if shapes != expected:
        raise ValueError(f"h_0 and c_0 have the shapes {shapes}; expected {expected}.")
    return dict(zip(names, zip(h, c, strict=True), strict=True))


def _grad_of_output(rnn: nn.LSTM, x: Tensor, grad_output: Tensor, padding: Tensor | None) -> Tensor:
    """∂L/∂output, time first, in double precision, 0 where padded; `x` is time first already."""
    grad = grad_output.detach().double()
    grad = grad.transpose(0, 1) if rnn.batch_first and grad.dim() == 3 else grad
    expected = (*x.shape[:2], (rnn.proj_size or rnn.hidden_size) * (2 if rnn.bidirectional else 1))
    if tuple(grad.shape) != expected:
        raise ValueError(f"grad_output has the shape {tuple(grad.shape)} (time first); expected {expected}.")
    return grad if padding is None else grad.masked_fill(padding, 0.0)
