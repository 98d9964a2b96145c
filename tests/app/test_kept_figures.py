"""Figures that are kept from one run to the next are those that the next one would have been given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app import figures
from app.figures.kept import kept
from lstm_core.config import RunConfig
from lstm_core.tasks import TASKS
from lstm_core.training import TrainState
from tests.core.own_files import ready


def about_of(task: dict[str, Any], **settings: Any) -> dict[str, Any]:
    config = RunConfig.model_validate({"task": task, "model": {"hidden_size": 3}, **settings})
    told: dict[str, Any] = json.loads(json.dumps(TrainState(config).about))
    return told


@pytest.mark.parametrize("name", TASKS)
def test_every_run_is_given_its_own_figures(name: str) -> None:
    task = ready(name).model_dump()
    abouts = [about_of(task, training={"steps": steps, "seed": seed}) for steps, seed in ((3, 1), (3, 2), (9, 1))]
    afresh = [
        [json.loads(figures._specification(panel, about)) for panel in figures.PANELS if panel.fits(about)]
        for about in abouts
    ]
    for _ in range(2):
        assert [json.loads(figures.specs(about))["panels"] for about in abouts] == afresh


def test_what_was_not_asked_for_draws_nothing_anew_and_what_was_does() -> None:
    calls = []

    @kept
    def drawn(about: figures.About) -> str:
        calls.append(about)
        return f"{about['a']} {'b' in about} {about.get('c', 0)}"

    assert drawn({"a": 1, "title": "one"}) == "1 False 0"
    assert drawn({"a": 1, "title": "two"}) == "1 False 0"
    assert len(calls) == 1
    assert drawn({"a": 2}) == "2 False 0"
    assert drawn({"a": 1, "b": None}) == "1 True 0"
    assert drawn({"a": 1, "c": 3}) == "1 False 3"
    assert len(calls) == 4
    assert drawn({"a": 1}) == "1 False 0"
    assert len(calls) == 4


def test_one_that_would_look_at_everything_is_refused() -> None:
    with pytest.raises(TypeError, match="by name"):
        kept(lambda about: json.dumps(dict(about)))({"a": 1})
