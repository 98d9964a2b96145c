"""The optimizers against torch's own classes, bit for bit."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from lstm_core.config import TrainingConfig
from lstm_core.optimizers import RULES, Optimizer

SETTINGS = [
    TrainingConfig(optimizer=name, momentum=momentum, weight_decay=decay, learning_rate=0.01)  # type: ignore[arg-type]
    for name in RULES
    for momentum in ((0.0, 0.9) if name in ("sgd", "rmsprop") else (0.0,))
    for decay in (0.0, 0.1)
]
CLASSES = {
    "sgd": lambda p, s: torch.optim.SGD(p, momentum=s.momentum, weight_decay=s.weight_decay, fused=True),
    "rmsprop": lambda p, s: torch.optim.RMSprop(p, momentum=s.momentum, weight_decay=s.weight_decay, foreach=True),
    "adam": lambda p, s: torch.optim.Adam(p, weight_decay=s.weight_decay, fused=True),
    "adamw": lambda p, s: torch.optim.AdamW(p, weight_decay=s.weight_decay, fused=True),
}


def network() -> list[nn.Parameter]:
    torch.manual_seed(3)
    return list(nn.LSTM(3, 7).parameters())


def push(parameters: list[nn.Parameter], step: int) -> float:
    """Other gradients at every step, of very different sizes, and a learning rate that changes."""
    torch.manual_seed(step)
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter) * 10.0 ** (step % 7 - 4)
    return 0.01 / (1 + step % 3)


def alike(mine: list[nn.Parameter], theirs: list[nn.Parameter]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))


def of(settings: TrainingConfig) -> str:
    return f"{settings.optimizer}-{settings.momentum}-{settings.weight_decay}"


@pytest.mark.parametrize("settings", SETTINGS, ids=of)
def test_every_update_is_that_of_torch(settings: TrainingConfig) -> None:
    mine, theirs = network(), network()
    optimizer, known = Optimizer(mine, settings), CLASSES[settings.optimizer](theirs, settings)
    for step in range(30):
        optimizer.rate = known.param_groups[0]["lr"] = push(mine, step)
        push(theirs, step)
        optimizer.step()
        known.step()
        assert alike(mine, theirs), step


@pytest.mark.parametrize("settings", SETTINGS, ids=of)
def test_what_is_kept_lets_another_one_go_on(settings: TrainingConfig) -> None:
    whole, halves = network(), network()
    first, second = Optimizer(whole, settings), Optimizer(halves, settings)
    for step in range(20):
        if step == 10:
            kept: dict[str, Tensor] = {name: tensor.clone() for name, tensor in second.tensors().items()}
            second = Optimizer(halves, settings)
            second.load(kept)
        first.rate = second.rate = push(whole, step)
        push(halves, step)
        first.step()
        second.step()
    assert alike(whole, halves)


def test_what_another_kind_kept_is_left_out_and_what_is_missing_begins_anew() -> None:
    parameters = network()
    optimizer = Optimizer(parameters, TrainingConfig(optimizer="sgd", momentum=0.9))
    optimizer.load({"0.exp_avg": torch.ones(28, 3), "1.momentum_buffer": torch.ones(28, 7)})
    kept = optimizer.tensors()
    assert [name for name, tensor in kept.items() if tensor.any()] == ["1.momentum_buffer"]


def test_training_does_not_load_the_compiler() -> None:
    code = (
        "import sys; from lstm_core import RunConfig, train;"
        "[None for _ in train(RunConfig().replace(**{'training.steps': 3, 'model.hidden_size': 4}))];"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
