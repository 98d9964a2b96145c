"""One tab's state: what the address says is what the page has, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import services
from app.session import Session
from lstm_core.config import RunConfig
from lstm_core.runs.store import RunStore

pytestmark = pytest.mark.usefixtures("store")


def page() -> None:
    from app import actions, session

    def act() -> None:
        for step in session.st.session_state["script"]:
            actions.perform(step) if isinstance(step, dict) else session.change(*step)

    session.st.button("act", on_click=act)
    session.begin()


class Poked:
    """Stands for the engine: what the page writes is in the store, nobody works on it."""

    count = 0

    def poke(self) -> None:
        self.count += 1

    def close(self) -> None: ...


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    monkeypatch.setenv("LSTM_LAB_DATABASE", str(tmp_path / "runs.sqlite3"))
    services.close()
    monkeypatch.setattr(services, "_engine", Poked())
    yield services.store()
    services.close()


def opened(**query: str) -> AppTest:
    test = AppTest.from_function(page, default_timeout=30)
    for name, text in query.items():
        test.query_params[name.replace("__", ".")] = text
    return checked(test.run())


def checked(test: AppTest) -> AppTest:
    assert not test.exception
    return test


def do(test: AppTest, *script: Any) -> AppTest:
    """A callback that changes settings ((path, value)) or performs actions (mappings), then the rerun."""
    test.session_state["script"] = list(script)
    return checked(test.button[0].click().run())


def state(test: AppTest) -> Session:
    return test.session_state["lab"]  # type: ignore[no-any-return]


def address(test: AppTest) -> dict[str, str]:
    return {name: text if isinstance(text, str) else text[0] for name, text in test.query_params.items()}


def train(test: AppTest) -> str:
    state(test).pressed.clear()
    do(test, {"name": "train"})
    run = state(test).run
    assert run is not None
    return run


def test_a_plain_address_has_the_defaults_and_stays_plain() -> None:
    test = opened()
    assert (state(test).config, state(test).run, address(test)) == (RunConfig(), None, {})


def test_without_a_run_the_example_and_its_settings_are_shown() -> None:
    services.ensure_example()
    test = opened()
    assert state(test).config == RunConfig.model_validate(services.EXAMPLE_SETTINGS)
    assert state(test).run is None


def test_a_link_opens_its_settings() -> None:
    config = RunConfig().replace(**{"model.hidden_size": 32, "init.bias": {"scheme": "chrono", "t_max": None}})
    test = opened(**config.to_query())
    assert state(test).config == config
    assert state(test).problems == []


def test_a_link_to_a_run_opens_the_run_with_its_settings(store: RunStore) -> None:
    config = RunConfig().replace(**{"training.seed": 9})
    run = store.create(config)
    test = opened(run=run)
    assert (state(test).run, state(test).config) == (run, config)


def test_an_unknown_run_is_said_and_the_settings_of_the_link_count() -> None:
    test = opened(run="gone", model__hidden_size="32")
    assert state(test).run is None
    assert "no run “gone”" in state(test).problems[0]
    assert state(test).config.model.hidden_size == 32


def test_a_change_is_in_the_address_and_back_takes_it_back() -> None:
    test = do(opened(), ("model.hidden_size", 32))
    assert address(test) == {"task": "recall", "model.hidden_size": "32"}
    test.query_params.clear()  # what the browser's back button does
    assert state(checked(test.run())).config == RunConfig()


def test_a_click_that_comes_with_an_old_address_counts() -> None:
    test = do(opened(), ("model.hidden_size", 32))
    test.query_params.clear()  # the browser had not heard yet
    do(test, ("model.num_layers", 2))
    assert (state(test).config.model.hidden_size, state(test).config.model.num_layers) == (32, 2)
    assert address(test)["model.num_layers"] == "2"


def test_what_gives_way_is_said_until_the_next_change() -> None:
    test = do(opened(model__proj_size="40"), ("model.hidden_size", 32))
    assert "Projection is now 31" in state(test).notes[0]
    assert state(do(test, ("training.seed", 3))).notes == []


def test_train_begins_a_run_with_the_settings_and_shows_it(store: RunStore) -> None:
    test = do(opened(), ("model.hidden_size", 32))
    run = train(test)
    assert store.get(run).config["model"]["hidden_size"] == 32
    assert address(test) == {"task": "recall", "model.hidden_size": "32", "run": run}
    assert services.engine().count == 1  # type: ignore[attr-defined]


def test_a_double_click_begins_one_run(store: RunStore) -> None:
    do(opened(), {"name": "train"}, {"name": "train"})
    assert len(store.list()) == 1


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
