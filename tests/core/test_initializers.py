"""Weights by their distribution: moments, bounds, spectra and fans worked out here, not by drawing twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn

from lstm_core import recipes as r
from lstm_core.initializers import (
    BIASES,
    GATES,
    INITIALIZERS,
    effective_bias,
    gate_blocks,
    initialize,
    initialize_module,
)

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore:.*projections.*")

CELLS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
H, I = 64, 24  # noqa: E741


def drawn(
    config: r.InitConfig,
    cell: str = "LSTM",
    *,
    seed: int = 0,
    length: int | None = None,
    input_size: int = I,
    hidden_size: int = H,
    **arguments: Any,
) -> nn.RNNBase:
    rnn = CELLS[cell](input_size, hidden_size, **arguments)
    return initialize(rnn, config, generator=torch.Generator().manual_seed(seed), length=length)


def both(recipe: r.Recipe, per_gate: bool = True) -> r.InitConfig:
    return r.InitConfig(weight_ih=recipe, weight_hh=recipe, bias=r.BiasZeros(), per_gate=per_gate)


def looks_like(values: Tensor, distribution: Callable[..., object]) -> None:
    """Kolmogorov and Smirnov find no difference; the seeds are fixed, so this never fails by chance alone."""
    assert stats.kstest(values.detach().double().flatten().numpy(), distribution).pvalue > 1e-3


def uniform(low: float, high: float) -> Callable[..., object]:
    return stats.uniform(low, high - low).cdf


def matrices(rnn: nn.RNNBase) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in rnn.named_parameters() if name.startswith("weight")}


# ---- weights


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("per_gate", [False, True])
def test_plain_distributions(cell: str, per_gate: bool) -> None:
    for recipe, distribution in (
        (r.PyTorch(), uniform(-1 / math.sqrt(H), 1 / math.sqrt(H))),
        (r.Uniform(low=-0.2, high=0.6), uniform(-0.2, 0.6)),
        (r.Normal(mean=0.3, std=0.05), stats.norm(0.3, 0.05).cdf),
        (r.TruncatedNormal(mean=-0.1, std=0.4), stats.truncnorm(-2, 2, -0.1, 0.4).cdf),
    ):
        for weight in matrices(drawn(both(recipe, per_gate), cell)).values():
            looks_like(weight, distribution)
            low, high = stats_support(recipe)
            assert float(weight.min()) >= low - 1e-6
            assert float(weight.max()) <= high + 1e-6


def stats_support(recipe: r.Recipe) -> tuple[float, float]:
    if isinstance(recipe, r.TruncatedNormal):
        return recipe.mean - 2 * recipe.std, recipe.mean + 2 * recipe.std
    if isinstance(recipe, r.Uniform):
        return recipe.low, recipe.high
    return (-1 / math.sqrt(H), 1 / math.sqrt(H)) if isinstance(recipe, r.PyTorch) else (-math.inf, math.inf)


def test_a_truncated_normal_without_spread_is_its_mean() -> None:
    rnn = drawn(both(r.TruncatedNormal(mean=0.5, std=0.0)))
    assert all((weight == 0.5).all() for weight in matrices(rnn).values())


def test_fixed_values() -> None:
    assert all((w == 0).all() for w in matrices(drawn(both(r.Zeros()))).values())
    assert all((w == 0.25).all() for w in matrices(drawn(both(r.Constant(value=0.25)))).values())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("per_gate", [False, True])
@pytest.mark.parametrize(
    ("recipe", "gain", "fan"),
    [
        (r.XavierUniform(gain=1.5), 1.5, "mean"),
        (r.XavierNormal(gain=0.5), 0.5, "mean"),
        (r.KaimingUniform(), math.sqrt(2), "in"),
        (r.KaimingNormal(), math.sqrt(2), "in"),
        (r.KaimingNormal(mode="fan_out", nonlinearity="tanh"), 5 / 3, "out"),
        (r.KaimingUniform(a=0.3, nonlinearity="leaky_relu"), math.sqrt(2 / 1.09), "in"),
        (r.KaimingUniform(mode="fan_out", nonlinearity="linear"), 1.0, "out"),
    ],
    ids=str,
)
def test_the_spread_follows_the_fans_of_what_is_drawn_at_once(
    cell: str, per_gate: bool, recipe: r.Recipe, gain: float, fan: str
) -> None:
    rnn = drawn(both(recipe, per_gate), cell)
    for weight in matrices(rnn).values():
        rows, columns = (H if per_gate else len(weight)), weight.shape[1]
        expected = gain / math.sqrt({"in": columns, "out": rows, "mean": (rows + columns) / 2}[fan])
        if "uniform" in recipe.scheme:
            bound = math.sqrt(3) * expected
            looks_like(weight, uniform(-bound, bound))
            assert 0.98 * bound < float(weight.abs().max()) <= bound * (1 + 1e-6)
        else:
            looks_like(weight, stats.norm(0, expected).cdf)
        assert float(weight.std()) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_orthogonal_per_gate_turns_and_does_not_stretch(cell: str, gain: float) -> None:
    rnn = drawn(both(r.Orthogonal(gain=gain)), cell)
    for block in gate_blocks(rnn.weight_hh_l0.detach(), cell).values():
        torch.testing.assert_close(block @ block.T, gain**2 * torch.eye(H), atol=1e-5, rtol=0.0)
        torch.testing.assert_close(torch.linalg.svdvals(block), torch.full((H,), gain), atol=1e-5, rtol=0.0)
    for block in gate_blocks(rnn.weight_ih_l0.detach(), cell).values():  # (H, I), taller than wide
        torch.testing.assert_close(block.T @ block, gain**2 * torch.eye(I), atol=1e-5, rtol=0.0)


def test_orthogonal_stacked_is_orthogonal_as_a_whole_only() -> None:
    weight = drawn(both(r.Orthogonal(gain=1.2), per_gate=False)).weight_hh_l0.detach()
    torch.testing.assert_close(weight.T @ weight, 1.44 * torch.eye(H), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(torch.linalg.svdvals(weight), torch.full((H,), 1.2), atol=1e-5, rtol=0.0)
    for block in gate_blocks(weight, "LSTM").values():  # a gate has about half of it, unevenly
        values = torch.linalg.svdvals(block)
        assert float(values.max()) > 2 * float(values.min())
        assert float(block.norm()) == pytest.approx(1.2 * math.sqrt(H) / 2, rel=0.1)


def test_orthogonal_matrices_are_uniform_among_all_rotations() -> None:
    """The trace of a Haar orthogonal matrix has mean 0 and variance 1; without torch's sign correction it has not."""
    networks = [drawn(both(r.Orthogonal()), seed=seed) for seed in range(200)]
    traces = [float(gate_blocks(rnn.weight_hh_l0.detach(), "LSTM")["f"].trace()) for rnn in networks]
    assert abs(sum(traces) / 200) < 4 / math.sqrt(200)
    assert 0.7 < torch.tensor(traces).var() < 1.4


def test_identity_per_gate_and_stacked() -> None:
    rnn = drawn(both(r.Identity(scale=0.5)))
    for block in gate_blocks(rnn.weight_hh_l0.detach(), "LSTM").values():
        assert torch.equal(block, 0.5 * torch.eye(H))
    for block in gate_blocks(rnn.weight_ih_l0.detach(), "LSTM").values():  # not square: the diagonal that there is
        assert torch.equal(block, 0.5 * torch.eye(H, I))
    stacked = drawn(both(r.Identity(scale=0.5), per_gate=False)).weight_hh_l0.detach()
    assert torch.equal(stacked, 0.5 * torch.eye(4 * H, H))  # the first gate alone


@pytest.mark.parametrize("per_gate", [False, True])
def test_sparse_leaves_the_same_share_of_zeros_in_every_column(per_gate: bool) -> None:
    weight = drawn(both(r.Sparse(sparsity=0.75, std=0.2), per_gate)).weight_hh_l0.detach()
    for block in gate_blocks(weight, "LSTM").values() if per_gate else [weight]:
        assert ((block == 0).sum(dim=0) == 0.75 * len(block)).all()
        looks_like(block[block != 0], stats.norm(0, 0.2).cdf)
    zeros_in_row = (weight == 0).double().mean(dim=1)
    assert 0.4 < float(zeros_in_row.min()) < float(zeros_in_row.max()) < 1.01  # they are spread over the rows


# ---- biases


@pytest.mark.parametrize("cell", CELLS)
def test_the_default_bias_is_drawn_in_both_vectors(cell: str) -> None:
    rnn = drawn(r.InitConfig(preset="pytorch"), cell, hidden_size=256)
    bound = 1 / math.sqrt(256)
    for name in ("bias_ih_l0", "bias_hh_l0"):
        looks_like(getattr(rnn, name), uniform(-bound, bound))
    assert not torch.equal(rnn.bias_ih_l0, rnn.bias_hh_l0)
    total = torch.cat(list(effective_bias(rnn, "l0.fwd").values()))
    looks_like(total, stats.triang(0.5, -2 * bound, 4 * bound).cdf)


@pytest.mark.parametrize(("cell", "keep"), [("LSTM", "f"), ("GRU", "z")])
def test_a_forget_bias_is_the_effective_bias_of_the_gate_that_keeps(cell: str, keep: str) -> None:
    rnn = drawn(r.InitConfig(bias=r.BiasForget(value=1.5)), cell, num_layers=2, bidirectional=True)
    for layer in ("l0.fwd", "l0.bwd", "l1.fwd", "l1.bwd"):
        for gate, bias in effective_bias(rnn, layer).items():
            assert torch.equal(bias, torch.full((H,), 1.5 if gate == keep else 0.0))


@pytest.mark.parametrize(("cell", "keep"), [("LSTM", "f"), ("GRU", "z")])
def test_the_gate_that_keeps_is_the_one_that_keeps(cell: str, keep: str) -> None:
    """With an immense bias there and no weights the state stays what it was, whatever the names of the gates."""
    config = r.InitConfig(weight_ih=r.Zeros(), weight_hh=r.Zeros(), bias=r.BiasForget(value=20.0))
    rnn = drawn(config, cell, hidden_size=3, input_size=2)
    state = torch.tensor([[[0.5, -0.25, 0.125]]])
    h0 = (torch.zeros(1, 1, 3), state) if cell == "LSTM" else state
    _, end = rnn(torch.ones(30, 1, 2), h0)
    torch.testing.assert_close(end[1] if cell == "LSTM" else end, state)
    assert keep in GATES[cell]


@pytest.mark.parametrize("cell", CELLS)
def test_a_constant_bias_is_not_counted_twice(cell: str) -> None:
    rnn = drawn(r.InitConfig(bias=r.BiasConstant(value=0.3)), cell)
    assert all(torch.equal(b, torch.full((H,), 0.3)) for b in effective_bias(rnn, "l0.fwd").values())
    assert not rnn.bias_hh_l0.any()


@pytest.mark.parametrize(
    ("t_max", "length", "longest"), [(None, 40, 40), (200, 40, 200), (200, None, 200), (None, 2, 2)]
)
def test_chrono_is_the_logarithm_of_a_uniform_time(t_max: int | None, length: int | None, longest: int) -> None:
    rnn = drawn(r.InitConfig(bias=r.BiasChrono(t_max=t_max)), length=length, hidden_size=512)
    bias = effective_bias(rnn, "l0.fwd")
    if longest > 2:
        looks_like(bias["f"].exp(), uniform(1, longest - 1))
        for q in (0.1, 0.5, 0.9):
            assert float(bias["f"].quantile(q)) == pytest.approx(math.log(1 + q * (longest - 2)), abs=0.25)
    assert float(bias["f"].min()) >= 0.0
    assert float(bias["f"].max()) <= math.log(longest - 1) + 1e-6
    assert torch.equal(bias["i"], -bias["f"])
    assert not bias["g"].any()
    assert not bias["o"].any()


def test_chrono_of_a_gru_is_on_its_update_gate_alone() -> None:
    bias = effective_bias(drawn(r.InitConfig(bias=r.BiasChrono(t_max=60)), "GRU", hidden_size=512), "l0.fwd")
    looks_like(bias["z"].exp(), uniform(1, 59))
    assert not bias["r"].any()
    assert not bias["n"].any()


def test_a_bias_the_network_cannot_have_is_refused() -> None:
    for recipe in (r.BiasForget(), r.BiasChrono(t_max=10)):
        with pytest.raises(ValueError, match=r"nn\.RNN has no gate"):
            drawn(r.InitConfig(bias=recipe), "RNN")
    with pytest.raises(ValueError, match="T_max"):
        drawn(r.InitConfig(preset="chrono"))
    with pytest.raises(ValueError, match="the sequence length is 1"):
        drawn(r.InitConfig(preset="chrono"), length=1)
    for recipe in (r.BiasForget(), r.BiasConstant(), r.BiasChrono(t_max=10)):
        with pytest.raises(ValueError, match="bias=False"):
            drawn(r.InitConfig(bias=recipe), bias=False)
    for allowed in (r.BiasPyTorch(), r.BiasZeros()):
        rnn = drawn(r.InitConfig(bias=allowed), bias=False)
        assert all(not bias.any() for bias in effective_bias(rnn, "l0.fwd").values())
    with pytest.raises(TypeError, match="Linear"):
        initialize(nn.Linear(2, 2), r.InitConfig())  # type: ignore[type-var]


def test_a_refusal_leaves_the_network_as_it_was() -> None:
    forget = r.InitConfig(bias=r.BiasForget())
    for rnn, config in ((nn.LSTM(2, 3), r.InitConfig(preset="chrono")), (nn.RNN(2, 3), forget)):
        before = [p.detach().clone() for p in rnn.parameters()]
        with pytest.raises(ValueError, match=r"T_max|nn\.RNN"):
            initialize(rnn, config)
        assert all(torch.equal(a, b) for a, b in zip(before, rnn.parameters(), strict=True))


# ---- whole networks


@pytest.mark.parametrize("preset", r.PRESETS)
@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_every_preset_fits_every_gated_network(preset: str, cell: str) -> None:
    rnn = drawn(r.InitConfig(preset=preset), cell, length=20, num_layers=2, bidirectional=True, hidden_size=8)
    assert all(bool(p.isfinite().all()) and p.requires_grad for p in rnn.parameters())


def test_presets_are_what_their_names_say() -> None:
    keras = drawn(r.InitConfig(preset="keras"))  # Glorot over the stacked matrix, orthogonal, unit forget bias
    bound = math.sqrt(6 / (I + 4 * H))
    looks_like(keras.weight_ih_l0, uniform(-bound, bound))
    torch.testing.assert_close(keras.weight_hh_l0.T @ keras.weight_hh_l0, torch.eye(H), atol=1e-5, rtol=0.0)
    assert float(effective_bias(keras, "l0.fwd")["f"].mean()) == 1.0
    irnn = drawn(r.InitConfig(preset="irnn"), "RNN")
    assert torch.equal(irnn.weight_hh_l0.detach(), torch.eye(H))
    looks_like(irnn.weight_ih_l0, stats.norm(0, 0.001).cdf)
    equal = drawn(r.InitConfig(preset="all_equal"))
    output = equal(torch.randn(5, 2, I, generator=torch.Generator().manual_seed(1)))[0]
    assert torch.equal(output, output[..., :1].expand_as(output))  # no unit ever differs from another
    for preset, std in (("small_gaussian", 0.01), ("large_gaussian", 1.0)):
        looks_like(drawn(r.InitConfig(preset=preset)).weight_hh_l0, stats.norm(0, std).cdf)


def test_a_projection_is_drawn_like_the_recurrent_weights() -> None:
    config = r.InitConfig(weight_ih=r.Zeros(), weight_hh=r.Orthogonal(), per_gate=True)
    rnn = drawn(config, proj_size=16)
    torch.testing.assert_close(rnn.weight_hr_l0 @ rnn.weight_hr_l0.T, torch.eye(16), atol=1e-5, rtol=0.0)
    assert rnn.weight_hh_l0.shape == (4 * H, 16)


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    cell=st.sampled_from(list(CELLS)),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    projection=st.integers(0, 15),
    per_gate=st.booleans(),
    std=st.floats(0.01, 3.0),
    seed=st.integers(0, 2**32),
)
def test_every_parameter_of_any_network_is_drawn(
    cell: str, layers: int, bidirectional: bool, bias: bool, projection: int, per_gate: bool, std: float, seed: int
) -> None:
    arguments = {"proj_size": projection} if cell == "LSTM" else {}
    rnn = CELLS[cell](7, 16, layers, bias=bias, bidirectional=bidirectional, **arguments)
    for parameter in rnn.parameters():
        nn.init.constant_(parameter, torch.nan)
    recipe = r.Normal(mean=0.0, std=std)
    config = r.InitConfig(weight_ih=recipe, weight_hh=recipe, bias=r.BiasZeros(), per_gate=per_gate)
    assert initialize(rnn, config, generator=torch.Generator().manual_seed(seed)) is rnn
    for name, parameter in rnn.requires_grad_(False).named_parameters():
        n = parameter.numel()
        if name.startswith("bias"):
            assert not parameter.any()
        else:  # within five standard errors
            assert abs(float(parameter.mean())) < 5 * std / math.sqrt(n)
            assert abs(float(parameter.square().mean()) / std**2 - 1) < 5 * math.sqrt(2 / n)
    weights = list(matrices(rnn).values())
    assert all(not torch.equal(a, b) for k, a in enumerate(weights) for b in weights[:k] if a.shape == b.shape)


# ---- streams


RECIPES = [recipe() for recipe in r.Recipe.__args__[0].__args__]  # type: ignore[attr-defined]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.scheme)
def test_a_generator_decides_everything_and_the_global_stream_rests(recipe: r.Recipe) -> None:
    config = r.InitConfig(weight_ih=recipe, weight_hh=recipe, bias=r.BiasChrono(t_max=9), per_gate=True)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, head = drawn(config, seed=5), nn.Linear(8, 4)
    torch.set_rng_state(state)
    for parameter in (rest := nn.LSTM(I, H)).parameters():
        parameter.detach().zero_()
    state = torch.get_rng_state()
    initialize(rest, config, generator=torch.Generator().manual_seed(5))
    initialize_module(head, recipe, torch.Generator().manual_seed(5))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    second, other = drawn(config, seed=5), drawn(config, seed=6)
    for a, b, c in zip(first.parameters(), rest.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
    assert not torch.equal(first.bias_ih_l0, other.bias_ih_l0)
    if recipe.scheme not in ("zeros", "constant", "identity"):
        assert not torch.equal(first.weight_hh_l0, other.weight_hh_l0)


def test_without_a_generator_the_global_seed_decides() -> None:
    torch.manual_seed(3)
    first = initialize(nn.LSTM(4, 5), r.InitConfig())
    torch.manual_seed(3)
    again = initialize(nn.LSTM(4, 5), r.InitConfig())
    more = initialize(nn.LSTM(4, 5), r.InitConfig())
    assert torch.equal(first.weight_hh_l0, again.weight_hh_l0)
    assert not torch.equal(first.weight_hh_l0, more.weight_hh_l0)


def test_settings_that_differ_in_one_part_agree_in_the_others() -> None:
    chrono = drawn(r.InitConfig(preset="chrono"), length=30)
    constant = drawn(r.InitConfig(preset="chrono", bias=r.BiasForget()))
    zeros = drawn(r.InitConfig(preset="chrono", weight_ih=r.Zeros()), length=30)
    assert torch.equal(chrono.weight_ih_l0, constant.weight_ih_l0)
    assert torch.equal(chrono.weight_hh_l0, constant.weight_hh_l0)
    assert torch.equal(chrono.weight_hh_l0, zeros.weight_hh_l0)
    assert torch.equal(chrono.bias_ih_l0, zeros.bias_ih_l0)


# ---- heads and attention


def test_the_default_of_a_linear_layer_is_its_own() -> None:
    head = initialize_module(nn.Linear(100, 300), r.PyTorch(), torch.Generator().manual_seed(0))
    looks_like(head.weight, uniform(-0.1, 0.1))
    looks_like(head.bias, uniform(-0.1, 0.1))


def test_any_other_recipe_leaves_a_linear_layer_without_bias() -> None:
    module = nn.Sequential(nn.Linear(200, 100), nn.Tanh(), nn.Linear(100, 50, bias=False))
    initialize_module(module, r.XavierNormal(), torch.Generator().manual_seed(0))
    looks_like(module[0].weight, stats.norm(0, math.sqrt(2 / 300)).cdf)
    looks_like(module[2].weight, stats.norm(0, math.sqrt(2 / 150)).cdf)
    assert not module[0].bias.any()


def test_a_module_it_cannot_draw_is_refused() -> None:
    with pytest.raises(TypeError, match="Embedding"):
        initialize_module(nn.Sequential(nn.Linear(2, 2), nn.Embedding(3, 2)), r.PyTorch())


# ---- names


def test_every_scheme_of_the_settings_has_its_function() -> None:
    assert [recipe.scheme for recipe in RECIPES] == list(INITIALIZERS)
    assert [recipe().scheme for recipe in r.BiasRecipe.__args__[0].__args__] == list(BIASES)  # type: ignore[attr-defined]


def test_gate_blocks_are_views_in_the_order_of_torch() -> None:
    weight = torch.arange(12.0).view(12, 1)
    blocks = gate_blocks(weight, "LSTM")
    assert {gate: block.flatten().tolist() for gate, block in blocks.items()} == {
        "i": [0, 1, 2],
        "f": [3, 4, 5],
        "g": [6, 7, 8],
        "o": [9, 10, 11],
    }
    blocks["f"].zero_()
    assert not weight[3:6].any()
