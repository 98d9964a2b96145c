"""Races in the store: begun in order, grown, stopped, deleted, and nothing left half done."""

from __future__ import annotations

import pytest

from lstm_core.race_plan import MOST_RUNS, plan
from lstm_core.runs.holder import this_process
from lstm_core.runs.races import RaceNotFound
from lstm_core.runs.records import LeaseLost
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.settings import Impossible
from tests.runs.conftest import rows, small

BACKENDS = ("sqlite", "postgresql")

PLAN = plan(small(), "init.preset", ["pytorch", "chrono", "keras"], [7, 8])


def test_every_value_waits_before_any_has_a_second_run(store: RunStore) -> None:
    before = store.create(small())
    race = store.create_race(PLAN)
    runners = {runner.run: runner for runner in store.runners(race)}
    waiting = store.waiting()
    assert waiting[0] == before
    assert [(runners[run].value, runners[run].seed) for run in waiting[1:]] == list(PLAN.runs())
    assert list(PLAN.runs()) == [(0, 7), (1, 7), (2, 7), (0, 8), (1, 8), (2, 8)]


def test_its_runs_have_their_settings_and_a_name_that_finds_them(store: RunStore) -> None:
    race = store.create_race(PLAN)
    assert store.race(race).plan == PLAN
    for runner in store.runners(race):
        run = store.get(runner.run)
        assert run.config == PLAN.settings(runner.value, runner.seed).model_dump(mode="json")
        assert run.name == f"Initializer: {PLAN.words(runner.value)} · seed {runner.seed} · race {race}"


def test_seeds_are_added_behind_the_last_for_every_value(store: RunStore) -> None:
    race = store.create_race(PLAN)
    assert store.add_seeds(race, 2) == [9, 10]
    assert store.race(race).plan.seeds == (7, 8, 9, 10)
    assert {(r.value, r.seed) for r in store.runners(race)} == {(v, s) for v in range(3) for s in (7, 8, 9, 10)}
    with pytest.raises(Impossible, match=f"at most {MOST_RUNS} in all"):
        store.add_seeds(race, 18)
    assert len(store.runners(race)) == 12


def test_stop_all_stops_who_waits_at_once_and_who_runs_at_its_next_look(store: RunStore) -> None:
    race = store.create_race(PLAN)
    done, running, *_ = store.waiting()
    assert run_slice(store.url, done).status == "finished"
    lease = store.acquire(running, this_process())
    assert lease is not None
    assert store.stop_race(race) == 5
    stand = {runner.run: (runner.status, runner.desired) for runner in store.runners(race)}
    assert stand.pop(done)[0] == "finished"
    assert stand.pop(running) == ("running", "stopped")
    assert set(stand.values()) == {("stopped", "stopped")}
    assert store.release(lease, "running") == "stopped"
    assert store.stop_race(race) == 0


def test_a_deleted_race_is_gone_with_its_runs_which_can_be_taken_back(store: RunStore) -> None:
    other = store.create_race(PLAN)
    race = store.create_race(PLAN)
    members = [runner.run for runner in store.runners(race)]
    lease = store.acquire(members[0], this_process())
    assert lease is not None
    store.delete_race(race)
    with pytest.raises(LeaseLost):
        store.append(lease, [rows(0, 1, 1)], step=1)
    assert [one.id for one in store.races()] == [other]
    assert {run.id for run in store.list()} == {runner.run for runner in store.runners(other)}
    assert store.runners(race) == []
    for act in (store.race, store.add_seeds, store.stop_race, store.delete_race):
        with pytest.raises(RaceNotFound, match="There is no race"):
            act(race)
    store.restore(members[1])
    assert store.get(members[1]).status == "stopped"


def test_a_deleted_run_leaves_the_race_and_the_race_goes_on(store: RunStore) -> None:
    race = store.create_race(PLAN)
    for runner in store.runners(race):
        store.delete(runner.run)
    assert store.runners(race) == []
    assert store.add_seeds(race) == [9]
    assert [(r.value, r.seed) for r in store.runners(race)] == [(0, 9), (1, 9), (2, 9)]


def test_runs_of_a_race_do_not_push_each_other_out_but_make_room_for_others(store: RunStore) -> None:
    store.create_race(PLAN)
    lease = store.acquire(store.waiting()[0], this_process())
    assert lease is not None
    assert not store.wishes(lease).others_waiting
    other = store.create_race(PLAN)
    assert store.wishes(lease).others_waiting
    store.delete_race(other)
    assert not store.wishes(lease).others_waiting
    store.create(small())
    assert store.wishes(lease).others_waiting
