"""Any recurrent network one step at a time, every value shown to an onlooker who may hand back another in its place.

What is watched goes by `l0.fwd.f` and the like; the names per step are those of the cell (`CELLS`), and besides
`pre_i`, …: what goes into a gate before it is squashed; `tanh_c` or `relu_c`: the cell state squashed; `m`: an LSTM's
hidden state before its projection; `pre_n_h`: the part of a GRU's `pre_n` that the reset gate multiplies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from lstm_core.cells import CELLS
from lstm_core.initializers import suffix_of
from lstm_core.naming import layer_names
from lstm_core.recurrent import Weights, cell_of

See = Callable[[str, Tensor], Tensor]  # the name of a value and the value → the value that goes on
States = tuple[Tensor, ...]  # (h,), or (h, c)
# what comes from below and from the last step, each (B, G·H); the state; the projection; who looks on → the new state
StepOf = Callable[[Tensor, Tensor, States, Tensor | None, See], States]


@torch.no_grad()
def walk(
    rnn: nn.RNNBase,
    x: Tensor,
    see: See,
    lengths: Tensor | None = None,
    h0: Tensor | States | None = None,
) -> tuple[Tensor, States]:
    """Outputs, always time first (T, B, D), and the last state, in double precision and without dropout.

    `x` is (T, B, I), or (B, T, I) for a `batch_first` network; `h0` is h_0 or (h_0, c_0), each (layers · directions,
    B, ·), or none for 0. With `lengths` (B,) the result is that of `pack_padded_sequence(…, enforce_sorted=False)`,
    and nothing of the padding is shown to `see`. It sees the weights first (`l0.fwd.weight_ih`, `l0.fwd.bias_hh`, …),
    then `x`, the state given, and every value at every step. The module is left as it is.
    Raises TypeError for what is no recurrent network and ValueError for shapes that do not fit.
    """
    cell, names = cell_of(rnn), layer_names(rnn)
    x = _time_first(rnn, x).double()
    inside = torch.arange(len(x), device=x.device)[:, None] < _ends(x, lengths)  # (T, B)
    states = _first(rnn, x, h0)
    x = torch.zeros_like(x).masked_scatter(inside[..., None], see("x", x[inside]))
    width = 2 if rnn.bidirectional else 1
    finals: list[States] = []
    outputs: list[Tensor] = []
    for place, name in enumerate(names):
        if place and place % width == 0:
            x, outputs = torch.cat(outputs, dim=-1), []
        look = _prefixed(name, see)
        start = tuple(state[place] for state in states)
        if h0 is not None:
            start = tuple(look(kind, state) for kind, state in zip(CELLS[cell].states, start, strict=True))
        output, final = _one_direction(STEPS[cell], _seen(rnn, name, look), x, inside, start, name[-3:] == "bwd", look)
        outputs.append(output)
        finals.append(final)
    return torch.cat(outputs, dim=-1), tuple(torch.stack(parts) for parts in zip(*finals, strict=True))


class Walked(nn.Module):
    """Stands in for the recurrent layers of a model, with an onlooker: called and answering as torch's own are."""

    def __init__(self, rnn: nn.RNNBase, see: See) -> None:
        super().__init__()
        self.rnn, self.see = rnn, see
        self.batch_first, self.bidirectional = rnn.batch_first, rnn.bidirectional

    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | States | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor | States]:
        """x in the network's layout, or packed → outputs likewise, and h_n or (h_n, c_n)."""
        if isinstance(input, PackedSequence):
            x, lengths = pad_packed_sequence(input, self.batch_first)
            outputs, state = walk(self.rnn, x, self.see, lengths, hx)
            packed = pack_padded_sequence(outputs, lengths, enforce_sorted=False)
            return packed, state if len(state) > 1 else state[0]
        outputs, state = walk(self.rnn, input, self.see, None, hx)
        return outputs.transpose(0, 1) if self.batch_first else outputs, state if len(state) > 1 else state[0]


def _one_direction(
    step: StepOf, weights: Weights, x: Tensor, inside: Tensor, state: States, backward: bool, see: See
) -> tuple[Tensor, States]:
    """Outputs (T, B, P), 0 where padded; a sequence that has not begun or has ended keeps its state."""
    b_ih, b_hh = weights.biases or (0.0, 0.0)
    from_x = x @ weights.ih.T + b_ih  # (T, B, G·H)
    outputs = x.new_zeros(*x.shape[:2], state[0].shape[-1])
    steps = range(int(inside.any(dim=1).sum()))
    alike = bool(inside.all())  # all sequences are as long as each other: no step has to choose among them
    for t in reversed(steps) if backward else steps:
        if alike:
            state = step(from_x[t], state[0] @ weights.hh.T + b_hh, state, weights.hr, see)
            outputs[t] = state[0]
            continue
        rows = inside[t].nonzero().squeeze(1)
        running = tuple(s[rows] for s in state)
        after = step(from_x[t, rows], running[0] @ weights.hh.T + b_hh, running, weights.hr, see)
        state = tuple(s.index_copy(0, rows, new) for s, new in zip(state, after, strict=True))
        outputs[t, rows] = after[0]
    return outputs, state


def _lstm(squash: Callable[[Tensor], Tensor], squashed: str) -> StepOf:
    def step(from_x: Tensor, from_h: Tensor, state: States, hr: Tensor | None, see: See) -> States:
        """c = f ⊙ c_before + i ⊙ g, h = o ⊙ squash(c)."""
        z_i, z_f, z_g, z_o = (
            see(f"pre_{gate}", z) for gate, z in zip("ifgo", (from_x + from_h).chunk(4, dim=-1), strict=True)
        )
        i, f, g, o = see("i", z_i.sigmoid()), see("f", z_f.sigmoid()), see("g", squash(z_g)), see("o", z_o.sigmoid())
        c = see("c", f * state[1] + i * g)
        h = o * see(squashed, squash(c))
        return see("h", h if hr is None else see("m", h) @ hr.T), c

    return step


def _gru(from_x: Tensor, from_h: Tensor, state: States, _hr: Tensor | None, see: See) -> States:
    """h = (1 − z) ⊙ n + z ⊙ h_before, n = tanh(… + r ⊙ (W_hn h_before + b_hn))."""
    (r_x, z_x, n_x), (r_h, z_h, n_h) = from_x.chunk(3, dim=-1), from_h.chunk(3, dim=-1)
    r = see("r", see("pre_r", r_x + r_h).sigmoid())
    z = see("z", see("pre_z", z_x + z_h).sigmoid())
    n = see("n", see("pre_n", n_x + r * see("pre_n_h", n_h)).tanh())
    return (see("h", (1 - z) * n + z * state[0]),)


def _rnn(squash: Callable[[Tensor], Tensor]) -> StepOf:
    def step(from_x: Tensor, from_h: Tensor, _state: States, _hr: Tensor | None, see: See) -> States:
        """h = squash(W_ih x + W_hh h_before + b)."""
        return (see("h", squash(see("pre_h", from_x + from_h))),)

    return step


STEPS: Mapping[str, StepOf] = MappingProxyType(
    {
        "lstm": _lstm(torch.tanh, "tanh_c"),
        "lstm_relu": _lstm(torch.relu, "relu_c"),
        "gru": _gru,
        "rnn_tanh": _rnn(torch.tanh),
        "rnn_relu": _rnn(torch.relu),
    }
)


def _prefixed(name: str, see: See) -> See:
    return lambda quantity, value: see(f"{name}.{quantity}", value)


def _seen(rnn: nn.RNNBase, name: str, look: See) -> Weights:
    """The weights of one layer and direction as the onlooker hands them back."""
    own = Weights.of(rnn, suffix_of(name)).to(torch.float64)
    biases = tuple(look(kind, bias) for kind, bias in zip(("bias_ih", "bias_hh"), own.biases, strict=bool(own.biases)))
    hr = None if own.hr is None else look("weight_hr", own.hr)
    return Weights(look("weight_ih", own.ih), look("weight_hh", own.hh), biases, hr)


def _time_first(rnn: nn.RNNBase, x: Tensor) -> Tensor:
    if x.dim() != 3 or x.shape[-1] != rnn.input_size or 0 in x.shape:
        layout = "(B, T, I)" if rnn.batch_first else "(T, B, I)"
        raise ValueError(f"x has the shape {tuple(x.shape)}; expected {layout} with I = {rnn.input_size}.")
    return x.detach().transpose(0, 1) if rnn.batch_first else x.detach()


def _ends(x: Tensor, lengths: Tensor | None) -> Tensor:
    """(B,): where each sequence ends."""
    steps, batch = x.shape[:2]
    if lengths is None:
        return torch.full((batch,), steps, device=x.device)
    if lengths.shape != (batch,) or not bool(((lengths >= 1) & (lengths <= steps)).all()):
        raise ValueError(f"lengths must be {batch} numbers from 1 to {steps}, got {lengths.tolist()}.")
    return lengths.to(x.device)


def _first(rnn: nn.RNNBase, x: Tensor, h0: Tensor | States | None) -> States:
    """The state before the first step, each part (layers · directions, B, ·)."""
    widths = [rnn.proj_size or rnn.hidden_size, rnn.hidden_size][: len(CELLS[cell_of(rnn)].states)]
    expected = [(len(layer_names(rnn)), x.shape[1], width) for width in widths]
    if h0 is None:
        return tuple(x.new_zeros(shape) for shape in expected)
    given = tuple(state.detach().double() for state in (h0 if isinstance(h0, tuple) else (h0,)))
    if [tuple(state.shape) for state in given] != expected:
        raise ValueError(f"h0 has the shapes {[tuple(state.shape) for state in given]}; expected {expected}.")
    return given
