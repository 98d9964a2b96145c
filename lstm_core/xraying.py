"""Measures a network before its first update, for `xray`; every number comes from the probes that the Lab uses."""

from __future__ import annotations

import copy
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lstm_core.cells import CELLS, Cell
from lstm_core.config import RunConfig
from lstm_core.initializers import gate_blocks, suffix_of
from lstm_core.inside import Inside, look, mean_of_running, varied
from lstm_core.model import SequenceModel, without_dropout
from lstm_core.probes import saturation, spectral_radius, spectrum, trace
from lstm_core.state import LOSSES, first_model
from lstm_core.tasks import TaskConfig
from lstm_core.tasks.base import Array, Batch
from lstm_core.xray import Reach, Spread, XRay

BINS = 24
RESOLUTION = 2.0**-24  # of a number in 32 bits: what is closer is the same


def measure(config: RunConfig, layer: str = "") -> XRay:
    """See `lstm_core.xray.xray`."""
    model, cell = first_model(config), CELLS[config.model.cell]
    batch = _sequences(config.task, config.training.seed)
    with without_dropout(model), np.errstate(all="ignore"):  # of what has grown beyond all numbers
        inside = look(model, batch, LOSSES[config.task.spec.loss])
        layers = tuple(inside.traces)
        layer = layer or layers[0]
        if layer not in layers:
            raise ValueError(f"There is no layer {layer!r}; choose one of {', '.join(layers)}.")
        distance, alike = _parting(model, inside, layer, cell)
        values, lengths = inside.traces[layer], inside.lengths
        blocks = _blocks(model, layer, cell)
        recurrent = {gate: blocks[f"weight_hh.{gate}"].contiguous().numpy() for gate in cell.gates}
        stretch = {gate: _stretch(block.tobytes(), block.shape) for gate, block in recurrent.items()}
        return XRay(
            cell=config.model.cell,
            layer=layer,
            layers=layers,
            units=config.model.hidden_size,
            read=config.task.time_steps if batch.lengths is None else int(batch.lengths.max()),
            reach=_reach(model, inside, layer, batch.lengths, config.training.bptt_length),
            signal={state: _size(values[state], batch.lengths) for state in cell.states},
            distance=distance,
            alike=alike,
            weights={name: _spread(block.numpy()) for name, block in blocks.items()},
            spectrum={gate: found[0] for gate, found in stretch.items()},
            radius={gate: found[1] for gate, found in stretch.items() if found[1] is not None},
            gates={gate: _spread(_running(values[gate], lengths).numpy()) for gate in cell.gates},
            saturation={gate: saturation(values[gate], lengths=lengths) for gate in cell.sigmoids},
            keep=None if cell.keep is None else _running(values[cell.keep], lengths).double().mean(0).numpy(),
        )


@lru_cache(maxsize=8)
def _sequences(task: TaskConfig, seed: int) -> Batch:
    """The sequences that the Lab shows of a run."""
    validation = task.data(seed).validation
    return validation.take(varied(validation))


@lru_cache(maxsize=6 * 4)  # six networks of four gates: another length leaves the weights as they are
def _stretch(block: bytes, shape: tuple[int, int]) -> tuple[Array, float | None]:
    """Singular values and spectral radius of a recurrent block in 32 bits; no radius where it is not square."""
    matrix = torch.frombuffer(bytearray(block), dtype=torch.float32).view(shape)
    return spectrum(matrix).numpy(), spectral_radius(matrix) if shape[0] == shape[1] else None


def _blocks(model: SequenceModel, layer: str, cell: Cell) -> dict[str, Tensor]:
    """Each gate's rows of both matrices, by name: `weight_ih.f`, …"""
    found: dict[str, Tensor] = {}
    for kind in ("weight_ih", "weight_hh"):
        matrix = getattr(model.rnn, kind + suffix_of(layer)).detach()
        found |= {f"{kind}.{gate}": block for gate, block in gate_blocks(matrix, cell.kernel).items()}
    return found


def _reach(
    model: SequenceModel, inside: Inside, layer: str, lengths: Array | None, bptt_length: int | None
) -> dict[str, Reach]:
    double = inside.gradients(model, bptt_length)[layer]
    single = inside.gradients(model, bptt_length, torch.float32)[layer]
    exact, kept = double.norms(), single.norms()
    found: dict[str, Reach] = {}
    for state in ("h", "c"):
        vectors = getattr(single, state)
        if vectors is not None:
            norms = getattr(exact, state), getattr(kept, state), _norms(vectors)
            found[state] = Reach(*(mean_of_running(norm, lengths) for norm in norms))
    return found


def _parting(model: SequenceModel, inside: Inside, layer: str, cell: Cell) -> tuple[dict[str, Array], int | None]:
    """How far apart two readings are that differ in the first step, and from where on 32 bits cannot hold it."""
    x, lengths = inside.x, inside.lengths
    other = _with_another_first_step(x.transpose(0, 1) if model.rnn.batch_first else x, lengths, layer)
    other = other.transpose(0, 1) if model.rnn.batch_first else other
    batch = 0 if model.rnn.batch_first else 1
    both = trace(
        copy.deepcopy(model.rnn).double(),
        torch.cat([x, other], dim=batch).double(),
        lengths=None if lengths is None else lengths.repeat(2),
    )[layer]
    one, two = both.map(lambda values: values.chunk(2, dim=1)[0]), both.map(lambda values: values.chunk(2, dim=1)[1])
    counts = None if lengths is None else lengths.numpy()
    distance = {state: mean_of_running(_norms(one[state] - two[state]), counts) for state in cell.states}
    size = {state: mean_of_running(_norms(one[state]), counts) for state in cell.states}
    apart = np.any([distance[state] > RESOLUTION * size[state] for state in cell.states], axis=0)
    apart = apart if lengths is None else apart[: int(lengths.max())]
    apart = apart[::-1] if layer.endswith(".bwd") else apart
    alike = int(np.flatnonzero(apart)[-1]) + 1 if apart.any() else 0
    return distance, alike if alike < len(apart) else None


def _with_another_first_step(x: Tensor, lengths: Tensor | None, layer: str) -> Tensor:
    """x (T, B, I) where each sequence has, in place of the step that the direction reads first, that of another."""
    changed = x.clone()
    rows = torch.arange(x.shape[1])
    if layer.endswith(".fwd"):
        first = torch.zeros_like(rows)
    else:
        first = torch.full_like(rows, len(x) - 1) if lengths is None else lengths - 1
    changed[first, rows] = x[first, rows].roll(1, 0)
    return changed


def _norms(values: Tensor) -> Tensor:
    """(T, B, H) → (T, B)."""
    norms: Tensor = torch.linalg.vector_norm(values, dim=-1)
    return norms


def _size(values: Tensor, lengths: Array | None) -> Array:
    """The root mean square (T,) of values (T, B, H) over units and the sequences that have not ended."""
    size: Array = np.sqrt(mean_of_running(values.double().square().mean(-1), lengths))
    return size


def _running(values: Tensor, lengths: Tensor | None) -> Tensor:
    """Values (T, B, H) without the padding: (N, H)."""
    if lengths is None:
        return values.flatten(0, 1)
    return values[torch.arange(len(values))[:, None] < lengths]


def _spread(values: Array) -> Spread:
    """A histogram over the values' own range; a single value has a single bin without width."""
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low == high:
        return Spread(np.array([low, high]), np.array([1.0]))
    counts, edges = np.histogram(finite, BINS, (low, high))
    return Spread(edges, counts / finite.size)
