"""`trace` and `gradient_flow` against a double-precision loop over torch's cells and autograd, and the small probes."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lstm_core.cells import CELLS
from lstm_core.probes import (
    Trace,
    gradient_flow,
    saturation,
    spectral_radius,
    spectrum,
    trace,
    weight_statistics,
)
from lstm_core.recurrent import make
from tests.core.cell_loops import Case, cases, cell_loop

torch.set_num_threads(1)

# torch says that projections leave its fast kernel; that is no fault
pytestmark = pytest.mark.filterwarnings("ignore:.*projections.*")


def relative(measured: Tensor, truth: Tensor) -> float:
    """‖measured − truth‖ / ‖truth‖ of a whole array, in double precision; 0 / 0 is 0."""
    difference = float((measured.double() - truth).norm())
    return difference / max(float(truth.norm()), 1e-300) if difference else 0.0


def measured(case: Case) -> tuple[dict[str, Trace], dict[str, dict[str, Tensor]]]:
    traces = trace(case.rnn, case.x, case.h0, case.lengths)
    flow = gradient_flow(
        case.rnn, case.x, case.grad_output, case.h0, case.lengths, case.bptt_length, grad_final=case.grad_final
    )
    return traces, {name: {"h": f.h} | ({} if f.c is None else {"c": f.c}) for name, f in flow.items()}


def check(case: Case) -> None:
    """In double precision every point of every curve, in single precision every array as a whole."""
    expected_traces, expected_norms = cell_loop(case)
    for precision, tolerance in ((case, 1e-6), (case.single(), 1e-4)):
        traces, norms = measured(precision)
        assert list(traces) == list(norms) == list(expected_traces)
        for name in expected_traces:
            assert traces[name].names == case.quantities
            assert tuple(norms[name]) == case.states
            for field in case.quantities:
                found, truth = traces[name][field], expected_traces[name][field]
                assert found.dtype == precision.x.dtype
                assert found.shape == truth.shape
                assert relative(found, truth) <= tolerance, (name, field)
            for field in case.states:
                found, truth = norms[name][field], expected_norms[name][field]
                assert found.dtype == torch.double
                assert found.shape == truth.shape
                assert relative(found, truth) <= tolerance, (name, field)
                if tolerance == 1e-6:  # every single point of the curve, however small
                    torch.testing.assert_close(found, truth, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=120, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_gates_states_and_gradients_are_those_of_a_cell_loop(cell: str, data: st.DataObject) -> None:
    check(data.draw(cases(cell)))


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_at_the_size_of_a_real_run(cell: str) -> None:
    generator = torch.Generator().manual_seed(3)
    rnn = make(cell, 8, 32, 2, bidirectional=True)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.uniform_(-(32**-0.5), 32**-0.5, generator=generator)
    x, grad_output = torch.randn(40, 3, 8, generator=generator), torch.randn(40, 3, 64, generator=generator)
    check(Case(rnn.double(), x.double(), None, torch.tensor([40, 17, 33]), grad_output.double(), None))


def setting(
    cell: str = "lstm", seed: int = 0, dtype: torch.dtype = torch.double, **arguments: Any
) -> tuple[nn.RNNBase, Tensor, Tensor]:
    """A network with an input of 6 steps for 3 sequences and a gradient for its output."""
    generator = torch.Generator().manual_seed(seed)
    rnn = make(cell, 4, 5, **arguments).to(dtype)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.uniform_(-0.5, 0.5, generator=generator)
    x = torch.randn(6, 3, 4, dtype=dtype, generator=generator)
    width = (rnn.proj_size or rnn.hidden_size) * (2 if rnn.bidirectional else 1)
    return rnn, x, torch.randn(6, 3, width, dtype=dtype, generator=generator)


@pytest.mark.parametrize("cell", CELLS)
def test_the_top_layer_is_what_the_network_itself_puts_out(cell: str) -> None:
    rnn, x, _ = setting(cell, num_layers=2, bidirectional=True)
    traces = trace(rnn, x)
    output, end = rnn(x)
    torch.testing.assert_close(torch.cat([traces["l1.fwd"].h, traces["l1.bwd"].h], dim=-1), output.detach())
    state, name = (end[1], "c") if isinstance(end, tuple) else (end, "h")
    torch.testing.assert_close(traces["l0.fwd"][name][-1], state[0].detach())
    torch.testing.assert_close(traces["l0.bwd"][name][0], state[1].detach())  # it arrives at the first step last


def test_a_trace_knows_what_it_has() -> None:
    rnn, x, _ = setting("gru")
    layer = trace(rnn, x)["l0.fwd"]
    assert layer.names == tuple(layer) == ("r", "z", "n", "h")
    assert layer.z is layer["z"]
    assert layer.map(torch.zeros_like).names == layer.names
    assert torch.equal(pickle.loads(pickle.dumps(layer)).n, layer.n)
    with pytest.raises(AttributeError, match="r, z, n, h, and no f"):
        _ = layer.f
    with pytest.raises(KeyError):
        _ = layer["f"]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("training", [True, False])
def test_probing_leaves_no_mark(cell: str, training: bool) -> None:
    rnn, x, grad_output = setting(cell, num_layers=2, bidirectional=True, dropout=0.5)
    rnn.train(training)
    rnn(x)[0].sum().backward()
    x.requires_grad_()
    final = torch.ones(4, 3, 5).double()
    weights = {name: p.detach().clone() for name, p in rnn.named_parameters()}
    grads = {name: p.grad.clone() for name, p in rnn.named_parameters()}
    given = [values.detach().clone() for values in (x, grad_output, final)]
    streams = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()

    traces = trace(rnn, x)
    flow = gradient_flow(rnn, x, grad_output, grad_final=(final, None))

    assert torch.equal(torch.get_rng_state(), streams[0])
    assert (np.random.get_state()[1] == streams[1]).all()
    assert random.getstate() == streams[2]
    assert rnn.training is training
    assert x.grad is None
    assert all(torch.equal(a, b) for a, b in zip((x, grad_output, final), given, strict=True))
    for name, parameter in rnn.named_parameters():
        assert torch.equal(parameter, weights[name])
        assert torch.equal(parameter.grad, grads[name])
        assert parameter.requires_grad
    assert not any(values.requires_grad for layer in traces.values() for values in layer.values())
    assert not any(f.h.requires_grad or (f.c is not None and f.c.requires_grad) for f in flow.values())


@pytest.mark.parametrize("cell", CELLS)
def test_what_stands_in_the_padding_does_not_matter(cell: str) -> None:
    rnn, x, grad_output = setting(cell, num_layers=2, bidirectional=True)
    lengths = torch.tensor([6, 2, 4])
    padded = torch.arange(6)[:, None] >= lengths
    spoiled_x, spoiled_grad = x.clone(), grad_output.clone()
    spoiled_x[padded] = torch.nan
    spoiled_grad[padded] = torch.nan
    clean = trace(rnn, x, lengths=lengths), gradient_flow(rnn, x, grad_output, lengths=lengths)
    spoiled = trace(rnn, spoiled_x, lengths=lengths), gradient_flow(rnn, spoiled_x, spoiled_grad, lengths=lengths)
    for name in clean[0]:
        for field, values in spoiled[0][name].items():
            assert torch.equal(values, clean[0][name][field])
            assert (values[padded] == 0).all()
        for field in CELLS[cell].states:
            values = getattr(spoiled[1][name], field)
            assert torch.equal(values, getattr(clean[1][name], field))
            assert (values[padded] == 0).all()
            assert (values[~padded] > 0).all() or cell in ("lstm_relu", "rnn_relu")  # there a gradient can be 0


def test_a_given_trace_is_used_and_not_measured_again() -> None:
    rnn, x, grad_output = setting(num_layers=2)
    traces = trace(rnn, x)
    expected = gradient_flow(rnn, x, grad_output)
    again = gradient_flow(rnn, x, grad_output, trace=traces)
    assert all(torch.equal(again[n].h, expected[n].h) and torch.equal(again[n].c, expected[n].c) for n in traces)
    shut = {name: t.map(torch.zeros_like) for name, t in traces.items()}  # no gate open: nothing flows
    assert float(gradient_flow(rnn, x, grad_output, trace=shut)["l0.fwd"].h.abs().max()) == 0.0


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_below_single_precision_keep_their_size(cell: str) -> None:
    """What halves the gradient at each step: after 300 steps autograd in 32 bits has only 0 left.

    In the gated cells this is a gate of σ(0) = 1/2 that keeps the state, in a simple network a weight of 1/2.
    """
    steps, state = 300, CELLS[cell].states[-1]
    rnn = make(cell, 1, 1)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.zero_()
        if state == "c":
            rnn.weight_ih_l0[2] = 1.0
        elif cell != "gru":
            rnn.weight_hh_l0.fill_(0.5)
            rnn.bias_ih_l0.fill_(1.0 if cell == "rnn_relu" else 0.0)
    x, grad_output = torch.ones(steps, 1, 1), torch.zeros(steps, 1, 1)
    grad_output[-1] = 1.0
    norms = getattr(gradient_flow(rnn, x, grad_output)["l0.fwd"], state)[:, 0]
    assert norms.dtype == torch.double
    assert float(norms[0]) > 0.0
    halves = torch.full((steps - 1,), 0.5, dtype=torch.double)
    torch.testing.assert_close(norms[:-1] / norms[1:], halves, rtol=1e-12, atol=0.0)
    h0 = torch.zeros(1, 1, 1, requires_grad=True)
    start = (torch.zeros(1, 1, 1), h0) if state == "c" else h0
    rnn(x, start)[0][-1].sum().backward()
    assert float(h0.grad) == 0.0


def test_a_state_alone_and_a_pair_of_states_are_both_taken() -> None:
    rnn, x, _ = setting()
    h0, c0 = torch.ones(1, 3, 5).double(), torch.zeros(1, 3, 5).double()
    assert torch.equal(trace(rnn, x, h0)["l0.fwd"].c, trace(rnn, x, (h0, c0))["l0.fwd"].c)
    assert not torch.equal(trace(rnn, x, h0)["l0.fwd"].c, trace(rnn, x)["l0.fwd"].c)


def test_what_is_no_recurrent_layer_is_refused() -> None:
    with pytest.raises(TypeError, match="Linear"):
        trace(nn.Linear(4, 5), torch.zeros(6, 3, 4))  # type: ignore[arg-type]


def test_a_cell_state_is_refused_where_there_is_none() -> None:
    rnn, x, grad_output = setting("gru")
    state = torch.zeros(1, 3, 5).double()
    with pytest.raises(ValueError, match="A GRU has no cell state; give h_0 alone"):
        trace(rnn, x, (state, state))
    with pytest.raises(ValueError, match="give ∂L/∂h_n alone"):
        gradient_flow(rnn, x, grad_output, grad_final=(None, state))
    assert gradient_flow(rnn, x, grad_output, grad_final=(state, None))["l0.fwd"].c is None


def test_a_loss_of_the_final_state_alone_starts_where_each_sequence_ends() -> None:
    rnn, x, grad_output = setting(bidirectional=True)
    final, lengths = (torch.ones(2, 3, 5).double(), None), torch.tensor([6, 2, 4])
    flow = gradient_flow(rnn, x, 0 * grad_output, lengths=lengths, grad_final=final)
    for b, length in enumerate(lengths.tolist()):
        assert float(flow["l0.fwd"].h[length - 1, b]) == pytest.approx(5**0.5)
        assert float(flow["l0.bwd"].h[0, b]) == pytest.approx(5**0.5)
        assert (flow["l0.fwd"].h[:length, b] > 0).all()
        assert (flow["l0.bwd"].h[:length, b] > 0).all()
        assert not flow["l0.fwd"].h[length:, b].any()


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
    with pytest.raises(ValueError, match="∂L/∂h_n and ∂L/∂c_n have the shapes"):
        gradient_flow(rnn, x, grad_output, grad_final=(torch.zeros(1, 2, 5), None))
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
