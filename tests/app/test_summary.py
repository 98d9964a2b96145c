"""The count on paper is the count of the real model."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from app.summary import memory, parameter_count, sentence, shapes
from lstm_core.config import RunConfig
from lstm_core.model import SequenceModel
from tests.core.strategies import configs


@settings(max_examples=25)
@given(configs())
def test_shapes_are_those_of_the_model(config: RunConfig) -> None:
    small = config.replace(**{"model.hidden_size": 3 + config.model.hidden_size % 5, "model.proj_size": 2})
    for chosen in (small, small.replace(**{"model.proj_size": 0})):
        model = SequenceModel(chosen.model, chosen.task.spec)
        assert shapes(chosen) == {name: tuple(p.shape) for name, p in model.named_parameters()}
        assert parameter_count(chosen) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("pytorch", "σ(0) = 0.50: remembers about 2 steps"),
        ("keras", "σ(1) = 0.73: remembers about 3.72 steps"),
        ("chrono", "from 2 to 40 steps"),
    ],
)
def test_memory_in_words(preset: str, words: str) -> None:
    assert words in memory(RunConfig().replace(**{"init.preset": preset}))


def test_negative_and_missing_biases() -> None:
    negative = RunConfig().replace(**{"init.bias": {"scheme": "forget", "value": -2}})
    assert "σ(−2) = 0.12: remembers about 1.14 steps" in memory(negative)
    strong = RunConfig().replace(**{"init.bias": {"scheme": "forget", "value": 20}})
    assert "about 4.85 × 10⁸ steps" in memory(strong)
    assert "no biases" in memory(RunConfig().replace(**{"model.bias": False}))


def test_the_sentence_counts() -> None:
    assert sentence(RunConfig()).startswith("25\u202f602 parameters, 40 time steps;")
