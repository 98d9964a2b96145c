"""The pages' side of the store: what is wanted, what is shown, what is kept."""

from __future__ import annotations

import pickle
import time
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from lstm_core.config import Override, RunConfig
from lstm_core.runs import frames, schema, telemetry
from lstm_core.runs.records import Lease, LeaseLost, RunNotFound, StoreError
from lstm_core.runs.store import RunStore
from tests.postgres import Postgres
from tests.runs.conftest import picture, rows, small

BACKENDS = ("sqlite", "postgresql")


def test_a_run_is_kept_as_it_was_created(store: RunStore) -> None:
    config = small(steps=9)
    run = store.get(store.create(config, parent="another"))
    assert RunConfig.model_validate(run.config) == config
    assert (run.status, run.desired, run.step, run.steps, run.parent) == ("queued", "running", -1, 9, "another")
    assert pickle.loads(pickle.dumps(store)).get(run.id) == run


def test_runs_are_listed_newest_first(store: RunStore) -> None:
    ids = [store.create(small()) for _ in range(3)]
    assert [run.id for run in store.list()] == ids[::-1]
    assert [run.id for run in store.list(limit=2)] == ids[:0:-1]


def test_the_stamp_of_a_file_moves_with_every_commit_of_anybody(tmp_path: Path) -> None:
    store, other = (RunStore(str(tmp_path / "runs.sqlite3")) for _ in range(2))
    run, seen = other.create(small()), []
    for name in ("one", "two", "three"):
        other.rename(run, name)
        store.list()
        store.pulse([run])
        seen.append(store.stamp())
        assert store.stamp() == seen[-1]
        time.sleep(0.02)  # the clock of files moves every few milliseconds
    assert None not in seen
    assert len(set(seen)) == 3


def test_the_stamp_of_a_server_is_unknown(postgres: Postgres) -> None:
    with postgres.database() as url:
        assert RunStore(url).stamp() is None


def test_an_unknown_run_is_named(store: RunStore) -> None:
    for use in (store.get, store.delete, lambda i: store.desire(i, "paused"), lambda i: store.acquire(i, "a:1:1")):
        with pytest.raises(RunNotFound, match="'nothing'"):
            use("nothing")


def test_a_run_without_a_worker_follows_wishes_at_once(store: RunStore, run: str) -> None:
    for desired, status in [("paused", "paused"), ("running", "queued"), ("stopped", "stopped"), ("running", "queued")]:
        before = store.pulse([run])[run]
        store.desire(run, desired)  # type: ignore[arg-type]
        assert (store.get(run).status, store.get(run).desired) == (status, desired)
        assert store.pulse([run])[run] != before


def test_to_be_paused_at_a_later_step_means_to_run_until_then(store: RunStore, run: str) -> None:
    store.desire(run, "paused", target=5)
    assert (store.get(run).desired, store.get(run).target) == ("running", 5)
    store.desire(run, "paused", target=-1)
    assert (store.get(run).desired, store.get(run).target) == ("paused", None)


def test_a_worker_is_told_wishes_and_the_run_shows_what_came_of_them(store: RunStore, run: str, lease: Lease) -> None:
    store.append(lease, [rows(0, 4, 1)], step=4)
    store.desire(run, "paused")
    assert store.wishes(lease).desired == "paused"
    assert store.get(run).status == "running"
    assert store.release(lease, "queued") == store.get(run).status == "paused"


def test_a_target_reached_pauses_and_one_not_reached_does_not(store: RunStore, run: str) -> None:
    store.desire(run, "running", target=3)
    lease = store.acquire(run, "a:1:1")
    assert lease is not None
    assert store.wishes(lease).target == 3
    store.append(lease, [rows(0, 2, 1)], step=2)
    assert store.release(lease, "paused") == "queued"
    lease = store.acquire(run, "a:1:1")
    assert lease is not None
    store.append(lease, [rows(3, 3, 2)], step=3)
    assert store.release(lease, "queued") == "paused"
    assert (store.get(run).desired, store.get(run).target) == ("paused", None)


def test_a_finished_run_wants_nothing_any_more(store: RunStore, run: str, lease: Lease) -> None:
    assert store.release(lease, "finished") == "finished"
    for desired in ("running", "paused", "stopped"):
        store.desire(run, desired)  # type: ignore[arg-type]
        assert store.get(run).status == "finished"
    assert store.waiting() == []


def test_a_failed_run_can_be_tried_again(store: RunStore, run: str, lease: Lease) -> None:
    store.release(lease, "failed", {"what": "It broke.", "why": "", "remedy": "", "step": 3})
    assert store.get(run).error == {"what": "It broke.", "why": "", "remedy": "", "step": 3}
    store.desire(run, "running")
    assert (store.get(run).status, store.get(run).error) == ("queued", None)


def test_who_ran_longest_ago_is_next(store: RunStore) -> None:
    a, b, c = (store.create(small()) for _ in range(3))
    assert store.waiting() == [a, b, c]
    first = store.acquire(a, "a:1:1")
    assert first is not None
    assert store.wishes(first).others_waiting
    store.release(first, "queued")
    assert store.waiting() == [b, c, a]
    store.desire(b, "paused")
    assert store.waiting() == [c, a]


def test_nobody_waits_when_all_others_rest_or_run(store: RunStore, lease: Lease) -> None:
    store.create(small(), desired="paused")
    store.acquire(store.create(small()), "elsewhere:1:1")
    assert not store.wishes(lease).others_waiting


def test_an_override_is_asked_for_then_in_effect(store: RunStore, run: str, lease: Lease) -> None:
    store.request_override(run, "learning_rate", 0.1)
    store.request_override(run, "clip", "norm")
    assert store.overrides(run) == []
    first, second = store.wishes(lease).requests
    assert (first.field, first.value, second.field, second.value) == ("learning_rate", 0.1, "clip", "norm")
    store.apply_override(lease, second.id, 7)
    assert store.overrides(run) == [Override(7, "clip", "norm")]
    assert store.wishes(lease).requests == (first,)


def test_an_override_that_cannot_be_is_refused(store: RunStore, run: str) -> None:
    with pytest.raises(ValueError, match="seed cannot change"):
        store.request_override(run, "seed", 2)
    with pytest.raises(ValidationError):
        store.request_override(run, "learning_rate", -1.0)
    with pytest.raises(ValidationError):
        store.request_override(run, "clip", "sometimes")


def test_the_pulse_moves_with_everything_a_page_shows(store: RunStore, run: str, lease: Lease) -> None:
    pulses = [store.pulse([run])[run]]
    for change in (
        lambda: store.describe(lease, {"T": 8}),
        lambda: store.append(lease, [rows(0, 1, 1)], step=1),
        lambda: store.rename(run, "Mine"),
        lambda: store.request_override(run, "clip", "norm"),
        lambda: store.rewind(lease, 1),
        lambda: store.desire(run, "stopped"),
        lambda: store.release(lease, "queued"),
    ):
        change()
        pulses.append(store.pulse([run])[run])
    assert len(set(pulses)) == len(pulses)
    assert store.pulse([run, "unknown"]) == {run: pulses[-1]}


def test_frames_come_in_order_and_filtered(store: RunStore, run: str, lease: Lease) -> None:
    store.append(lease, [rows(0, 1, 1), *picture(1, 2)], step=1)
    last = rows(2, 3, 4)
    store.append(lease, [last], step=3)
    assert [frame[:3] for frame in store.frames(run)] == [
        (1, "scalars", None),
        (2, "snapshot", None),
        (3, "sample", 0),
        (4, "scalars", None),
    ]
    assert [frame[0] for frame in store.frames(run, after=2)] == [3, 4]
    assert [frame[0] for frame in store.frames(run, kinds=["scalars"])] == [1, 4]
    assert [frame[0] for frame in store.frames(run, sample=1)] == [1, 2, 4]
    assert store.frames(run, after=3)[0][3] == last
    assert (store.get(run).seq, store.get(run).step) == (4, 3)


def test_snapshots_are_found_by_their_step(store: RunStore, run: str, lease: Lease) -> None:
    common, sample = picture(6, 4)
    store.append(lease, [rows(0, 6, 1), *picture(0, 2), common, sample], step=6)
    assert store.snapshot_steps(run) == [0, 6]
    assert store.snapshot(run, 6) == common
    assert store.snapshot(run, 6, 0) == sample
    assert store.snapshot(run, 5) is None
    assert store.snapshot(run, 6, 3) is None


def test_snapshots_stay_within_number_and_size(
    store: RunStore, run: str, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "SNAPSHOTS", 20)
    for step in range(100):
        store.append(lease, [rows(step, step, 3 * step + 1), *picture(step, 3 * step + 2)], step=step)
    steps = store.snapshot_steps(run)
    assert len(steps) <= 20
    assert (steps[0], steps[-1]) == (0, 99)
    assert {frame[0] for frame in store.frames(run, kinds=["sample"])} == {3 * step + 3 for step in steps}
    one = len(store.snapshot(run, 99) or b"") + len(store.snapshot(run, 99, 0) or b"")
    monkeypatch.setattr(frames, "SNAPSHOT_BYTES", 5 * one)
    store.append(lease, [rows(100, 100, 301), *picture(100, 302)], step=100)
    assert len(store.snapshot_steps(run)) <= 5


def test_old_frames_are_merged_and_nothing_is_lost(store: RunStore, run: str, lease: Lease) -> None:
    pieces = 3 * frames.FAN_IN**2
    for seq in range(1, pieces + 1):
        store.append(lease, [rows(2 * seq - 2, 2 * seq - 1, seq)], step=2 * seq - 1)
        if seq % 97 == 0:
            store.checkpoint(lease, 2 * seq, b"state")
    kept = store.frames(run)
    assert len(kept) < 6 * frames.FAN_IN
    assert [frame[0] for frame in kept][-1] == pieces
    columns = store.scalars(run)
    np.testing.assert_array_equal(columns["step"], np.arange(2 * pieces))
    np.testing.assert_array_equal(columns["loss/train"], np.arange(2 * pieces))


def test_a_viewer_that_reads_while_frames_are_merged_misses_no_step(store: RunStore, run: str, lease: Lease) -> None:
    seen, after = -1, -1
    for seq in range(1, 500):
        store.append(lease, [rows(seq, seq, seq)], step=seq)
        if seq % 50 == 0:
            store.checkpoint(lease, seq + 1, b"state")
        if seq % (130 if seq < 300 else 3) == 0:  # first far behind, later close
            for number, _, _, data in store.frames(run, after):
                steps = telemetry.decode(data).arrays["step"]
                fresh = steps[steps > seen]
                assert fresh.tolist() == list(range(max(seen, 0) + 1, int(fresh[-1]) + 1))
                seen, after = int(fresh[-1]), number


def test_history_of_a_long_run_is_short_and_keeps_extremes(
    store: RunStore, run: str, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "FAN_IN", 4)
    for seq in range(1, 101):
        store.append(lease, [rows(200 * seq - 200, 200 * seq - 1, seq)], step=200 * seq - 1)
    store.checkpoint(lease, 20_000, b"state")
    thin = telemetry.decode(store.history(run, points=100))
    assert (thin.seq, thin.first, thin.last) == (100, 0, 19_999)
    assert len(thin.arrays["step"]) <= 100
    assert (thin.arrays["loss/train"].min(), thin.arrays["loss/train"].max()) == (0, 19_999)
    whole = telemetry.decode(store.history(run, points=20_000))
    np.testing.assert_array_equal(whole.arrays["step"], np.arange(20_000))


def test_the_history_of_a_run_that_has_not_begun_is_empty(store: RunStore, run: str) -> None:
    frame = telemetry.decode(store.history(run))
    assert (frame.seq, frame.last, len(frame.arrays["step"])) == (-1, -1, 0)


def test_a_deleted_run_leaves_nothing_and_its_worker_lets_go(store: RunStore, run: str, lease: Lease) -> None:
    store.append(lease, [rows(0, 1, 1), *picture(1, 2)], step=1)
    store.checkpoint(lease, 2, b"state")
    store.request_override(run, "clip", "norm")
    store.delete(run)
    assert store.purge(age=0) == 1
    with store._database.read() as connection:
        for table in (schema.runs, schema.frames, schema.checkpoints, schema.overrides):
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0
    with pytest.raises(LeaseLost):
        store.append(lease, [rows(2, 3, 4)], step=3)
    with pytest.raises(LeaseLost):
        store.wishes(lease)


def test_a_file_that_is_no_database_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite3"
    path.write_bytes(b"this is no database" * 500)
    with pytest.raises(StoreError, match=r"runs\.sqlite3 cannot be used .* move it away"):
        RunStore(str(path))


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        RunStore(str(tmp_path / "file" / "runs.sqlite3"))


@pytest.mark.parametrize("url", ["nonsense://somewhere", "postgresql+nothing://localhost/x"])
def test_an_address_without_a_driver_is_explained(url: str) -> None:
    with pytest.raises(StoreError, match="No driver"):
        RunStore(url)


def test_the_environment_says_where_runs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTM_LAB_DATABASE", str(tmp_path / "deep" / "mine.sqlite3"))
    run = RunStore().create(small())
    assert RunStore(str(tmp_path / "deep" / "mine.sqlite3")).get(run).id == run
