"""What happens inside a network on a few sequences: its gates and states, its answer, and what the loss sends back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lstm_core.model import Output, SequenceModel, as_tensors
from lstm_core.probes import StateGradients, Trace, state_gradients, trace
from lstm_core.tasks.base import Array, Batch

SHOWN = 4  # sequences that are measured, and that a page can choose from


@dataclass(frozen=True)
class Inside:
    """One look: what the recurrent layers read and did, and where the gradient of the loss enters them.

    The loss is the sum of each sequence's own, as if it were alone: of several steps the mean over those that are
    asked for. `grad_output` is in the layout of the output, `grad_final` in torch's.
    """

    x: Tensor
    lengths: Tensor | None
    traces: dict[str, Trace]
    answer: Output
    outputs: Tensor  # (T, B, D)
    final: tuple[Tensor, ...]  # h_n or (h_n, c_n)
    grad_output: Tensor
    grad_final: tuple[Tensor, Tensor | None]

    def gradients(
        self, model: SequenceModel, bptt_length: int | None = None, precision: torch.dtype = torch.float64
    ) -> dict[str, StateGradients]:
        """∂L/∂h_t and ∂L/∂c_t of each layer and direction, followed in 64 bits or in the network's own 32."""
        return state_gradients(
            model.rnn,
            self.x,
            self.grad_output,
            lengths=self.lengths,
            bptt_length=bptt_length,
            trace=self.traces,
            grad_final=self.grad_final,
            precision=precision,
        )

    def answered_alone(self, model: SequenceModel) -> Output:
        """The answer of a decoder that nobody tells the truth."""
        return model.answer(self.outputs, self.lengths, self.final if len(self.final) > 1 else self.final[0])


def look(model: SequenceModel, batch: Batch, loss: Callable[[Tensor, Tensor], Tensor]) -> Inside:
    """Run a batch through the network and its answer back to the recurrent layers; the model is left as it is.

    Dropout is for the caller to switch off (`without_dropout`).
    """
    device = next(model.parameters()).device
    inputs, targets, lengths = as_tensors(batch, device)
    x = model.embed(inputs).detach()
    traces = trace(model.rnn, x, lengths=lengths)
    top = [traces[name].h for name in list(traces)[-2 if model.rnn.bidirectional else -1 :]]
    outputs = torch.cat(top, dim=-1).requires_grad_()
    states = [name for name in ("h", "c") if name in next(iter(traces.values()))]
    final = tuple(_last(traces, state, lengths).requires_grad_() for state in states)
    answer = model.answer(outputs, lengths, final if len(final) > 1 else final[0], targets)
    losses = [loss(answer.prediction[row : row + 1], targets[row : row + 1]) for row in range(len(batch))]
    total = torch.stack(losses).sum()
    grad_output, *grad_final = torch.autograd.grad(total, (outputs, *final), materialize_grads=True)
    return Inside(
        x,
        lengths,
        traces,
        answer,
        outputs,
        final,
        grad_output.transpose(0, 1) if model.rnn.batch_first else grad_output,
        (grad_final[0], grad_final[1] if len(grad_final) > 1 else None),
    )


def varied(batch: Batch) -> Array:
    """The rows to look at, the longest first: of as many classes as there are, or spread over the whole part."""
    rows = _classes(batch) if batch.targets.ndim == 1 else _spread(batch)
    return rows if batch.lengths is None else rows[np.argsort(-batch.lengths[rows], kind="stable")]


def mean_of_running(norms: Tensor, lengths: Array | None) -> Array:
    """Norms (T, B), 0 where padded → (T,), over the sequences that have not ended; 0 where all have."""
    running = len(norms[0]) if lengths is None else (np.arange(len(norms))[:, None] < lengths).sum(1)
    mean: Array = norms.sum(1).cpu().numpy() / np.maximum(running, 1)
    return mean


def _spread(batch: Batch) -> Array:
    return np.linspace(0, len(batch) - 1, min(SHOWN, len(batch))).astype(int)


def _classes(batch: Batch) -> Array:
    rank = np.zeros(len(batch), int)  # how many rows of the same class come before
    for label in np.unique(batch.targets):
        same = batch.targets == label
        rank[same] = np.arange(same.sum())
    return np.lexsort((batch.targets, rank))[:SHOWN]


def _last(traces: dict[str, Trace], state: str, lengths: Tensor | None) -> Tensor:
    """h_n or c_n of all layers and directions, (layers · directions, B, ·), as the recurrent layers give it."""
    found = []
    for name, layer in traces.items():
        values = layer[state]
        if name.endswith(".bwd"):
            found.append(values[0])
        elif lengths is None:
            found.append(values[-1])
        else:
            found.append(values[lengths.to(values.device) - 1, torch.arange(len(lengths), device=values.device)])
    return torch.stack(found)
