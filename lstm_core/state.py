"""All that a run needs to go on, and its written form: a safetensors checkpoint without pickle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.nn import functional

from lstm_core.config import RunConfig, TrainingConfig
from lstm_core.gradients import Gradients
from lstm_core.model import as_tensors, build
from lstm_core.snapshots import Probe

LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {"cross_entropy": functional.cross_entropy, "mse": functional.mse_loss}
)

Optimizer = Callable[[list[nn.Parameter], TrainingConfig], torch.optim.Optimizer]
OPTIMIZERS: Mapping[str, Optimizer] = MappingProxyType(
    {
        "sgd": lambda p, s: torch.optim.SGD(
            p, s.learning_rate, momentum=s.momentum, weight_decay=s.weight_decay, fused=True
        ),
        "rmsprop": lambda p, s: torch.optim.RMSprop(
            p, s.learning_rate, momentum=s.momentum, weight_decay=s.weight_decay, foreach=True
        ),
        "adam": lambda p, s: torch.optim.Adam(p, s.learning_rate, weight_decay=s.weight_decay, fused=True),
        "adamw": lambda p, s: torch.optim.AdamW(p, s.learning_rate, weight_decay=s.weight_decay, fused=True),
    }
)


class TrainState:
    """Weights, optimizer, random stream and the step that comes next; `train` moves it on in place."""

    def __init__(self, config: RunConfig) -> None:
        self.config, self.task = config, config.task
        training = config.training
        self.data = self.task.data(training.seed)
        self.model = build(config.model, config.init, self.task.spec, length=self.task.time_steps, seed=training.seed)
        self.gradients = Gradients(self.model)
        self.loss = LOSSES[self.task.spec.loss]
        self.optimizer = OPTIMIZERS[training.optimizer](list(self.model.parameters()), training)
        self.probe = Probe(config, self.model, self.data, self.loss)
        self.step = 0
        self.random = torch.Generator().manual_seed(training.seed).get_state()

    @property
    def about(self) -> dict[str, Any]:
        """What a page must know to draw this run, as one JSON document."""
        return self.probe.about

    def use(self, settings: TrainingConfig) -> TrainingConfig:
        """Let the optimizer work with these settings from now on."""
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate
        return settings

    @contextmanager
    def dropout(self) -> Iterator[None]:
        """Where dropout draws: a stream of the run's own, so that nobody else's drawing can disturb it."""
        if not self.config.model.dropout:
            yield
            return
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.random)
            yield
            self.random = torch.get_rng_state()

    def metrics(self, prediction: Tensor, targets: Tensor) -> dict[str, float]:
        """The task's metrics on a training batch, named for its scalars."""
        measured = self.task.metrics(prediction.detach().numpy(), targets.numpy())
        return {f"{name}/train": value for name, value in measured.items()}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss and metrics on the whole validation part, without dropout."""
        inputs, targets, lengths = as_tensors(self.data.validation)
        self.model.eval()
        prediction = self.model(inputs, lengths).prediction
        self.model.train()
        measured = self.task.evaluate(prediction.numpy(), self.data.validation)
        return {"loss/val": self.loss(prediction, targets).item(), **{f"{k}/val": v for k, v in measured.items()}}

    def dump(self) -> bytes:
        """The checkpoint: from it training goes on bit for bit."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors["random"] = self.random
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v for k, v in values.items() if isinstance(v, Tensor)}
        return save_tensors(tensors, {"step": str(self.step), "config": self.config.model_dump_json()})

    @classmethod
    def load(cls, config: RunConfig, data: bytes) -> TrainState:
        """Read what `dump` wrote for this config; raises ValueError where the two do not belong together."""
        tensors, written = load_tensors(data), _metadata(data)
        if RunConfig.model_validate_json(written["config"]).model != config.model:
            raise ValueError("The checkpoint belongs to another model than the settings describe.")
        state = cls(config)
        state.step, state.random = int(written["step"]), tensors.pop("random")
        state.model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                moments.setdefault(int(index), {})[key] = tensor
        state.optimizer.load_state_dict({**state.optimizer.state_dict(), "state": moments})
        return state


def _metadata(data: bytes) -> dict[str, str]:
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length])["__metadata__"])
