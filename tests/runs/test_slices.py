"""A run in slices is the same run: whatever interrupts it, the curve is that of `train` alone, bit for bit."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lstm_core.config import Override, RunConfig
from lstm_core.runs import kept, preload, slices, telemetry
from lstm_core.runs.holder import this_process
from lstm_core.runs.records import Lease, LeaseLost
from lstm_core.runs.slices import run_slice, work
from lstm_core.runs.store import RunStore
from lstm_core.training import Snapshot, Step, TrainState, train
from tests.runs.conftest import small

STEPS = 60


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    kept.forget()


def alone(config: RunConfig, overrides: tuple[Override, ...] = ()) -> telemetry.Columns:
    """The curve that `train` draws with nothing around it."""
    steps = [item for item in train(config, overrides=overrides) if isinstance(item, Step)]
    return telemetry.table([(step.step, step.scalars) for step in steps])


def assert_same(recorded: telemetry.Columns, expected: telemetry.Columns) -> None:
    assert set(recorded) == set(expected)
    for name, column in expected.items():
        np.testing.assert_array_equal(recorded[name], column, err_msg=name)


def take(store: RunStore, run: str) -> Lease:
    lease = store.acquire(run, this_process())
    assert lease is not None
    return lease


CONFIGS = [
    small(STEPS),
    small(STEPS, **{"model.num_layers": 2, "model.dropout": 0.3, "model.bidirectional": True}),
    small(STEPS, **{"model.attention": "additive", "training.clip": "norm", "training.clip_threshold": 0.1}),
    small(STEPS, **{"training.optimizer": "rmsprop", "training.momentum": 0.5}),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_run_whole(store: RunStore, config: RunConfig) -> None:
    run = store.create(config)
    assert run_slice(store.url, run).status == "finished"
    found = store.get(run)
    assert (found.status, found.step, found.error, found.lease_holder) == ("finished", STEPS, None, None)
    assert found.train_seconds > 0
    assert found.about == json.loads(json.dumps(TrainState(config).about))
    assert_same(store.scalars(run), alone(config))


@pytest.mark.parametrize("config", CONFIGS)
def test_a_run_in_many_slices(store: RunStore, config: RunConfig) -> None:
    run = store.create(config)
    for count in range(10_000):
        if count % 3 == 1:
            kept.forget()  # as if another worker had it next
        if run_slice(store.url, run, longest=0.0).status == "finished":
            break
    assert store.get(run).revision == 1  # nothing was taken back, only described
    assert_same(store.scalars(run), alone(config))


def test_a_run_with_pauses_and_single_steps(store: RunStore) -> None:
    config = CONFIGS[1]
    run = store.create(config, target=0)
    for target in (0, 1, 2, 12, 31):
        store.desire(run, "paused", target=target)
        assert run_slice(store.url, run).status == "paused"
        assert store.get(run).step == target
        assert target in store.snapshot_steps(run)
        assert run_slice(store.url, run).status is None
        kept.forget()
    store.desire(run, "running")
    assert run_slice(store.url, run).status == "finished"
    assert_same(store.scalars(run), alone(config))


def test_a_pause_asked_for_in_mid_slice_rests_at_a_pictured_step(store: RunStore) -> None:
    run = store.create(small(100_000))
    status = work(store, take(store, run), watch=at(200, lambda: store.desire(run, "paused")))
    found = store.get(run)
    assert (status, found.status) == ("paused", "paused")
    assert found.step in store.snapshot_steps(run)
    assert store.load_checkpoint(run, "latest") is not None


def test_a_stop_ends_the_run_and_keeps_its_state(store: RunStore) -> None:
    run = store.create(small(100_000))
    assert work(store, take(store, run), watch=at(50, lambda: store.desire(run, "stopped"))) == "stopped"
    assert store.get(run).finished is not None
    step, _ = store.load_checkpoint(run) or (None, None)
    assert step == store.get(run).step + 1


def at(step: int, act: Callable[[], Any]) -> Callable[[Step], None]:
    def watch(item: Step) -> None:
        if item.step == step:
            act()

    return watch


def test_overrides_take_effect_and_replay_exactly(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "FLUSH", 0.0)
    monkeypatch.setattr(slices, "LOOK", 0.0)
    config = small(STEPS)
    run = store.create(config)

    def change(step: Step) -> None:
        if step.step == 20:
            store.request_override(run, "learning_rate", 0.05)
        if step.step == 30:
            store.request_override(run, "clip", "value")
            store.request_override(run, "clip_threshold", 0.01)
        if step.step == 40:
            raise LeaseLost(run)  # the worker is gone, with it everything since the last checkpoint

    with pytest.raises(LeaseLost):
        work(store, take(store, run), watch=change)
    overrides = store.overrides(run)
    assert [(each.step, each.field, each.value) for each in overrides] == [
        (21, "learning_rate", 0.05),
        (31, "clip", "value"),
        (31, "clip_threshold", 0.01),
    ]
    assert store.get(run).step > 31
    assert run_slice(store.url, run).status == "finished"
    expected = alone(config, tuple(overrides))
    assert expected["learning_rate"][[20, 21]].tolist() == np.float32([0.003, 0.05]).tolist()
    assert_same(store.scalars(run), expected)


def test_a_change_after_a_crash_is_not_undone_by_an_earlier_one(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "FLUSH", 0.0)
    monkeypatch.setattr(slices, "LOOK", 0.0)
    run = store.create(small(STEPS))

    def change(step: Step) -> None:
        if step.step == 20:
            store.request_override(run, "learning_rate", 0.05)
        if step.step == 30:
            raise LeaseLost(run)

    with pytest.raises(LeaseLost):
        work(store, take(store, run), watch=change)
    store.request_override(run, "learning_rate", 0.001)  # the run begins again at step 0
    assert run_slice(store.url, run).status == "finished"
    assert store.scalars(run)["learning_rate"][[20, 21, STEPS]].tolist() == np.float32([0.003, 0.001, 0.001]).tolist()


@pytest.mark.parametrize("last_checkpoint", [None, 20])
def test_what_came_after_the_last_checkpoint_is_taken_back_and_drawn_again(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, last_checkpoint: int | None
) -> None:
    monkeypatch.setattr(slices, "FLUSH", 0.0)
    monkeypatch.setattr(slices, "LOOK", 0.0)
    config = CONFIGS[1]
    run = store.create(config)
    if last_checkpoint is not None:
        store.desire(run, "running", target=last_checkpoint)
        run_slice(store.url, run)
        store.desire(run, "running")
    revision = store.get(run).revision

    def die(step: Step) -> None:
        if step.step == 37:
            raise LeaseLost(run)

    with pytest.raises(LeaseLost):
        work(store, take(store, run), watch=die)
    assert store.get(run).step == 36
    assert run_slice(store.url, run).status == "finished"
    assert store.get(run).revision > revision
    assert_same(store.scalars(run), alone(config))


def test_a_worker_that_lost_its_run_stops_and_writes_no_more(store: RunStore) -> None:
    run = store.create(small(100_000))
    taken: list[Lease | None] = []

    def lose() -> None:
        taken.append(store.acquire(run, this_process()))

    with pytest.raises(LeaseLost):
        work(store, take(store, run), watch=at(100, lose))
    (lease,) = taken
    assert lease is not None
    assert store.get(run).step <= 100
    assert store.get(run).status == "running"
    assert store.release(lease, "queued") == "queued"


def test_a_lease_is_renewed_during_a_step_that_takes_longer(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create(small(STEPS))
    lease = store.acquire(run, this_process(), seconds=0.2)
    assert lease is not None
    renewed = []

    def slowly(*_: object, **__: object) -> Iterator[Step]:
        first = store.get(run).lease_until
        for _look in range(200):
            if (store.get(run).lease_until or 0) > (first or 0):
                break
            time.sleep(0.05)
        renewed.append((store.get(run).lease_until or 0) > (first or 0))
        yield from ()

    monkeypatch.setattr(slices, "train", slowly)
    work(store, lease)
    assert renewed == [True]
    assert not [thread for thread in threading.enumerate() if run in thread.name]


def test_a_state_that_takes_long_to_keep_is_kept_less_often(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "LOOK", 0.0)
    monkeypatch.setattr(slices, "CHECKPOINT", 0.0)
    monkeypatch.setattr(slices, "WORTH", 1000)
    kept = []
    whole = RunStore.checkpoint
    monkeypatch.setattr(RunStore, "checkpoint", lambda *how: (kept.append(how[2]), time.sleep(0.1), whole(*how)))
    assert run_slice(store.url, store.create(small(STEPS))).status == "finished"
    assert kept == [1, STEPS + 1]


def test_between_two_reports_the_store_is_asked_only_where_something_was_written(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.create(small(100_000))
    calls: list[str] = []
    for name in ("wishes", "report"):
        asked = getattr(RunStore, name)
        monkeypatch.setattr(RunStore, name, lambda *a, f=asked, n=name, **k: (calls.append(n), f(*a, **k))[1])
    monkeypatch.setattr(slices, "FLUSH", 1e9)
    monkeypatch.setattr(slices, "LOOK", 0.0)
    work(store, take(store, run), watch=at(400, lambda: store.desire(run, "paused")))
    assert store.get(run).step < 410  # what somebody else writes is heard at the next step
    assert calls.count("wishes") < 20 or store.stamp() is None  # and it was asked only then


def test_a_deleted_run_is_let_go(store: RunStore) -> None:
    run = store.create(small(100_000))
    with pytest.raises(LeaseLost):
        work(store, take(store, run), watch=at(100, lambda: store.delete(run)))


def test_others_who_wait_get_their_turn(store: RunStore) -> None:
    one, two = store.create(small(100_000)), store.create(small(100_000))
    assert run_slice(store.url, one, seconds=0.0, longest=600).status == "queued"
    assert store.waiting() == [two, one]
    assert run_slice(store.url, two, seconds=0.0, longest=600).status == "queued"
    assert store.waiting() == [one, two]


def test_numbers_that_are_none_fail_the_run_in_words(store: RunStore) -> None:
    run = store.create(small(STEPS))

    def poison(step: Step) -> None:
        if step.step == 10:
            for parameter in live[0].model.parameters():
                parameter.data.fill_(float("nan"))

    live: list[TrainState] = []
    lease = take(store, run)
    original = kept.state_of

    def spy(*arguments: Any) -> tuple[TrainState, int]:
        found = original(*arguments)
        live.append(found[0])
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept, "state_of", spy)
        assert work(store, lease, watch=poison) == "failed"
    found = store.get(run)
    assert (found.status, found.step) == ("failed", 10)
    assert found.error is not None
    assert found.error["step"] == 11
    assert "At step 11 the loss became nan" in found.error["what"]
    assert "new run with a smaller learning rate" in found.error["remedy"]  # which is what a failed run allows


def test_any_other_error_fails_the_run_in_words_and_keeps_what_was_recorded(store: RunStore) -> None:
    run = store.create(small(STEPS))

    def fail() -> None:
        raise ValueError("column Close has no numbers")

    assert work(store, take(store, run), watch=at(30, fail)) == "failed"
    found = store.get(run)
    assert found.error is not None
    assert found.error["why"] == "column Close has no numbers"
    assert found.step == 30


def test_settings_that_no_longer_hold_fail_the_run_in_words(store: RunStore) -> None:
    broken = small().model_dump(mode="json")
    broken["model"]["hidden_size"] = -3
    run = store.create(small())
    lease = take(store, run)
    assert work(store, Lease(**{**lease.__dict__, "config": broken})) == "failed"
    error = store.get(run).error
    assert error is not None
    assert "model.hidden_size is -3" in error["why"]


def test_a_run_whose_worker_keeps_dying_is_given_up(store: RunStore) -> None:
    run = store.create(small())
    for pid in range(slices.ATTEMPTS):
        assert store.acquire(run, f"elsewhere:{pid}:1.0", seconds=-1) is not None
    assert run_slice(store.url, run).status == "failed"
    error = store.get(run).error
    assert error is not None
    assert "died 3 times" in error["what"]
    store.desire(run, "running")
    assert run_slice(store.url, run).status == "finished"


def test_telemetry_comes_often_and_begins_with_step_0(store: RunStore) -> None:
    run = store.create(small(STEPS))
    run_slice(store.url, run)
    frames = [telemetry.decode(data) for *_, data in store.frames(run)]
    assert [(frame.kind, frame.first, frame.last) for frame in frames[:2]] == [("scalars", 0, 0), ("snapshot", 0, 0)]
    assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
    assert store.snapshot_steps(run)[0] == 0
    assert store.snapshot_steps(run)[-1] == STEPS
    (expected,) = [item for item in train(small(STEPS), until=0) if isinstance(item, Snapshot)]
    common = telemetry.decode(store.snapshot(run, 0) or b"").arrays
    assert set(common) == set(expected.arrays)
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(common[name], array)
    for index, arrays in enumerate(expected.samples):
        stored = telemetry.decode(store.snapshot(run, 0, index) or b"").arrays
        for name, array in arrays.items():
            np.testing.assert_array_equal(stored[name], array)


def test_a_worker_warms_up_without_leaving_anything() -> None:
    preload.dask_setup(object())
    assert not kept._kept


def test_no_statement_is_put_together_twice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sqlalchemy.engine.Engine")  # before there is an engine: it looks once
    store = RunStore(str(tmp_path / "runs.sqlite3"))
    run = store.create(small(STEPS))
    caplog.clear()  # of what makes the tables
    assert run_slice(store.url, run, seconds=600).status == "finished"
    assert store.waiting() == []
    told = [record.getMessage() for record in caplog.records]
    assert any("[cached since" in message for message in told)
    assert not any("[no key" in message for message in told)
