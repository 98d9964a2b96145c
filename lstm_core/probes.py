"""Pure measurements of a network: gates, gradients through time, saturation, spectra.

Nothing here changes the module, its gradients, its mode or any random stream.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lstm_core.cells import CELLS
from lstm_core.initializers import suffix_of
from lstm_core.mechanics import MECHANICS, Arriving, GradientFlow, Start, StateGradients, Trace
from lstm_core.naming import layer_names
from lstm_core.recurrent import Weights, cell_of

__all__ = [
    "GradientFlow",
    "StateGradients",
    "Trace",
    "gradient_flow",
    "saturation",
    "spectral_radius",
    "spectrum",
    "state_gradients",
    "trace",
    "weight_statistics",
]

State = Tensor | tuple[Tensor, Tensor] | None


@torch.no_grad()
def trace(rnn: nn.RNNBase, x: Tensor, h0: State = None, lengths: Tensor | None = None) -> dict[str, Trace]:
    """All gates and states of an `nn.LSTM`, `nn.GRU`, `nn.RNN` or `ReluLSTM`, without dropout.

    `trace(rnn, x)["l0.fwd"].f` is a forget gate, (T, B, H); what a cell has is in its `Cell.quantities`.

    `x` is (T, B, I), or (B, T, I) for a `batch_first` network. `h0` is h_0 or (h_0, c_0), each (layers · directions,
    B, ·); what is missing is 0. `lengths` (B,) says where each sequence ends: the result is that of
    `pack_padded_sequence(…, enforce_sorted=False)`, whatever stands in the padding.

    Torch's own kernel gives h; then every h_{t−1} is known and all gates of all steps are a matrix product. Raises
    TypeError for other modules, ValueError for shapes that do not fit.
    """
    cell, x = MECHANICS[cell_of(rnn)], _time_first(rnn, x)
    start = _initial_state(rnn, x, h0)
    padding = _padding(x, lengths)
    traces: dict[str, Trace] = {}
    for names in _layers(rnn):
        for name in names:
            turn = _turn(name, len(x), lengths)
            layer = cell.trace(Weights.of(rnn, suffix_of(name)), turn(x), start[name])
            if padding is not None:
                layer = layer.map(lambda values: values.masked_fill(padding, 0.0))
            traces[name] = layer.map(turn)
        x = torch.cat([traces[name].h for name in names], dim=-1) if len(names) > 1 else traces[names[0]].h
    return traces


_trace = trace  # `gradient_flow` has an argument of the same name


def gradient_flow(
    rnn: nn.RNNBase,
    x: Tensor,
    grad_output: Tensor,
    h0: State = None,
    lengths: Tensor | None = None,
    bptt_length: int | None = None,
    trace: dict[str, Trace] | None = None,
    grad_final: tuple[Tensor | None, Tensor | None] | None = None,
) -> dict[str, GradientFlow]:
    """How much of the loss's gradient arrives at each time step of each layer and direction: ‖∂L/∂h_t‖ and ‖∂L/∂c_t‖.

    The norms of `state_gradients`, whose arguments it has, always in double precision: gradients too small for 32 bits
    keep their size.
    """
    gradients = state_gradients(rnn, x, grad_output, h0, lengths, bptt_length, trace, grad_final)
    return {name: of_layer.norms() for name, of_layer in gradients.items()}


@torch.no_grad()
def state_gradients(
    rnn: nn.RNNBase,
    x: Tensor,
    grad_output: Tensor,
    h0: State = None,
    lengths: Tensor | None = None,
    bptt_length: int | None = None,
    trace: dict[str, Trace] | None = None,
    grad_final: tuple[Tensor | None, Tensor | None] | None = None,
    precision: torch.dtype = torch.float64,
) -> dict[str, StateGradients]:
    """The gradient of the loss with respect to every state of each layer and direction, in the order of real time.

    ∂L/∂h_t is the total derivative: by way of the layer's output at t (the layers above, and `grad_output` = ∂L/∂output
    of the top layer, in the layout of the output) and by way of the recurrence, everything that h_t does to later
    steps. ∂L/∂c_t likewise: through h_t = o_t tanh(c_t) and through c_{t+1}. It is what autograd leaves in `.grad` of
    every h_t and c_t of a loop over `nn.LSTMCell`, `nn.GRUCell` or `nn.RNNCell`.

    `grad_final` is (∂L/∂h_n, ∂L/∂c_n), each (layers · directions, B, ·) or None, where the loss depends on the final
    states as well: it is added where each sequence ends, which for a backward direction is its first step.
    `bptt_length` cuts the recurrence before every multiple of it, as training does with a truncated gradient; for
    forward networks only. `trace` is that of the same arguments, where there is one already; the other arguments are
    those of `trace`. The recursion is in closed form, in double precision or in another that is asked for: in that of
    the network itself it loses what training loses. Raises as `trace` does.
    """
    if bptt_length is not None and (rnn.bidirectional or bptt_length < 1):
        raise ValueError(f"bptt_length is {bptt_length}; choose at least 1, and None for a bidirectional network.")
    traces = _trace(rnn, x, h0, lengths) if trace is None else trace
    cell, x = MECHANICS[cell_of(rnn)], _time_first(rnn, x)
    start = _initial_state(rnn, x, h0)
    grad = _grad_of_output(rnn, x, grad_output, _padding(x, lengths)).to(precision)
    final = None if grad_final is None else _states(rnn, x.to(precision), grad_final, ("∂L/∂h_n", "∂L/∂c_n"))
    layers = _layers(rnn)
    flows: dict[str, StateGradients] = {}
    for names in reversed(layers):
        below = []
        for name, share in zip(names, grad.chunk(len(names), dim=-1), strict=True):
            turn = _turn(name, len(x), lengths)
            weights, layer = Weights.of(rnn, suffix_of(name)).to(precision), traces[name].map(turn)
            arriving = _arriving(turn(share).clone(), None if final is None else final[name], lengths)
            flow, grad_x = cell.flow(
                weights, layer, start[name], arriving, bptt_length or len(x), names is not layers[0]
            )
            flows[name] = flow.map(turn)
            if grad_x is not None:
                below.append(turn(grad_x))
        grad = sum(below[1:], start=below[0]) if below else grad
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


def _layers(rnn: nn.RNNBase) -> list[list[str]]:
    """The directions of each layer, by name."""
    names, width = layer_names(rnn), 2 if rnn.bidirectional else 1
    return [names[place : place + width] for place in range(0, len(names), width)]


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


def _time_first(rnn: nn.RNNBase, x: Tensor) -> Tensor:
    """(T, B, I); refuses what does not fit."""
    if x.dim() != 3 or x.shape[-1] != rnn.input_size or 0 in x.shape:
        layout = "(B, T, I)" if rnn.batch_first else "(T, B, I)"
        raise ValueError(f"x has the shape {tuple(x.shape)}; expected {layout} with I = {rnn.input_size}.")
    return x.detach().transpose(0, 1) if rnn.batch_first else x.detach()


def _initial_state(rnn: nn.RNNBase, x: Tensor, h0: State) -> dict[str, Start]:
    return _states(rnn, x, h0 if isinstance(h0, tuple) else (h0, None), ("h_0", "c_0"))


def _states(
    rnn: nn.RNNBase, x: Tensor, given: tuple[Tensor | None, Tensor | None], words: tuple[str, str]
) -> dict[str, Start]:
    """What is given for h and c in torch's layout, by layer and direction; 0 where nothing is given, x's precision."""
    cell, names, hidden = CELLS[cell_of(rnn)], layer_names(rnn), rnn.hidden_size
    widths = (rnn.proj_size or hidden, hidden)[: len(cell.states)]
    if len(widths) == 1 and given[1] is not None:
        raise ValueError(f"A {cell.title} has no cell state; give {words[0]} alone.")
    expected = [(len(names), x.shape[1], width) for width in widths]
    states = [
        x.new_zeros(shape) if state is None else state.detach().to(x.dtype)
        for shape, state in zip(expected, given, strict=False)
    ]
    shapes = [tuple(state.shape) for state in states]
    if shapes != expected:
        raise ValueError(f"{' and '.join(words[: len(shapes)])} have the shapes {shapes}; expected {expected}.")
    return dict(zip(names, zip(*states, strict=True), strict=True))


def _arriving(output: Tensor, final: Start | None, lengths: Tensor | None) -> Arriving:
    """What arrives by way of the output (T, B, P) and of the final states, in the order of reading."""
    if final is None:
        return Arriving(output, {})
    steps, batch = output.shape[:2]
    last = torch.full((batch,), steps - 1) if lengths is None else lengths - 1
    last = last.to(output.device)
    output[last, torch.arange(batch, device=output.device)] += final[0]
    of_c = {t: final[1] * (last == t)[:, None] for t in set(last.tolist())} if len(final) > 1 else {}
    return Arriving(output, of_c)


def _grad_of_output(rnn: nn.RNNBase, x: Tensor, grad_output: Tensor, padding: Tensor | None) -> Tensor:
    """∂L/∂output, time first, 0 where padded; `x` is time first already."""
    grad = grad_output.detach()
    grad = grad.transpose(0, 1) if rnn.batch_first and grad.dim() == 3 else grad
    expected = (*x.shape[:2], (rnn.proj_size or rnn.hidden_size) * (2 if rnn.bidirectional else 1))
    if tuple(grad.shape) != expected:
        raise ValueError(f"grad_output has the shape {tuple(grad.shape)} (time first); expected {expected}.")
    return grad if padding is None else grad.masked_fill(padding, 0.0)
