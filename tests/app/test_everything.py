"""Every task with every cell, attention and direction trains, or is refused in words; of each a part fills its panels.

The other settings are drawn at random, the same every time. Whose panels are filled goes round the cells, so that each
attention and direction comes up once for every task.
"""

from __future__ import annotations

import json
import math
from itertools import product
from typing import Any, get_args

import annotated_types as at
import numpy as np
import pytest
from pydantic import ValidationError

from app.figures import PANELS, fill
from lstm_core.config import ModelConfig, RunConfig, explain
from lstm_core.recipes import PRESETS
from lstm_core.runs import telemetry
from lstm_core.tasks import TASKS
from lstm_core.training import Snapshot, TrainState, train
from tests.core.own_files import ready

STEPS = 12
SHORT = 8  # time steps, where the task lets one choose
CELLS = get_args(ModelConfig.model_fields["cell"].annotation)
EACH = len(CELLS)  # of so many settings one fills its panels
ATTENTIONS = get_args(ModelConfig.model_fields["attention"].annotation)


def short(name: str) -> dict[str, Any]:
    """The task with its sequences as short as `SHORT`, or as its own bounds allow."""
    task = ready(name)
    for field, info in type(task).model_fields.items():
        unit = isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("unit")
        least = next((mark.ge for mark in info.metadata if isinstance(mark, at.Ge)), None)
        if unit == "steps" and isinstance(least, int):
            task = task.model_copy(update={field: max(least, SHORT)})
    return task.model_dump()


def drawn(rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Settings beside those of the grid, small enough to be quick."""
    layers = int(rng.integers(1, 3))
    return {
        "model": {
            "hidden_size": int(rng.integers(2, 10)),
            "num_layers": layers,
            "dropout": float(rng.choice([0.0, 0.3])) if layers > 1 else 0.0,
            "batch_first": bool(rng.integers(2)),
            "embedding_size": int(rng.integers(2, 8)),
        },
        "init": {"preset": str(rng.choice([name for name in PRESETS if name != "large_gaussian"]))},
        "training": {
            "steps": STEPS,
            "batch_size": int(rng.integers(2, 12)),
            "optimizer": str(rng.choice(["sgd", "rmsprop", "adam", "adamw"])),
            "schedule": str(rng.choice(["constant", "step", "cosine"])),
            "clip": str(rng.choice(["none", "norm", "value"])),
            "warmup": int(rng.integers(0, 5)),
            "validate_every": 10,
            "seed": int(rng.integers(0, 1000)),
        },
    }


def settings(task: dict[str, Any], cell: str, attention: str, both: bool, seed: int) -> RunConfig | None:
    """The settings of one combination; None where it makes no sense, which must be said in words."""
    tree = drawn(np.random.default_rng(seed))
    tree["model"] |= {"cell": cell, "attention": attention, "bidirectional": both}
    try:
        return RunConfig.model_validate({"task": task, **tree})
    except ValidationError as error:
        sentences = explain(error)
        assert sentences
        assert all(sentence.endswith(".") and "Error" not in sentence for sentence in sentences)
    tree["init"]["preset"] = "pytorch"  # what a simple RNN cannot have
    if both and not TASKS[task["name"]].model_validate(task).spec.foresight:
        with pytest.raises(ValidationError, match="would have read it"):
            RunConfig.model_validate({"task": task, **tree})
        return None
    return RunConfig.model_validate({"task": task, **tree})


def assert_filled(about: dict[str, Any], arrays: dict[str, Any], sample: int) -> None:
    """Each panel of the run shows something, and nothing in it is bound to what is not there."""
    for panel in PANELS:
        if not panel.fits(about) or panel.kind == "findings":  # those come from a route of their own
            continue
        figure = panel.draw(about)
        bound = [trace for trace in figure.data if {"y", "z", "words"} & set(trace.meta or {})]
        filled = fill(figure, arrays, sample)
        names = {trace.meta.get("z") or trace.meta.get("y") or trace.meta.get("words") for trace in bound}
        assert names & set(arrays), f"{panel.id} shows nothing of {sorted(arrays)}"
        missing = {name for name in names if name not in arrays and not name.endswith(("/test", "/val", "/train"))}
        assert not missing, f"{panel.id} waits for {missing}"
        for trace in filled.data:
            meta = trace.meta or {}
            if meta.get("x") == "step" and meta["y"] in arrays:
                assert len(trace.x) == len(trace.y) > 0
            if "z" in meta:
                assert np.asarray(trace.z).size > 0


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", TASKS)
def test_every_combination_trains_and_one_of_some_fills_its_panels(name: str, cell: str) -> None:
    task, trained = short(name), 0
    for number, (attention, both) in enumerate(product(ATTENTIONS, (False, True))):
        seed = 1000 * list(TASKS).index(name) + 100 * CELLS.index(cell) + number
        config = settings(task, cell, attention, both, seed)
        if config is None:
            continue
        state = TrainState(config)
        steps, picture = [], None
        for item in train(config, state, snapshot_seconds=1e9):
            if isinstance(item, Snapshot):
                picture = item
            else:
                steps.append((item.step, item.scalars))
        about = json.loads(json.dumps(state.about))
        assert [step for step, _ in steps] == list(range(STEPS + 1)), config.title
        assert all(math.isfinite(value) for _, scalars in steps for value in scalars.values()), config.title
        assert {"loss/test", f"{config.task.metric}/test", "best/step"} <= set(steps[-1][1])
        assert picture is not None
        assert picture.step == STEPS
        assert len(picture.samples) == len(about["samples"])
        sample = number % len(picture.samples)
        if (number + CELLS.index(cell)) % EACH == 0:
            assert_filled(about, {**telemetry.table(steps), **picture.arrays, **picture.samples[sample]}, sample)
        trained += 1
    foresight = RunConfig.model_validate({"task": task}).task.spec.foresight
    assert trained == (10 if foresight else 5)
