"""The exported script against the run: the same float at every step, in a process without this project."""

from __future__ import annotations

import ast
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
from hypothesis import Phase, given, settings
from safetensors.torch import save as safetensors_of

from lstm_core import files
from lstm_core.config import Override, RunConfig
from lstm_core.export import script
from lstm_core.settings import Impossible
from lstm_core.training import NonFinite, Step, TrainState, train
from tests.core.own_files import walk
from tests.core.strategies import configs

Row = tuple[int, float, float | None]
# Whatever belongs to this project cannot be imported, wherever it lies.
ALONE = """\
import importlib, json, pathlib, sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("lstm_core", "app", "tests"):
            raise ImportError(name)

sys.meta_path.insert(0, Nothing())
sys.path.insert(0, ".")
for number, files in enumerate(json.loads(sys.argv[1])):
    module = importlib.import_module(f"script_{number}")
    print(json.dumps(list(module.train(*map(pathlib.Path, files)))))
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


def curves(texts: Sequence[str], folder: Path, names: Sequence[Sequence[str]] = ()) -> list[list[Row]]:
    """What the scripts measure, all in one process, which imports torch once; `names` are the files of each."""
    (folder / "alone.py").write_text(ALONE)
    for number, text in enumerate(texts):
        (folder / f"script_{number}.py").write_text(text, encoding="utf-8")
    given = json.dumps(names or [[]] * len(texts))
    lines = [line for line in run(folder, "alone.py", given).splitlines() if line[0] == "["]
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


DECODED = config_of(
    {"name": "dates", "forms": "numbers"},
    model={"bidirectional": True, "attention": "additive", "num_layers": 2, "dropout": 0.4},
    init={"preset": "chrono", "attention": {"scheme": "normal"}},
)
GRID: list[RunConfig] = [
    *(config_of(task) for task in ("recall", "adding", "copy", "brackets", "reversing", "dates", "tagging", "sine")),
    config_of({"name": "digits", "reading": "pixels"}, training={"batch_size": 1024, "steps": 2}),
    config_of({"name": "stocks", "length": 4, "ticker": "AAPL"}, model={"attention": "additive", "batch_first": True}),
    config_of({"name": "sine", "noise": 0.2}, model={"cell": "gru", "attention": "general"}),
    config_of(
        {"name": "recall", "length": 5},
        model={"cell": "rnn_relu", "bidirectional": True, "num_layers": 2, "dropout": 0.5, "batch_first": True},
        init={"weight_hh": {"scheme": "truncated_normal", "mean": 0.1234567890123, "std": 0.012345678901234567}},
    ),
    config_of({"name": "sine", "waves": 1}, model={"cell": "gru"}, training={"optimizer": "adamw"}),
    config_of({"name": "text", "length": 12}, model={"attention": "scaled"}, training={"bptt_length": 5}),
    config_of({"name": "text", "length": 9}, model={"cell": "rnn_tanh"}, training={"batch_size": 1024, "steps": 2}),
    DECODED,
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
    config_of(  # so many pairs of a query and a key that they are taken in turns
        {"name": "brackets", "length": 66},
        model={"hidden_size": 64, "attention": "additive"},
        training={"steps": 1, "batch_size": 2},
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


def of_recall(weights: bytes | None = None) -> RunConfig:
    init = {} if weights is None else {"weights": files.keep(weights, "weights")}
    return config_of({"name": "recall", "length": 9}, init=init)


def table_of(separator: str, decimal: str, turned: bool) -> bytes:
    table = walk(60)
    return (table[::-1] if turned else table).to_csv(index=False, sep=separator, decimal=decimal).encode()


OWN: Mapping[str, tuple[dict[str, Any], bytes]] = {
    "plain.csv": ({"name": "csv", "length": 3}, table_of(",", ".", False)),
    "european.csv": ({"name": "csv", "length": 3, "column": "close"}, table_of(";", ",", True)),
    "german.txt": (
        {"name": "text", "length": 7},
        ("Grüße aus Köln, schöne Straßen überall.\r\n" * 40).encode("cp1252"),
    ),
    "many.txt": (
        {"name": "text", "length": 7},
        "".join(map(chr, [*range(0x4E00, 0x4F00), *range(97, 123)] * 12)).encode(),
    ),
}


def test_runs_that_were_changed_or_need_files(tmp_path: Path) -> None:
    other = TrainState(of_recall().replace(**{"training.seed": 7}))
    contents = {name: made(dict(other.model.state_dict())) for name, made in WEIGHTS.items()}
    runs = list(CHANGED)
    runs += [(of_recall(data), ()) for data in contents.values()]
    runs += [(config_of(task | {"file": files.keep(data, name)}), ()) for name, (task, data) in OWN.items()]
    contents |= {name: data for name, (_, data) in OWN.items()}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    texts = [script(config, overrides) for config, overrides in runs]
    found = curves(texts, tmp_path, [[]] * len(CHANGED) + [[name] for name in contents])
    for (config, overrides), curve in zip(runs, found, strict=True):
        assert curve == trained(config, overrides), config.to_query()
    for (config, _), curve in zip(CHANGED, found, strict=False):
        assert curve[:2] == trained(config)[:2]
        assert curve != trained(config)
    assert [len(curve) for curve in found[1:3]] == [12, 8]  # given more steps; its patience ended later
    assert "LAST" in texts[1]
    assert trained(of_recall()) not in found


def test_no_name_of_a_column_becomes_code(tmp_path: Path) -> None:
    name = 'a"""\\'
    table = walk(60).rename(columns={"open": name})
    data = table.to_csv(index=False).encode()
    (tmp_path / "odd.csv").write_bytes(data)
    config = config_of({"name": "csv", "length": 3, "column": name, "file": files.keep(data, "odd.csv")})
    text = script(config)
    head, *rest = ast.parse(text).body
    assert isinstance(head, ast.Expr)
    assert isinstance(head.value, ast.Constant)
    assert head.value.value.startswith("Next value of a")
    assert isinstance(rest[0], ast.Import)
    assert any(json.dumps(name) in line for line in text.splitlines())


def test_a_script_refuses_another_file_than_that_of_its_run(tmp_path: Path) -> None:
    task, data = OWN["plain.csv"]
    text = script(config_of(task | {"file": files.keep(data, "plain.csv")}))
    (tmp_path / "other.csv").write_bytes(data + b"2030-01-01,1,2\n")
    names: dict[str, Any] = {"__name__": "script"}
    exec(text, names)
    torch.set_flush_denormal(False)  # the script is meant to be a program of its own
    with pytest.raises(SystemExit, match=r"other.csv is not the file of the run: the SHA-256"):
        names["load"](tmp_path / "other.csv")


def test_what_a_script_cannot_do_is_refused_in_words() -> None:
    with pytest.raises(Impossible, match="device cpu"):
        script(of_recall().replace(**{"training.device": "cuda"}))
    with pytest.raises(Impossible, match="has no end"):
        script(of_recall(), (Override(4, "steps", 2),))
    odd = "day;price\n" + "".join(f"{day}.1.2024;{1000 + 7 * day % 11} €\n" for day in range(1, 32))
    with pytest.raises(Impossible, match="plain script cannot read this CSV file"):
        script(config_of({"name": "csv", "length": 3, "file": files.keep(odd.encode(), "odd.csv")}))
    with pytest.raises(files.FileMissing):
        script(config_of({"name": "text", "file": "0123456789abcdef"}))


def test_scripts_are_written_as_this_project_is(tmp_path: Path) -> None:
    texts = [script(config) for config in GRID] + [script(config, overrides) for config, overrides in CHANGED]
    for number, text in enumerate(texts):
        (tmp_path / f"script_{number}.py").write_text(text, encoding="utf-8")
    options = ["--config", str(Path(__file__).parents[2] / "pyproject.toml"), str(tmp_path)]
    for command in (["check", *options], ["format", "--check", *options]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    assert not any("lstm_core" in text for text in texts)


def test_a_script_has_what_its_run_uses_and_nothing_else() -> None:
    plain, full = script(RunConfig()), script(DECODED)
    assert len(plain.splitlines()) <= 171
    for word in ("Attention", "clip", "dropout", "pack_padded", "Decoder", "learning_rate(", "keys"):
        assert word not in plain
    for word in ("class Attention", "dropout=DROPOUT", "pack_padded_sequence", "self.decoder", "bidirectional=True"):
        assert word in full
    assert plain.startswith('"""Recall the first of 40 tokens · LSTM 64 · PyTorch default\n')


def test_any_settings_give_a_script_with_the_curve_of_the_run(tmp_path: Path) -> None:
    drawn: list[RunConfig] = []

    @settings(max_examples=7, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(configs())
    def draw(config: RunConfig) -> None:
        if not config.task.needs_file:
            drawn.append(reduced(config))

    draw()
    measured = curves([script(config) for config in drawn], tmp_path)
    for config, curve in zip(drawn, measured, strict=True):
        expected = trained(config)
        assert len(curve) == len(expected), config.to_query()
        for row, wanted in zip(curve, expected, strict=True):
            assert row[:2] == wanted[:2], config.to_query()
            assert row[2] == wanted[2] or (row[2] != row[2] and wanted[2] != wanted[2]), config.to_query()


def reduced(config: RunConfig) -> RunConfig:
    """The same kind of run, over in a moment."""
    most = {"task.length": 12, "task.delay": 6, "task.symbols": 3, "task.vocabulary": 50}
    most |= {"model.hidden_size": 8, "model.embedding_size": 6, "model.num_layers": 2, "model.proj_size": 7}
    most |= {"training.steps": 3, "training.batch_size": 8, "training.validate_every": 3, "training.bptt_length": 2}
    values: dict[str, Any] = {"training.device": "cpu"}
    for path, largest in most.items():
        group, name = path.split(".")
        value = getattr(getattr(config, group), name, None)
        if value is not None:
            values[path] = min(value, largest)
    values["model.proj_size"] = min(values["model.proj_size"], values["model.hidden_size"] - 1)
    return config.replace(**values)
