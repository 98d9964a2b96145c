"""The commands on runs that exist: what they do and print is what the same calls give in Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lstm_core import precision
from lstm_core.__main__ import main
from lstm_core.config import Override, RunConfig
from lstm_core.generation import generate_text
from lstm_core.runs import slices
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.state import TrainState
from lstm_core.tasks import TASKS
from lstm_core.terminal.options import config_from
from lstm_core.training import train
from tests.runs.conftest import small
from tests.runs.test_slices import alone, take

Captured = pytest.CaptureFixture[str]
TEXT = RunConfig.model_validate(
    {
        "task": {"name": "text", "length": 12},
        "model": {"hidden_size": 8, "embedding_size": 4},
        "training": {"batch_size": 4, "steps": 8, "validate_every": 3, "learning_rate": 5},
    }
)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch.set_num_threads(1)
    slices._kept.clear()


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setenv("LSTM_LAB_DATABASE", str(tmp_path / "runs.sqlite3"))
    monkeypatch.delenv("LSTM_LAB_ADDRESS", raising=False)
    return RunStore()


def finished(store: RunStore, config: RunConfig) -> tuple[str, TrainState]:
    """A run that is over, and the state of the same training without a store."""
    run = store.create(config)
    assert run_slice(store.url, run).status == "finished"
    state = TrainState(config)
    list(train(config, state))
    return run, state


@pytest.mark.parametrize("task", [name for name, kind in TASKS.items() if kind.examples])
def test_ready_made_settings_are_those_of_the_task(task: str) -> None:
    for title, settings in TASKS[task].examples.items():
        config = RunConfig.model_validate(settings)
        assert config_from(None, {}, task, title) == config
        assert config_from(None, {}, task, title.upper()) == config
        other = config_from(None, {"training.seed": "5", "model.hidden_size": "7"}, task, title)
        assert other == config.replace(**{"training.seed": 5, "model.hidden_size": 7})


def test_ready_made_settings_are_trained(own_store: RunStore) -> None:
    title = "The first of 80, with chrono"
    small_one = ["--steps", "2", "--length", "6", "--batch-size", "4", "--hidden-size", "4"]
    assert main(["train", "--example", title, *small_one]) == 0
    (run,) = own_store.list()
    assert RunConfig.model_validate(run.config) == RunConfig.model_validate(TASKS["recall"].examples[title]).replace(
        **{"training.steps": 2, "task.length": 6, "training.batch_size": 4, "model.hidden_size": 4}
    )


def test_tasks_are_listed_with_chance_goal_and_titles(capsys: Captured) -> None:
    assert main(["tasks"]) == 0
    told = dict(zip(TASKS, capsys.readouterr().out.split("\n\n"), strict=True))
    for name, kind in TASKS.items():
        assert told[name].startswith(f"{name}: {kind.title}\n  {kind.summary}\n")
        assert all(repr(title) in told[name] for title in kind.examples)
        assert (kind.goal is None) == ("goal:" not in told[name])
    assert "by chance: accuracy 0.5\n" in told["recall"]
    assert "goal: accuracy ≥ 1\n" in told["recall"]
    assert f"by chance: bits {np.log2(96):.4g}\n" in told["text"]
    assert "goal: bits ≤ 2.5\n" in told["text"]
    assert "by chance: depends on the file" in told["csv"]


def test_a_run_is_given_more_steps(own_store: RunStore, capsys: Captured) -> None:
    run, _ = finished(own_store, small(20))
    assert main(["resume", run]) == 1
    assert f"is finished. For more steps: python -m lstm_core resume {run} --steps 40" in capsys.readouterr().err
    assert main(["resume", run, "--steps", "20"]) == 1
    assert "has 20 steps already" in capsys.readouterr().err
    assert main(["resume", run, "--steps", str(10**12)]) == 2
    assert "training.steps is 1000000000000; choose" in capsys.readouterr().err
    assert main(["resume", run, "--steps", "30"]) == 0
    assert "31/31" in capsys.readouterr().err
    assert own_store.get(run).status == "finished"
    np.testing.assert_array_equal(own_store.scalars(run)["loss/train"], alone(small(30))["loss/train"])


def test_no_engine_takes_what_the_terminal_is_about_to_train(own_store: RunStore) -> None:
    run, _ = finished(own_store, small(5))
    own_store.extend(run, 9, desired="paused")
    fork = own_store.fork(run, 2, small(5), desired="paused")
    assert own_store.waiting() == []
    assert [own_store.get(each).status for each in (run, fork)] == ["paused", "paused"]


def test_a_fork_with_nothing_changed_is_its_parent(own_store: RunStore, capsys: Captured) -> None:
    parent, _ = finished(own_store, small(20))
    assert main(["resume", parent, "--steps", "30"]) == 0
    assert main(["fork", parent, "12"]) == 0
    fork = own_store.list()[0]
    assert (fork.parent, fork.fork_step, fork.status, fork.step) == (parent, 12, "finished", 30)
    np.testing.assert_array_equal(own_store.scalars(fork.id)["loss/train"], own_store.scalars(parent)["loss/train"])
    assert "Finished step 30" in capsys.readouterr().out


def test_a_fork_goes_on_with_the_settings_it_had_there_and_others_on_top(own_store: RunStore) -> None:
    parent = own_store.create(small(20), target=9)
    run_slice(own_store.url, parent)
    own_store.request_override(parent, "learning_rate", 0.05)
    own_store.desire(parent, "running")
    run_slice(own_store.url, parent)
    assert own_store.overrides(parent) == [Override(10, "learning_rate", 0.05)]
    for step, rate in ((9, 0.003), (10, 0.05)):
        assert main(["fork", parent, str(step), "--clip", "norm", "--steps", "25"]) == 0
        fork = own_store.list()[0]
        config = small(25, **{"training.clip": "norm", "training.learning_rate": rate})
        assert RunConfig.model_validate(fork.config) == config
        there = TrainState(small(20))
        list(train(small(20), there, until=step - 1))
        state = TrainState(config)
        state.take_over(there)
        expected = [item.scalars["loss/train"] for item in train(config, state) if isinstance(item, slices.Step)]
        np.testing.assert_array_equal(
            own_store.scalars(fork.id)["loss/train"][step:], np.array(expected, np.float32), err_msg=str(step)
        )


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["11"], 1, "Step 11 of the run is not recorded; choose one from 0 to 10."),
        (["10"], 1, "The fork begins at step 10; choose more than 10 steps."),
        (["5", "--hidden-size", "9"], 1, "its model must be that of its parent"),
        (["5", "--learning-rate", "-1"], 2, "training.learning_rate is '-1'; choose a value of at least"),
        (["5", "--task", "digits"], 1, "head.weight"),
    ],
)
def test_a_fork_that_cannot_be_is_explained(
    own_store: RunStore, capsys: Captured, arguments: list[str], code: int, sentence: str
) -> None:
    parent, _ = finished(own_store, small(10))
    assert main(["fork", parent, *arguments]) == code
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("best", [True, False])
def test_the_weights_in_the_file_are_those_of_the_run(own_store: RunStore, tmp_path: Path, best: bool) -> None:
    run, state = finished(own_store, small(20, **{"training.learning_rate": 0.9, "training.validate_every": 3}))
    path = tmp_path / "mine.safetensors"
    assert main(["weights", run, str(path), *(["--best"] if best else [])]) == 0
    assert state.best is not None
    assert state.best.step < 20
    expected = state.best.weights if best else state.model.state_dict()
    found = load_file(path)
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_text_is_what_the_model_writes(own_store: RunStore, capsys: Captured) -> None:
    run, state = finished(own_store, TEXT)
    assert main(["write", run, "--prompt", "The ", "--length", "30", "--temperature", "1.5", "--seed", "4"]) == 0
    assert capsys.readouterr().out == "The " + generate_text(state.model, TEXT.task, "The ", 30, 1.5, 4) + "\n"
    assert main(["write", run]) == 0
    assert TEXT.task.generation is not None
    begun = TEXT.task.generation.prompt
    assert capsys.readouterr().out == begun + generate_text(state.model, TEXT.task, begun, 400, 0.8, 1) + "\n"
    assert state.best is not None
    assert state.best.step < 8
    state.model.load_state_dict(state.best.weights)
    assert main(["write", run, "--best", "--length", "30"]) == 0
    assert capsys.readouterr().out == begun + generate_text(state.model, TEXT.task, begun, 30, 0.8, 1) + "\n"
    for arguments, sentence in (
        (["--prompt", "ü"], "never seen the sign 'ü'"),
        (["--prompt", ""], "prompt is empty"),
        (["--length", "100001"], "choose 1 to 100000 signs"),
    ):
        assert main(["write", run, *arguments]) == 2
        assert sentence in capsys.readouterr().err


def test_a_model_that_cannot_write_says_so(own_store: RunStore, capsys: Captured) -> None:
    run, _ = finished(own_store, small(3))
    assert main(["write", run]) == 2
    assert "A model of the task recall cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("best", [True, False])
def test_the_price_of_few_bits_is_that_of_a_direct_call(own_store: RunStore, capsys: Captured, best: bool) -> None:
    config = small(20, **{"training.learning_rate": 0.9, "training.validate_every": 3})
    run, state = finished(own_store, config)
    assert main(["precision", run, "--bits", "9,3", "--sequences", "40", *(["--best"] if best else [])]) == 0
    if best:
        assert state.best is not None
        state.model.load_state_dict(state.best.weights)
    known = precision.measure_precision(state.model, config.task, state.data.test.take(slice(0, 40)), bits=(9, 3))
    assert capsys.readouterr().out == precision.table(known) + "\n"


def test_all_there_is_is_measured_where_more_is_wanted(own_store: RunStore, capsys: Captured) -> None:
    run, state = finished(own_store, small(3))
    assert main(["precision", run, "--bits", "8", "--sequences", str(10**9), "--best"]) == 0
    told = capsys.readouterr().out
    assert f"accuracy of {len(state.data.test)} sequences" in told
    measured = own_store.scalars(run)["accuracy/test"][-1]
    assert f"everything rounded  {measured:.4g}" in " ".join(told.split()).replace("rounded ", "rounded  ")


def test_show_tells_what_is_known_of_a_run(own_store: RunStore, tmp_path: Path, capsys: Captured) -> None:
    parent, _ = finished(own_store, small(12))
    assert main(["fork", parent, "5", "--steps", "14"]) == 0
    fork = own_store.list()[0]
    own_store.extend(fork.id, 16)
    capsys.readouterr()
    assert main(["resume", fork.id]) == 0
    figures = capsys.readouterr().out.splitlines()[2:5]
    assert main(["show", fork.id]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:4] == [
        f"Run {fork.id}, finished: step 16 of 16",
        f"Fork of run {parent} at step 5",
        "From step 14 on steps 16",
    ]
    assert lines[4:7] == figures
    assert figures[2].startswith("test ")
    assert json.loads("\n".join(lines[7:])) == fork.config
    assert main(["show", fork.id, "--json"]) == 0
    settings = tmp_path / "settings.json"
    settings.write_text(capsys.readouterr().out)
    assert config_from(str(settings), {}) == RunConfig.model_validate(fork.config)


def test_show_tells_why_a_run_failed_and_what_has_not_begun(own_store: RunStore, capsys: Captured) -> None:
    run = own_store.create(small())
    assert main(["show", run]) == 0
    assert f"Run {run}, queued: step 0 of 60\n{{" in capsys.readouterr().out
    own_store.release(take(own_store, run), "failed", {"what": "It broke.", "remedy": "Mend it."})
    assert main(["show", run]) == 0
    assert "It broke.\nMend it.\n{" in capsys.readouterr().out


COMMANDS: dict[str, list[str]] = {"weights": ["x.safetensors"], "write": [], "precision": [], "show": [], "fork": ["0"]}


@pytest.mark.usefixtures("own_store")
@pytest.mark.parametrize("command", [*COMMANDS, "resume"])
def test_a_run_that_is_not_there_is_explained(capsys: Captured, command: str) -> None:
    assert main([command, "nobody", *COMMANDS.get(command, [])]) == 1
    assert capsys.readouterr().err.startswith("There is no run 'nobody'")
    assert not Path("x.safetensors").exists()


@pytest.mark.parametrize("command", ["weights", "write", "precision"])
def test_a_run_without_weights_is_explained(own_store: RunStore, capsys: Captured, command: str) -> None:
    run = own_store.create(TEXT)
    assert main([command, run, *COMMANDS[command]]) == 1
    assert capsys.readouterr().err.startswith("This run has no weights yet")


@pytest.mark.parametrize("command", ["weights", "write", "precision"])
def test_a_run_without_best_weights_is_explained(own_store: RunStore, capsys: Captured, command: str) -> None:
    run = own_store.create(TEXT)
    lease = take(own_store, run)
    own_store.checkpoint(lease, 0, TrainState(TEXT).dump())  # as a fork has it before its first validation
    assert main([command, run, *COMMANDS[command], "--best"]) == 1
    assert capsys.readouterr().err.startswith("This run has no best weights yet")


def test_a_file_that_cannot_be_written_is_explained(own_store: RunStore, tmp_path: Path, capsys: Captured) -> None:
    run, _ = finished(own_store, small(2))
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "no" / "x", "No such file or directory")):
        assert main(["weights", run, str(path)]) == 2
        assert capsys.readouterr().err == f"{path} cannot be written: {reason}.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["resume", "x", "--steps", "-5"], "'-5' is not possible; choose a whole number of at least 1"),
        (["fork", "x", "-1"], "'-1' is not possible; choose a whole number of at least 0"),
        (["write", "x", "--length", "0"], "choose a whole number of at least 1"),
        (["write", "x", "--seed", "1.5"], "choose a whole number of at least 0"),
        (["write", "x", "--temperature", "-0.1"], "choose 0 or a number above it"),
        (["write", "x", "--temperature", "nan"], "choose 0 or a number above it"),
        (["precision", "x", "--sequences", "-1"], "choose a whole number of at least 1"),
        (["precision", "x", "--bits", "8,1"], "choose numbers from 2 to 53 with commas between them"),
        (["precision", "x", "--bits", ""], "choose numbers from 2 to 53 with commas between them"),
        (["train", "--json", "x", "--example", "y"], "not allowed with argument"),
        ([], "required: COMMAND"),
    ],
)
def test_numbers_that_cannot_be_are_explained(capsys: Captured, arguments: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err


def shell(line: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("LSTM", f"{sys.executable} -m lstm_core")],
        capture_output=True,
        text=True,
        **more,
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("LSTM train --help | head -n 1", 0),
        ("LSTM show RUN | head -n 1", 0),
        ("LSTM show RUN | true", 0),
        ("LSTM show RUN >&- 2>&-", 0),
        ("LSTM train --steps 3 --length 4 2>&1 | true", 0),
    ],
)
def test_a_reader_may_go_away(own_store: RunStore, line: str, code: int) -> None:
    """Neither a traceback nor Python's own complaint, and the training is not disturbed."""
    run, _ = finished(own_store, small(2))
    done = shell(line.replace("RUN", run))
    assert (done.returncode, done.stderr) == (code, "")
    assert all(each.status == "finished" for each in own_store.list())


def test_a_full_disk_is_said(own_store: RunStore) -> None:
    run, _ = finished(own_store, small(2))
    done = shell(f"LSTM show {run} > /dev/full")
    assert (done.returncode, done.stderr) == (1, "The output cannot be used: No space left on device.\n")


def test_signs_that_a_terminal_cannot_show_stop_nothing(own_store: RunStore) -> None:
    run, _ = finished(own_store, small(2))
    done = shell(f"PYTHONIOENCODING=ascii LSTM show {run} | head -n 1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Recall the first of 8 tokens ? LSTM 6 ?")


def test_ctrl_c_ends_other_commands_in_words(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lstm_core.terminal.commands.list_tasks", interrupted)
    assert main(["tasks"]) == 130
    assert capsys.readouterr().err == "Ended.\n"
