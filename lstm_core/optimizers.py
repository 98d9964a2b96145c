"""Optimizers: torch's own update rules, by the functions that its classes call.

The first optimizer that is made of those classes loads torch's compiler, which takes every worker a second and 70 MB,
and nothing here is ever compiled. Each update is that of the class of the same name, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from lstm_core.config import TrainingConfig

Kept = Mapping[str, list[Tensor]]


class Update(NamedTuple):
    """What one update is made from; `kept` has tensors by name, one for each parameter, and is changed in place."""

    parameters: list[Tensor]
    gradients: list[Tensor]
    kept: Kept
    rate: float
    settings: TrainingConfig


class Rule(NamedTuple):
    """The update, and the names of what it keeps from one to the next; a momentum only where there is any."""

    update: Callable[[Update], None]
    kept: tuple[str, ...]


def _adam(rule: Callable[..., None]) -> Rule:
    def update(now: Update) -> None:
        rule(
            now.parameters,
            now.gradients,
            now.kept["exp_avg"],
            now.kept["exp_avg_sq"],
            [],
            now.kept["step"],
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=now.rate,
            weight_decay=now.settings.weight_decay,
            eps=1e-8,
            maximize=False,
        )

    return Rule(update, ("step", "exp_avg", "exp_avg_sq"))


def _sgd(now: Update) -> None:
    sgd(
        now.parameters,
        now.gradients,
        [*now.kept.get("momentum_buffer", [None] * len(now.parameters))],
        fused=True,
        weight_decay=now.settings.weight_decay,
        momentum=now.settings.momentum,
        lr=now.rate,
        dampening=0,
        nesterov=False,
        maximize=False,
    )


def _rmsprop(now: Update) -> None:
    rmsprop(
        now.parameters,
        now.gradients,
        now.kept["square_avg"],
        [],
        now.kept.get("momentum_buffer", []),
        now.kept["step"],
        foreach=True,
        lr=now.rate,
        alpha=0.99,
        eps=1e-8,
        weight_decay=now.settings.weight_decay,
        momentum=now.settings.momentum,
        centered=False,
    )


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "sgd": Rule(_sgd, ("momentum_buffer",)),
        "rmsprop": Rule(_rmsprop, ("step", "square_avg", "momentum_buffer")),
        "adam": _adam(adam),
        "adamw": _adam(adamw),
    }
)


class Optimizer:
    """Moves parameters by their gradients, which must be there; `rate` is the learning rate of the next update."""

    def __init__(self, parameters: Sequence[nn.Parameter], settings: TrainingConfig) -> None:
        self.rate = settings.learning_rate
        self._rule, self._settings, self._parameters = RULES[settings.optimizer], settings, list(parameters)
        names = [name for name in self._rule.kept if name != "momentum_buffer" or settings.momentum]
        self._kept = {name: [self._zero(name, parameter) for parameter in self._parameters] for name in names}

    def _zero(self, name: str, parameter: nn.Parameter) -> Tensor:
        if name == "step":  # counted where torch counts it: beside the weights only in a fused kernel
            return torch.zeros((), device="cpu" if self._settings.optimizer == "rmsprop" else parameter.device)
        return torch.zeros_like(parameter, requires_grad=False)

    @torch.no_grad()
    def step(self) -> None:
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self._rule.update(Update([*self._parameters], gradients, self._kept, self.rate, self._settings))

    def tensors(self) -> dict[str, Tensor]:
        """What is kept between updates, by the number of the parameter and the name: `0.exp_avg`."""
        return {f"{place}.{name}": each for name, kept in self._kept.items() for place, each in enumerate(kept)}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave; what is missing there begins anew, what is not needed is left out."""
        for name, mine in self.tensors().items():
            if name in tensors:
                mine.copy_(tensors[name])
