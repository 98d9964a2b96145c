"""The ready-made settings of every task; whether they solve it is measured by `python -m tests.bench solving`."""

from __future__ import annotations

import pytest

from lstm_core.config import RunConfig
from lstm_core.tasks import TASKS

WITHOUT_GOAL = {"stocks"}  # no network is known to beat its persistence


@pytest.mark.parametrize("name", TASKS)
def test_ready_made_settings_are_valid_and_meant_for_their_task(name: str) -> None:
    for title, settings in TASKS[name].examples.items():
        config = RunConfig.model_validate(settings)
        assert title == title.strip() != ""
        assert config.task.name == name
        assert config.training.seed == 1
        assert "seed" not in settings.get("training", {})


@pytest.mark.parametrize("name", TASKS)
def test_a_goal_has_settings_that_reach_it_and_lies_beyond_chance(name: str) -> None:
    task = TASKS[name]
    if task.goal is None:
        assert name in WITHOUT_GOAL or not task.examples
        return
    settings = next(iter(task.examples.values()))
    chance = RunConfig.model_validate(settings).task.data(1).chance
    blind = chance["loss"] if task.goal.metric == "mse" else chance[task.goal.metric]
    assert not task.goal.reached(blind)
