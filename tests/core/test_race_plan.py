"""A race is refused in words before anything begins, and its runs differ in nothing but what varies."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, reject
from hypothesis import strategies as st

from app.racing.choices import factors
from lstm_core.config import RunConfig
from lstm_core.race_plan import FORGET_BIAS, Plan, plan
from lstm_core.settings import Impossible
from lstm_core.training import TrainState, train
from tests.core.strategies import configs
from tests.runs.conftest import small


@pytest.mark.parametrize(
    ("vary", "values", "seeds", "why"),
    [
        ("init.preset", [], [1], "at least one value of Initializer"),
        ("init.preset", ["chrono"], [], "at least one seed"),
        ("init.preset", ["chrono"], [1, 1], "Seed 1 is there twice"),
        ("init.preset", ["chrono"], [-1], "Seed -1 is impossible"),
        ("init.preset", ["chrono", "nothing"], [1], "init.preset is 'nothing'; choose one of"),
        ("model.hidden_size", ["8", 8], [1], "8 is there twice"),
        ("model.hidden_size", [8, 100_000], [1], "at most 512"),
        ("model.hidden_size", list(range(1, 34)), [1, 2], "33 values with 2 seeds each are 66 runs; choose at most 64"),
        ("model.hidden_size", list(range(1, 66)), [1], "These are 65 values or seeds; choose at most 64 runs in all"),
        ("training.steps", [999_999, 2], [1], "fewer steps"),
        ("training.clip_threshold", [1, 2], [1], "Clipping threshold has no effect"),
        ("training.seed", [1, 2], [1], "the seeds are given by themselves"),
        ("model.wings", [2], [1], "model.wings is not a setting"),
        ("nothing", [2], [1], "is not a setting"),
        ("model", [{}], [1], "it is many settings"),
        ("model.bidirectional", [True, False], [1], "read in one direction"),
    ],
)
def test_what_cannot_be_run_is_refused_in_words(vary: str, values: list[Any], seeds: list[int], why: str) -> None:
    config = RunConfig.model_validate({"task": {"name": "text"}}) if vary == "model.bidirectional" else RunConfig()
    with pytest.raises(Impossible, match=why):
        plan(config, vary, values, seeds)


def test_values_are_read_from_text_and_have_words() -> None:
    made = plan(RunConfig(), FORGET_BIAS, ["0", "1.50", "-2"], [1])
    assert made.values == (0.0, 1.5, -2.0)
    assert [made.words(value) for value in range(3)] == ["0", "1.5", "−2"]
    assert made.settings(2, 1).init.parts().bias.value == -2  # type: ignore[union-attr]
    made = plan(RunConfig(), "init.weight_hh", [None, "orthogonal", {"scheme": "normal", "std": 0.5}], [1])
    assert [made.words(value) for value in range(3)] == ["as the preset", "Orthogonal 1", "Normal 0 0.5"]
    assert made.title == "Recall the first of 40 tokens · Recurrent weights: as the preset, Orthogonal 1, Normal 0 0.5"


@given(st.data(), configs())
def test_runs_differ_in_what_varies_and_in_nothing_else(data: st.DataObject, config: RunConfig) -> None:
    known = factors(config)
    factor = known[data.draw(st.sampled_from(sorted(known)))]
    try:
        made = plan(config, factor.path, factor.usual, [3, 5])
    except Impossible:
        reject()
    assert Plan.load(made.dump()) == made
    runs = {pair: made.settings(*pair) for pair in made.runs()}
    assert list(runs)[: len(made.values)] == [(value, 3) for value in range(len(made.values))]
    for (_, seed), settings in runs.items():
        assert settings.training.seed == seed
        same = settings.to_query() | {"training.seed": ""}
        base = config.to_query() | {"training.seed": ""}
        touched = {name for name in {*same, *base} if same.get(name) != base.get(name)}
        stem = "init.bias" if factor.path == FORGET_BIAS else factor.path
        assert all(name == stem or name.startswith(stem + ".") for name in touched)
    assert len({str(settings) for settings in runs.values()}) == len(runs)


def seen(config: RunConfig) -> list[torch.Tensor]:
    """What the network of a run is given to read, step by step; its first token is the answer."""
    state, read = TrainState(config), []
    state.model.register_forward_pre_hook(lambda _, given: read.append(given[0].clone()))
    list(train(config, state, snapshot_seconds=1e9))
    return read


@pytest.mark.parametrize(
    ("vary", "values"),
    [("init.preset", ["pytorch", "chrono"]), ("model.cell", ["gru", "lstm"]), ("training.clip", ["none", "norm"])],
)
def test_all_values_read_the_same_data_in_the_same_order(vary: str, values: list[str]) -> None:
    made = plan(small(steps=6), vary, values, [4, 5])
    first, second = seen(made.settings(0, 4)), seen(made.settings(1, 4))
    assert len(first) == len(second) > 6
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    another_seed = seen(made.settings(0, 5))
    assert not torch.equal(first[0], another_seed[0])
