"""The command line: every setting is an option, every mistake is explained, a run goes into the store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from lstm_core import files
from lstm_core.__main__ import main
from lstm_core.config import RunConfig
from lstm_core.recipes import Orthogonal
from lstm_core.runs import schema
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.terminal.options import config_from, every_setting
from tests.core.own_files import csv_of, walk
from tests.core.strategies import configs
from tests.runs.conftest import small
from tests.runs.test_slices import alone, assert_same

QUICK = ["--length", "8", "--hidden-size", "6", "--embedding-size", "4", "--batch-size", "8", "--validate-every", "25"]


def test_a_run_from_the_terminal_is_the_run_of_the_page(
    own_store: RunStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *QUICK, "--steps", "40", "--initializer", "chrono", "--bidirectional"]) == 0
    (run,) = own_store.list()
    config = small(40, **{"init.preset": "chrono", "model.bidirectional": True})
    assert RunConfig.model_validate(run.config) == config
    assert (run.status, run.step) == ("finished", 40)
    assert_same(own_store.scalars(run.id), alone(config))
    told = capsys.readouterr()
    assert f"http://127.0.0.1:8501/?run={run.id}" in told.out
    assert "Finished step 40" in told.out
    assert "41/41" in told.err
    last = {name: column[-1] for name, column in alone(config).items()}
    for part in ("train", "val", "test"):
        assert f"{part:<5}  loss {last[f'loss/{part}']:.6g}  accuracy {last[f'accuracy/{part}']:.6g}" in told.out
    assert f"(with the weights of step {last['best/step']:.0f}, the best in validation)" in told.out


@given(config=configs())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_json_says_every_setting(tmp_path: Path, config: RunConfig) -> None:
    file = tmp_path / "settings.json"
    file.write_text(config.model_dump_json())
    assert config_from(str(file), {}) == config


@given(seed=st.integers(0, 2**31 - 1), length=st.integers(2, 500))
def test_options_come_on_top_of_json(tmp_path_factory: pytest.TempPathFactory, seed: int, length: int) -> None:
    file = tmp_path_factory.getbasetemp() / "settings.json"
    file.write_text(json.dumps({"training": {"seed": 3, "steps": 7}, "init": {"weight_hh": {"scheme": "zeros"}}}))
    config = config_from(
        str(file),
        {"training.seed": str(seed), "task.length": str(length), "init.weight_hh": "orthogonal,gain=1.2"},
        "recall",
    )
    assert (config.training.seed, config.training.steps, config.task.time_steps) == (seed, 7, length)
    assert config.init.weight_hh == Orthogonal(gain=1.2)


def test_every_setting_is_an_option_with_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for path, field in every_setting():
        assert f"--{path} " in told
        assert " ".join((field.description or "").split())[:30] in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--steps", "0"], "training.steps is '0'; choose a value of at least 1."),
        (["--task", "nothing"], "task.name is 'nothing'; choose one of"),
        (["--dropout", "0.5"], "set it to 0 or use two layers"),
        (["--initializer", "best"], "init.preset is 'best'; choose one of"),
        (["--biases", "forget,value=900"], "choose a value of at most 20"),
        (["--json", "missing.json"], "missing.json cannot be read"),
        (["--example", "Nothing"], "There are no ready-made settings “Nothing”; choose “Two of 100 numbers”, "),
        (["--example", "LSTM", "--task", "recall"], "The task recall has no ready-made settings “LSTM”; choose “The f"),
        (["--example", "LSTM", "--task", "csv"], "The task csv has no ready-made settings “LSTM”; choose another task"),
        (["--example", "With attention"], "add --task dates or --task reversing"),
        (["--example", "LSTM", "--task", "nothing"], "task.name is 'nothing'; choose one of"),
    ],
)
def test_a_setting_that_cannot_be_is_explained(
    own_store: RunStore, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["train", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert own_store.list() == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1]", 'must hold an object such as {"task"'),
        ('{"task": 3}', "task in"),
        ('{"tusk": {}}', "tusk is not a setting"),
        ('{"task": {"name": []}}', "task.name is []; choose one of"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("\udcff", "cannot be read as JSON"),
    ],
)
def test_json_that_is_no_settings_is_explained(
    own_store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, sentence: str
) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    assert main(["train", "--json", str(file), "--length", "9"]) == 2
    assert sentence in capsys.readouterr().err
    assert own_store.list() == []


def test_a_file_is_put_into_the_store_and_trained_on(
    own_store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.csv"
    path.write_bytes(csv_of(walk(seed=7)))
    arguments = ["--task", "csv", "--file", str(path), "--column", "close", "--hidden-size", "4", "--steps", "3"]
    assert main(["train", *arguments]) == 0
    (kept,) = own_store.files()
    assert (kept.name, kept.kind, own_store.file(kept.id)) == ("prices.csv", "csv", path.read_bytes())
    (run,) = own_store.list()
    assert run.config["task"] | {"file": kept.id, "column": "close"} == run.config["task"]
    assert run.status == "finished"
    assert "Next value of close" in capsys.readouterr().out
    assert main(["train", "--task", "csv", "--file", kept.id, "--hidden-size", "4", "--steps", "3"]) == 0
    assert len(own_store.files()) == 1


def test_weights_are_put_into_the_store(own_store: RunStore, tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    path.write_bytes(save(dict(nn.LSTM(4, 6).state_dict())))
    main(["train", *QUICK, "--steps", "2", "--weights", str(path)])
    (kept,) = own_store.files("weights")
    (run,) = own_store.list()
    assert (kept.name, run.config["init"]["weights"]) == ("theirs.safetensors", kept.id)


@pytest.mark.parametrize(
    ("content", "arguments", "sentence"),
    [
        (None, [], "cannot be read: No such file"),
        (b"", [], "is empty"),
        (bytes(files.LARGEST + 1), [], "is larger than 10 MiB"),
        (b"\x89PNG\r\n", [], "is a PNG picture"),
        (b"a\n1\n2\n", [], "The column has 2 values, and a window of 10 needs at least"),
        (csv_of(walk()), ["--column", "volume"], "has no column “volume”; its columns are “date”, “open”, “close”"),
        (csv_of(walk()), ["--task", "recall"], "The task recall reads no file; choose --task csv"),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(
    own_store: RunStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    arguments: list[str],
    sentence: str,
) -> None:
    path = tmp_path / "mine.csv"
    if content is not None:
        path.write_bytes(content)
    assert main(["train", "--task", "csv", "--file", str(path), *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert (own_store.list(), own_store.files()) == ([], [])


def test_a_task_without_its_file_asks_for_one(own_store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--task", "csv"]) == 2
    assert "Choose a CSV file" in capsys.readouterr().err
    assert own_store.list() == []


def test_settings_cannot_name_a_path(own_store: RunStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"task": {"name": "csv", "file": "/etc/passwd"}}))
    assert main(["train", "--json", str(settings)]) == 2
    assert "task.file is '/etc/passwd'; give the file itself" in capsys.readouterr().err
    assert own_store.list() == []


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", "--lenght", "8"])
    assert stop.value.code == 2
    assert "--lenght" in capsys.readouterr().err


def test_a_run_that_cannot_be_resumed_is_explained(own_store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", "nothing"]) == 1
    assert "There is no run 'nothing'" in capsys.readouterr().err
    held = own_store.create(small())
    own_store.acquire(held, "elsewhere:1:1.0")
    assert main(["resume", held]) == 1
    assert "in another process (elsewhere:1:1.0)" in capsys.readouterr().err


def test_a_run_of_settings_that_are_no_more_is_left_alone(
    own_store: RunStore, capsys: pytest.CaptureFixture[str]
) -> None:
    run = own_store.create(small())
    with own_store._database.write() as connection:
        connection.execute(sa.update(schema.runs).values(config={"task": {"name": "older"}}))
    assert main(["resume", run]) == 2
    assert "task.name is 'older'; choose one of" in capsys.readouterr().err
    assert own_store.get(run).lease_holder is None


def test_the_list_shows_runs(own_store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    run = own_store.create(small())
    own_store.rename(run, "The cliff")
    assert main(["list"]) == 0
    assert capsys.readouterr().out.split() == [run, "queued", "0", "of", "60", "The", "cliff"]


def test_ctrl_c_pauses(own_store: RunStore) -> None:
    command = [sys.executable, "-m", "lstm_core", "train", *QUICK, "--steps", "20000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while not own_store.list() or own_store.list()[0].step < 20:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate()
    (run,) = own_store.list()
    assert process.returncode == 0
    assert run.status == "paused"
    assert f"Paused at step {run.step}. Go on with: python -m lstm_core resume {run.id}" in out


def test_resume_goes_on_to_the_end(own_store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    run = own_store.create(small(), target=20)
    run_slice(own_store.url, run)
    assert own_store.get(run).status == "paused"
    assert main(["resume", run, "--address", "example.org:80"]) == 0
    assert f"http://example.org:80/?run={run}" in capsys.readouterr().out
    assert own_store.get(run).status == "finished"
    assert_same(own_store.scalars(run), alone(small()))
