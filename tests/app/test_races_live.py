"""A race as it is read for everyone who looks: the same numbers however it was followed, and clear words where not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import load
from starlette.applications import Starlette

from app.figures import race as figures
from app.racing import live, route
from app.racing.live import Feed
from app.racing.route import Feeds, as_csv
from lstm_core.config import RunConfig
from lstm_core.race_plan import plan
from lstm_core.race_results import POINTS, WINDOW, places, stretch
from lstm_core.runs import telemetry
from lstm_core.runs.holder import this_process
from lstm_core.runs.races import RaceNotFound, Runner
from lstm_core.runs.store import RunStore
from tests import loops

STEPS = 200
LEARNS = 20
SOLVED_AT = LEARNS + WINDOW - 2  # with the step before, half right, these fifty are right of 99 %
PLAN = plan(RunConfig().replace(**{"training.steps": STEPS}), "init.preset", ["pytorch", "chrono"], [1, 2])


class Worker:
    """Writes what a run of a race would have measured: loss 1 / (step + seed), right from step `learns` on."""

    def __init__(self, store: RunStore, runner: Runner, learns: int) -> None:
        self.store, self.runner, self.learns, self.step = store, runner, learns, -1
        lease = store.acquire(runner.run, this_process(), 3600)
        assert lease is not None
        self.lease, self.seq = lease, lease.seq
        store.describe(lease, {"loss_name": "cross-entropy", "chance": {"loss": 0.69, "accuracy": 0.5}})

    def share(self, step: int) -> float:
        return 1.0 if step >= self.learns else 0.5

    def write(self, steps: int) -> None:
        first, self.step = self.step + 1, self.step + steps
        table = telemetry.table(
            [
                (k, {"loss/train": 1 / (k + self.runner.seed), "accuracy/train": self.share(k)})
                for k in range(first, self.step + 1)
            ]
        )
        table["accuracy/val"] = np.where(table["step"] % 50 == 0, table["accuracy/train"], np.nan)
        gradient = {"gradient/l0.fwd.h": np.array([10.0**-self.step, 1.0, 0.5])}
        frames = [
            telemetry.encode("scalars", table, self.seq + 1, first, self.step),
            telemetry.encode("snapshot", gradient, self.seq + 2, self.step, self.step),
        ]
        self.seq += 2
        self.store.append(self.lease, frames, step=self.step, train_seconds=self.step / 100)

    def finish(self, why: dict[str, Any] | None = None) -> None:
        self.store.release(self.lease, "failed" if why else "finished", why, train_seconds=self.step / 100)


@pytest.fixture
def race(store: RunStore) -> str:
    return store.create_race(PLAN)


@pytest.fixture
def workers(store: RunStore, race: str) -> list[Worker]:
    return [Worker(store, runner, 500 if runner.value == 0 else LEARNS) for runner in store.runners(race)]


@pytest.fixture
def feed(store: RunStore, race: str, monkeypatch: pytest.MonkeyPatch) -> Feed:
    monkeypatch.setattr(live, "FRESH", 0.0)
    monkeypatch.setattr(live, "LOOK", 0.0)
    return Feed(lambda: store, race)


def told(feed: Feed) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    arrays = load(feed.answer().body)
    return json.loads(bytes(arrays.pop("about"))), arrays


def test_what_was_followed_bit_by_bit_is_what_one_reads_at_the_end(
    store: RunStore, race: str, workers: list[Worker], feed: Feed
) -> None:
    for size in (1, 7, 60, 93, 40):
        for worker in workers:
            worker.write(size)
        feed.answer()
    for worker in workers:
        worker.finish()
    (about, arrays), (fresh, all_at_once) = told(feed), told(Feed(lambda: store, race))
    assert about["runs"] == fresh["runs"]
    assert about["rows"] == fresh["rows"]
    for name, array in arrays.items():
        np.testing.assert_allclose(array, all_at_once[name])


def test_curves_bands_and_results_are_those_of_what_was_written(workers: list[Worker], feed: Feed) -> None:
    for worker in workers:
        worker.write(1)
        worker.write(100)
    about, arrays = told(feed)
    width = stretch(STEPS)
    steps = np.arange(101)
    np.testing.assert_allclose(arrays["x"], places(width, STEPS))
    for row, worker in enumerate(workers):
        for name, truth in (
            ("loss", 1 / (steps + worker.runner.seed)),
            ("metric", np.where(steps >= worker.learns, 1, 0.5)),
        ):
            for point in range(POINTS):
                known = truth[point * width : (point + 1) * width]
                mean = known.mean() if len(known) else np.nan
                assert arrays[name][row, point] == pytest.approx(mean, rel=1e-5, nan_ok=True)
    for value in (0, 1):
        own = arrays["loss"][[worker.runner.value == value for worker in workers]]
        expected = [own.mean(axis=0), own.min(axis=0), own.max(axis=0)]  # of two seeds the median is the mean
        np.testing.assert_allclose(arrays["loss/band"][value], expected, rtol=1e-5)
    lost, won = about["rows"]
    assert (lost["solved"], lost["steps"], won["solved"]) == (0, None, 2)
    assert won["steps"] == [SOLVED_AT] * 3
    assert won["seconds"] == pytest.approx([SOLVED_AT / 100] * 3)
    assert lost["final"] == [0.5] * 3
    assert won["final"] == [1.0] * 3
    assert won["before"] == [2.0] * 3
    assert won["after"] == pytest.approx([2e-100] * 3)
    assert about["state"]["over"] == 0
    assert about["state"]["runs"] == 4


def test_nothing_new_is_the_same_answer_and_something_new_another(workers: list[Worker], feed: Feed) -> None:
    workers[0].write(5)
    first = feed.answer()
    assert feed.answer() is first
    workers[0].write(5)
    assert feed.answer().tag != first.tag


def test_a_run_that_is_drawn_again_is_read_again(workers: list[Worker], feed: Feed) -> None:
    worker = workers[-1]
    worker.write(101)
    assert told(feed)[0]["runs"][-1]["solved"] == SOLVED_AT
    worker.store.rewind(worker.lease, 10)
    worker.step, worker.learns = 9, 500
    worker.write(20)
    run = told(feed)[0]["runs"][-1]
    assert (run["step"], run["solved"]) == (29, None)


def test_a_failed_run_says_why_and_a_deleted_one_is_counted(store: RunStore, workers: list[Worker], feed: Feed) -> None:
    for worker in workers:
        worker.write(10)
    workers[0].finish({"what": "The loss is no number any more.", "why": "", "remedy": "", "step": 9})
    store.delete(workers[1].runner.run)
    about, arrays = told(feed)
    assert about["runs"][0]["error"] == "The loss is no number any more."
    assert (about["missing"], len(about["runs"]), about["state"]["failed"]) == (1, 3, 1)
    assert arrays["loss"].shape == (3, POINTS)
    table = list(csv.reader(io.StringIO(as_csv(about))))
    assert table[0][:4] == ["init.preset", "seed", "run", "status"]
    assert table[1][:2] == ["PyTorch default", "1"]
    assert table[1][-1] == "The loss is no number any more."
    assert table[1][6] == ""  # never solved


def test_before_a_run_has_begun_there_is_an_answer(feed: Feed) -> None:
    about, arrays = told(feed)
    assert about["state"] | {"runs": 4, "begun": 0, "over": 0} == about["state"]
    assert np.isnan(arrays["metric"]).all()
    assert [row["runs"] for row in about["rows"]] == [2, 2]


def test_figures_name_every_run_and_value(feed: Feed) -> None:
    panels = figures.specs(feed.answer().about)["panels"]
    for panel in panels:
        metas = [trace["meta"] for trace in panel["figure"]["data"]]
        assert [meta["run"] for meta in metas if "run" in meta] == [0, 1, 2, 3]
        assert [(meta["value"], meta["part"]) for meta in metas if "part" in meta] == [
            (0, "band"), (1, "band"), (0, "median"), (1, "median"),
        ]  # fmt: skip
        assert panel["figure"]["layout"]["xaxis"]["title"]["text"] == "training step"


@pytest.fixture
def client(store: RunStore) -> Callable[..., Any]:
    transport = httpx.ASGITransport(Starlette(routes=route.routes(lambda: store)))

    async def ask(address: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://lab") as session:
            return await session.get(address, headers=headers)

    return lambda *wish, **more: loops.run(ask(*wish, **more))


def test_the_routes_answer_once_and_say_what_is_not_there(client: Callable[..., Any], race: str) -> None:
    address = f"/lab/races/{race}"
    found = client(f"{address}/curves")
    assert found.status_code == 200
    assert client(f"{address}/curves", headers={"If-None-Match": found.headers["etag"]}).status_code == 304
    assert [panel["id"] for panel in client(f"{address}/figures").json()["panels"]] == ["metric", "loss"]
    table = client(f"{address}/table.csv")
    assert table.headers["content-disposition"] == f'attachment; filename="race-{race}.csv"'
    assert len(table.text.splitlines()) == 5
    for name in ("gone", "a b", "%00", "x" * 100):
        missing = client(f"/lab/races/{name}/curves")
        assert missing.status_code == 404
        assert "There is no race" in missing.json()["message"]


def test_only_the_last_few_races_stay_at_hand(store: RunStore) -> None:
    feeds = Feeds(lambda: store)
    for _ in range(route.KEPT + 2):
        feeds.answer(store.create_race(PLAN))
    assert len(feeds._feeds) == route.KEPT
    with pytest.raises(RaceNotFound):
        feeds.answer("gone")
