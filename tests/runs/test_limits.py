"""What one person may use: every limit is kept by the store itself, is said in words, and spares what is nobody's."""

from __future__ import annotations

import pytest

from lstm_core.race_plan import plan
from lstm_core.runs.limits import LimitReached, Limits, limits, memory_bytes, parameter_count, variable
from lstm_core.runs.records import StoreError
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.training import TrainState
from tests.runs.conftest import finished, small

ME, SHE = "mine", "hers"


def limit(monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    for name, value in values.items():
        monkeypatch.setenv(variable(name), str(value))


def test_a_class_fits_the_defaults() -> None:
    usual = limits({})
    usual.check_open(0, 24)  # a race
    usual.check_settings([small(6000, **{"model.hidden_size": 256, "task.length": 160, "training.batch_size": 64})])


def test_open_runs_are_counted_for_each_owner(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, open_runs=3)
    running, paused, _ = (store.create(small(), owner=ME, desired=wish) for wish in ("running", "paused", "running"))
    with pytest.raises(LimitReached, match=r"^3 of your runs are not over yet; at most 3 .* LSTM_LAB_MAX_OPEN_RUNS"):
        store.create(small(), owner=ME)
    store.create(small(), owner=SHE)
    for _ in range(5):
        store.create(small())
    store.desire(paused, "stopped")
    store.create(small(), owner=ME)
    with pytest.raises(LimitReached):
        store.desire(paused, "running")
    store.delete(running)
    store.desire(paused, "running")


def test_a_race_is_counted_as_its_runs(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, open_runs=5)
    wished = plan(small(), "init.preset", ["pytorch", "keras"], [1, 2])
    race = store.create_race(wished, ME)
    with pytest.raises(LimitReached, match="4 of your runs are not over yet, and this would be 2 more"):
        store.add_seeds(race)
    with pytest.raises(LimitReached):
        store.create_race(wished, ME)
    assert [found.id for found in store.races()] == [race]
    assert store.race(race).plan.seeds == (1, 2)
    assert len(store.list()) == 4
    store.create_race(wished)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("steps", 59, "60 steps; at most 59"),
        ("parameters", 100, "parameters; at most 100"),
        ("memory_mb", 1, "MiB of memory; at most 1"),
    ],
)
def test_size_and_length(store: RunStore, monkeypatch: pytest.MonkeyPatch, name: str, value: int, words: str) -> None:
    config = small(**{"training.batch_size": 1024, "task.length": 40})
    limit(monkeypatch, **{name: value})
    for begin in (
        lambda: store.create(config, owner=ME),
        lambda: store.create_race(plan(config, "init.preset", ["pytorch", "keras"], [1]), ME),
    ):
        with pytest.raises(LimitReached, match=words) as refusal:
            begin()
        assert variable(name) in str(refusal.value)
    assert store.list() == store.races() == []
    store.create(config)
    limit(monkeypatch, **{name: 0})
    store.create(config, owner=ME)


def test_parameters_are_those_that_torch_has() -> None:
    for values in ({}, {"model.num_layers": 2, "model.bidirectional": True}, {"model.cell": "gru"}):
        config = small(**values)
        torchs = sum(parameter.numel() for parameter in TrainState(config).model.rnn.parameters())
        assert parameter_count(config) == torchs


def test_memory_grows_with_what_a_step_keeps() -> None:
    one = memory_bytes(small(**{"training.batch_size": 64}))
    more = memory_bytes(small(**{"training.batch_size": 128}))
    parameters = 16 * parameter_count(small())
    assert more - parameters == 2 * (one - parameters)


def test_more_steps_and_forks_are_bounded_too(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = finished(store, small(20))
    mine = store.create(small(20), owner=ME)
    assert run_slice(store.url, mine).status == "finished"
    limit(monkeypatch, steps=30)
    for wished in (40, 31):
        with pytest.raises(LimitReached):
            store.extend(mine, wished)
        with pytest.raises(LimitReached):
            store.fork(run, 10, small(wished), owner=ME)
    store.extend(run, 40)
    store.extend(mine, 30)


def test_a_run_that_had_its_time_is_stopped_with_all_it_learned(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, train_seconds=1)
    run = store.create(small(100_000), owner=ME)
    assert run_slice(store.url, run, most=limits().longest).status == "stopped"
    found = store.get(run)
    assert found.error is not None
    assert found.error["what"].startswith("Stopped after 1.")
    assert found.error["step"] == found.step > 0
    assert found.train_seconds > 1
    checkpoint = store.load_checkpoint(run)
    assert checkpoint is not None
    assert checkpoint[0] == found.step + 1
    with pytest.raises(LimitReached, match="LSTM_LAB_MAX_TRAIN_SECONDS"):
        store.desire(run, "running")
    limit(monkeypatch, train_seconds=100)
    store.desire(run, "running")
    assert (store.get(run).status, store.get(run).error) == ("queued", None)


def test_what_is_nobodys_has_all_the_time(store: RunStore) -> None:
    assert run_slice(store.url, store.create(small()), most=0.0).status == "finished"


def test_a_limit_that_is_no_number_is_refused_in_words() -> None:
    assert limits({"LSTM_LAB_MAX_STEPS": " 7 "}) == Limits(steps=7)
    assert limits({"LSTM_LAB_MAX_STEPS": ""}) == Limits()
    for wrong in ("many", "-1", "1.5"):
        with pytest.raises(StoreError, match=r"LSTM_LAB_MAX_STEPS is .*; set it to a whole number .* 0 for no limit"):
            limits({"LSTM_LAB_MAX_STEPS": wrong})
