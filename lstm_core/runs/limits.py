"""How much of a server one person may use, and the whole store of the disk: read from variables LSTM_LAB_MAX_….

The defaults suit a class of thirty on two processor cores. 0 stands for no limit. What belongs to nobody is exempt: the
example, and what the terminal trains, in its own process on the machine itself.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lstm_core import wording
from lstm_core.cells import CELLS
from lstm_core.runs.records import StoreError

if TYPE_CHECKING:
    from lstm_core.config import RunConfig

PREFIX = "LSTM_LAB_MAX_"
MIB = 2**20
HELD = 4  # gradients and the optimizer's two averages beside the numbers themselves
ASK = "or ask whoever runs this server to raise {name}."


class LimitReached(StoreError):
    """Something would go beyond a limit; the message says which, its value and what to do."""


class Limits(BaseModel):
    """The limits in force; each is the variable of its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    open_runs: int = Field(40, ge=0, description="runs of one owner that are waiting, running, paused or interrupted")
    steps: int = Field(1_000_000, ge=0, description="steps of a run")
    parameters: int = Field(5_000_000, ge=0, description="parameters of a run's recurrent layers")
    memory_mb: int = Field(1024, ge=0, description="MiB that a training step of a run needs, as estimated")
    train_seconds: int = Field(3600, ge=0, description="seconds that a run may be trained in all")
    store_mb: int = Field(4096, ge=0, description="MiB of the whole store")

    def check_open(self, before: int, more: int) -> None:
        """Raise LimitReached where an owner with `before` open runs may not have `more`."""
        if _over(before + more, self.open_runs):
            has = f"{before} of your runs are" if before != 1 else "1 of your runs is"
            would = "" if more == 1 else f", and this would be {more} more"
            raise LimitReached(
                f"{has} not over yet{would}; at most {self.open_runs} may be open at a time. Stop or delete some of "
                f"them under Runs, wait until some have finished, {_ask('open_runs')}"
            )

    def check_settings(self, configs: Iterable[RunConfig]) -> None:
        """Raise LimitReached where a run of these settings would be too long or too large."""
        for config in configs:
            self.check_steps(config.training.steps)
            count, memory = parameter_count(config), math.ceil(memory_bytes(config) / MIB)
            if _over(count, self.parameters):
                raise LimitReached(
                    f"The network would have {wording.count(count)} parameters; at most "
                    f"{wording.count(self.parameters)} are allowed here. Choose a smaller hidden size or fewer layers, "
                    f"{_ask('parameters')}"
                )
            if _over(memory, self.memory_mb):
                raise LimitReached(
                    f"A training step would need about {wording.count(memory)} MiB of memory; at most "
                    f"{wording.count(self.memory_mb)} are allowed here. Choose a smaller batch, shorter sequences or a "
                    f"smaller hidden size, {_ask('memory_mb')}"
                )

    def check_steps(self, steps: int) -> None:
        """Raise LimitReached where a run may not have so many steps."""
        if _over(steps, self.steps):
            raise LimitReached(
                f"The run would have {wording.count(steps)} steps; at most {wording.count(self.steps)} are allowed "
                f"here. Choose fewer, {_ask('steps')}"
            )

    def check_time(self, train_seconds: float) -> None:
        """Raise LimitReached where a run has had its time of training."""
        if self.train_seconds and train_seconds >= self.train_seconds:
            raise LimitReached(
                f"The run was trained for {wording.duration(train_seconds)}, and {wording.duration(self.train_seconds)}"
                f" is the most a run may have here. Begin a new one with fewer steps or a smaller network, "
                f"{_ask('train_seconds')}"
            )

    @property
    def longest(self) -> float:
        """Seconds of training that a run may have, infinitely many where there is no limit."""
        return self.train_seconds or math.inf


def limits(environment: Mapping[str, str] | None = None) -> Limits:
    """The limits that the environment sets; raises StoreError for a value that is none."""
    known = os.environ if environment is None else environment
    given = {name: known[variable(name)].strip() for name in Limits.model_fields if known.get(variable(name))}
    try:
        return Limits.model_validate(given)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        what = Limits.model_fields[name].description
        raise StoreError(
            f"{variable(name)} is {given[name]!r}; set it to a whole number ({what}), or to 0 for no limit."
        ) from None


def variable(name: str) -> str:
    """The environment variable of a limit."""
    return PREFIX + name.upper()


def time_is_up(train_seconds: float, step: int) -> dict[str, Any]:
    """What is said of a run that was stopped because it has had its time of training."""
    return {
        "what": f"Stopped after {wording.duration(train_seconds)} of training: a run may not have more here.",
        "why": f"So that everybody gets a turn, {variable('train_seconds')} bounds how long a run is trained.",
        "remedy": "What it has learned is kept: look at it, fork it, or begin a new run with fewer steps or a smaller "
        "network. It can be resumed once the limit is raised.",
        "step": step,
    }


def parameter_count(config: RunConfig) -> int:
    """How many parameters the recurrent layers of a run have."""
    from lstm_core import shapes

    return shapes.parameter_count(shapes.Arguments.of(config))


def memory_bytes(config: RunConfig) -> int:
    """About how much memory a training step takes: every gate and state of every time step, sequence and unit, kept
    for the way back together with its gradient, and the parameters with what the optimizer has of each.
    """
    model, cell = config.model, CELLS[config.model.cell]
    units = model.hidden_size * model.num_layers * (2 if model.bidirectional else 1)
    each = 4 * 2 * (len(cell.gates) + len(cell.states))
    steps = config.task.time_steps + config.task.spec.decoded_steps
    return config.training.batch_size * steps * units * each + 4 * HELD * parameter_count(config)


def _over(value: float, limit: int) -> bool:
    return 0 < limit < value


def _ask(name: str) -> str:
    return ASK.format(name=variable(name))
