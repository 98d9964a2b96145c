"""What a fork begins with: its parent at that step, trained once more from the nearest state that was kept."""

from __future__ import annotations

import math
import time

from lstm_core.config import RunConfig
from lstm_core.runs.records import Lease, RunNotFound
from lstm_core.runs.store import RunStore
from lstm_core.settings import Impossible
from lstm_core.training import TrainState, train

LOOK = 2.0  # seconds between two looks at whether the fork is still wanted


class NotWanted(Exception):
    """Nobody wishes the run to go on any more."""


def forked(store: RunStore, lease: Lease, config: RunConfig) -> tuple[TrainState, int]:
    """What a fork begins with: its parent at that step."""
    assert lease.parent is not None
    assert lease.fork_step is not None
    state = TrainState(config)
    state.take_over(_at_step(store, lease, lease.parent, lease.fork_step))
    parent = RunConfig.model_validate(store.get(lease.parent).config)
    alike = parent.task == config.task and parent.training.seed == config.training.seed
    store.rewind(lease, 0)  # a slice before this one may have died right after the next line
    seq = store.adopt(lease, lease.parent, lease.fork_step, pictures=alike)
    data = state.dump()
    store.checkpoint(lease, state.step, data)
    store.keep_state(lease, state.step, data)
    return state, seq


def _at_step(store: RunStore, lease: Lease, run_id: str, step: int) -> TrainState:
    """Another run as it was at a step, trained once more from the nearest state that was kept of it or its parents."""
    try:
        run = store.get(run_id)
    except RunNotFound as error:
        raise Impossible(f"The run that this one was to go on from, {run_id}, was deleted.") from error
    config, data = RunConfig.model_validate(run.config), store.nearest_state(run_id, step)
    known = TrainState(config) if data is None else TrainState.load(config, data)
    if data is None and run.parent is not None and run.fork_step is not None:
        before = _at_step(store, lease, run.parent, min(step, run.fork_step))
        if step < run.fork_step:
            return before
        known.take_over(before)
    looked = time.monotonic()
    for _ in train(config, known, until=step - 1, overrides=store.overrides(run_id), snapshot_seconds=math.inf):
        if time.monotonic() - looked > LOOK:
            looked = time.monotonic()
            if store.wishes(lease).desired != "running":
                raise NotWanted
    return known
