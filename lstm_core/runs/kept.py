"""The states of the last runs this process worked on stay alive between slices: going on with one needs no loading."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

from lstm_core.config import RunConfig
from lstm_core.runs.forking import forked
from lstm_core.runs.records import Lease
from lstm_core.runs.store import RunStore
from lstm_core.training import TrainState

BYTES = 128 * 2**20  # of all states, each counted as its checkpoint
BESIDE = 2**20  # bytes, and what else belongs to a state
SECONDS = 60.0  # for which a state is kept: a run that is over, or goes on elsewhere, needs none here


@dataclass(frozen=True)
class _Kept:
    state: TrainState
    fence: int
    size: int
    since: float


_kept: OrderedDict[str, _Kept] = OrderedDict()


def keep(lease: Lease, state: TrainState, size: int) -> None:
    """Keep the state of a run that was just given back; `size` are the bytes of its checkpoint."""
    now = time.monotonic()
    _kept[lease.run_id] = _Kept(state, lease.fence, size, now)
    for run_id, entry in list(_kept.items()):
        if now - entry.since < SECONDS and sum(each.size + BESIDE for each in _kept.values()) <= BYTES:
            break
        del _kept[run_id]


def forget() -> None:
    """Keep nothing any more."""
    _kept.clear()


def state_of(store: RunStore, lease: Lease, config: RunConfig) -> tuple[TrainState, int]:
    """The state from which the run goes on, and the last frame number; what was recorded beyond it is taken back."""
    entry = _kept.pop(lease.run_id, None)
    # Releasing a lease and acquiring it again each raise the fence by one: nobody else has worked on it since.
    if entry is not None and entry.fence == lease.fence - 2 and entry.state.step == lease.step + 1:
        return entry.state, lease.seq
    checkpoint = store.load_checkpoint(lease.run_id)
    if checkpoint is None and lease.fork_step is not None:
        return forked(store, lease, config)
    state = TrainState(config) if checkpoint is None else TrainState.load(config, checkpoint[1])
    if lease.step >= state.step:
        store.rewind(lease, state.step)
    return state, lease.seq
