"""Train small LSTMs and see what initialization does to them.

The public names load when they are first used, so that settings and stored runs need no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstm_core.config import RunConfig
    from lstm_core.generation import generate_text
    from lstm_core.initializers import INITIALIZERS, initialize
    from lstm_core.model import SequenceModel
    from lstm_core.precision import measure_precision
    from lstm_core.probes import gradient_flow, trace
    from lstm_core.runs.engine import Engine
    from lstm_core.runs.store import RunStore
    from lstm_core.tasks import TASKS
    from lstm_core.training import Snapshot, Step, TrainState, train

__all__ = [
    "INITIALIZERS",
    "TASKS",
    "Engine",
    "RunConfig",
    "RunStore",
    "SequenceModel",
    "Snapshot",
    "Step",
    "TrainState",
    "generate_text",
    "gradient_flow",
    "initialize",
    "measure_precision",
    "trace",
    "train",
]

_HOME = {
    "INITIALIZERS": "initializers",
    "TASKS": "tasks",
    "Engine": "runs.engine",
    "RunConfig": "config",
    "RunStore": "runs.store",
    "SequenceModel": "model",
    "Snapshot": "training",
    "Step": "training",
    "TrainState": "training",
    "generate_text": "generation",
    "gradient_flow": "probes",
    "initialize": "initializers",
    "measure_precision": "precision",
    "trace": "probes",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lstm_core' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lstm_core.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
