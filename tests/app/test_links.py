"""Links: what a teacher locks or hides, for any settings; and a run that is to be looked at only."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import services
from app.setting import class_link, links, ready
from app.setting.links import Locks, from_query, keep
from lstm_core.config import RunConfig
from lstm_core.runs.store import RunStore
from lstm_core.tasks import TASKS
from tests.app.lab import address, checked, do, opened, state, train
from tests.core.strategies import configs

pytestmark = pytest.mark.usefixtures("store")

NAMES = st.frozensets(st.sampled_from(sorted(links.titles())), max_size=6)
LOCKS = st.builds(Locks, NAMES, NAMES)


def value(config: RunConfig, name: str) -> object:
    place: object = config.model_dump()
    for part in name.split("."):
        place = place.get(part, "nothing") if isinstance(place, dict) else "nothing"
    return place


@given(configs(), LOCKS)
def test_settings_and_locks_survive_a_link(config: RunConfig, locks: Locks) -> None:
    link = links.address("http://lab.example:8501/runs?run=x#y", config.to_query() | locks.to_query())
    parts = urlsplit(link)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    assert (parts.netloc, parts.path) == ("lab.example:8501", "/")
    assert from_query(query) == (locks, [])
    rest = {name: text for name, text in query.items() if name not in links.NAMES}
    assert RunConfig.from_query(rest) == config


@given(configs(), configs(), LOCKS)
def test_what_is_locked_stays_whatever_is_chosen(before: RunConfig, after: RunConfig, locks: Locks) -> None:
    kept, said = keep(locks, before, after)
    for name in locks.lock:
        if name == "task.name" or (name.startswith("task.") and before.task.name != kept.task.name):
            continue
        assert value(kept, name) == value(before, name) or "nothing" in (value(kept, name), value(before, name))
    if "task.name" in locks.lock:
        assert kept.task.name == before.task.name
    assert (kept == after) == (not said) or kept == before == after
    assert all(sentence.endswith(".") for sentence in said)


@given(configs(), configs())
def test_without_locks_everything_can_be_chosen(before: RunConfig, after: RunConfig) -> None:
    assert keep(Locks(), before, after) == (after, [])


@given(LOCKS, st.sampled_from(sorted(links.titles())))
def test_a_group_covers_its_settings_and_no_others(locks: Locks, name: str) -> None:
    group = name.partition(".")[0]
    assert locks.locked(name) == bool({name, group} & locks.lock)
    assert locks.hidden(name) == bool({name, group} & locks.hide)
    assert Locks(frozenset({"init.weight_hh"})).locked("init.weight_hh.gain")
    assert not Locks(frozenset({"init.weight_hh.gain"})).locked("init.weight_hh")


@given(st.text(max_size=300))
def test_any_text_is_read_and_unknown_names_are_said(text: str) -> None:
    locks, said = from_query({"lock": text})
    asked = {part.strip() for part in text.split(",")} - {""}
    assert locks.lock == asked & set(links.titles())
    assert len(said) == len(asked - set(links.titles()))
    assert all(len(sentence) < 250 for sentence in said)


def test_a_misspelt_name_is_said_with_what_is_near_it() -> None:
    _, said = from_query({"hide": "model.atention"})
    assert said == ["“model.atention” in hide is not a setting; did you mean model.attention?"]


@pytest.mark.parametrize("task", TASKS)
def test_whatever_is_shown_can_be_locked_and_is_called_by_a_name_of_its_own(task: str) -> None:
    offered = class_link.names(RunConfig(task=TASKS[task]()))
    assert offered.keys() <= links.titles().keys()
    assert len(set(offered.values())) == len(offered)


def test_links_are_short_enough_to_be_shown() -> None:
    assert len(links.address("http://192.168.178.20:8501/", {"watch": "Ab3dE5gH7j"})) < 50
    for task in TASKS.values():
        for settings in task.examples.values():
            config = RunConfig.model_validate({**settings, "task": {**settings.get("task", {}), "name": task().name}})
            assert len(links.address("http://192.168.178.20:8501/", config.to_query())) < 200


# On the page


def test_locks_stay_in_the_address_through_changes_and_train() -> None:
    test = opened(lock="model.attention", hide="training,init.weight_hh")
    do(test, ("model.hidden_size", 32), ("model.attention", "dot"))
    assert state(test).config.model.attention == "none"
    assert state(test).notes == ["Attention stays as before: locked by the link."]
    train(test)
    said = address(test)
    assert (said["lock"], said["hide"]) == ("model.attention", "init.weight_hh,training")
    assert said["model.hidden_size"] == "32"


def test_an_unknown_name_is_said_on_the_page() -> None:
    assert "did you mean training" in state(opened(lock="trainin")).problems[0]


@pytest.mark.parametrize("task", TASKS)
def test_ready_made_settings_leave_what_is_locked(task: str) -> None:
    before = RunConfig(task=TASKS[task]()).replace(**{"training.seed": 3})
    locks = Locks(frozenset({"model", "training.steps"}))
    for made in ready.made(before).values():
        kept, said = keep(locks, before, made)
        assert (kept.model, kept.training.steps) == (before.model, before.training.steps)
        assert bool(said) == ((made.model, made.training.steps) != (before.model, before.training.steps))


def test_a_run_with_other_settings_than_those_locked_is_not_begun_again(store: RunStore) -> None:
    test = opened(lock="init.preset")
    other = store.create(RunConfig.model_validate({"init": {"preset": "chrono"}}))
    do(test, {"name": "rewind", "run": other})
    assert len(store.list()) == 1
    assert state(test).refusals == ["Initializer stays as before: locked by the link."]


@pytest.mark.parametrize(
    ("lock", "action"),
    [
        ("training", {"name": "override", "field": "learning_rate", "value": 0.5}),
        ("training.clip", {"name": "override", "field": "clip", "value": "norm"}),
        ("training.seed", {"name": "reseed"}),
        ("training.steps", {"name": "extend"}),
    ],
)
def test_no_button_goes_round_a_lock(store: RunStore, lock: str, action: dict[str, object]) -> None:
    test = opened(lock=lock)
    run = train(test)
    state(test).pressed.clear()
    do(test, {**action, "run": run})
    assert len(store.list()) == 1
    assert store.get(run).steps == RunConfig().training.steps
    assert "locked by the link" in state(test).refusals[0]


def test_a_run_to_look_at_cannot_be_acted_on(store: RunStore) -> None:
    run = store.create(RunConfig().replace(**{"training.seed": 5}))
    test = opened(watch=run)
    assert (state(test).run, state(test).watching, state(test).config.training.seed) == (run, True, 5)
    for name in ("pause", "stop", "step", "extend", "rename", "delete", "rewind", "fork"):
        do(test, {"name": name, "run": run, "value": "Mine"})
        assert "to look at only" in state(test).refusals[0]
    assert (store.get(run).desired, store.get(run).name, len(store.list())) == ("running", None, 1)


def test_the_address_says_that_a_run_is_watched_until_one_begins(store: RunStore) -> None:
    run = store.create(RunConfig())
    test = do(opened(watch=run), ("model.hidden_size", 32))
    assert address(test)["watch"] == run
    own = train(test)
    assert (address(test)["run"], "watch" in address(test), state(test).watching) == (own, False, False)


def test_a_run_that_is_deleted_meanwhile_is_let_go_of_in_words(store: RunStore) -> None:
    services.ensure_example()
    run = store.create(RunConfig())
    test = opened(run=run)
    store.delete(run)
    checked(test.run())
    assert state(test).run is None
    assert f"no run “{run}”" in state(test).problems[0]


def test_deleting_the_run_on_the_page_shows_the_example(store: RunStore) -> None:
    test = opened()
    run = train(test)
    do(test, {"name": "delete", "run": run})
    assert (state(test).run, state(test).problems, state(test).refusals) == (None, [], [])
    assert "run" not in address(test)
    do(test, {"name": "restore", "run": run})
    assert store.get(run).status == "stopped"
