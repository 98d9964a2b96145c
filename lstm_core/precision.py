"""What a whole trained model loses when it is computed with few bits, and the number formats that it needs.

The embedding, all weights and everything inside the recurrent layers are rounded (`fixed_point`); the sums of
attention and head are computed exactly on what is rounded already.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstm_core.fixed_point import Format, Range, Recorder, Rounder, formats
from lstm_core.model import SequenceModel, as_tensors
from lstm_core.stepwise import See, Walked
from lstm_core.tasks.base import Batch, TaskConfig

What = Literal["everything", "weights", "values"]
WHAT: tuple[What, ...] = ("everything", "weights", "values")
BITS = (16, 8, 4)
FLOATS = "32-bit floats"


@dataclass(frozen=True)
class Need:
    """One weight tensor, or one value over all steps: its range and the format for each number of bits."""

    name: str
    weight: bool
    range: Range
    formats: Mapping[int, Format]


@dataclass(frozen=True)
class Cost:
    """The task's metrics when `what` is rounded to so many bits and all else is exact."""

    bits: int
    what: What
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Precision:
    """The needs of every part, and what rounding costs; `floats` are the metrics of the model as it is."""

    needs: tuple[Need, ...]
    floats: Mapping[str, float]
    costs: tuple[Cost, ...]
    metric: str
    sequences: int


def measure_precision(
    model: SequenceModel,
    task: TaskConfig,
    batch: Batch,
    known: Batch | None = None,
    bits: Sequence[int] = BITS,
    what: Sequence[What] = WHAT,
) -> Precision:
    """Ranges, formats and metrics of a model on the sequences of `batch`.

    The formats are chosen from what is seen on `known`, by default on `batch` itself; what is larger later on is cut
    off, as on a device that has been built already. The metrics are those of a run's test: a decoder is given the
    true answers. The model is left as it is. Raises ValueError where a value is not a finite number.
    """
    recorder = Recorder()
    _measure(watched(model, recorder), task, batch if known is None else known)
    chosen = {count: formats(recorder.seen, count) for count in bits}
    weights = _weight_names(model, recorder.seen)
    needs = tuple(
        Need(name, name in weights, seen, {count: chosen[count][name] for count in bits})
        for name, seen in recorder.seen.items()
    )
    costs = []
    for count in bits:
        for part in what:
            rounded = {name: f for name, f in chosen[count].items() if part in ("everything", _kind(name, weights))}
            costs.append(Cost(count, part, _measure(watched(model, Rounder(rounded)), task, batch)))
    floats = _measure(copy.deepcopy(model).eval(), task, batch)
    return Precision(needs, floats, tuple(costs), task.metric, len(batch))


def arrays(result: Precision) -> dict[str, NDArray[Any]]:
    """The figures as a page reads them, n parts and k numbers of bits.

    `fixed/metric` (1 + k,): the metric of floats, then of everything rounded; `fixed/bits` (k,); `fixed/low` and
    `fixed/high` (n,), `fixed/fraction` (n, k) the fractional bits; `fixed/names`: the parts, a line of UTF-8 each.
    """
    bits = list(dict.fromkeys(cost.bits for cost in result.costs))
    paid = {cost.bits: cost.metrics[result.metric] for cost in result.costs if cost.what == "everything"}
    fractions = [[need.formats[count].fraction for count in bits] for need in result.needs]
    return {
        "fixed/metric": np.array([result.floats[result.metric], *(paid[count] for count in bits)], np.float32),
        "fixed/bits": np.array(bits, np.int32),
        "fixed/low": np.array([need.range.low for need in result.needs], np.float32),
        "fixed/high": np.array([need.range.high for need in result.needs], np.float32),
        "fixed/fraction": np.array(fractions, np.int32),
        "fixed/names": np.frombuffer("\n".join(need.name for need in result.needs).encode(), np.uint8),
    }


def table(result: Precision) -> str:
    """Both tables for a terminal: what each part needs, then the task's metric by number of bits."""
    counts = list(dict.fromkeys(cost.bits for cost in result.costs))
    heads = [f"{count} bits" for count in counts]
    needs = [
        [need.name, f"{need.range.low:.4g}", f"{need.range.high:.4g}", str(need.range.integer_bits)]
        + [need.formats[count].title for count in counts]
        for need in result.needs
    ]
    figures = {(cost.bits, cost.what): cost.metrics[result.metric] for cost in result.costs}
    paid = [
        [f"{what} rounded", f"{result.floats[result.metric]:.4g}", *(f"{figures[count, what]:.4g}" for count in counts)]
        for what in dict.fromkeys(cost.what for cost in result.costs)
    ]
    return "\n".join(
        [
            *_aligned([["part", "from", "to", "integer bits", *heads], *needs]),
            "",
            "Qm.n: a sign bit, m integer bits and n fractional bits.",
            "",
            *_aligned([[f"{result.metric} of {result.sequences} sequences", FLOATS, *heads], *paid]),
        ]
    )


@torch.no_grad()
def watched(model: SequenceModel, see: See) -> SequenceModel:
    """A copy, in double precision, all of whose weights and recurrent values pass by the onlooker."""
    twin = copy.deepcopy(model).double().eval()
    for name, parameter in twin.named_parameters():
        if not name.startswith(("rnn.", "decoder.")):
            parameter.copy_(see(name, parameter))
    twin.add_module("rnn", Walked(twin.rnn, see))
    if twin.decoder is not None:
        twin.add_module("decoder", Walked(twin.decoder, lambda name, value: see(f"decoder.{name}", value)))
    return twin


@torch.no_grad()
def _measure(model: SequenceModel, task: TaskConfig, batch: Batch) -> dict[str, float]:
    inputs, targets, lengths = as_tensors(batch, model.head.weight.device)
    output = model(inputs, lengths, targets=targets)
    attention: Tensor | None = output.attention
    pooled = None if attention is None or attention.dim() != 2 else attention.cpu().numpy()
    return task.evaluate(output.prediction.cpu().numpy(), batch, pooled)


def _weight_names(model: SequenceModel, names: Iterable[str]) -> set[str]:
    """Which of the names are of parameters: those outside the recurrent layers, and weight_… and bias_… within."""
    outside = {name for name, _ in model.named_parameters()}
    return {name for name in names if name in outside or name.split(".")[-1].startswith(("weight_", "bias_"))}


def _kind(name: str, weights: set[str]) -> What:
    return "weights" if name in weights else "values"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, the first to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
