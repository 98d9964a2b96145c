"""A run taken home: every file is what its name says; what is not there is said in words. And what a run is told."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load
from starlette.applications import Starlette
from starlette.routing import Route

from app.reports.drawn import charts
from app.reports.exports import EXPORTS, export
from app.reports.findings import Findings, changes, look
from lstm_core.config import RunConfig
from lstm_core.export import scalars_csv
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from tests import loops
from tests.app.lab import do, opened, state, train
from tests.runs.conftest import small

NAME = "<script>alert(1)</script> & “Zürich”"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunStore, str]]:
    """A run at its end, clipped, with a change on its way and a name that means something to HTML."""
    store = RunStore(str(tmp_path_factory.mktemp("exports") / "runs.sqlite3"))
    run = store.create(small(60, **{"training.clip": "norm", "model.attention": "dot"}))
    store.rename(run, NAME)
    store.desire(run, "running", target=20)
    run_slice(store.url, run)
    store.request_override(run, "clip_threshold", 0.25)
    store.desire(run, "running")
    assert run_slice(store.url, run).status == "finished"
    yield store, run
    store.close()


class Client:
    """Asks an application without a server."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    def get(self, path: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://lab") as client:
                return await client.get(path)

        return loops.run(ask())


@pytest.fixture(scope="module")
def client(finished: tuple[RunStore, str]) -> Client:
    def store() -> RunStore:
        return finished[0]

    found = Findings(store).answer
    routes = [
        Route("/lab/runs/{id}/export/{file}", partial(export, store)),
        Route("/lab/runs/{id}/findings", found),
    ]
    return Client(Starlette(routes=routes))


def got(client: Client, run: str, name: str) -> bytes:
    answer = client.get(f"/lab/runs/{run}/export/{name}")
    assert answer.status_code == 200, answer.text
    stem, _, ending = name.partition(".")
    disposition = answer.headers["content-disposition"]
    assert re.fullmatch(
        rf'attachment; filename="[a-z0-9-]+{"" if stem == "weights" else "-" + stem}\.{ending}"', disposition
    )
    return answer.content


def test_scalars_come_back_bit_for_bit(client: Client, finished: tuple[RunStore, str]) -> None:
    store, run = finished
    table = pd.read_csv(io.BytesIO(got(client, run, "scalars.csv")), dtype=np.float32)
    columns = store.scalars(run)
    assert set(table.columns) == set(columns)
    assert list(table.columns[:3]) == ["step", "loss/test", "loss/train"]
    for name, values in columns.items():
        np.testing.assert_array_equal(table[name].to_numpy(), values.astype(np.float32))
    pieces = list(scalars_csv(columns, rows=7))
    assert len(pieces) == 1 + -(-61 // 7)
    assert "".join(pieces).encode() == got(client, run, "scalars.csv")


def test_settings_weights_and_script_are_those_of_the_run(client: Client, finished: tuple[RunStore, str]) -> None:
    store, run = finished
    assert RunConfig.model_validate_json(got(client, run, "settings.json")) == RunConfig.model_validate(
        store.get(run).config
    )
    weights, kept = load(got(client, run, "weights.safetensors")), load(store.weights(run))
    assert {name: array.tobytes() for name, array in weights.items()} == {n: a.tobytes() for n, a in kept.items()}
    script = got(client, run, "script.py").decode()
    compile(script, "script.py", "exec")
    assert "0.25" in script  # the threshold that was changed on the way


def test_what_is_not_there_is_said_in_words(client: Client, finished: tuple[RunStore, str]) -> None:
    store, run = finished
    waiting = store.create(small())
    for run_id, name, words in (
        (run, "picture.gif", "scalars.csv"),
        ("nothing", "scalars.csv", "There is no run 'nothing'"),
        (waiting, "report.html", "has not begun"),
        (waiting, "weights.safetensors", "has not begun"),
    ):
        answer = client.get(f"/lab/runs/{run_id}/export/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
        assert words in answer.text
    assert got(client, waiting, "settings.json")


def test_a_report_has_everything_in_it_and_names_stay_names(client: Client, finished: tuple[RunStore, str]) -> None:
    store, run = finished
    text = got(client, run, "report.html").decode()
    assert 4e6 < len(text) < 8e6
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; “Zürich”" in text
    seen = look(store, run)
    data = json.loads(re.findall(r'<script type="application/json" id="charts">(.*?)</script>', text, re.S)[0])
    drawn = {name: figure for name, (_, _, figure) in charts(seen, store)}
    assert {"loss", "metric", "gradient_norms", "gradient_time", "gates", "attention", "gradient_past"} <= set(drawn)
    assert set(data) == {f"chart-{name}" for name in drawn}
    for finding in seen.findings:
        assert finding.number in text
    (threshold,) = [trace for trace in drawn["gradient_norms"].data if trace.name == "threshold"]
    assert list(threshold.y) == [0.25, 0.25]
    assert "From step 21 on clip threshold 0.25." in text
    assert not re.findall(r'(?:src|href)="', text[: text.index("<script>/")])


def test_findings_are_told_with_their_changes_and_made_anew_only_when_the_run_has_moved_on(
    client: Client, finished: tuple[RunStore, str]
) -> None:
    store, run = finished
    told = client.get(f"/lab/runs/{run}/findings").json()
    assert told["step"] == 60
    assert [one["id"] for one in told["findings"]] == [one.id for one in look(store, run).findings]
    for one in told["findings"]:
        assert one["experiment"] is None or one["experiment"]["changes"]
    assert client.get("/lab/runs/nothing/findings").status_code == 404
    kept = Findings(lambda: store)
    assert kept._body(run) is kept._body(run)


def test_findings_follow_a_run_to_its_end(store: RunStore) -> None:
    run = store.create(small(30))
    kept = Findings(lambda: store)
    assert json.loads(kept._body(run)) == {"run": run, "step": -1, "findings": []}
    run_slice(store.url, run)
    assert json.loads(kept._body(run))["step"] == 30


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"init": {"preset": "chrono"}}, ["Initializer: Chrono"]),
        ({"training.learning_rate": 0.01, "training.clip": "norm"}, ["Learning rate: 0.01", "Clipping: By norm"]),
        ({"task": {"name": "sine"}}, ["Task: Sine mixture"]),
        ({"model.bidirectional": True}, ["Both directions: on"]),
        ({"init.bias": {"scheme": "forget", "value": 2.0}}, ["Biases: Forget bias, forget bias 2"]),
    ],
)
def test_changes_are_said_as_the_page_says_them(settings: dict[str, Any], words: list[str]) -> None:
    assert changes(RunConfig(), settings) == words


def test_an_experiment_begins_a_run_with_this_ones_settings_but_for_its_own(store: RunStore) -> None:
    test = opened(model__hidden_size="8", training__steps="50")
    run = train(test)
    do(test, ("model.hidden_size", 16), {"name": "try", "run": run, "settings": {"init": {"preset": "chrono"}}})
    tried = state(test).run
    assert tried not in (None, run)
    assert state(test).config == RunConfig().replace(
        **{"model.hidden_size": 8, "training.steps": 50, "init": {"preset": "chrono"}}
    )
    assert RunConfig.model_validate(store.get(tried or "").config) == state(test).config


@pytest.mark.parametrize("settings", [{"model.hidden_size": 0}, {"nothing.here": 1}, {"init": "chrono"}])
@pytest.mark.usefixtures("store")
def test_an_impossible_experiment_is_refused_in_words(settings: dict[str, Any]) -> None:
    test = opened()
    run = train(test)
    do(test, {"name": "try", "run": run, "settings": settings})
    assert state(test).run == run
    assert state(test).refusals


@pytest.mark.usefixtures("store")
def test_a_lock_holds_against_an_experiment() -> None:
    test = opened(lock="init.preset")
    run = train(test)
    do(test, {"name": "try", "run": run, "settings": {"init": {"preset": "chrono"}}})
    assert state(test).run == run
    assert "locked" in " ".join(state(test).refusals).lower()


def test_every_file_has_a_name_and_a_sentence() -> None:
    assert all(kind.title and kind.help.endswith(".") for kind in EXPORTS.values())
