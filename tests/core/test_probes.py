"""`trace` and `gradient_flow` against a double-precision loop over `nn.LSTMCell` and autograd, and the small probes."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lstm_core.probes import (
    Trace,
    gradient_flow,
    saturation,
    spectral_radius,
    spectrum,
    trace,
    weight_statistics,
)

torch.set_num_threads(1)

FIELDS = [field.name for field in fields(Trace)]
# torch says that projections leave its fast kernel; that is no fault
pytestmark = pytest.mark.filterwarnings("ignore:.*projections.*")


@dataclass(frozen=True)
class Case:
    """One random setting; everything in it is double precision, weights and input exact in single precision."""

    rnn: nn.LSTM
    x: Tensor
    h0: Tensor | tuple[Tensor, Tensor] | None
    lengths: Tensor | None
    grad_output: Tensor
    bptt_length: int | None

    def single(self) -> Case:
        h0 = self.h0
        h0 = tuple(s.float() for s in h0) if isinstance(h0, tuple) else None if h0 is None else h0.float()
        rnn = like(self.rnn).float()
        return Case(rnn, self.x.float(), h0, self.lengths, self.grad_output.float(), self.bptt_length)


def like(rnn: nn.LSTM) -> nn.LSTM:
    names = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size")
    twin = nn.LSTM(**{name: getattr(rnn, name) for name in names}, dtype=rnn.weight_ih_l0.dtype)
    twin.load_state_dict(rnn.state_dict())
    return twin.train(rnn.training)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    hidden = draw(st.integers(1, 6))
    layers = draw(st.integers(1, 3))
    bidirectional = draw(st.booleans())
    projection = draw(st.integers(0, hidden - 1)) if draw(st.booleans()) else 0
    steps, batch, inputs = draw(st.integers(1, 7)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    batch_first = draw(st.booleans())
    scale = draw(st.sampled_from([0.1, 1.0, 1.5]))
    h0_kind = draw(st.sampled_from(["none", "h", "h and c"]))
    lengths = draw(st.none() | st.lists(st.integers(1, steps), min_size=batch, max_size=batch))
    bptt_length = None if bidirectional else draw(st.none() | st.integers(1, steps + 1))
    seed = draw(st.integers(0, 2**31))

    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).double()

    rnn = nn.LSTM(
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
    h, c = normal(layers * directions, batch, width), normal(layers * directions, batch, hidden)
    return Case(
        rnn,
        normal(*layout, inputs),
        {"none": None, "h": h, "h and c": (h, c)}[h0_kind],
        None if lengths is None else torch.tensor(lengths),
        normal(*layout, directions * width),
        bptt_length,
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
        n: {f: torch.zeros(steps, batch, width if f == "h" else hidden, dtype=torch.double) for f in FIELDS}
        for n in names
    }
    norms = {n: {f: torch.zeros(steps, batch, dtype=torch.double) for f in "hc"} for n in names}
    states: dict[tuple[str, str, int, int], Tensor] = {}
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
                gates, h, c = step(weights, inputs[t], h, c)
                h.retain_grad()
                c.retain_grad()
                for field, value in {**gates, "c": c, "h": h}.items():
                    traces[name][field][t, b] = value.detach()[0]
                states[name, "h", t, b], states[name, "c", t, b] = h, c
                outputs[t].append(h)
            if direction == directions[-1]:
                row = [torch.cat(output, dim=-1) for output in outputs]
        loss = loss + sum((row[t] * grad_output[t, b]).sum() for t in range(length))
    loss.backward()
    for (name, field, t, b), state in states.items():
        norms[name][field][t, b] = state.grad.norm()
    return traces, norms


def cell_weights(rnn: nn.LSTM, suffix: str) -> dict[str, Tensor]:
    kinds = ["weight_ih", "weight_hh"] + ["bias_ih", "bias_hh"] * rnn.bias + ["weight_hr"] * bool(rnn.proj_size)
    return {kind: getattr(rnn, kind + suffix).detach() for kind in kinds}


def step(w: dict[str, Tensor], x: Tensor, h: Tensor, c: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """One step of an `nn.LSTMCell`. The cell knows no projection: there the projected state enters as an input."""
    projected = "weight_hr" in w
    matrix = torch.cat([w["weight_ih"], w["weight_hh"]], dim=1) if projected else w["weight_ih"]
    hidden = c.shape[-1]
    cell = nn.LSTMCell(matrix.shape[1], hidden, bias="bias_ih" in w, dtype=torch.double).requires_grad_(False)
    cell.weight_ih.copy_(matrix)
    cell.weight_hh.copy_(torch.zeros_like(cell.weight_hh) if projected else w["weight_hh"])
    bias = torch.zeros(4 * hidden).double()
    if cell.bias:
        cell.bias_ih.copy_(w["bias_ih"])
        cell.bias_hh.copy_(w["bias_hh"])
        bias = w["bias_ih"] + w["bias_hh"]
    # a gradient must be recorded for the very first state too
    x, h, c = (v if v.requires_grad else v.clone().requires_grad_() for v in (x, h, c))
    z = (w["weight_ih"] @ x.detach()[0] + w["weight_hh"] @ h.detach()[0] + bias).view(4, hidden)
    gates = {"i": z[0].sigmoid()[None], "f": z[1].sigmoid()[None], "g": z[2].tanh()[None], "o": z[3].sigmoid()[None]}
    if projected:
        m, c = cell(torch.cat([x, h], dim=1), (torch.zeros_like(c), c))
        return gates, m @ w["weight_hr"].T, c
    h, c = cell(x, (h, c))
    return gates, h, c


def relative(measured: Tensor, truth: Tensor) -> float:
    """‖measured − truth‖ / ‖truth‖ of a whole array, in double precision; 0 / 0 is 0."""
    difference = float((measured.double() - truth).norm())
    return difference / max(float(truth.norm()), 1e-300) if difference else 0.0


def measured(case: Case) -> tuple[dict[str, Trace], dict[str, dict[str, Tensor]]]:
    traces = trace(case.rnn, case.x, case.h0, case.lengths)
    flow = gradient_flow(case.rnn, case.x, case.grad_output, case.h0, case.lengths, case.bptt_length)
    return traces, {name: {"h": f.h, "c": f.c} for name, f in flow.items()}


@settings(max_examples=250, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_gates_states_and_gradients_are_those_of_a_cell_loop(case: Case) -> None:
    event(f"layers {case.rnn.num_layers}, directions {1 + case.rnn.bidirectional}")
    expected_traces, expected_norms = cell_loop(case)
    for settings_, tolerance in ((case, 1e-6), (case.single(), 1e-4)):
        traces, norms = measured(settings_)
        assert list(traces) == list(norms) == list(expected_traces)
        for name in expected_traces:
            for field in FIELDS:
                found, truth = getattr(traces[name], field), expected_traces[name][field]
                assert found.dtype == settings_.x.dtype
                assert found.shape == truth.shape
                assert relative(found, truth) <= tolerance, (name, field)
            for field in "hc":
                found, truth = norms[name][field], expected_norms[name][field]
                assert found.shape == truth.shape
                assert relative(found, truth) <= tolerance, (name, field)
                if tolerance == 1e-6:  # every single point of the curve, however small
                    torch.testing.assert_close(found, truth, rtol=1e-6, atol=0.0)
