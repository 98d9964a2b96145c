"""Longer runs, forks and given weights are the runs that one would have had: compared with `train` alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load, save

from lstm_core.config import Override, RunConfig
from lstm_core.runs import branches, forking, kept, slices, telemetry
from lstm_core.runs.branches import KEPT
from lstm_core.runs.records import RunNotFound, StoreError
from lstm_core.runs.slices import run_slice, work
from lstm_core.runs.store import RunStore
from lstm_core.training import Step, TrainState, train
from tests.runs.conftest import small
from tests.runs.test_slices import alone, assert_same, take

STEPS = 40
NOISY = {"model.num_layers": 2, "model.dropout": 0.3}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch.set_num_threads(1)
    kept.forget()


def finish(store: RunStore, run: str, *, forget: bool = True) -> None:
    while store.get(run).status in ("queued", "running"):
        if forget:
            kept.forget()
        run_slice(store.url, run, longest=0.01)


def tail(columns: telemetry.Columns, step: int) -> telemetry.Columns:
    found = telemetry.take(columns, columns["step"] >= step)
    return {name: column for name, column in found.items() if name == "step" or not np.isnan(column).all()}


@pytest.mark.parametrize("values", [{}, NOISY])
@pytest.mark.parametrize("forget", [True, False])
def test_a_finished_run_goes_on_as_if_it_had_been_longer(store: RunStore, values: dict[str, Any], forget: bool) -> None:
    run = store.create(small(STEPS, **values))
    finish(store, run, forget=forget)
    store.extend(run, 70)
    assert (store.get(run).status, store.get(run).steps) == ("queued", 70)
    finish(store, run, forget=forget)
    assert (store.get(run).status, store.get(run).step) == ("finished", 70)
    assert store.overrides(run) == [Override(STEPS, "steps", 70)]
    whole = alone(small(70, **values))
    recorded = store.scalars(run)
    assert recorded["step"].tolist() == list(range(71))
    for name in ("loss/train", "grad_norm/total", "accuracy/train"):
        np.testing.assert_array_equal(recorded[name], whole[name])
    assert recorded["step"][~np.isnan(recorded["loss/test"])].tolist() == [70]


def test_the_replay_of_an_extended_run_is_itself(store: RunStore) -> None:
    run = store.create(small(STEPS))
    finish(store, run)
    store.extend(run, 60)
    finish(store, run)
    assert_same(store.scalars(run), alone(small(STEPS), (Override(STEPS, "steps", 60),)))


def test_a_run_can_be_given_more_steps_while_it_goes_on(store: RunStore) -> None:
    run = store.create(small(STEPS), target=11)
    finish(store, run)
    store.extend(run, 50)
    store.desire(run, "running")
    finish(store, run)
    assert store.get(run).step == 50
    assert store.overrides(run) == [Override(12, "steps", 50)]


def test_an_end_put_off_at_the_last_moment_is_put_off(store: RunStore) -> None:
    run = store.create(small(STEPS))
    lease = take(store, run)
    store.extend(run, 60)
    assert store.release(lease, "finished") == "queued"
    finish(store, run)
    assert store.get(run).step == 60


def test_what_is_no_more_or_too_much_is_refused(store: RunStore) -> None:
    run = store.create(small(STEPS))
    with pytest.raises(StoreError, match="has 40 steps already"):
        store.extend(run, 40)
    with pytest.raises(ValidationError):
        store.extend(run, 10**9)
    lease = take(store, run)
    store.release(lease, "failed", {"what": "x"})
    with pytest.raises(StoreError, match="failed"):
        store.extend(run, 80)
    with pytest.raises(RunNotFound):
        store.extend("nobody", 80)


@pytest.mark.parametrize("values", [{}, NOISY, {"training.optimizer": "rmsprop", "training.momentum": 0.5}])
@pytest.mark.parametrize("step", [0, 1, 17, STEPS])
def test_a_fork_with_the_same_settings_is_the_same_run(store: RunStore, values: dict[str, Any], step: int) -> None:
    parent = store.create(small(STEPS, **values))
    finish(store, parent)
    fork = store.fork(parent, step, small(70, **values))
    finish(store, fork)
    found = store.get(fork)
    assert (found.status, found.step, found.parent, found.fork_step) == ("finished", 70, parent, step)
    whole, recorded = alone(small(70, **values)), store.scalars(fork)
    assert recorded["step"].tolist() == list(range(71))
    for name in ("loss/train", "grad_norm/total", "accuracy/train"):
        np.testing.assert_array_equal(recorded[name], whole[name])
    parents = [s for s in store.snapshot_steps(parent) if s < step]
    assert [s for s in store.snapshot_steps(fork) if s < step] == parents
    assert_same(store.scalars(parent), alone(small(STEPS, **values)))


def test_a_fork_goes_on_with_other_settings_from_a_changed_parent(store: RunStore) -> None:
    parent = store.create(small(STEPS), target=9)
    finish(store, parent)
    store.request_override(parent, "learning_rate", 0.05)
    store.desire(parent, "running")
    finish(store, parent)
    config = small(60, **{"training.learning_rate": 0.1, "training.clip": "norm", "task.length": 12})
    fork = store.fork(parent, 25, config)
    finish(store, fork)
    before, after = store.scalars(parent), store.scalars(fork)
    np.testing.assert_array_equal(after["loss/train"][:25], before["loss/train"][:25])
    assert after["loss/train"][25] != before["loss/train"][25]  # longer sequences
    assert after["learning_rate"][25] == np.float32(0.1)

    changed = TrainState(small(STEPS))
    list(train(small(STEPS), changed, until=24, overrides=store.overrides(parent)))
    by_hand = TrainState(config)
    by_hand.take_over(changed)
    rows = [(s.step, s.scalars) for s in train(config, by_hand) if isinstance(s, Step)]
    assert_same(tail(after, 25), telemetry.table(rows))


@pytest.mark.parametrize("step", [5, 10, 20])
def test_a_fork_of_a_fork_goes_on_where_that_was(store: RunStore, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    monkeypatch.setattr(branches, "KEPT_BYTES", 0)  # as with a large model: nothing but the latest state is kept
    first, changed = store.create(small(STEPS)), small(STEPS, **{"training.learning_rate": 0.1})
    finish(store, first)
    second = store.fork(first, 10, changed)
    finish(store, second)
    third = store.fork(second, step, changed if step > 5 else small(STEPS))
    finish(store, third)
    expected = second if step > 5 else first
    np.testing.assert_array_equal(store.scalars(third)["loss/train"], store.scalars(expected)["loss/train"])


def test_a_fork_begins_with_a_kept_state_of_its_own(store: RunStore) -> None:
    first = store.create(small(STEPS))
    finish(store, first)
    second = store.fork(first, 10, small(STEPS, **{"training.learning_rate": 0.1}))
    finish(store, second)
    store.delete(first)
    third = store.fork(second, 12, small(STEPS))
    finish(store, third)
    assert store.get(third).status == "finished"


TEXT = {"task": {"name": "text", "length": 8}}


@pytest.mark.parametrize(
    ("parents", "own"),
    [
        (TEXT, {"training.batch_size": 4}),  # the places in the text are others, and fewer
        (TEXT, {"training.seed": 2}),
        ({"training.optimizer": "rmsprop"}, {"training.momentum": 0.5}),
        ({"training.optimizer": "sgd", "training.momentum": 0.5}, {"training.momentum": 0.0}),
    ],
)
def test_a_fork_goes_on_with_other_batches_and_other_momentum(
    store: RunStore, parents: dict[str, Any], own: dict[str, Any]
) -> None:
    parent = store.create(small(STEPS, **parents))
    finish(store, parent)
    fork = store.fork(parent, 10, small(STEPS, **{**parents, **own}))
    finish(store, fork)
    assert (store.get(fork).status, store.get(fork).step) == ("finished", STEPS), store.get(fork).error


def test_a_fork_of_a_run_that_lost_its_patience_and_went_on(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches, "KEPT_BYTES", 0)
    patient = {"training.patience": 2, "training.validate_every": 3, "training.learning_rate": 1.0}
    parent = store.create(small(STEPS, **patient))
    finish(store, parent)
    ended = store.get(parent).step
    assert ended < STEPS
    store.extend(parent, STEPS)
    finish(store, parent)
    assert store.get(parent).step > ended + 2
    fork = store.fork(parent, ended + 2, small(STEPS, **patient | {"training.patience": None}))
    finish(store, fork)
    recorded, parents = store.scalars(fork)["loss/train"], store.scalars(parent)["loss/train"]
    assert len(recorded) == STEPS + 1
    np.testing.assert_array_equal(recorded[: len(parents)], parents)


def test_a_fork_whose_worker_died_at_any_place_begins_again(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = store.create(small(STEPS))
    finish(store, parent)
    fork = store.fork(parent, 20, small(STEPS))
    whole = RunStore.checkpoint
    monkeypatch.setattr(RunStore, "checkpoint", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):  # after the parent's curve was taken over, before the checkpoint
        run_slice(store.url, fork)
    monkeypatch.setattr(RunStore, "checkpoint", whole)
    finish(store, fork)
    np.testing.assert_array_equal(store.scalars(fork)["loss/train"], alone(small(STEPS))["loss/train"])


def test_a_fork_that_nobody_wants_any_more_stops_before_it_begins(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = store.create(small(STEPS))
    finish(store, parent)
    fork = store.fork(parent, 30, small(STEPS))
    monkeypatch.setattr(forking, "LOOK", -1.0)
    monkeypatch.setattr(RunStore, "nearest_state", lambda *_: None)
    lease = take(store, fork)
    store.desire(fork, "stopped")
    assert work(store, lease) == "stopped"
    assert store.get(fork).step == -1


@pytest.mark.parametrize(
    ("step", "values", "words"),
    [
        (-1, {}, "not recorded"),
        (STEPS + 1, {}, "not recorded"),
        (5, {"model.hidden_size": 7}, "model must be"),
        (5, {"training.steps": 5}, "more than 5 steps"),
    ],
)
def test_impossible_forks_are_refused(store: RunStore, step: int, values: dict[str, Any], words: str) -> None:
    parent = store.create(small(STEPS))
    finish(store, parent)
    with pytest.raises(StoreError, match=words):
        store.fork(parent, step, small(STEPS, **values))
    with pytest.raises(RunNotFound):
        store.fork("nobody", 5, small(STEPS))


def test_a_fork_of_a_task_with_other_answers_fails_in_words(store: RunStore) -> None:
    parent = store.create(small(STEPS))
    finish(store, parent)
    plain = small(STEPS).model_dump()
    fork = store.fork(parent, 5, RunConfig.model_validate({**plain, "task": {"name": "digits"}}))
    finish(store, fork)
    run = store.get(fork)
    assert run.status == "failed"
    assert "head.weight" in str(run.error)


def test_a_fork_of_a_deleted_run_fails_in_words(store: RunStore) -> None:
    parent = store.create(small(STEPS))
    finish(store, parent)
    fork = store.fork(parent, 5, small(STEPS))
    store.delete(parent)
    finish(store, fork)
    assert store.get(fork).status == "failed"
    assert "deleted" in str(store.get(fork).error)


def test_states_along_a_run_are_kept_and_thinned(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "CHECKPOINT", 0.0)
    monkeypatch.setattr(slices, "LOOK", 0.0)
    run = store.create(small(300))
    finish(store, run, forget=False)
    with store._database.read() as connection:
        kept = store._kept_steps(connection, run)
    assert 4 <= len(kept) <= KEPT
    assert kept[-1] == 301
    data = store.nearest_state(run, kept[2] + 1)
    assert data is not None
    assert TrainState.load(small(300), data).step == kept[2]
    assert store.nearest_state(run, 0) is None


def test_weights_are_those_of_the_run(store: RunStore) -> None:
    config = small(STEPS)
    run = store.create(config)
    with pytest.raises(StoreError, match="no weights yet"):
        store.weights(run)
    finish(store, run)
    state = TrainState(config)
    list(train(config, state))
    found = load(store.weights(run))
    assert set(found) == set(state.model.state_dict())
    for name, tensor in state.model.state_dict().items():
        assert torch.equal(found[name], tensor)
    assert state.best is not None
    best = load(store.weights(run, best=True))
    assert all(torch.equal(best[name], tensor) for name, tensor in state.best.weights.items())


@pytest.mark.parametrize("whole", [True, False])
def test_a_run_starts_from_the_weights_of_another(store: RunStore, whole: bool) -> None:
    """All weights where the file holds a whole model, else those of the recurrent layers."""
    first = store.create(small(STEPS))
    finish(store, first)
    given = store.keep_file("first.safetensors", store.weights(first), "weights")
    assert store.keep_file("again.safetensors", store.weights(first), "weights") == given
    trained = load(store.weights(first))
    if not whole:
        recurrent = {name: tensor for name, tensor in trained.items() if name.startswith("rnn.")}
        given = store.keep_file("lstm.safetensors", save(recurrent), "weights")
    second = store.create(small(5, **{"init.weights": given, "training.seed": 7}))
    finish(store, second)
    assert store.get(second).status == "finished"
    start = TrainState(small(5, **{"init.weights": given, "training.seed": 7})).model.state_dict()
    fresh = TrainState(small(5, **{"training.seed": 7})).model.state_dict()
    for name, tensor in start.items():
        taken = whole or name.startswith("rnn.")
        assert torch.equal(tensor, trained[name] if taken else fresh[name]), name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model.hidden_size": 9}, ["rnn.weight_hh_l0", "rnn.weight_ih_l0", "head.weight"]),
        ({"task.vocabulary": 5}, ["embedding.weight"]),
        ({"init.weights": "0" * 16}, ["is not here"]),
    ],
)
def test_weights_that_do_not_fit_or_are_not_there_fail_in_words(
    store: RunStore, change: dict[str, Any], words: list[str]
) -> None:
    first = store.create(small(STEPS))
    finish(store, first)
    given = store.keep_file("first.safetensors", store.weights(first), "weights")
    run = store.create(small(5, **{"init.weights": given, **change}))
    finish(store, run)
    found = store.get(run)
    assert found.status == "failed"
    assert all(word in found.error["why"] for word in words if found.error)
