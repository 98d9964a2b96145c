"""How the parts of a network are called everywhere: l0.fwd, l0.bwd, l1.fwd, …; weight_hh.f is one gate's block."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import nn

from lstm_core.initializers import GATES, cell_name

_RECURRENT = re.compile(r"rnn\.(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)_l(\d+)(_reverse)?")


def layer_names(rnn: nn.RNNBase) -> list[str]:
    """Layer by layer, forward before backward: the order in which torch keeps the parameters."""
    directions = ("fwd", "bwd") if rnn.bidirectional else ("fwd",)
    return [f"l{layer}.{direction}" for layer in range(rnn.num_layers) for direction in directions]


def blocks(model: nn.Module) -> Iterator[tuple[str, int]]:
    """(group, entries) of each stretch of the model's parameters, in the order of `model.parameters()`.

    A recurrent matrix gives one group per gate; both bias vectors of a gate belong to the group `bias`;
    everything else is grouped by the part it belongs to (`embedding`, `attention`, `head`, `decoder`, …).
    """
    assert isinstance(model.rnn, nn.RNNBase)
    gates = GATES[cell_name(model.rnn)]
    for name, parameter in model.named_parameters():
        match = _RECURRENT.fullmatch(name)
        if match is None:
            yield name.split(".")[0], parameter.numel()
            continue
        kind, layer, reverse = match.groups()
        place = f"l{layer}.{'bwd' if reverse else 'fwd'}.{'bias' if kind.startswith('bias') else kind}"
        if kind == "weight_hr":
            yield place, parameter.numel()
        else:
            yield from ((f"{place}.{gate}", parameter.numel() // len(gates)) for gate in gates)
