"""What the board shows of the inside of the network: gates, attention and gradients on a few fixed sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lstm_core import precision
from lstm_core.cells import CELLS
from lstm_core.config import RunConfig
from lstm_core.gallery import Gallery
from lstm_core.generation import TEMPERATURES, shown
from lstm_core.inside import look, mean_of_running, varied
from lstm_core.inspection import LARGEST, histograms, most_looked, spectra, stuck
from lstm_core.model import Output, SequenceModel, without_dropout
from lstm_core.naming import layer_names
from lstm_core.probes import Trace, saturation
from lstm_core.tasks.base import IGNORED, Array, TaskData

ROUNDED = 128  # sequences with which fixed point is tried at the end
LONGEST_WALK = 400  # time steps, over all layers and directions, that this may take
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
        self._cell = CELLS[config.model.cell]
        self._batch = data.validation.take(varied(data.validation))
        self._test = data.test.take(slice(0, ROUNDED))
        self._forecast = self._task.forecast(data)
        self._generation = self._task.generation
        self._gallery = Gallery(self._task, data.validation)
        self.last_validation: dict[str, Array] = {}  # what it found
        self.about = self._describe(data)

    def judged(self, step: int, prediction: Array, targets: Array) -> None:
        """Take note of a validation: the snapshots that follow tell what was said to whom, and the singular values.

        Those would take too long at every snapshot; a validation takes several times as long.
        """
        self.last_validation = self._gallery.judged(step, prediction, targets) | spectra(self._model.rnn)

    def snapshot(self, step: int, last: bool = False) -> Snapshot:
        """Everything the board shows besides the scalars; changes neither the model nor any random stream.

        The `last` one of a run also tells what it would lose on hardware with few bits.
        """
        with without_dropout(self._model), np.errstate(all="ignore"):  # of what has grown beyond all numbers
            found = self._look(step)
            return replace(found, arrays=found.arrays | self._rounded()) if last else found

    def _rounded(self) -> dict[str, Array]:
        """Ranges and fixed-point formats; nothing where a value has grown beyond all numbers."""
        if not self.about["fixed"]:
            return {}
        model = self._model
        try:
            return precision.arrays(precision.measure_precision(model, self._task, self._test, what=("everything",)))
        except ValueError:
            return {}

    def _look(self, step: int) -> Snapshot:
        model, batch = self._model, self._batch
        device = next(model.parameters()).device
        inside = look(model, batch, self._loss)
        traces, lengths, answer = inside.traces, inside.lengths, inside.answer
        gradients = inside.gradients(model, self._config.training.bptt_length)
        flow = {layer: of_layer.norms() for layer, of_layer in gradients.items()}

        arrays: dict[str, Array] = {}
        for layer, gates in traces.items():
            for state in self._cell.states:
                arrays[f"gradient/{layer}.{state}"] = mean_of_running(getattr(flow[layer], state), batch.lengths)
            for gate in self._cell.sigmoids:
                share = saturation(gates[gate], lengths=lengths)
                arrays[f"saturation/{layer}.{gate}"] = np.array([share], np.float32)
        arrays |= stuck(traces, self._cell.sigmoids, lengths)
        arrays |= histograms(model.rnn) | self.last_validation
        if self._forecast is not None:
            with torch.no_grad():
                scaled = model(torch.from_numpy(self._forecast.inputs).to(device)).prediction.cpu().numpy()
            arrays["forecast/prediction"] = self._task.in_unit(scaled)[:, 0].astype(np.float32)
        if model.decoder is not None:  # what it says when nobody tells it the truth
            with torch.no_grad():
                answer = inside.answered_alone(model)
        if self._generation is not None:
            seed = [self._config.training.seed, 7, step]
            arrays["generated"] = shown(model, self._generation, self._task.time_steps, seed)
        maps = self._maps(traces)
        return Snapshot(step, arrays, [self._answered(answer, row) | maps[row] for row in range(len(batch))])

    def _answered(self, answer: Output, row: int) -> dict[str, Array]:
        """Of one sample the prediction (K,) or, of several steps, the likeliest answers and how sure it is."""
        prediction = answer.prediction[row].detach().float().cpu()
        if prediction.dim() == 1:
            arrays: dict[str, Array] = {"prediction": prediction.numpy()}
        else:
            sure, likeliest = prediction.softmax(-1).max(-1)
            arrays = {"answer": likeliest.numpy().astype(np.int32), "confidence": sure.numpy()}
        if answer.attention is not None:
            weights = _finite(answer.attention[row]).astype(np.float32)
            if weights.ndim == 2:  # a map: bytes, of which 255 stands for the largest weight
                arrays["attention/most"] = most_looked(weights, self._task.spec.answers == "steps", *self._size(row))
                largest = max(float(weights.max()), 1e-9)
                arrays["range/attention"] = np.array([largest], np.float32)
                weights = np.rint(weights * (255 / largest)).astype(np.uint8)
            arrays["attention"] = weights
        return arrays

    def _maps(self, traces: dict[str, Trace]) -> list[dict[str, Array]]:
        """Of each sample every quantity of the cell as bytes (units, T), and how far those without bounds reach."""
        samples: list[dict[str, Array]] = [{} for _ in range(len(self._batch))]
        for layer, gates in traces.items():
            for name in self._cell.quantities:
                values = _finite(gates[name]).transpose(1, 2, 0)  # (samples, units, T)
                highs = np.ones(len(values), np.float32)
                if name in self._cell.unbounded:
                    highs = _powers_of_two(values)
                    for sample, reached in zip(samples, highs, strict=True):
                        sample[f"range/{layer}.{name}"] = np.array([reached])
                lows = np.zeros_like(highs) if name in self._cell.sigmoids else -highs
                low, high = lows[:, None, None], highs[:, None, None]
                maps = np.rint((values - low) * (255 / (high - low))).astype(np.uint8)
                for sample, one in zip(samples, maps, strict=True):
                    sample[f"gate/{layer}.{name}"] = one
        return samples

    def _size(self, row: int) -> tuple[int, int]:
        """How many steps of a shown sequence ask, and how many inputs they may look at."""
        targets, lengths = self._batch.targets[row], self._batch.lengths
        read = self._task.time_steps if lengths is None else int(lengths[row])
        asked = np.flatnonzero(targets != IGNORED)
        return (read if self._task.spec.answers == "steps" else int(asked[-1]) + 1 if len(asked) else 1), read

    def _measures(self) -> list[str]:
        """What the snapshots of this run hold beyond those of every version."""
        there = {
            "weights": True,
            "spectrum": self._config.model.hidden_size <= LARGEST,
            "stuck": bool(self._cell.sigmoids),
            "updates": True,
            "confusion": self._gallery.counts,
            "attention/most": self._model.attention is not None and self._task.spec.answers != "sequence",
        }
        return [name for name, measured in there.items() if measured]

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
            "cell": model.cell,
            "gates": list(self._cell.gates),
            "quantities": list(self._cell.quantities),
            "states": list(self._cell.states),
            "sigmoids": list(self._cell.sigmoids),
            "unbounded": list(self._cell.unbounded),
            "answering": task.spec.answers,
            # step by step in Python: nobody shall wait for it at the end of a run
            "fixed": task.time_steps * len(layers) + task.spec.decoded_steps <= LONGEST_WALK,
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
            "schedule": self._config.training.schedule,
            "warmup": self._config.training.warmup,
            "scale": task.in_unit(np.array([0.0, 1.0])).ravel().tolist(),  # 0 and 1 of a prediction, in its unit
            "samples": [asdict(sample) for sample in task.samples(self._batch)],
            "answers": task.answers,
            "forecast": forecast,
            "measures": self._measures(),
            "gallery": self._gallery.describe(),
            "generation": self._generation and {"temperatures": [*TEMPERATURES], **asdict(self._generation)},
        }


def _finite(values: Tensor) -> Array:
    """As NumPy, with what has grown beyond all numbers at ±1e30 and what is no number at 0."""
    found: Array = values.detach().cpu().numpy()
    return found if np.isfinite(found).all() else np.nan_to_num(found, nan=0.0, posinf=1e30, neginf=-1e30)


def _powers_of_two(values: Array) -> Array:
    """The scale of maps (n, …) that must not jump, float32 (n,): the next power of two of each, at least 1."""
    largest = np.maximum(np.abs(values).max(axis=(1, 2)), 1e-9)
    return np.asarray(2.0 ** np.maximum(0, np.ceil(np.log2(largest))), np.float32)
