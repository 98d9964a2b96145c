"""Draws the first weights: `INITIALIZERS` for matrices, `BIASES` for biases, `initialize` for a recurrent network.

`torch.nn.init` does the drawing, always from an explicit generator. The settings are in `recipes.py`; a new
scheme is one class there and one line here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import init

from lstm_core.cells import CELLS, Kernel
from lstm_core.recipes import BiasChrono, BiasRecipe, InitConfig, Recipe

# How torch stacks the gates in the rows of weight_ih, weight_hh and the biases, by kernel: LSTM, GRU, RNN.
GATES: Mapping[str, str] = MappingProxyType({cell.kernel: cell.gates for cell in CELLS.values()})

# The gate that multiplies the old state, by kernel; a simple RNN has none.
KEEP_GATE: Mapping[str, str] = MappingProxyType({cell.kernel: cell.keep for cell in CELLS.values() if cell.keep})

Rnn = TypeVar("Rnn", bound=nn.RNNBase)
Module = TypeVar("Module", bound=nn.Module)
Draw = Callable[[Tensor, "How"], object]
DrawBias = Callable[["Biases", "How"], object]


@dataclass(frozen=True)
class How:
    """What a scheme draws by: its recipe, the width that torch's own default goes by, and the random stream."""

    recipe: Any
    width: int
    generator: torch.Generator


def initialize(
    rnn: Rnn, init_config: InitConfig, *, generator: torch.Generator | None = None, length: int | None = None
) -> Rnn:
    """Draw all weights of an `nn.LSTM`, `nn.GRU` or `nn.RNN` anew, in place, and give it back.

    `length` is the sequence length, for a chrono bias that leaves T_max open. With a `generator` the same seed gives
    the same weights and torch's global stream is untouched; without, the global stream is used, as `torch.nn.init`
    does. Input weights, recurrent weights and biases each draw from a stream of their own, so two settings that
    differ in one of them agree in the others. The projection `weight_hr` is drawn like the recurrent weights.

    The bias of the settings is the effective one, bias_ih + bias_hh: it is put into bias_ih and bias_hh is 0; only
    the scheme `pytorch` draws both. Raises TypeError for other modules and ValueError for a bias the network cannot
    have (any but zeros without bias terms, a forget gate's where there is none, chrono with no T_max); the weights are
    then what they were.
    """
    cell = cell_name(rnn)
    parts = init_config.parts(cell)
    reason = _impossible_bias(parts.bias, cell, rnn.bias, length)
    if reason:
        raise ValueError(reason)
    streams = dict(zip(("weight_ih", "weight_hh", "bias"), _split(generator, 3), strict=True))
    with torch.no_grad():
        for suffix in suffixes(rnn):
            for kind, recipe in (("weight_ih", parts.weight_ih), ("weight_hh", parts.weight_hh)):
                weight = getattr(rnn, kind + suffix)
                for matrix in gate_blocks(weight, cell).values() if parts.per_gate else [weight]:
                    INITIALIZERS[recipe.scheme](matrix, How(recipe, rnn.hidden_size, streams[kind]))
            if rnn.proj_size:
                how = How(parts.weight_hh, rnn.hidden_size, streams["weight_hh"])
                INITIALIZERS[parts.weight_hh.scheme](getattr(rnn, "weight_hr" + suffix), how)
            if rnn.bias:
                biases = Biases(cell, getattr(rnn, "bias_ih" + suffix), getattr(rnn, "bias_hh" + suffix), length)
                biases.zero()
                BIASES[parts.bias.scheme](biases, How(parts.bias, rnn.hidden_size, streams["bias"]))
    return rnn


def initialize_module(module: Module, recipe: Recipe, generator: torch.Generator | None = None) -> Module:
    """Draw every `nn.Linear` within a head or an attention anew, in place, and give the module back.

    The weights follow the recipe and the biases are 0; the scheme `pytorch` is the layer's own default, weights and
    biases from U(−1/√fan_in, 1/√fan_in). `generator` as in `initialize`. Raises TypeError where the module has
    parameters outside of linear layers.
    """
    (stream,) = _split(generator, 1)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Linear):
                how = How(recipe, part.in_features, stream)
                INITIALIZERS[recipe.scheme](part.weight, how)
                if part.bias is not None:
                    INITIALIZERS["pytorch" if recipe.scheme == "pytorch" else "zeros"](part.bias, how)
            elif next(part.parameters(recurse=False), None) is not None:
                raise TypeError(f"initialize_module draws nn.Linear layers; {type(part).__name__} is none.")
    return module


def cell_name(rnn: nn.RNNBase) -> Kernel:
    """LSTM, GRU or RNN, also for classes derived from them; raises TypeError for anything else."""
    kernels: dict[Kernel, type[nn.RNNBase]] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
    for name, module in kernels.items():
        if isinstance(rnn, module):
            return name
    raise TypeError(f"Expected an nn.LSTM, nn.GRU or nn.RNN, got {type(rnn).__name__}.")


def gate_blocks(parameter: Tensor, cell: str) -> dict[str, Tensor]:
    """Views of one parameter (G·H, …), gate → (H, …), in torch's order; `cell` is LSTM, GRU or RNN."""
    return dict(zip(GATES[cell], parameter.chunk(len(GATES[cell])), strict=True))


def suffixes(rnn: nn.RNNBase) -> list[str]:
    """The ends of torch's parameter names, layer by layer: _l0, _l0_reverse, _l1, …"""
    ends = ("", "_reverse") if rnn.bidirectional else ("",)
    return [f"_l{layer}{end}" for layer in range(rnn.num_layers) for end in ends]


def suffix_of(layer_name: str) -> str:
    """l0.fwd → _l0, l1.bwd → _l1_reverse."""
    layer, _, direction = layer_name.partition(".")
    return f"_{layer}" + ("_reverse" if direction == "bwd" else "")


def effective_bias(rnn: nn.RNNBase, layer_name: str) -> dict[str, Tensor]:
    """Gate → (H,): bias_ih + bias_hh of the layer `l0.fwd`, …; zeros where the network has no bias terms.

    In the candidate n of a GRU bias_hh stands inside r ⊙ (W_hn h + b_hn): there the sum holds for an open r.
    """
    cell, suffix = cell_name(rnn), suffix_of(layer_name)
    if not rnn.bias:
        weight = getattr(rnn, "weight_ih" + suffix)
        return gate_blocks(weight.new_zeros(len(weight)), cell)
    total = getattr(rnn, "bias_ih" + suffix).detach() + getattr(rnn, "bias_hh" + suffix).detach()
    return gate_blocks(total, cell)


class Biases:
    """The two bias vectors of one layer and direction, and what a bias scheme must know of its surroundings."""

    def __init__(self, cell: str, ih: Tensor, hh: Tensor, length: int | None) -> None:
        self.cell, self.ih, self.hh, self.length = cell, ih, hh, length
        self.gates = gate_blocks(ih, cell)

    def zero(self) -> None:
        self.ih.zero_()
        self.hh.zero_()

    @property
    def keep(self) -> Tensor:
        """(H,): the bias of the gate that keeps the old state."""
        return self.gates[KEEP_GATE[self.cell]]


def _default(weight: Tensor, how: How) -> None:
    bound = 1 / math.sqrt(how.width)
    init.uniform_(weight, -bound, bound, generator=how.generator)


def _truncated_normal(weight: Tensor, how: How) -> None:
    mean, std = how.recipe.mean, how.recipe.std
    if std == 0:  # torch would divide by it
        init.constant_(weight, mean)
    else:
        init.trunc_normal_(weight, mean, std, mean - 2 * std, mean + 2 * std, generator=how.generator)


def _kaiming(weight: Tensor, how: How, init_: Callable[..., Tensor]) -> None:
    init_(weight, how.recipe.a, how.recipe.mode, how.recipe.nonlinearity, generator=how.generator)


def _identity(weight: Tensor, how: How) -> None:
    """`scale` on the main diagonal of whatever is drawn at once, square or not.

    Per gate that is every gate's own block. Of a stacked matrix it is the first block alone: gate i of an LSTM.
    """
    init.eye_(weight).mul_(how.recipe.scale)


def _sparse(weight: Tensor, how: How) -> None:
    """As `torch.nn.init.sparse_`, which picks its zeros from the global stream even when given a generator."""
    order = torch.rand(weight.shape, generator=how.generator).argsort(dim=0).to(weight.device)
    init.normal_(weight, 0.0, how.recipe.std, generator=how.generator)
    weight.scatter_(0, order[: math.ceil(how.recipe.sparsity * len(weight))], 0.0)


# What is drawn at once, a stacked matrix or one gate's block, decides fans and spectrum.
INITIALIZERS: Mapping[str, Draw] = MappingProxyType(
    {
        "pytorch": _default,
        "zeros": lambda w, _: init.zeros_(w),
        "constant": lambda w, how: init.constant_(w, how.recipe.value),
        "uniform": lambda w, how: init.uniform_(w, how.recipe.low, how.recipe.high, generator=how.generator),
        "normal": lambda w, how: init.normal_(w, how.recipe.mean, how.recipe.std, generator=how.generator),
        "truncated_normal": _truncated_normal,
        "xavier_uniform": lambda w, how: init.xavier_uniform_(w, how.recipe.gain, generator=how.generator),
        "xavier_normal": lambda w, how: init.xavier_normal_(w, how.recipe.gain, generator=how.generator),
        "kaiming_uniform": lambda w, how: _kaiming(w, how, init.kaiming_uniform_),
        "kaiming_normal": lambda w, how: _kaiming(w, how, init.kaiming_normal_),
        "orthogonal": lambda w, how: init.orthogonal_(w, how.recipe.gain, generator=how.generator),
        "identity": _identity,
        "sparse": _sparse,
    }
)


def _impossible_bias(recipe: BiasRecipe, cell: str, has_bias: bool, length: int | None) -> str | None:
    """Why a network cannot have this bias, and what to do; None where it can."""
    if not has_bias and recipe.scheme not in ("pytorch", "zeros"):
        return (
            f"This {cell} was made with bias=False and cannot have the bias scheme {recipe.scheme!r}; "
            "choose zeros or make it with bias=True."
        )
    if recipe.scheme in ("forget", "chrono") and cell not in KEEP_GATE:
        return (
            f"An nn.{cell} has no gate that could keep its state, so no {recipe.scheme} bias; "
            "choose zeros or constant, or take an LSTM or a GRU."
        )
    if isinstance(recipe, BiasChrono) and recipe.t_max is None and (length is None or length < 2):
        return (
            f"A chrono bias needs a T_max of at least 2 steps and the sequence length is {length}; "
            "set init.bias.t_max, or give the length as length=…."
        )
    return None


def _both_default(biases: Biases, how: How) -> None:
    _default(biases.ih, how)
    _default(biases.hh, how)


def _chrono(biases: Biases, how: How) -> None:
    """b_f = log U[1, T_max − 1], b_i = −b_f (Tallec & Ollivier, 2018, https://arxiv.org/abs/1804.11188).

    The single gate g of the paper, which weighs the new against the old state, gets b_g = −log U[1, T_max − 1];
    of a GRU this is 1 − z, so b_z = log U[1, T_max − 1].
    """
    t_max = how.recipe.t_max or biases.length
    assert t_max is not None, "see _impossible_bias"
    init.uniform_(biases.keep, 1.0, t_max - 1.0, generator=how.generator).log_()
    if biases.cell == "LSTM":
        biases.gates["i"].copy_(-biases.keep)


# Every scheme finds both vectors of one layer and direction at 0 and fills in what is effective.
BIASES: Mapping[str, DrawBias] = MappingProxyType(
    {
        "pytorch": _both_default,
        "zeros": lambda biases, _: biases.zero(),
        "constant": lambda biases, how: init.constant_(biases.ih, how.recipe.value),
        "forget": lambda biases, how: init.constant_(biases.keep, how.recipe.value),
        "chrono": _chrono,
    }
)


def _split(generator: torch.Generator | None, parts: int) -> list[torch.Generator]:
    """Independent generators, seeded from the given one or from torch's global stream."""
    device = generator.device if generator is not None else None
    seeds = torch.randint(2**62, (parts,), generator=generator, device=device).tolist()
    return [torch.Generator().manual_seed(seed) for seed in seeds]
