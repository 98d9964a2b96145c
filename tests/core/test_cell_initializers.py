"""What each way to draw the first weights means for each of the five cells."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lstm_core import recipes as r
from lstm_core.cells import CELLS
from lstm_core.initializers import BIASES, INITIALIZERS, effective_bias, gate_blocks, initialize
from lstm_core.probes import gradient_flow, trace
from lstm_core.recurrent import make

torch.set_num_threads(1)

H, I = 16, 3  # noqa: E741
KEEPING = [name for name, cell in CELLS.items() if cell.keep]
SIMPLE = [name for name, cell in CELLS.items() if not cell.keep]


def drawn(cell: str, config: r.InitConfig, seed: int = 0, length: int | None = 20, **arguments: Any) -> nn.RNNBase:
    rnn = make(cell, I, H, **arguments)
    for parameter in rnn.parameters():
        nn.init.constant_(parameter, torch.nan)
    return initialize(rnn, config, generator=torch.Generator().manual_seed(seed), length=length)


def blocks(rnn: nn.RNNBase, cell: str) -> dict[str, Tensor]:
    return gate_blocks(rnn.weight_hh_l0.detach(), CELLS[cell].kernel)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("preset", [preset for preset in r.PRESETS if preset != "chrono"])
def test_every_preset_draws_every_parameter_of_every_cell(cell: str, preset: str) -> None:
    rnn = drawn(cell, r.InitConfig(preset=preset), num_layers=2, bidirectional=True)
    assert all(bool(parameter.isfinite().all()) for parameter in rnn.parameters())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("per_gate", [False, True])
@pytest.mark.parametrize("scheme", INITIALIZERS)
def test_every_scheme_draws_every_matrix_of_every_cell(cell: str, per_gate: bool, scheme: str) -> None:
    recipe = {"scheme": scheme}
    config = {"weight_ih": recipe, "weight_hh": recipe, "bias": {"scheme": "zeros"}, "per_gate": per_gate}
    rnn = drawn(cell, r.InitConfig.model_validate(config), num_layers=2)
    assert all(bool(parameter.isfinite().all()) for parameter in rnn.parameters())
    assert bool(rnn.weight_hh_l0.any()) is (scheme != "zeros")


@pytest.mark.parametrize("cell", SIMPLE)
def test_a_simple_network_has_no_gate_for_a_forget_bias(cell: str) -> None:
    """A preset that only comes with one leaves it out; asked for by name it is refused, as is chrono."""
    for preset in ("keras", "orthogonal"):
        rnn = drawn(cell, r.InitConfig(preset=preset))
        assert not rnn.bias_ih_l0.any()
        assert not rnn.bias_hh_l0.any()
        torch.testing.assert_close(rnn.weight_hh_l0 @ rnn.weight_hh_l0.T, torch.eye(H), atol=1e-5, rtol=0.0)
    for config in (
        r.InitConfig(preset="chrono"),
        r.InitConfig(preset="keras", bias=r.BiasForget()),
        r.InitConfig(bias=r.BiasChrono(t_max=9)),
    ):
        with pytest.raises(ValueError, match=r"nn\.RNN has no gate that could keep its state.*an LSTM or a GRU"):
            drawn(cell, config)


@pytest.mark.parametrize("scheme", BIASES)
@pytest.mark.parametrize("preset", r.PRESETS)
def test_an_lstm_with_relu_starts_as_an_lstm_does(scheme: str, preset: str) -> None:
    config = r.InitConfig.model_validate({"preset": preset, "bias": {"scheme": scheme}})
    arguments = {"num_layers": 2, "bidirectional": True}
    lstm, relu = drawn("lstm", config, **arguments), drawn("lstm_relu", config, **arguments)
    assert all(torch.equal(a, b) for a, b in zip(lstm.parameters(), relu.parameters(), strict=True))
    for layer in ("l0.fwd", "l1.bwd"):
        for gate, bias in effective_bias(relu, layer).items():
            assert torch.equal(bias, effective_bias(lstm, layer)[gate])


@pytest.mark.parametrize("cell", CELLS)
def test_a_constant_bias_is_what_every_gate_gets(cell: str) -> None:
    """With no weights the first step shows it; in a GRU's n it must act whatever r is, so it stands outside of it."""
    b = 0.3
    config = r.InitConfig(weight_ih=r.Zeros(), weight_hh=r.Zeros(), bias=r.BiasConstant(value=b))
    layer = trace(drawn(cell, config), torch.zeros(1, 1, I))["l0.fwd"]
    sigmoid, squashed = 1 / (1 + math.exp(-b)), b if "relu" in cell else math.tanh(b)
    expected = dict.fromkeys("iforz", sigmoid) | {"g": squashed, "n": squashed, "h": squashed}
    for gate in CELLS[cell].gates:
        assert layer[gate].flatten().tolist() == pytest.approx([expected[gate]] * H)
    candidate_only = drawn(cell, config)
    if cell == "gru":
        with torch.no_grad():
            gate_blocks(candidate_only.bias_ih_l0, "GRU")["r"].fill_(-30.0)
        shut = trace(candidate_only, torch.zeros(1, 1, I))["l0.fwd"]
        assert float(shut.r.max()) < 1e-9
        assert shut.n.flatten().tolist() == pytest.approx([squashed] * H)


@pytest.mark.parametrize("cell", KEEPING)
def test_a_forget_bias_sets_how_fast_a_state_fades(cell: str) -> None:
    """With no weights every step keeps σ(b) of the state, in the cell state or, in a GRU, in h itself."""
    config = r.InitConfig(weight_ih=r.Zeros(), weight_hh=r.Zeros(), bias=r.BiasForget(value=2.0))
    state, none = torch.ones(1, 1, H), torch.zeros(1, 1, H)
    kept = CELLS[cell].states[-1]
    h0 = (none, state) if kept == "c" else state
    values = trace(drawn(cell, config), torch.zeros(10, 1, I), h0)["l0.fwd"][kept][:, 0]
    torch.testing.assert_close(values, (1 / (1 + math.exp(-2.0))) ** torch.arange(1.0, 11.0)[:, None].expand(10, H))


@pytest.mark.parametrize("cell", KEEPING)
def test_chrono_gives_memories_of_all_lengths(cell: str) -> None:
    """1 / (1 − keep) is the time a state lasts: 1 + U[1, T_max − 1], whichever gate it is that keeps."""
    rnn = make(cell, I, 2000)
    initialize(rnn, r.InitConfig(bias=r.BiasChrono(t_max=50)), generator=torch.Generator().manual_seed(0))
    bias = effective_bias(rnn, "l0.fwd")
    keep = bias[CELLS[cell].keep or ""].double().sigmoid()
    lasts = 1 / (1 - keep)
    assert 2.0 <= float(lasts.min()) < 2.2
    assert 49.8 < float(lasts.max()) <= 50.001
    assert float(lasts.median()) == pytest.approx(26, abs=1.5)
    others = [gate for gate in CELLS[cell].gates if gate not in (CELLS[cell].keep, "i")]
    assert not any(bias[gate].any() for gate in others)
    if "i" in bias:
        assert torch.equal(bias["i"], -bias[CELLS[cell].keep or ""])


def test_irnn_adds_up_and_lets_every_gradient_through() -> None:
    """Identity and ReLU: h_t is the sum of what came in, and ∂L/∂h keeps its size over any time (Le et al., 2015)."""
    steps = 200
    rnn = drawn("rnn_relu", r.InitConfig(preset="irnn", weight_ih=r.Constant(value=0.25)))
    assert torch.equal(rnn.weight_hh_l0.detach(), torch.eye(H))
    x, grad_output = torch.ones(steps, 1, I), torch.zeros(steps, 1, H)
    grad_output[-1] = 1.0
    expected = 0.25 * I * torch.arange(1.0, steps + 1)[:, None].expand(steps, H)
    torch.testing.assert_close(trace(rnn, x)["l0.fwd"].h[:, 0], expected)
    assert gradient_flow(rnn, x, grad_output)["l0.fwd"].h.flatten().tolist() == pytest.approx([math.sqrt(H)] * steps)
    tanh = drawn("rnn_tanh", r.InitConfig(preset="irnn", weight_ih=r.Constant(value=0.25)))
    assert float(gradient_flow(tanh, x, grad_output)["l0.fwd"].h[0]) < 1e-9  # where tanh saturates, nothing is left


@pytest.mark.parametrize("cell", CELLS)
def test_identity_per_gate_is_one_for_every_gate_and_stacked_for_the_first(cell: str) -> None:
    per_gate = drawn(cell, r.InitConfig(weight_hh=r.Identity(), per_gate=True))
    assert all(torch.equal(block, torch.eye(H)) for block in blocks(per_gate, cell).values())
    first, *others = blocks(drawn(cell, r.InitConfig(weight_hh=r.Identity(), per_gate=False)), cell).values()
    assert torch.equal(first, torch.eye(H))
    assert not any(block.any() for block in others)


@pytest.mark.parametrize("cell", CELLS)
def test_all_equal_keeps_every_unit_the_same(cell: str) -> None:
    rnn = drawn(cell, r.InitConfig(preset="all_equal"))
    x = torch.randn(6, 2, I, generator=torch.Generator().manual_seed(1))
    for values in trace(rnn, x)["l0.fwd"].values():
        assert torch.equal(values, values[..., :1].expand_as(values))
