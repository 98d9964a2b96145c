"""`trace` and `gradient_flow` against a double-precision loop over `nn.LSTMCell` and autograd, and the small probes."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
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


def check(case: Case) -> None:
    """In double precision every point of every curve, in single precision every array as a whole."""
    expected_traces, expected_norms = cell_loop(case)
    for precision, tolerance in ((case, 1e-6), (case.single(), 1e-4)):
        traces, norms = measured(precision)
        assert list(traces) == list(norms) == list(expected_traces)
        for name in expected_traces:
            for field in FIELDS:
                found, truth = getattr(traces[name], field), expected_traces[name][field]
                assert found.dtype == precision.x.dtype
                assert found.shape == truth.shape
                assert relative(found, truth) <= tolerance, (name, field)
            for field in "hc":
                found, truth = norms[name][field], expected_norms[name][field]
                assert found.shape == truth.shape
                assert relative(found, truth) <= tolerance, (name, field)
                if tolerance == 1e-6:  # every single point of the curve, however small
                    torch.testing.assert_close(found, truth, rtol=1e-6, atol=0.0)


@settings(max_examples=250, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_gates_states_and_gradients_are_those_of_a_cell_loop(case: Case) -> None:
    check(case)


def test_the_same_at_the_size_of_a_real_run() -> None:
    generator = torch.Generator().manual_seed(3)
    rnn = nn.LSTM(8, 32, 2, bidirectional=True)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.uniform_(-(32**-0.5), 32**-0.5, generator=generator)
    x, grad_output = torch.randn(40, 3, 8, generator=generator), torch.randn(40, 3, 64, generator=generator)
    check(Case(rnn.double(), x.double(), None, torch.tensor([40, 17, 33]), grad_output.double(), None))


def setting(seed: int = 0, dtype: torch.dtype = torch.double, **arguments: object) -> tuple[nn.LSTM, Tensor, Tensor]:
    """A network with an input of 6 steps for 3 sequences and a gradient for its output."""
    generator = torch.Generator().manual_seed(seed)
    rnn = nn.LSTM(4, 5, **arguments).to(dtype)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.uniform_(-0.5, 0.5, generator=generator)
    x = torch.randn(6, 3, 4, dtype=dtype, generator=generator)
    width = (rnn.proj_size or rnn.hidden_size) * (2 if rnn.bidirectional else 1)
    return rnn, x, torch.randn(6, 3, width, dtype=dtype, generator=generator)


def test_the_top_layer_is_what_the_network_itself_puts_out() -> None:
    rnn, x, _ = setting(num_layers=2, bidirectional=True)
    traces = trace(rnn, x)
    output, (_, c_n) = rnn(x)
    torch.testing.assert_close(torch.cat([traces["l1.fwd"].h, traces["l1.bwd"].h], dim=-1), output.detach())
    torch.testing.assert_close(traces["l0.fwd"].c[-1], c_n[0].detach())
    torch.testing.assert_close(traces["l0.bwd"].c[0], c_n[1].detach())  # it arrives at the first step last


@pytest.mark.parametrize("training", [True, False])
def test_probing_leaves_no_mark(training: bool) -> None:
    rnn, x, grad_output = setting(num_layers=2, bidirectional=True, dropout=0.5)
    rnn.train(training)
    rnn(x)[0].sum().backward()
    x.requires_grad_()
    weights = {name: p.detach().clone() for name, p in rnn.named_parameters()}
    grads = {name: p.grad.clone() for name, p in rnn.named_parameters()}
    streams = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()

    traces = trace(rnn, x)
    flow = gradient_flow(rnn, x, grad_output)

    assert torch.equal(torch.get_rng_state(), streams[0])
    assert (np.random.get_state()[1] == streams[1]).all()
    assert random.getstate() == streams[2]
    assert rnn.training is training
    assert x.grad is None
    for name, parameter in rnn.named_parameters():
        assert torch.equal(parameter, weights[name])
        assert torch.equal(parameter.grad, grads[name])
        assert parameter.requires_grad
    assert not any(getattr(t, field).requires_grad for t in traces.values() for field in FIELDS)
    assert not any(f.h.requires_grad or f.c.requires_grad for f in flow.values())


def test_what_stands_in_the_padding_does_not_matter() -> None:
    rnn, x, grad_output = setting(num_layers=2, bidirectional=True)
    lengths = torch.tensor([6, 2, 4])
    padded = torch.arange(6)[:, None] >= lengths
    spoiled_x, spoiled_grad = x.clone(), grad_output.clone()
    spoiled_x[padded] = torch.nan
    spoiled_grad[padded] = torch.nan
    clean = trace(rnn, x, lengths=lengths), gradient_flow(rnn, x, grad_output, lengths=lengths)
    spoiled = trace(rnn, spoiled_x, lengths=lengths), gradient_flow(rnn, spoiled_x, spoiled_grad, lengths=lengths)
    for name in clean[0]:
        for field in FIELDS:
            values = getattr(spoiled[0][name], field)
            assert torch.equal(values, getattr(clean[0][name], field))
            assert (values[padded] == 0).all()
        for field in "hc":
            values = getattr(spoiled[1][name], field)
            assert torch.equal(values, getattr(clean[1][name], field))
            assert (values[padded] == 0).all()
            assert (values[~padded] > 0).all()


def test_a_given_trace_is_used_and_not_measured_again() -> None:
    rnn, x, grad_output = setting(num_layers=2)
    traces = trace(rnn, x)
    expected = gradient_flow(rnn, x, grad_output)
    again = gradient_flow(rnn, x, grad_output, trace=traces)
    assert all(torch.equal(again[n].h, expected[n].h) and torch.equal(again[n].c, expected[n].c) for n in traces)
    shut = {name: t.map(torch.zeros_like) for name, t in traces.items()}  # no gate open: nothing flows
    assert float(gradient_flow(rnn, x, grad_output, trace=shut)["l0.fwd"].h.abs().max()) == 0.0


def test_gradients_below_single_precision_keep_their_size() -> None:
    """A forget gate of 1/2 halves the gradient at each step: after 300 steps autograd in 32 bits has only 0 left."""
    steps = 300
    rnn = nn.LSTM(1, 1)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.zero_()
        rnn.weight_ih_l0[2] = 1.0
    x, grad_output = torch.ones(steps, 1, 1), torch.zeros(steps, 1, 1)
    grad_output[-1] = 1.0
    c = gradient_flow(rnn, x, grad_output)["l0.fwd"].c[:, 0]
    assert c.dtype == torch.double
    assert float(c[0]) > 0.0
    torch.testing.assert_close(c[:-1] / c[1:], torch.full((steps - 1,), 0.5, dtype=torch.double), rtol=1e-12, atol=0.0)
    x.requires_grad_()
    rnn(x)[0][-1].sum().backward()
    assert float(x.grad[0]) == 0.0


def test_a_state_alone_and_a_pair_of_states_are_both_taken() -> None:
    rnn, x, _ = setting()
    h0, c0 = torch.ones(1, 3, 5).double(), torch.zeros(1, 3, 5).double()
    assert torch.equal(trace(rnn, x, h0)["l0.fwd"].c, trace(rnn, x, (h0, c0))["l0.fwd"].c)
    assert not torch.equal(trace(rnn, x, h0)["l0.fwd"].c, trace(rnn, x)["l0.fwd"].c)


@pytest.mark.parametrize("cell", [nn.GRU, nn.RNN])
def test_other_cells_are_refused(cell: type[nn.RNNBase]) -> None:
    rnn, x = cell(4, 5), torch.zeros(6, 3, 4)
    with pytest.raises(TypeError, match=cell.__name__):
        trace(rnn, x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=cell.__name__):
        gradient_flow(rnn, x, torch.zeros(6, 3, 5))  # type: ignore[arg-type]


def test_shapes_that_do_not_fit_are_named() -> None:
    rnn, x, grad_output = setting()
    with pytest.raises(ValueError, match=r"x has the shape \(6, 4\)"):
        trace(rnn, x[:, 0])
    with pytest.raises(ValueError, match="I = 4"):
        trace(rnn, x[..., :3])
    with pytest.raises(ValueError, match="lengths must be 3 numbers from 1 to 6"):
        trace(rnn, x, lengths=torch.tensor([0, 1, 6]))
    with pytest.raises(ValueError, match="lengths must be 3"):
        trace(rnn, x, lengths=torch.tensor([6, 6]))
    with pytest.raises(ValueError, match="h_0 and c_0"):
        trace(rnn, x, torch.zeros(2, 3, 5).double())
    with pytest.raises(ValueError, match="grad_output has the shape"):
        gradient_flow(rnn, x, grad_output[:3])
    with pytest.raises(ValueError, match="bptt_length is 0"):
        gradient_flow(rnn, x, grad_output, bptt_length=0)
    both, x, grad_output = setting(bidirectional=True)
    with pytest.raises(ValueError, match="bidirectional"):
        gradient_flow(both, x, grad_output, bptt_length=3)


def test_saturation_is_a_share_of_the_values_that_are_there() -> None:
    gate = torch.tensor([[[0.05, 0.5]], [[0.95, 0.2]], [[0.0, 0.0]]])  # (T, B, H)
    assert saturation(gate[:2]) == 0.5
    assert saturation(gate, lengths=torch.tensor([2])) == 0.5
    assert saturation(gate) == pytest.approx(4 / 6)
    assert saturation(torch.tensor([-0.95, 0.0, 0.3, 0.95]).abs(), low=0.0) == 0.5


def test_spectrum_gives_back_the_singular_values_a_matrix_was_made_of() -> None:
    generator = torch.Generator().manual_seed(1)
    left, _ = torch.linalg.qr(torch.randn(5, 3, generator=generator, dtype=torch.double))
    right, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.double))
    values = torch.tensor([2.0, 0.5, 1e-3], dtype=torch.double)
    torch.testing.assert_close(spectrum(left @ values.diag() @ right), values)


def test_spectral_radius_is_not_the_largest_singular_value() -> None:
    shear = torch.tensor([[0.5, 100.0], [0.0, -0.7]])
    assert spectral_radius(shear) == pytest.approx(0.7)
    assert float(spectrum(shear)[0]) > 100
    turn = 0.9 * torch.tensor([[0.6, -0.8], [0.8, 0.6]])  # its eigenvalues are a complex pair
    assert spectral_radius(turn) == pytest.approx(0.9)
    with pytest.raises(ValueError, match="square"):
        spectral_radius(torch.zeros(3, 2))


def test_weight_statistics_by_hand() -> None:
    assert weight_statistics(torch.tensor([[1.0, 2.0], [3.0, 6.0]])) == pytest.approx(
        {"mean": 3.0, "std": 3.5**0.5, "min": 1.0, "max": 6.0}
    )
