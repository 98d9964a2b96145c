"""The networks that are measured, and the bare loop that everything is compared with."""

from __future__ import annotations

import sys
import time

import torch

from lstm_core.config import RunConfig
from lstm_core.model import as_tensors
from lstm_core.training import TrainState

SIZES = {
    "T 50 H 32": (50, 32, 32),
    "T 50 H 64": (50, 64, 64),
    "T 100 H 128": (100, 128, 32),
}


def config(size: str) -> RunConfig:
    """Recall with (T, H, batch) of the name; endless, and hardly ever validated, as the bare loop never is."""
    length, hidden, batch = SIZES[size]
    return RunConfig().replace(
        **{"task.length": length, "model.hidden_size": hidden, "training.batch_size": batch}
        | {"training.steps": 1_000_000, "training.validate_every": 100_000}
    )


def bare_loop(size: str, seconds: float) -> float:
    """Steps per second of the same model, batches and optimizer, and nothing else."""
    torch.set_num_threads(1)
    state = TrainState(config(size))
    model, optimizer, training = state.model, state.optimizer, state.config.training
    steps, began = -20, time.perf_counter()  # the first steps warm up
    while steps < 0 or time.perf_counter() - began < seconds:
        if steps == 0:
            began = time.perf_counter()
        inputs, targets, _ = as_tensors(state.data.train.batch(steps + 20, training.batch_size, training.seed))
        optimizer.zero_grad(set_to_none=True)
        loss = state.loss(model(inputs).prediction, targets)
        loss.backward()
        optimizer.step()
        steps += 1
    return steps / (time.perf_counter() - began)


if __name__ == "__main__":
    print(bare_loop(sys.argv[1], float(sys.argv[2])))
