"""An independent truth for the probes: every cell one step at a time in double precision, and autograd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from lstm_core.cells import CELLS
from lstm_core.recurrent import cell_of, make


@dataclass(frozen=True)
class Case:
    """One random setting; everything in it is double precision, weights and input exact in single precision."""

    rnn: nn.RNNBase
    x: Tensor
    h0: Tensor | tuple[Tensor, Tensor] | None
    lengths: Tensor | None
    grad_output: Tensor
    bptt_length: int | None
    grad_final: tuple[Tensor | None, Tensor | None] | None = None

    @property
    def quantities(self) -> tuple[str, ...]:
        return CELLS[cell_of(self.rnn)].quantities

    @property
    def states(self) -> tuple[str, ...]:
        return CELLS[cell_of(self.rnn)].states

    def single(self) -> Case:
        h0 = self.h0
        h0 = tuple(s.float() for s in h0) if isinstance(h0, tuple) else None if h0 is None else h0.float()
        return replace(self, rnn=like(self.rnn).float(), x=self.x.float(), h0=h0, grad_output=self.grad_output.float())


def like(rnn: nn.RNNBase) -> nn.RNNBase:
    names = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size")
    twin = make(cell_of(rnn), **{name: getattr(rnn, name) for name in names}).double()
    twin.load_state_dict(rnn.state_dict())
    return twin.train(rnn.training)


@st.composite
def cases(draw: st.DrawFn, cell: str) -> Case:
    hidden = draw(st.integers(1, 6))
    layers = draw(st.integers(1, 3))
    bidirectional = draw(st.booleans())
    has_c = "c" in CELLS[cell].states
    projection = draw(st.integers(0, hidden - 1)) if has_c and draw(st.booleans()) else 0
    steps, batch, inputs = draw(st.integers(1, 7)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    batch_first = draw(st.booleans())
    scale = draw(st.sampled_from([0.1, 1.0, 1.5]))
    h0_kind = draw(st.sampled_from(["none", "h", "h and c"] if has_c else ["none", "h"]))
    final_kind = draw(st.sampled_from(["none", "h", "c", "h and c"] if has_c else ["none", "h"]))
    lengths = draw(st.none() | st.lists(st.integers(1, steps), min_size=batch, max_size=batch))
    bptt_length = None if bidirectional else draw(st.none() | st.integers(1, steps + 1))
    seed = draw(st.integers(0, 2**31))

    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).double()

    rnn = make(
        cell,
        inputs,
        hidden,
        layers,
        bias=draw(st.booleans()),
        batch_first=batch_first,
        dropout=0.5 if layers > 1 and draw(st.booleans()) else 0.0,
        bidirectional=bidirectional,
        proj_size=projection,
    ).double()
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.copy_((scale / hidden**0.5 * normal(*parameter.shape)).float())
    width, directions = projection or hidden, 2 if bidirectional else 1
    layout = (batch, steps) if batch_first else (steps, batch)
    (h, c), (grad_h, grad_c) = (
        (normal(layers * directions, batch, width), normal(layers * directions, batch, hidden)) for _ in range(2)
    )
    return Case(
        rnn,
        normal(*layout, inputs),
        {"none": None, "h": h, "h and c": (h, c)}[h0_kind],
        None if lengths is None else torch.tensor(lengths),
        normal(*layout, directions * width),
        bptt_length,
        {"none": None, "h": (grad_h, None), "c": (None, grad_c), "h and c": (grad_h, grad_c)}[final_kind],
    )


def cell_loop(case: Case) -> tuple[dict[str, dict[str, Tensor]], dict[str, dict[str, Tensor]]]:
    """The same quantities one sequence, one layer, one direction, one step at a time, and autograd for the gradients.

    Gives (traces, norms), each name → field → array (T, B, ·) or (T, B).
    """
    rnn, x, grad_output = case.rnn, case.x, case.grad_output
    if rnn.batch_first:
        x, grad_output = x.transpose(0, 1), grad_output.transpose(0, 1)
    steps, batch = x.shape[:2]
    width, hidden = rnn.proj_size or rnn.hidden_size, rnn.hidden_size
    directions = ("fwd", "bwd") if rnn.bidirectional else ("fwd",)
    names = [f"l{layer}.{direction}" for layer in range(rnn.num_layers) for direction in directions]
    h_0 = case.h0[0] if isinstance(case.h0, tuple) else case.h0
    c_0 = case.h0[1] if isinstance(case.h0, tuple) else None
    traces = {
        n: {q: torch.zeros(steps, batch, width if q == "h" else hidden, dtype=torch.double) for q in case.quantities}
        for n in names
    }
    norms = {n: {s: torch.zeros(steps, batch, dtype=torch.double) for s in case.states} for n in names}
    reached: dict[tuple[str, str, int, int], Tensor] = {}
    loss = torch.zeros((), dtype=torch.double)
    for b in range(batch):
        length = steps if case.lengths is None else int(case.lengths[b])
        row = [x[t, b : b + 1] for t in range(length)]
        for name in names:
            layer, direction = int(name[1]), name[3:]
            if direction == "fwd":
                inputs, outputs = row, [[] for _ in row]
            weights = cell_weights(rnn, f"_l{layer}" + ("_reverse" if direction == "bwd" else ""))
            index = names.index(name)
            h = torch.zeros(1, width).double() if h_0 is None else h_0[index, b : b + 1]
            c = torch.zeros(1, hidden).double() if c_0 is None else c_0[index, b : b + 1]
            for t in range(length) if direction == "fwd" else reversed(range(length)):
                if case.bptt_length and t % case.bptt_length == 0:
                    h, c = h.detach(), c.detach()
                # a gradient must be recorded for the very first state too
                h, c = (s if s.requires_grad else s.clone().requires_grad_() for s in (h, c))
                found = STEPS[cell_of(rnn)](weights, inputs[t], h, c)
                h, c = found["h"], found.get("c", c)
                for state in case.states:
                    found[state].retain_grad()
                    reached[name, state, t, b] = found[state]
                for field, value in found.items():
                    traces[name][field][t, b] = value.detach()[0]
                outputs[t].append(h)
            for state, grad in zip((h, c), case.grad_final or (), strict=False):
                loss = loss if grad is None else loss + (state * grad[index, b]).sum()
            if direction == directions[-1]:
                row = [torch.cat(output, dim=-1) for output in outputs]
        loss = loss + sum((row[t] * grad_output[t, b]).sum() for t in range(length))
    loss.backward()
    for (name, field, t, b), state in reached.items():
        norms[name][field][t, b] = state.grad.norm()
    return traces, norms


def cell_weights(rnn: nn.RNNBase, suffix: str) -> dict[str, Tensor]:
    kinds = ["weight_ih", "weight_hh"] + ["bias_ih", "bias_hh"] * rnn.bias + ["weight_hr"] * bool(rnn.proj_size)
    return {kind: getattr(rnn, kind + suffix).detach() for kind in kinds}


def blocks(w: dict[str, Tensor], x: Tensor, h: Tensor, gates: int) -> tuple[Tensor, Tensor]:
    """What the input and what the state give to every gate, biases included, each (gates, H)."""
    of_x, of_h = w["weight_ih"] @ x[0], w["weight_hh"] @ h[0]
    if "bias_ih" in w:
        of_x, of_h = of_x + w["bias_ih"], of_h + w["bias_hh"]
    return of_x.view(gates, -1), of_h.view(gates, -1)


def filled(cell: nn.RNNCellBase, w: dict[str, Tensor]) -> nn.RNNCellBase:
    cell.double().requires_grad_(False)
    for name, parameter in cell.named_parameters():
        parameter.copy_(w[name])
    return cell


def lstm_step(w: dict[str, Tensor], x: Tensor, h: Tensor, c: Tensor) -> dict[str, Tensor]:
    """One step of an `nn.LSTMCell`. The cell knows no projection: there the projected state enters as an input."""
    hidden, bias = c.shape[-1], "bias_ih" in w
    i, f, g, o = sum(blocks(w, x.detach(), h.detach(), 4))[:, None]
    gates = {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
    if "weight_hr" in w:
        joined = torch.cat([w["weight_ih"], w["weight_hh"]], dim=1)
        nothing = torch.zeros(4 * hidden, hidden).double()
        cell = filled(nn.LSTMCell(joined.shape[1], hidden, bias), {**w, "weight_ih": joined, "weight_hh": nothing})
        m, c = cell(torch.cat([x, h], dim=1), (torch.zeros_like(c), c))
        return {**gates, "c": c, "h": m @ w["weight_hr"].T}
    h, c = filled(nn.LSTMCell(x.shape[1], hidden, bias), w)(x, (h, c))
    return {**gates, "c": c, "h": h}


def relu_lstm_step(w: dict[str, Tensor], x: Tensor, h: Tensor, c: Tensor) -> dict[str, Tensor]:
    """The equations of the LSTM with g = relu(…) and h = o relu(c)."""

    def relu(values: Tensor) -> Tensor:
        return torch.where(values > 0, values, 0.0)

    i, f, g, o = sum(blocks(w, x, h, 4))[:, None]
    i, f, g, o = 1 / (1 + (-i).exp()), 1 / (1 + (-f).exp()), relu(g), 1 / (1 + (-o).exp())
    c = f * c + i * g
    h = o * relu(c)
    return {"i": i, "f": f, "g": g, "o": o, "c": c, "h": h @ w["weight_hr"].T if "weight_hr" in w else h}


def gru_step(w: dict[str, Tensor], x: Tensor, h: Tensor, _: Tensor) -> dict[str, Tensor]:
    (x_r, x_z, x_n), (h_r, h_z, h_n) = blocks(w, x.detach(), h.detach(), 3)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    new = filled(nn.GRUCell(x.shape[1], h.shape[1], "bias_ih" in w), w)(x, h)
    return {"r": r[None], "z": z[None], "n": (x_n + r * h_n).tanh()[None], "h": new}


def rnn_step(nonlinearity: str) -> Callable[[dict[str, Tensor], Tensor, Tensor, Tensor], dict[str, Tensor]]:
    def step(w: dict[str, Tensor], x: Tensor, h: Tensor, _: Tensor) -> dict[str, Tensor]:
        return {"h": filled(nn.RNNCell(x.shape[1], h.shape[1], "bias_ih" in w, nonlinearity), w)(x, h)}

    return step


STEPS = {
    "lstm": lstm_step,
    "lstm_relu": relu_lstm_step,
    "gru": gru_step,
    "rnn_tanh": rnn_step("tanh"),
    "rnn_relu": rnn_step("relu"),
}
