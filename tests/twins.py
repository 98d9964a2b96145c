"""A run beside its undisturbed twin: the same training by `train` alone, in a process that has never seen the store."""

from __future__ import annotations

import json
import sys

import numpy as np
import torch

from lstm_core.config import RunConfig
from lstm_core.runs import telemetry
from lstm_core.runs.store import RunStore
from lstm_core.training import Snapshot, train


def differences(url: str, run_id: str) -> list[str]:
    """What a finished run has recorded otherwise than `train` alone; empty where every bit is the same.

    A fork must have its parent's settings, changed by nothing before the step from which it goes on.
    """
    torch.set_num_threads(1)
    store = RunStore(url)
    run, recorded, overrides = store.get(run_id), store.scalars(run_id), store.overrides(run_id)
    config = RunConfig.model_validate(run.config)
    steps, pictures = [], {}
    for item in train(config, overrides=overrides, snapshot_seconds=0.05):
        if isinstance(item, Snapshot):
            pictures[item.step] = item
        else:
            steps.append((item.step, item.scalars))
    found = [] if run.status == "finished" else [f"it is {run.status}: {run.error}"]
    found += _columns(recorded, telemetry.table(steps))
    for step in sorted(set(store.snapshot_steps(run_id)) & set(pictures)):
        found += _picture(store, run_id, pictures[step])
    if not {0, config.training.steps} <= set(store.snapshot_steps(run_id)):
        found.append("there is no picture of the first or the last step")
    return found


def _columns(recorded: telemetry.Columns, expected: telemetry.Columns) -> list[str]:
    if recorded.get("step", np.array([])).tolist() != expected["step"].tolist():
        return [f"its steps are not each of 0 … {expected['step'][-1]} once"]
    found = [f"{name} is recorded only here or there" for name in set(recorded) ^ set(expected)]
    for name in sorted(set(recorded) & set(expected)):
        other = recorded[name].view(np.uint32) != expected[name].view(np.uint32)
        other &= ~(np.isnan(recorded[name]) & np.isnan(expected[name]))
        if other.any():
            found.append(f"{name} differs at {other.sum()} steps, first at {expected['step'][other.argmax()]}")
    return found


def _picture(store: RunStore, run_id: str, expected: Snapshot) -> list[str]:
    found = []
    for sample, arrays in enumerate([expected.arrays, *expected.samples], start=-1):
        data = store.snapshot(run_id, expected.step, None if sample < 0 else sample)
        if data is None:
            found.append(f"the picture of step {expected.step} has no sample {sample}")
            continue
        kept = telemetry.decode(data).arrays
        same = set(kept) == set(arrays) and all(kept[name].tobytes() == arrays[name].tobytes() for name in arrays)
        if not same:
            found.append(f"the picture of step {expected.step} differs")
    return found


if __name__ == "__main__":
    print(json.dumps({run_id: differences(sys.argv[1], run_id) for run_id in sys.argv[2:]}))
