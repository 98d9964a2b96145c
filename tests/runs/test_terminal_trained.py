"""What the terminal gives of a trained model is what the same calls give in Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lstm_core import precision
from lstm_core.__main__ import main
from lstm_core.config import RunConfig
from lstm_core.export import script
from lstm_core.generation import generate_text
from lstm_core.runs import kept
from lstm_core.runs.store import RunStore
from lstm_core.state import TrainState
from tests.runs.conftest import finished, small
from tests.runs.test_slices import take

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
    kept.forget()


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


COMMANDS = {"weights": ["x.safetensors"], "write": [], "precision": []}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_without_weights_is_explained(own_store: RunStore, capsys: Captured, command: str) -> None:
    run = own_store.create(TEXT)
    assert main([command, run, *COMMANDS[command]]) == 1
    assert capsys.readouterr().err.startswith("This run has no weights yet")


@pytest.mark.parametrize("command", COMMANDS)
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


def test_a_script_is_that_of_the_run_or_of_the_settings(own_store: RunStore, tmp_path: Path, capsys: Captured) -> None:
    config = small(20, **{"training.clip": "norm"})
    run, _ = finished(own_store, config)
    path = tmp_path / "plain.py"
    assert main(["script", run, "--to", str(path)]) == 0
    assert path.read_text(encoding="utf-8") == script(config)
    capsys.readouterr()
    assert main(["script", "--task", "recall", "--length", "12"]) == 0
    assert capsys.readouterr().out == script(RunConfig().replace(**{"task.length": 12}))
    assert main(["script", run, "--length", "12"]) == 2
    assert main(["script", "nowhere"]) == 1
    assert main(["script", "--device", "cuda"]) == 2
    assert "on the CPU alone" in capsys.readouterr().err
