"""All that a run needs to go on, and its written form: a safetensors checkpoint without pickle."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor
from torch.nn import functional

from lstm_core import files, weights
from lstm_core.config import Override, RunConfig, TrainingConfig, with_overrides
from lstm_core.gradients import Gradients
from lstm_core.metering import Meter
from lstm_core.model import Output, SequenceModel, State, as_tensors, build, detached, moved
from lstm_core.optimizers import Optimizer
from lstm_core.schedules import learning_rate
from lstm_core.settings import Impossible
from lstm_core.snapshots import Probe
from lstm_core.tasks.base import IGNORED, Array, Batch, Stream
from lstm_core.updates import EVERY, Updates

AT_ONCE = 256  # sequences of a validation or test part that are looked at together


def _cross_entropy(prediction: Tensor, targets: Tensor) -> Tensor:
    """The mean over all answers asked for; prediction (…, K), targets (…)."""
    return functional.cross_entropy(prediction.flatten(0, -2), targets.flatten(), ignore_index=IGNORED)


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {"cross_entropy": _cross_entropy, "mse": functional.mse_loss}
)


@dataclass
class Best:
    """The weights with the smallest validation loss so far, and how often in a row it was not undercut."""

    loss: float
    step: int
    weights: dict[str, Tensor]
    missed: int = 0


class TrainState:
    """Weights, optimizer and the step that comes next; `train` moves it on in place.

    `over` says that the last step is measured, with no update after it; `carried` is the recurrent state with which a
    text goes on. Nothing random is kept: data and dropout of a step follow from the seed and the step.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config, self.task = config, config.task
        training = config.training
        self.device = find_device(training.device)
        self.data = self.task.data(training.seed)
        self.model = first_model(config).to(self.device)
        self.gradients = Gradients(self.model)
        self.meter = Meter(self.gradients, self.metrics)
        self.updates = Updates(self.model)
        self.loss = LOSSES[self.task.spec.loss]
        self.optimizer = Optimizer(list(self.model.parameters()), training)
        self.probe = Probe(config, self.model, self.data, self.loss)
        self.step = 0
        self.over = False
        self.carried: State | None = None
        self.best: Best | None = None

    @property
    def about(self) -> dict[str, Any]:
        """What a page must know to draw this run, as one JSON document."""
        return self.probe.about

    def settings(self, overrides: Iterable[Override]) -> TrainingConfig:
        """The settings that hold at the step that comes next."""
        return with_overrides(self.config.training, overrides, self.step)

    def reopen(self, overrides: Iterable[Override]) -> bool:
        """Make a run that is over go on, if its end was put off at its last step: that step is measured again."""
        if not self.over or not _put_off(overrides, self.step - 1):
            return False
        self.over = False
        self.step -= 1
        return True

    def put_off(self, overrides: Iterable[Override]) -> bool:
        """Whether the end of the run was put off at the step that comes next."""
        return _put_off(overrides, self.step)

    def carry(self, final: State) -> None:
        """Keep the state with which the next piece of a text goes on."""
        self.carried = detached(final) if isinstance(self.data.train, Stream) else None

    def use(self, settings: TrainingConfig) -> float:
        """Let the optimizer's next update have the learning rate that these settings give it; returns the rate."""
        self.optimizer.rate = learning_rate(settings, self.step)
        return self.optimizer.rate

    def update(self) -> dict[str, float]:
        """Move the weights; of every tenth step also tells how far, as a share of their size."""
        if self.step % EVERY:
            self.optimizer.step()
            return {}
        self.updates.begin()
        self.optimizer.step()
        return self.updates.ratios()

    @contextmanager
    def dropout(self) -> Iterator[None]:
        """Where dropout draws: a stream of this step's own, so that nobody else's drawing can disturb it."""
        if not self.config.model.dropout:
            yield
            return
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            seed = np.random.SeedSequence([self.config.training.seed, 6, self.step]).generate_state(1, np.uint64)
            torch.manual_seed(int(seed[0]))
            yield

    def metrics(self, prediction: Array, targets: Array) -> dict[str, float]:
        """The task's metrics on a training batch, named for its scalars."""
        with np.errstate(all="ignore"):  # a loss beyond all numbers says enough
            return {f"{name}/train": value for name, value in self.task.metrics(prediction, targets).items()}

    def validate(self, patience: int | None, put_off: bool = False) -> dict[str, float]:
        """Measure the validation part and keep the best weights; `over` becomes true when the patience ends.

        Where the end of the run was just `put_off` the patience begins anew, the first time as in every replay.
        """
        part = self.data.validation
        prediction, attention = self._predict(part)
        self.probe.judged(self.step, prediction, part.targets)
        measured = self._measure(part, "val", prediction, attention)
        if self.best is None or measured["loss/val"] < self.best.loss or math.isnan(self.best.loss):
            weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
            self.best = Best(measured["loss/val"], self.step, weights)
        else:
            self.best.missed += 1
        if put_off:
            self.best.missed = 0
        self.over = patience is not None and self.best.missed >= patience
        return measured

    def test(self) -> dict[str, float]:
        """Measure the test part, with the best weights of the validation; the model keeps those it has."""
        assert self.best is not None, "the last step is always validated"
        last = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(self.best.weights)
        measured = self._measure(self.data.test, "test", *self._predict(self.data.test))
        self.model.load_state_dict(last)
        return {**measured, "best/step": float(self.best.step)}

    @torch.no_grad()
    def _predict(self, part: Batch) -> tuple[Array, Array | None]:
        """What the network says to a whole part, without dropout, and its attention where that is pooled."""
        self.model.eval()
        predictions, attentions = [], []
        for start in range(0, len(part), AT_ONCE):
            inputs, targets, lengths = as_tensors(part.take(slice(start, start + AT_ONCE)), self.device)
            output: Output = self.model(inputs, lengths, targets=targets)
            predictions.append(output.prediction)
            if output.attention is not None and output.attention.dim() == 2:
                attentions.append(output.attention.cpu().numpy())
        self.model.train()
        return torch.cat(predictions).cpu().numpy(), np.concatenate(attentions) if attentions else None

    def _measure(self, part: Batch, name: str, prediction: Array, attention: Array | None) -> dict[str, float]:
        """Loss and metrics of what was said to a whole part."""
        with np.errstate(all="ignore"):
            measured = self.task.evaluate(prediction, part, attention)
        loss = self.loss(torch.from_numpy(prediction), torch.from_numpy(part.targets)).item()
        return {f"loss/{name}": loss, **{f"{k}/{name}": v for k, v in measured.items()}}

    def take_over(self, other: TrainState) -> None:
        """Go on from where another run stands, with these settings: its weights, its step and, where the optimizer is
        of the same kind, its moments; where the batches are the same also the place in the text.

        Raises Impossible, which names every parameter that is missing or of another shape.
        """
        mine = {name: tuple(tensor.shape) for name, tensor in self.model.state_dict().items()}
        theirs = {name: tuple(tensor.shape) for name, tensor in other.model.state_dict().items()}
        unlike = [
            f"{name} is {theirs.get(name, 'missing')} there and {mine.get(name, 'not needed')} here"
            for name in dict.fromkeys([*mine, *theirs])
            if mine.get(name) != theirs.get(name)
        ]
        if unlike:
            raise Impossible(f"A run can only go on with weights of the same shapes: {'; '.join(unlike)}.")
        self.model.load_state_dict(other.model.state_dict())
        if self.config.training.optimizer == other.config.training.optimizer:
            self.optimizer.load(other.optimizer.tensors())
        mine_read, theirs_read = ((s.task, s.config.training.seed, s.config.training.batch_size) for s in (self, other))
        if mine_read == theirs_read and other.carried is not None:
            self.carried = moved(other.carried, self.device)
        self.step = other.step

    def dump(self) -> bytes:
        """The checkpoint: from it training goes on bit for bit."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in self.optimizer.tensors().items()}
        if self.carried is not None:
            parts = self.carried if isinstance(self.carried, tuple) else (self.carried,)
            tensors |= {f"carried.{index}": part for index, part in enumerate(parts)}
        tensors |= {f"judged.{name}": torch.from_numpy(said) for name, said in self.probe.last_validation.items()}
        told: dict[str, Any] = {"step": self.step, "over": self.over}
        if self.best is not None:
            tensors |= {f"best.{name}": tensor for name, tensor in self.best.weights.items()}
            told["best"] = [self.best.loss, self.best.step, self.best.missed]
        return save_tensors(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            {"state": json.dumps(told), "config": self.config.model_dump_json()},
        )

    @classmethod
    def load(cls, config: RunConfig, data: bytes) -> TrainState:
        """Read what `dump` wrote for this config.

        Raises ValueError where the two do not belong together, Impossible for what an earlier version has written.
        """
        tensors, written = load_tensors(data), _metadata(data)
        if "state" not in written:
            raise Impossible(
                "The last state of this run was kept by an earlier version of the program, which this one cannot go on "
                "from. Its curves stay; train a new run with the same settings."
            )
        if RunConfig.model_validate_json(written["config"]).model != config.model:
            raise ValueError("The checkpoint belongs to another model than the settings describe.")
        state, told = cls(config), json.loads(written["state"])
        parts: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            parts.setdefault(kind, {})[rest] = tensor.to(state.device)
        state.step, state.over = told["step"], told["over"]
        state.model.load_state_dict(parts["model"])
        state.optimizer.load(parts.get("optimizer", {}))
        carried = tuple(part for _, part in sorted(parts.get("carried", {}).items()))
        state.carried = carried if len(carried) > 1 else carried[0] if carried else None
        state.probe.last_validation = {name: said.cpu().numpy() for name, said in parts.get("judged", {}).items()}
        if "best" in told:
            loss, step, missed = told["best"]
            state.best = Best(loss, step, parts["best"], missed)
        return state


def first_model(config: RunConfig) -> SequenceModel:
    """The network of a run before its first update, on the CPU; raises FileProblem for weights that do not fit it."""
    task = config.task
    model = build(config.model, config.init, task.spec, length=task.time_steps, seed=config.training.seed)
    if config.init.weights is not None:
        weights.load_any_into(model, files.read(config.init.weights), "The file of first weights")
    return model


def _put_off(overrides: Iterable[Override], step: int) -> bool:
    return any(o.field == "steps" and o.step == step < int(o.value) for o in overrides)


def find_device(name: str) -> torch.device:
    """The device of that name; raises Impossible where this machine has none."""
    if name == "cuda":
        if not torch.cuda.is_available():
            raise Impossible("This machine has no CUDA device that PyTorch can use; choose the device cpu.")
        # The same seed gives the same curve: https://docs.pytorch.org/docs/stable/notes/randomness.html
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.deterministic = True
    return torch.device(name)


def _metadata(data: bytes) -> dict[str, str]:
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length])["__metadata__"])
