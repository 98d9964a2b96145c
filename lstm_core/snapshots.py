"""What the board shows of the inside of the network: gates, attention and gradients on a few fixed sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lstm_core.config import RunConfig
from lstm_core.model import SequenceModel, as_tensors
from lstm_core.naming import layer_names
from lstm_core.probes import Trace, gradient_flow, saturation, trace
from lstm_core.tasks.base import Array, Batch, TaskData

SHOWN = 4  # sequences that are measured, and that a page can choose from
GATES = ("i", "f", "g", "o")
LOSS_NAMES = {"cross_entropy": "cross-entropy", "mse": "mean squared error"}


@dataclass(frozen=True)
class Snapshot:
    """The inside of the network with the weights after `step` updates: arrays for all, and per shown sample."""

    step: int
    arrays: dict[str, Array]
    samples: list[dict[str, Array]]


class Probe:
    """Measures a model on a few fixed validation sequences, without touching it.

    The gates are those of the model's own 32 bits; the gradients through time are followed in 64, so that they
    show their true slope where for the model itself they have long underflowed to 0.
    """

    def __init__(
        self, config: RunConfig, model: SequenceModel, data: TaskData, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        self._config, self._task, self._model, self._loss = config, config.task, model, loss
        self._batch = data.validation.take(_varied(data.validation, self._task.spec.loss == "cross_entropy"))
        self._forecast = self._task.forecast(data)
        self.about = self._describe(data)

    def snapshot(self, step: int) -> Snapshot:
        """Everything the board shows besides the scalars; changes neither the model nor any random stream."""
        model = self._model
        inputs, targets, lengths = as_tensors(self._batch)
        x = model.embed(inputs).detach()
        traces = trace(model.rnn, x, lengths=lengths)
        top = [traces[name].h for name in list(traces)[-2 if model.rnn.bidirectional else -1 :]]
        outputs = torch.cat(top, dim=-1).requires_grad_()
        answer = model.answer(outputs, lengths)
        # times the size of the batch: each sequence's own gradient, as if it were alone
        (grad_output,) = torch.autograd.grad(self._loss(answer.prediction, targets) * len(self._batch), outputs)
        flow = gradient_flow(
            model.rnn,
            x,
            grad_output.transpose(0, 1) if model.rnn.batch_first else grad_output,
            lengths=lengths,
            bptt_length=self._config.training.bptt_length,
            trace=traces,
        )

        arrays: dict[str, Array] = {}
        for layer, gates in traces.items():
            arrays[f"gradient/{layer}.h"] = flow[layer].h.mean(1).numpy()
            arrays[f"gradient/{layer}.c"] = flow[layer].c.mean(1).numpy()
            for gate in ("i", "f", "o"):
                share = saturation(getattr(gates, gate), lengths=lengths)
                arrays[f"saturation/{layer}.{gate}"] = np.array([share], np.float32)
        if self._forecast is not None:
            with torch.no_grad():
                outputs = model.recur(model.embed(torch.from_numpy(self._forecast.inputs)))
                scaled = model.answer(outputs).prediction.numpy()
            arrays["forecast/prediction"] = self._task.in_unit(scaled)[:, 0].astype(np.float32)
        samples = [self._sample(traces, answer.prediction, answer.attention, row) for row in range(len(self._batch))]
        return Snapshot(step, arrays, samples)

    def _sample(
        self, traces: dict[str, Trace], prediction: Tensor, attention: Tensor | None, row: int
    ) -> dict[str, Array]:
        arrays: dict[str, Array] = {"prediction": prediction[row].detach().numpy().astype(np.float32)}
        if attention is not None:
            arrays["attention"] = attention[:, row].detach().numpy().astype(np.float32)
        for layer, gates in traces.items():
            for name in (*GATES, "c", "h"):
                values = getattr(gates, name)[:, row].numpy().T  # (units, T)
                low, high = (0.0, 1.0) if name in "ifo" else (-1.0, 1.0)
                if name in "ch":
                    high = _power_of_two(values)
                    low = -high
                    arrays[f"range/{layer}.{name}"] = np.array([high], np.float32)
                arrays[f"gate/{layer}.{name}"] = np.rint((values - low) * (255 / (high - low))).astype(np.uint8)
        return arrays

    def _describe(self, data: TaskData) -> dict[str, Any]:
        model, task = self._config.model, self._task
        layers = layer_names(self._model.rnn)
        parameters = {name: list(p.shape) for name, p in self._model.named_parameters()}
        forecast = None
        if self._forecast is not None:
            forecast = {k: v for k, v in asdict(self._forecast).items() if k != "inputs"}
        return {
            "title": self._config.title,
            "headline": task.headline,
            "task": task.name,
            "T": task.time_steps,
            "layers": layers,
            "gates": list(GATES),
            "units": dict.fromkeys(layers, model.hidden_size),
            "attention": model.attention,
            "loss_name": LOSS_NAMES[task.spec.loss],
            "metric": task.metric,
            "metric_unit": task.metric_unit,
            "chance": dict(data.chance),
            "parameters": parameters,
            "parameter_count": sum(p.numel() for p in self._model.parameters()),
            "bptt_length": self._config.training.bptt_length,
            "steps": self._config.training.steps,
            "samples": [asdict(sample) for sample in task.samples(self._batch)],
            "answers": task.answers,
            "forecast": forecast,
        }


def _varied(batch: Batch, classes: bool) -> Array:
    """The rows to look at: of as many classes as there are, or spread over the whole part."""
    count = min(SHOWN, len(batch))
    if not classes:
        return np.linspace(0, len(batch) - 1, count).astype(int)
    rank = np.zeros(len(batch), int)  # how many rows of the same class come before
    for label in np.unique(batch.targets):
        same = batch.targets == label
        rank[same] = np.arange(same.sum())
    return np.lexsort((batch.targets, rank))[:count]


def _power_of_two(values: Array) -> float:
    """The scale of a map that must not jump: the next power of two, at least 1."""
    return float(2.0 ** max(0, np.ceil(np.log2(max(float(np.abs(values).max()), 1e-9)))))
