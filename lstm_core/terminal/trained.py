"""What a trained model is good for: its weights as a file, text it writes, what small hardware would cost it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lstm_core import files
from lstm_core.config import LIMITS, RunConfig
from lstm_core.runs.records import StoreError
from lstm_core.runs.store import RunStore
from lstm_core.terminal.output import tell

if TYPE_CHECKING:
    from lstm_core.state import TrainState


def weights(given: Namespace) -> int:
    """Write a run's weights to a safetensors file; raises StoreError, and ValueError for a path that cannot be."""
    store = _store_with(given.run)
    data = store.weights(given.run, given.best)
    try:
        Path(given.file).write_bytes(data)
    except OSError as error:
        raise ValueError(f"{given.file} cannot be written: {error.strerror or error}.") from error
    tell(f"{'Best' if given.best else 'Newest'} weights of run {given.run} in {given.file}, {len(data):,} bytes.")
    return 0


def write(given: Namespace) -> int:
    """Print the prompt and how a run's model goes on after it; raises StoreError and ValueError."""
    from lstm_core.generation import generate_text

    state = trained(_store_with(given.run), given.run, given.best)
    prompt = given.prompt
    if prompt is None:
        prompt = state.task.generation.prompt if state.task.generation else ""
    tell(prompt + generate_text(state.model, state.task, prompt, given.length, given.temperature, given.seed))
    return 0


def precision(given: Namespace) -> int:
    """Print what number formats a run's model needs and what they cost; raises StoreError and ValueError."""
    from lstm_core import precision

    state = trained(_store_with(given.run), given.run, given.best)
    test = state.data.test.take(slice(0, _at_once(state.config, given.sequences)))
    tell(precision.table(precision.measure_precision(state.model, state.task, test, bits=given.bits)))
    return 0


def trained(store: RunStore, run_id: str, best: bool) -> TrainState:
    """A run's newest state, or the one with its best weights, on the CPU.

    Raises StoreError while there is none, and FileProblem where the run's file is gone.
    """
    import torch

    from lstm_core.state import TrainState

    torch.set_num_threads(1)  # the same bits as in training
    config = RunConfig.model_validate(store.get(run_id).config)
    checkpoint = store.load_checkpoint(run_id)
    if checkpoint is None:
        raise StoreError("This run has no weights yet: they are kept a few seconds after it has begun.")
    # Neither the device nor the first weights that the run had are needed to read what came of it.
    here = config.replace(**{"training.device": "cpu", "init.weights": None})
    state = TrainState.load(here, checkpoint[1])
    if best:
        if state.best is None:
            raise StoreError("This run has no best weights yet: they are kept from its first validation on.")
        state.model.load_state_dict(state.best.weights)
    return state


def _at_once(config: RunConfig, wanted: int) -> int:
    """So many sequences as wanted, or as fit into memory together."""
    bounds: Sequence[int | None] = [limit.largest(config) for limit in LIMITS if limit.field == "training.batch_size"]
    return min([wanted, *(bound for bound in bounds if bound is not None)])


def _store_with(run_id: str) -> RunStore:
    """The store, which has this run; raises StoreError."""
    store = RunStore()
    files.look_in(store.file)
    store.get(run_id)
    return store
