"""One unit of a network on its way through one sequence: every number of every equation, at every step.

What it returns is plain data, and torch is loaded only when it is called: a page asks for it in another process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstm_core import files
from lstm_core.cells import CELLS
from lstm_core.config import RunConfig
from lstm_core.tasks.base import Batch, Sample, TaskConfig
from lstm_core.wording import number

if TYPE_CHECKING:
    from torch import Tensor

    from lstm_core.model import SequenceModel

Array = NDArray[np.float64]
OFFERED = 12  # sequences of the validation part that one may choose from; the first few are those of the board
FEW_INPUTS = 3  # so many numbers of x_t fit beside a wire


@dataclass(frozen=True)
class Walk:
    """One unit of one layer and direction, in double precision and in the order of real time.

    `values` has, each (T,): for every gate such as f the three parts of what goes into it, `ih.f` = (W_ih x_t)_k,
    `hh.f` = (W_hh h_before)_k and `b.f` (both biases together), their sum `pre.f`, and the gate `f` itself; the states
    that the step began with, `h_before` and `c_before`; and `c`, `tanh_c` or `relu_c`, `h`. With a projection `m` is
    the hidden state before it, and `h` is there for as many units as the projection has. A GRU keeps its two biases of
    n apart, `b_ih.n` and `b_hh.n`, and `q` = (W_hn h_before)_k + b_hn is what r multiplies.
    `marks` has a short sign for every step, `reads` what is read there in full.
    """

    cell: str
    layers: tuple[str, ...]
    layer: str
    unit: int
    units: int
    bias: bool
    projected: bool
    sample: int
    samples: tuple[str, ...]
    marks: tuple[str, ...]
    reads: tuple[str, ...]
    target: str
    values: Mapping[str, Array]


@dataclass(frozen=True)
class _Layer:
    """All units of one layer and direction: what was seen (T, ·), what came in (T, I), and the weights."""

    seen: dict[str, Array]
    x: Array
    weights: dict[str, Array]


def walk_unit(
    config: RunConfig,
    weights: bytes | None = None,
    sample: int = 0,
    layer: str = "l0.fwd",
    unit: int = 0,
    given: Sequence[bytes] = (),
) -> Walk:
    """Follow one unit through one validation sequence, with the weights of a run or, without any, with first ones.

    `weights` is a safetensors file of the whole model, `given` are the files that the settings refer to. A sample,
    layer or unit that is not there is taken for the nearest one that is. Raises FileProblem where the weights or the
    data do not fit the settings.
    """
    for data in given:
        files.keep(data, "The file")
    cell = CELLS[config.model.cell]
    layers = _layers(config)
    layer = layer if layer in layers else layers[0]
    _, described = _samples(config.task, config.training.seed)
    sample = min(max(sample, 0), len(described) - 1)
    unit = min(max(unit, 0), config.model.hidden_size - 1)
    found = _walked(config, weights, sample, layer)
    steps = len(found.x)
    values = {name: array[:, unit] for name, array in found.seen.items() if unit < array.shape[1]}
    values |= _parts(found, cell.gates, unit)
    if "pre_n_h" in values:
        values["q"] = values.pop("pre_n_h")
    values = {name.replace("pre_", "pre."): np.ascontiguousarray(array) for name, array in values.items()}
    about = described[sample]
    return Walk(
        cell=config.model.cell,
        layers=tuple(layers),
        layer=layer,
        unit=unit,
        units=config.model.hidden_size,
        bias=config.model.bias,
        projected=config.model.proj_size > 0,
        sample=sample,
        samples=tuple(other.title for other in described),
        marks=tuple(about.marks[:steps]),
        reads=_reads(about, steps),
        target=about.target,
        values=values,
    )


def _reads(sample: Sample, steps: int) -> tuple[str, ...]:
    """What is read at every step: its numbers where they are few, else its sign."""
    if sample.values is not None and len(sample.values[0]) <= FEW_INPUTS:
        return tuple(", ".join(number(value) for value in row) for row in sample.values[:steps])
    return tuple(mark if mark.strip() else "a space" for mark in sample.marks[:steps])


def _layers(config: RunConfig) -> list[str]:
    directions = ("fwd", "bwd") if config.model.bidirectional else ("fwd",)
    return [f"l{layer}.{direction}" for layer in range(config.model.num_layers) for direction in directions]


def _parts(found: _Layer, gates: str, unit: int) -> dict[str, Array]:
    """What the input, the last state and the biases give to every gate of one unit, each (T,)."""
    steps, units = len(found.x), len(found.weights["weight_ih"]) // len(gates)
    rows = {gate: place * units + unit for place, gate in enumerate(gates)}
    nothing = np.zeros(units * len(gates))
    b_ih, b_hh = (found.weights.get(kind, nothing) for kind in ("bias_ih", "bias_hh"))
    values = {}
    for gate, row in rows.items():
        values[f"ih.{gate}"] = found.x @ found.weights["weight_ih"][row]
        values[f"hh.{gate}"] = found.seen["h_before"] @ found.weights["weight_hh"][row]
        if gate == "n":
            values |= {"b_ih.n": np.full(steps, b_ih[row]), "b_hh.n": np.full(steps, b_hh[row])}
        else:
            values[f"b.{gate}"] = np.full(steps, b_ih[row] + b_hh[row])
    return values


@lru_cache(maxsize=4)
def _samples(task: TaskConfig, seed: int) -> tuple[Batch, list[Sample]]:
    """The first sequences of the validation part, those that the board shows before all others."""
    from lstm_core.inside import varied

    part = task.data(seed).validation
    first = [int(row) for row in varied(part)]
    rows = [*first, *(row for row in range(len(part)) if row not in first)][:OFFERED]
    batch = part.take(np.array(rows))
    return batch, task.samples(batch)


@lru_cache(maxsize=4)
def _walked(config: RunConfig, weights: bytes | None, sample: int, layer: str) -> _Layer:
    """Walk through all layers and keep one of them."""
    import torch

    from lstm_core.model import as_tensors
    from lstm_core.stepwise import walk

    model = _model(config, weights)
    batch, _ = _samples(config.task, config.training.seed)
    inputs, _, lengths = as_tensors(batch.take(slice(sample, sample + 1)))
    steps = int(lengths[0]) if lengths is not None else inputs.shape[1]
    with torch.no_grad():
        x = model.embed(inputs[:, :steps])
    seen: dict[str, list[Array]] = {}

    number = int(layer[1:].split(".")[0])
    wanted = ("x", f"{layer}.", f"l{number - 1}.fwd.h", f"l{number - 1}.bwd.h")

    def see(name: str, value: Tensor) -> Tensor:
        if name.startswith(wanted):
            seen.setdefault(name, []).append(value.numpy().copy())
        return value

    walk(model.rnn, x, see)
    return _kept(seen, layer, CELLS[config.model.cell].states)


def _kept(seen: dict[str, list[Array]], layer: str, states: tuple[str, ...]) -> _Layer:
    """What was seen of one layer and direction, its steps in the order of real time."""
    own = {name.removeprefix(f"{layer}."): arrays for name, arrays in seen.items() if name.startswith(f"{layer}.")}
    weights = {name: arrays[0] for name, arrays in own.items() if name.startswith(("weight", "bias"))}
    turn = -1 if layer.endswith("bwd") else 1  # a backward direction is seen from its end
    steps = {name: np.concatenate(arrays)[::turn] for name, arrays in own.items() if name not in weights}
    for state in states:
        before = np.roll(steps[state], turn, axis=0)
        before[0 if turn == 1 else -1] = 0.0
        steps[f"{state}_before"] = before
    return _Layer(steps, _inputs(seen, layer), weights)


def _inputs(seen: dict[str, list[Array]], layer: str) -> Array:
    """What a layer reads, (T, I): the network's input, or both directions of the layer below."""
    number = int(layer[1:].split(".")[0])
    if number == 0:
        return seen["x"][0]
    below = [
        (name, arrays) for name, arrays in seen.items() if name in (f"l{number - 1}.fwd.h", f"l{number - 1}.bwd.h")
    ]
    return np.concatenate([np.concatenate(arrays)[:: -1 if "bwd" in name else 1] for name, arrays in below], axis=1)


def _model(config: RunConfig, weights: bytes | None) -> SequenceModel:
    """The network of a run with the weights given, or as it is before any training."""
    from lstm_core.state import first_model
    from lstm_core.weights import load_model_into

    if weights is None:
        return first_model(config)
    model = first_model(config.replace(**{"init.weights": None}))
    load_model_into(model, weights, "The run")
    return model
