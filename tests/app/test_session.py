"""One tab's state: what the address says is what the page has, and the other way round."""

from __future__ import annotations

import pytest

from app import services
from lstm_core.config import RunConfig
from lstm_core.runs.store import RunStore
from lstm_core.tasks import TASKS
from tests.app.lab import address, checked, do, opened, state, train

pytestmark = pytest.mark.usefixtures("store")


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


def test_a_run_is_opened_by_what_one_pastes(store: RunStore) -> None:
    run = store.create(RunConfig().replace(**{"training.seed": 9}))
    for pasted in (
        run,
        f" {run} ",
        f"http://localhost:8501/?task=recall&run={run}",
        f"https://a.example/?watch={run}#x",
    ):
        test = do(opened(), pasted)
        assert (state(test).run, state(test).config.training.seed) == (run, 9), pasted
    for pasted in ("http://[", "?run=", "https://[::1/?run=gone", "<b>", "\0" * 5000):
        test = do(opened(run=run), pasted)
        assert state(test).run == run
        assert state(test).refusals[0].startswith("There is no run “") or pasted == "?run="


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


def test_a_button_that_comes_with_an_old_address_takes_nothing_back() -> None:
    test = do(opened(), ("model.hidden_size", 32))
    run = train(test)
    do(test, ("model.num_layers", 2))
    test.query_params.clear()  # the browser had not heard yet
    do(test, {"name": "pause", "run": run})
    assert (state(test).config.model.num_layers, state(test).run) == (2, run)


def test_a_setting_that_is_reported_once_more_changes_nothing() -> None:
    """So does a rerun that overtakes another one: it reports every widget, changed or not."""
    test = do(opened(), ("task.length", 80), ("init.bias", {"scheme": "chrono"}), ("init.bias.t_max", 30))
    config = state(test).config
    do(test, ("task", {"name": "recall"}), ("init.bias", {"scheme": "chrono"}), ("task.length", 80))
    assert state(test).config == config
    do(test, ("task", {"name": "digits"}))
    assert state(test).config.task == TASKS["digits"]()


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
