"""Limits and pins as a page meets them: refusals in words, nothing begun, and what a button changes."""

from __future__ import annotations

import pytest

from app import services
from app.live.topic import describe
from lstm_core.runs.limits import variable
from lstm_core.runs.store import RunStore
from tests.app.lab import do, opened, state, train

pytestmark = pytest.mark.usefixtures("store")


def test_a_limit_is_said_on_the_page_and_nothing_begins(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable("open_runs"), "1")
    test = opened()
    run = train(test)
    state(test).pressed.clear()
    do(test, {"name": "train"})
    assert state(test).refusals == [
        "1 of your runs is not over yet; at most 1 may be open at a time. Stop or delete some of them under Runs, wait "
        "until some have finished, or ask whoever runs this server to raise LSTM_LAB_MAX_OPEN_RUNS."
    ]
    assert state(test).run == run
    assert [found.id for found in store.list()] == [run]
    do(test, {"name": "stop", "run": run})
    state(test).pressed.clear()
    do(test, {"name": "fork", "run": run, "step": 0})
    assert "is not recorded" in state(test).refusals[0]
    assert train(test) != run
    monkeypatch.setenv(variable("steps"), "10")
    for name in ("rewind", "reseed", "try"):
        state(test).pressed.clear()
        do(test, {"name": name, "run": run})
        assert "at most 10 are allowed here" in state(test).refusals[0]
    assert len(store.list()) == 2


def test_pin_and_unpin(store: RunStore) -> None:
    test = opened()
    run = train(test)
    for name, pinned in (("pin", 1), ("pin", 1), ("unpin", 0)):
        do(test, {"name": name, "run": run})
        assert (store.get(run).pinned, state(test).refusals) == (pinned, [])


def test_the_state_of_a_run_tells_its_place_and_that_it_was_thinned(store: RunStore) -> None:
    first, second = train(opened()), train(opened())
    told = [describe(services.store(), store.get(run)) for run in (first, second)]
    assert [state["queue"] for state in told] == [
        {"place": 1, "of": 2, "words": "next in line, about 1 s"},
        {"place": 2, "of": 2, "words": "second in line, about 2 s"},
    ]
    assert not told[0]["thinned"]
    store.desire(first, "stopped")
    store._thin(first)
    assert describe(services.store(), store.get(first))["thinned"]
