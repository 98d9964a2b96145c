"""The exported script against the run: the same float at every step, in a process without this project."""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save as safetensors_of

from lstm_core import files
from lstm_core.config import Override, RunConfig
from lstm_core.export import script
from lstm_core.training import NonFinite, Step, TrainState, train

Row = tuple[int, float, float | None]
# Whatever belongs to this project cannot be imported, wherever it lies.
ALONE = """\
import csv, importlib, json, sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("lstm_core", "app", "tests"):
            raise ImportError(name)

sys.meta_path.insert(0, Nothing())
sys.path.insert(0, ".")
for number in range(int(sys.argv[1])):
    curve = list(importlib.import_module(f"script_{number}").train(*sys.argv[2:]))
    print(json.dumps(curve))
"""
SMALL = {"hidden_size": 8, "embedding_size": 6}
SHORT = {"steps": 5, "batch_size": 6, "validate_every": 2}


def config_of(task: Mapping[str, Any] | str, **groups: Mapping[str, Any]) -> RunConfig:
    """A run of few steps on a small network."""
    named = {"name": task} if isinstance(task, str) else task
    model, training = SMALL | dict(groups.get("model", {})), SHORT | dict(groups.get("training", {}))
    return RunConfig.model_validate(
        {"task": named, "model": model, "training": training, "init": groups.get("init", {})}
    )


def trained(config: RunConfig, overrides: Sequence[Override] = ()) -> list[Row]:
    """What the run itself measures."""
    rows: list[Row] = []
    try:
        for step in train(config, overrides=overrides, snapshot_seconds=math.inf):
            if isinstance(step, Step):
                rows.append((step.step, step.scalars["loss/train"], step.scalars.get("loss/val")))
    except NonFinite:
        pass
    return rows


def run(folder: Path, *command: str) -> str:
    """The output of Python in a folder of its own, which knows nothing of where this project lies."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-I", *command], cwd=folder, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def curves(texts: Sequence[str], folder: Path, *arguments: str) -> list[list[Row]]:
    """What the scripts measure, all in one process, which imports torch once."""
    (folder / "alone.py").write_text(ALONE)
    for number, text in enumerate(texts):
        (folder / f"script_{number}.py").write_text(text, encoding="utf-8")
    lines = [line for line in run(folder, "alone.py", str(len(texts)), *arguments).splitlines() if line[0] == "["]
    return [[tuple(row) for row in json.loads(line)] for line in lines]


def read_curve(path: Path) -> list[Row]:
    """What a script has written."""
    head, *lines = path.read_text().splitlines()
    assert head == "step,loss/train,loss/val"
    cells = [line.split(",") for line in lines]
    return [(int(step), float(loss), float(val) if val else None) for step, loss, val in cells]


@pytest.mark.parametrize("task", ["digits", "stocks", "sentiment"])
def test_a_script_writes_the_curve_of_the_run(task: str, tmp_path: Path) -> None:
    config = config_of(task, training={"steps": 20, "validate_every": 6, "batch_size": 16})
    (tmp_path / "script.py").write_text(script(config), encoding="utf-8")
    run(tmp_path, "script.py", "--csv", "curve.csv")
    found = read_curve(tmp_path / "curve.csv")
    assert found == trained(config)
    assert len(found) == 21


GRID: list[RunConfig] = [
    *(config_of(task) for task in ("recall", "adding", "copy", "brackets", "reversing", "dates", "tagging", "sine")),
    config_of({"name": "digits", "reading": "pixels"}, training={"batch_size": 1024, "steps": 2}),
    config_of({"name": "stocks", "length": 4, "ticker": "AAPL"}, model={"attention": "additive", "batch_first": True}),
    config_of({"name": "sine", "noise": 0.2}, model={"cell": "gru", "attention": "general"}),
    config_of({"name": "sine", "waves": 1}, model={"cell": "gru"}, training={"optimizer": "adamw"}),
    config_of({"name": "text", "length": 12}, model={"attention": "scaled"}, training={"bptt_length": 5}),
    config_of({"name": "text", "length": 9}, model={"cell": "rnn_tanh"}, training={"batch_size": 1024, "steps": 2}),
    config_of(
        {"name": "dates", "forms": "numbers"},
        model={"bidirectional": True, "attention": "additive", "num_layers": 2, "dropout": 0.4},
        init={"preset": "chrono", "attention": {"scheme": "normal"}},
    ),
    config_of(
        {"name": "reversing", "length": 7, "letters": 5},
        model={"cell": "gru", "bidirectional": True, "attention": "dot", "batch_first": True},
        init={"preset": "chrono"},
    ),
    config_of({"name": "reversing", "length": 7}, model={"proj_size": 3, "bias": False}, training={"bptt_length": 3}),
    config_of(
        {"name": "tagging", "length": 9},
        model={"cell": "lstm_relu", "bidirectional": True, "num_layers": 2, "dropout": 0.2, "attention": "dot"},
        init={"preset": "irnn"},
    ),
    config_of({"name": "sentiment", "length": 12}, model={"attention": "additive"}, training={"bptt_length": 5}),
    config_of({"name": "sentiment", "length": 5}, model={"batch_first": True}, training={"bptt_length": 3}),
    config_of(
        {"name": "sentiment", "length": 12},
        model={"cell": "gru", "bidirectional": True, "attention": "general", "batch_first": True},
        init={"bias": {"scheme": "constant"}, "head": {"scheme": "sparse"}},
    ),
    config_of(
        {"name": "recall", "length": 9},
        init={"weight_ih": {"scheme": "sparse"}, "weight_hh": {"scheme": "identity"}, "per_gate": True},
        training={"optimizer": "sgd", "momentum": 0.5, "clip": "norm", "clip_threshold": 0.01, "weight_decay": 0.01},
    ),
    config_of(
        {"name": "adding", "length": 9},
        model={"cell": "rnn_relu", "bidirectional": True},
        init={"weight_ih": {"scheme": "kaiming_normal"}, "weight_hh": {"scheme": "orthogonal"}},
        training={"optimizer": "rmsprop", "momentum": 0.5, "clip": "value", "clip_threshold": 0.01},
    ),
    config_of(
        {"name": "copy", "delay": 3},
        model={"attention": "additive"},
        init={"preset": "keras"},
        training={"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "warmup": 3, "bptt_length": 4},
    ),
    config_of(
        {"name": "brackets", "length": 9},
        init={"preset": "all_equal"},
        training={"schedule": "step", "halve_every": 2, "validate_every": 1, "patience": 1, "learning_rate": 0.5},
    ),
    config_of(
        {"name": "recall", "length": 60},
        model={"cell": "rnn_relu"},
        init={"preset": "large_gaussian"},
        training={"learning_rate": 10, "steps": 30},
    ),
]


def test_scripts_of_all_tasks_and_options_give_the_curves_of_their_runs(tmp_path: Path) -> None:
    found = curves([script(config) for config in GRID], tmp_path)
    for config, curve in zip(GRID, found, strict=True):
        assert curve == trained(config), config.to_query()
    lengths = [len(curve) for curve in found]
    assert lengths[-2] < 6  # its patience ended
    assert lengths[-1] < 31  # its loss became more than a number can be


CHANGED: list[tuple[RunConfig, tuple[Override, ...]]] = [
    (
        config_of({"name": "recall", "length": 9}),
        (
            Override(2, "learning_rate", 0.03),
            Override(2, "clip", "norm"),
            Override(3, "clip_threshold", 0.02),
            Override(4, "clip", "value"),
            Override(5, "learning_rate", 0.1),
        ),
    ),
    (
        config_of({"name": "adding", "length": 9}, training={"schedule": "cosine", "warmup": 2}),
        (Override(3, "learning_rate", 0.03), Override(5, "steps", 9), Override(7, "steps", 11)),
    ),
    (
        config_of(
            {"name": "sine"}, training={"validate_every": 1, "patience": 2, "learning_rate": 0.03, "clip": "norm"}
        ),
        (Override(3, "clip_threshold", 0.1), Override(5, "steps", 30), Override(5, "clip", "none")),
    ),
]


def test_what_was_changed_in_the_course_of_a_run_is_changed_in_its_script(tmp_path: Path) -> None:
    texts = [script(config, overrides) for config, overrides in CHANGED]
    found = curves(texts, tmp_path)
    for (config, overrides), curve in zip(CHANGED, found, strict=True):
        assert curve == trained(config, overrides)
        assert curve[:2] == trained(config)[:2]
        assert curve != trained(config)
    assert [len(curve) for curve in found[1:]] == [12, 8]  # given more steps; its patience ended later
    assert "LAST" in texts[1]


WEIGHTS = {
    "whole.safetensors": lambda state: safetensors_of({f"model.{name}": part for name, part in state.items()}),
    "whole.pt": lambda state: torch_of({"epoch": 3, "state": state}),
    "recurrent.pt": lambda state: torch_of(
        {k.removeprefix("rnn."): v.double() for k, v in state.items() if "rnn" in k}
    ),
    "within.safetensors": lambda state: safetensors_of({f"my.{k}": v for k, v in state.items() if "head" not in k}),
}


def torch_of(state: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_run_that_begins_from_a_file_of_weights(name: str, tmp_path: Path) -> None:
    other = TrainState(config_of({"name": "recall", "length": 9}, training={"seed": 7}))
    data = WEIGHTS[name](dict(other.model.state_dict()))
    (tmp_path / name).write_bytes(data)
    config = config_of({"name": "recall", "length": 9}, init={"weights": files.keep(data, name)})
    text = script(config)
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    run(tmp_path, "script.py", name)
    assert read_curve(tmp_path / "losses.csv") == trained(config)
    assert trained(config) != trained(config_of({"name": "recall", "length": 9}))
    (tmp_path / name).write_bytes(data[:-1] + b"?")
    with pytest.raises(AssertionError, match="is not the file of the run"):
        run(tmp_path, "script.py", name)
