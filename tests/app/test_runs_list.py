"""The list of all runs: what it says of each, and that it reads only what is new."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.listing import comparison, rows
from app.listing.rows import HEIGHT, POINTS, WIDTH, Listing, drawn
from lstm_core.config import RunConfig
from lstm_core.runs import telemetry
from lstm_core.runs.holder import this_process
from lstm_core.runs.records import Lease
from lstm_core.runs.store import RunStore
from tests.core.strategies import configs


def leased(store: RunStore, run: str) -> Lease:
    lease = store.acquire(run, this_process())
    assert lease is not None
    return lease


def measured(store: RunStore, lease: Lease, first: int, last: int, seq: int, **columns: list[float]) -> None:
    """Record steps `first` … `last` with these columns; `loss` falls as 1 / (1 + step)."""
    loss = [1 / (1 + step) for step in range(first, last + 1)]
    given = {"loss/train": loss, **{name.replace("__", "/"): values for name, values in columns.items()}}
    table: telemetry.Columns = {"step": np.arange(first, last + 1, dtype=np.int32)}
    table |= {name: np.array(values, np.float32) for name, values in given.items()}
    store.append(lease, [telemetry.encode("scalars", table, seq, first, last)], step=last)


@pytest.fixture
def listing(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> Listing:
    monkeypatch.setattr(rows, "FRESH", 0.0)
    return Listing(lambda: store)


def test_a_row_says_what_the_run_is_and_how_far_it_is(store: RunStore, listing: Listing) -> None:
    run = store.create(RunConfig.model_validate({"init": {"preset": "chrono"}, "training": {"seed": 7}}))
    store.rename(run, "Mine")
    (row,) = listing.since()["rows"]
    assert (row["id"], row["name"], row["status"], row["steps"]) == (run, "Mine", "queued", 600)
    assert (row["task_title"], row["initializer"], row["metric"]) == ("Recall the first token", "Chrono", "accuracy")
    assert (row["curve"], row["loss"], row["best"]) == ("", None, None)
    assert "training.seed=7" in row["words"]
    assert listing.since()["waiting"] == [(run, "next in line, about 1 s", "next in line, about 1 s")]


def test_the_best_metric_is_the_greatest_share_or_the_least_error(store: RunStore, listing: Listing) -> None:
    nan = float("nan")
    for task, name, values, best in (
        ("recall", "accuracy__val", [0.5, nan, 0.75, 0.625], 0.75),
        ("adding", "mae__val", [0.5, nan, 0.25, 0.375], 0.25),
    ):
        run = store.create(RunConfig.model_validate({"task": {"name": task}}))
        measured(store, leased(store, run), 0, 3, 1, **{name: values})
        row = next(row for row in listing.since()["rows"] if row["id"] == run)
        assert (row["best"], row["loss"]) == (best, 0.25)


def test_only_what_changed_comes_again(store: RunStore, listing: Listing) -> None:
    first, second = (store.create(RunConfig()) for _ in range(2))
    told = listing.since()
    assert {row["id"] for row in told["rows"]} == {first, second}
    assert listing.since(told["epoch"], told["at"])["rows"] == []
    store.rename(first, "Mine")
    told = listing.since(told["epoch"], told["at"])
    assert [row["name"] for row in told["rows"]] == ["Mine"]
    store.delete(second)
    told = listing.since(told["epoch"], told["at"])
    assert [row["deleted"] is not None for row in told["rows"]] == [True]
    store.remove(second)
    told = listing.since(told["epoch"], told["at"])
    assert (told["rows"], told["gone"]) == ([], [second])
    assert len(listing.since("of another server", 99)["rows"]) == 1


def test_only_new_frames_are_read(store: RunStore, listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create(RunConfig())
    lease = leased(store, run)
    measured(store, lease, 0, 9, 1)
    listing.since()
    read: list[int] = []
    columns = store.columns
    monkeypatch.setattr(store, "columns", lambda *a: [read.append(piece.seq) or piece for piece in columns(*a)])
    listing.since()
    measured(store, lease, 10, 19, 2)
    (row,) = listing.since()["rows"]
    assert read == [2]
    assert row["loss"] == pytest.approx(1 / 20)
    store.rewind(lease, 5)
    (row,) = [row for row in listing.since()["rows"] if row["id"] == run]
    assert row["loss"] == pytest.approx(1 / 5)


def test_a_run_that_is_over_keeps_its_row_and_may_go_on(store: RunStore, listing: Listing) -> None:
    run = store.create(RunConfig())
    lease = leased(store, run)
    measured(store, lease, 0, 9, 1)
    store.release(lease, "failed")
    (over,) = listing.since()["rows"]
    assert over["status"] == "failed"
    assert over["loss"] == pytest.approx(1 / 10)
    store.desire(run, "running")
    assert listing.since()["rows"][0]["curve"] == over["curve"] != ""
    measured(store, leased(store, run), 10, 19, 2)
    (row,) = listing.since()["rows"]
    steps = np.arange(20)
    assert row["curve"] == drawn({"step": steps, "loss": 1 / (1 + steps)})
    assert row["loss"] == pytest.approx(1 / 20)


def test_a_long_run_is_a_short_row(store: RunStore, listing: Listing) -> None:
    run = store.create(RunConfig().replace(**{"training.steps": 50_000}))
    lease = leased(store, run)
    for seq in range(1, 26):
        measured(store, lease, 2000 * seq - 2000, 2000 * seq - 1, seq)
        row = next(row for row in listing.since()["rows"] if row["id"] == run)
    assert len(row["curve"]) < 12 * POINTS
    assert row["loss"] == pytest.approx(1 / 50_000)


def test_curves_that_take_long_come_later(store: RunStore, listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        measured(store, leased(store, store.create(RunConfig())), 0, 9, 1)
    monkeypatch.setattr(rows, "BUDGET", 0.0)
    told = listing.since()
    assert (told["more"], len(told["rows"])) == (True, 3)
    monkeypatch.setattr(rows, "BUDGET", 60.0)
    later = listing.since(told["epoch"], told["at"])
    assert not later["more"]
    assert all(row["curve"] for row in later["rows"])


@given(st.lists(st.floats(width=32) | st.just(float("nan")), max_size=200))
def test_a_curve_stays_within_its_drawing(losses: list[float]) -> None:
    table = {"step": np.arange(len(losses), dtype=np.int32), "loss": np.array(losses, np.float32)}
    path = drawn(table)
    points = [point.split(" ") for point in path.removeprefix("M").split("L")] if path else []
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in points)


@given(configs())
def test_every_run_can_be_found_by_its_settings(config: RunConfig) -> None:
    named = rows.named(config)
    assert all(f"{path}={text}".lower() in named.words for path, text in config.to_query().items())
    json.dumps(named.words)


@pytest.mark.usefixtures("store")
def test_runs_over_each_other_are_told_apart_by_what_they_differ_in(store: RunStore) -> None:
    runs = []
    for preset in ("chrono", "pytorch"):
        run = store.create(RunConfig.model_validate({"init": {"preset": preset}}))
        measured(store, leased(store, run), 0, 5, 1, accuracy__val=[0.5] * 5 + [0.75 if preset == "chrono" else 0.5])
        runs.append(store.get(run))
    loss, metric = comparison.pictures(runs)
    assert [trace.name for trace in loss.figure.data] == ["Chrono", "PyTorch default"]
    assert {trace.type for chart in (loss, metric) for trace in chart.figure.data} == {"scatter"}
    assert (metric.number, metric.label) == ("75\u202f%", "highest")
    assert metric.sentence == "The highest value, 75\u202f%, is that of “Chrono” at step 5."
    assert loss.sentence == "2 of 2 runs reach 0.167; “Chrono” is the first, at step 5."
    assert list(loss.figure.data[0].y) == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6])


def test_a_name_is_text_in_the_key_to_the_lines() -> None:
    assert "<script>" not in comparison.legend(["<script>alert(1)</script>"])
    assert "&lt;script&gt;" in comparison.legend(["<script>alert(1)</script>"])


@pytest.mark.usefixtures("store")
def test_what_has_different_metrics_has_only_its_losses_compared(store: RunStore) -> None:
    runs = [
        store.get(store.create(RunConfig.model_validate({"task": {"name": name}}))) for name in ("recall", "adding")
    ]
    (loss,) = comparison.pictures(runs)
    assert loss.sentence == "Nothing is recorded yet."
