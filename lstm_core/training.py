"""The training of a run: one visible loop, deterministic from the seed, resumable bit for bit."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from lstm_core.config import Override, RunConfig
from lstm_core.metering import Row
from lstm_core.model import as_tensors
from lstm_core.snapshots import Snapshot
from lstm_core.state import TrainState

__all__ = ["NonFinite", "Snapshot", "Step", "TrainState", "train"]


MOST_TIME_IN_SNAPSHOTS = 0.01  # a large network is looked at less often, so that looking never slows it more


@dataclass(frozen=True)
class Step:
    """Everything measured with the weights after `step` updates, on batch number `step`; 0 is before the first."""

    step: int
    loss: float
    row: Row = field(repr=False, compare=False)
    more: Mapping[str, float] = field(repr=False)

    @property
    def scalars(self) -> dict[str, float]:
        """By name; to ask late, for a number of steps, is cheaper."""
        return {"loss/train": self.loss, **self.row.scalars(), **self.more}


class NonFinite(ArithmeticError):
    """The loss or a gradient is no longer a number. The weights of the state are still the last good ones.

    `where` is the first scalar that is not finite, `parameter` the first group of weights whose gradient is not.
    """

    def __init__(self, step: int, scalars: Mapping[str, float]) -> None:
        self.step = step
        broken = [(name, value) for name, value in scalars.items() if not math.isfinite(value)]
        self.where, self.value = broken[0]
        gradients = [name.removeprefix("grad_norm/") for name, _ in broken if name.startswith("grad_norm/")]
        self.parameter = next((name for name in gradients if name != "total"), None)
        loss = "the loss" if self.where == "loss/train" else f"the gradient of {self.parameter or 'all weights'}"
        also = (
            f", and with it the gradient of {self.parameter}" if self.where == "loss/train" and self.parameter else ""
        )
        super().__init__(f"At step {step} {loss} became {self.value}{also}.")


@contextmanager
def without_denormals() -> Iterator[None]:
    """Let what is smaller than any normal number (1.2e-38 in 32 bits) count as 0 in this thread.

    The gradients of a run that has learnt its task are full of such numbers, and a processor takes so much longer for
    each that a step takes up to six times as long.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def train(
    config: RunConfig,
    state: TrainState | None = None,
    *,
    until: int | None = None,
    overrides: Sequence[Override] = (),
    snapshot_seconds: float = 0.25,
) -> Iterator[Step | Snapshot]:
    """Train, and tell what happens: a `Step` for each of the steps 0 … config.training.steps, `Snapshot`s when due.

    `state` goes on where an earlier call stopped; `until` stops after that step. A snapshot is due at step 0, at
    the last step and every `snapshot_seconds` of wall clock; taking it changes nothing in the run. When `Step` k
    arrives, update k has been applied and `state` is an exact checkpoint: from it the rest follows bit for bit.
    The run is over at the last step, or earlier when its patience is; then the best weights are tested, once.
    Torch works on one thread from here on: faster for networks of this size, and the same bits everywhere. Within a
    step numbers too small to be normal are 0.
    Raises `NonFinite` before a loss or gradient that is not a number can reach the weights.
    """
    torch.set_num_threads(1)
    state = state or TrainState(config)
    model, gradients = state.model, state.gradients
    next_snapshot = -math.inf if state.step == 0 else time.monotonic() + snapshot_seconds
    state.reopen(overrides)
    settings = state.settings(overrides)

    while not state.over and (until is None or state.step <= until):
        step = state.step
        if any(override.step == step for override in overrides):
            settings = state.settings(overrides)
        batch = state.data.train.batch(step, settings.batch_size, settings.seed)
        inputs, targets, lengths = as_tensors(batch, state.device)
        with without_denormals():
            gradients.zero()
            with state.dropout():
                before = state.carried if batch.continues else None
                prediction, _, final = model(inputs, lengths, settings.bptt_length, before, targets)
            loss = state.loss(prediction, targets)
            loss.backward()

            row, reached, total = state.meter.take(prediction, batch), loss.item(), gradients.norm()
            scalars = {"grad_norm/total": total}
            if not math.isfinite(reached + total):
                raise NonFinite(step, Step(step, reached, row, scalars).scalars)
            scalars["grad_norm/clipped"] = gradients.clip(settings.clip, settings.clip_threshold, total)
            scalars["learning_rate"] = state.use(settings)
            put_off = state.put_off(overrides)
            if step % settings.validate_every == 0 or step == settings.steps or put_off:
                scalars |= state.validate(settings.patience, put_off)
            if step == settings.steps or state.over:
                scalars |= state.test()
                state.over = True

        now = time.monotonic()
        if state.over or step == until or now >= next_snapshot:
            begun = time.thread_time()  # not the wall's: a busy machine is no large network
            snapshot = state.probe.snapshot(step, last=state.over)
            cost = time.thread_time() - begun
            next_snapshot = now + max(snapshot_seconds, cost / MOST_TIME_IN_SNAPSHOTS)
            yield snapshot
        if not state.over:
            with without_denormals():
                scalars |= state.update()
            state.carry(final)
        state.step += 1
        yield Step(step, reached, row, scalars)
