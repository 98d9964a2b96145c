"""The commands on runs that exist: what they do and print is what the same calls give in Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lstm_core.__main__ import main
from lstm_core.config import Override, RunConfig
from lstm_core.runs import kept
from lstm_core.runs.slices import run_slice
from lstm_core.runs.store import RunStore
from lstm_core.state import TrainState
from lstm_core.tasks import TASKS
from lstm_core.terminal.options import config_from
from lstm_core.training import Step, train
from tests.runs.conftest import finished, small
from tests.runs.test_slices import alone, take

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch.set_num_threads(1)
    kept.forget()


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
        expected = [item.scalars["loss/train"] for item in train(config, state) if isinstance(item, Step)]
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
