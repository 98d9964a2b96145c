"""What the buttons do: each writes its wish into the store, and says in words what it cannot do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save
from streamlit.testing.v1 import AppTest

from app import services
from app.setting import branching
from lstm_core import files
from lstm_core.config import RunConfig
from lstm_core.runs.records import Run
from lstm_core.runs.store import RunStore
from tests.app.lab import address, do, opened, state, train
from tests.core.strategies import configs
from tests.runs.conftest import rows

pytestmark = pytest.mark.usefixtures("store")


def test_pause_resume_stop(store: RunStore) -> None:
    test = opened()
    run = train(test)
    for name, desired in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        do(test, {"name": name, "run": run})
        assert store.get(run).desired == desired


def test_steps_add_up_and_end_with_the_run(store: RunStore) -> None:
    test = opened(training__steps="15")
    run = train(test)
    targets = []
    do(test, {"name": "pause", "run": run})
    for count in (1, 1, 10, 10):
        do(test, {"name": "step", "run": run, "n": count})
        targets.append(store.get(run).target)
    assert targets == [0, 1, 11, 15]
    assert store.get(run).desired == "running"


def test_rewind_is_a_new_run_of_the_same_settings_that_waits_at_step_0(store: RunStore) -> None:
    test = opened(training__seed="4")
    run = train(test)
    state(test).pressed.clear()
    do(test, {"name": "rewind", "run": run})
    again = store.get(state(test).run or "")
    assert again.id != run
    assert (again.config, again.target, again.parent) == (store.get(run).config, 0, run)


def test_a_new_seed_changes_the_seed_alone(store: RunStore) -> None:
    test = opened(training__seed="4")
    run = train(test)
    state(test).pressed.clear()
    do(test, {"name": "reseed", "run": run})
    assert state(test).config == RunConfig().replace(**{"training.seed": 5})
    assert store.get(state(test).run or "").config["training"]["seed"] == 5
    assert address(test)["training.seed"] == "5"


def test_rewind_keeps_settings_that_were_changed_meanwhile(store: RunStore) -> None:
    test = opened()
    run = train(test)
    do(test, ("model.hidden_size", 32))
    state(test).pressed.clear()
    do(test, {"name": "rewind", "run": run})
    assert state(test).config.model.hidden_size == 32
    assert store.get(state(test).run or "").config["model"]["hidden_size"] == 64


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("learning_rate", -1, "Learning rate is -1; choose a value of at least"),
        ("clip", "hard", "choose one of"),
        ("batch_size", 3, "cannot be changed in mid-run"),
    ],
)
def test_an_impossible_override_is_refused_in_words(field: str, value: Any, words: str) -> None:
    test = opened()
    run = train(test)
    do(test, {"name": "override", "run": run, "field": field, "value": value})
    assert words in state(test).refusals[0]


def test_an_override_waits_for_the_worker(store: RunStore) -> None:
    test = opened()
    run = train(test)
    do(test, {"name": "override", "run": run, "field": "learning_rate", "value": 0.01})
    lease = store.acquire(run, "test", 5)
    assert lease is not None
    requests = store.wishes(lease).requests
    assert [(request.field, request.value) for request in requests] == [("learning_rate", 0.01)]
    assert state(test).refusals == []


def test_a_run_that_is_gone_is_said(store: RunStore) -> None:
    test = opened()
    run = train(test)
    store.delete(run)
    do(test, {"name": "pause", "run": run})
    assert run in state(test).refusals[0]


@pytest.mark.parametrize("name", ["resume", "override"])
def test_a_finished_run_says_what_to_do_instead(store: RunStore, name: str) -> None:
    test = opened()
    run = train(test)
    lease = store.acquire(run, "test", 5)
    assert lease is not None
    store.release(lease, "finished", train_seconds=1.0)
    do(test, {"name": name, "run": run, "field": "learning_rate", "value": 0.01})
    assert "finished" in state(test).refusals[0]


def finished(store: RunStore, test: AppTest, steps: int = 60) -> Run:
    """A run that has ended, as a worker would leave it."""
    run = train(test)
    lease = store.acquire(run, "test", 60)
    assert lease is not None
    store.append(lease, [rows(0, steps, 1)], step=steps)
    store.checkpoint(
        lease, steps + 1, save({"model.head.bias": np.ones(2, np.float32), "optimizer.0.step": np.ones(1)})
    )
    store.release(lease, "finished", train_seconds=1.0)
    return store.get(run)


def press(test: AppTest, name: str, run: Run, **more: Any) -> AppTest:
    return do(test, {"name": name, "run": run.id, **more})


def test_train_on_doubles_a_finished_run(store: RunStore) -> None:
    test = opened(training__steps="60")
    run = finished(store, test)
    press(test, "extend", run)
    run = store.get(run.id)
    assert (run.status, run.desired, run.target, run.steps) == ("queued", "running", None, 120)
    press(test, "extend", run)  # the second half of a double click
    assert store.get(run.id).steps == 120
    assert state(test).refusals == []


def test_steps_beyond_the_end_put_it_off_by_so_many(store: RunStore) -> None:
    test = opened(training__steps="60")
    run = finished(store, test)
    ends = []
    for count in (1, 10, 1):
        press(test, "step", run, n=count)
        ends.append((store.get(run.id).steps, store.get(run.id).target))
    assert ends == [(61, 61), (71, 71), (72, 72)]


def test_no_run_is_trained_on_beyond_what_a_run_may_have(store: RunStore) -> None:
    test = opened(training__steps="1000000")
    run = finished(store, test, steps=1_000_000)
    press(test, "extend", run)
    assert state(test).refusals == ["Steps is 2000000; choose a value of at most 1000000."]
    assert store.get(run.id).status == "finished"


def test_a_fork_goes_on_with_the_settings_of_the_sidebar_and_the_weights_of_its_parent(store: RunStore) -> None:
    test = opened(training__steps="60", model__hidden_size="16", init__preset="chrono")
    run = finished(store, test)
    do(test, ("model.hidden_size", 32), ("training.clip", "norm"), ("init.preset", "keras"))
    press(test, "fork", run, step=20)
    fork = store.get(state(test).run or "")
    assert (fork.parent, fork.fork_step) == (run.id, 20)
    config = RunConfig.model_validate(fork.config)
    assert (config.model.hidden_size, config.init.preset, config.training.clip) == (16, "chrono", "norm")
    assert state(test).config == config
    assert address(test)["run"] == fork.id
    (said,) = state(test).refusals
    assert said == "A fork goes on with the weights that it finds: Hidden size and Initializer are as in that run."


def test_a_double_click_forks_once(store: RunStore) -> None:
    test = opened(training__steps="60")
    run = finished(store, test)
    do(test, *[{"name": "fork", "run": run.id, "step": 20}] * 2)
    assert len(store.list()) == 2


def test_a_fork_at_the_end_has_steps_to_go(store: RunStore) -> None:
    test = opened(training__steps="60")
    press(test, "fork", finished(store, test), step=60)
    assert store.get(state(test).run or "").steps == 120
    assert "Steps is now 120" in state(test).refusals[0]


def test_a_fork_of_another_task_takes_the_task_along(store: RunStore) -> None:
    test = opened(training__steps="60")
    run = finished(store, test)
    do(test, ("task", {"name": "digits"}))
    press(test, "fork", run, step=20)
    assert state(test).config.task.name == "recall"
    assert "the task is as in that run" in state(test).refusals[0]


def test_a_fork_where_nothing_was_recorded_is_refused_in_words(store: RunStore) -> None:
    test = opened(training__steps="600")
    press(test, "fork", finished(store, test), step=400)
    assert "Step 400 of the run is not recorded" in state(test).refusals[0]
    assert len(store.list()) == 1


@given(configs(), configs(), st.integers(0, 10_000))
def test_any_fork_fits_its_parent(wanted: RunConfig, parent: RunConfig, step: int) -> None:
    config, notes = branching.fork(wanted, parent, step)
    assert config.model == parent.model
    assert config.training.steps > step
    assert notes or config == wanted
    spec, other = config.task.spec, parent.task.spec
    assert (spec.outputs, spec.vocabulary, spec.features, spec.answers) == (
        other.outputs,
        other.vocabulary,
        other.features,
        other.answers,
    )


def test_a_run_can_start_from_the_weights_of_another(store: RunStore) -> None:
    test = opened(training__steps="60", model__hidden_size="16")
    run = finished(store, test)
    do(test, ("model.hidden_size", 32), ("training.seed", 5))
    press(test, "weights", run)
    config = state(test).config
    assert (config.model.hidden_size, config.training.seed) == (16, 5)
    assert config.init.weights is not None
    assert load(store.file(config.init.weights) or b"")["head.bias"].tolist() == [1, 1]
    assert store.files()[0].name == "recall-lstm-16-step-60.safetensors"
    assert [note.partition(":")[0] for note in state(test).notes] == [
        "Weights fit only the network that they are of",
        "Train now begins with the weights that “Recall the first of 40 tokens · LSTM 16 · PyTorch default” has at "
        "step 60.",
    ]
    again = train(test)
    assert store.get(again).config["init"]["weights"] == config.init.weights


def test_weights_that_do_not_exist_yet_are_refused_in_words() -> None:
    test = opened()
    do(test, {"name": "weights", "run": train(test)})
    assert "no weights yet" in state(test).refusals[0]
    assert state(test).config.init.weights is None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"task": "csv"}, "Choose a CSV file"),
        ({"task": "csv", "task__file": "0123456789abcdef"}, "The file 0123456789abcdef is not here"),
        ({"init__weights": "0123456789abcdef"}, "First weights from a file: The file 0123456789abcdef is not here"),
    ],
)
def test_a_run_that_lacks_its_file_is_not_begun(store: RunStore, query: dict[str, str], words: str) -> None:
    test = do(opened(**query), {"name": "train"})
    assert words in state(test).refusals[0]
    assert store.list() == []


def test_a_link_to_a_file_that_is_elsewhere_is_said_and_kept() -> None:
    test = opened(task="csv", task__file="0123456789abcdef", task__column="open")
    assert "CSV file: The file 0123456789abcdef is not here" in state(test).problems[0]
    assert address(test)["task.file"] == "0123456789abcdef"
    assert state(test).config.title


def test_a_file_of_this_store_is_found(store: RunStore) -> None:
    file = store.keep_file("own.csv", b"open\n1\n2\n3\n4\n5\n6\n7\n8\n", "csv")
    assert file not in files._kept
    test = do(opened(task="csv", task__file=file, task__length="2"), {"name": "train"})
    assert state(test).refusals == []
    assert state(test).run is not None


def test_a_server_without_workers_makes_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTM_LAB_WORKERS", "0")
    monkeypatch.setattr(services, "_engine", None)
    run = train(opened())
    do(opened(run=run), {"name": "pause", "run": run}, {"name": "step", "run": run}, {"name": "stop", "run": run})
    assert services._engine is None
