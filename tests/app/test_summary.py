"""The count on paper is the count of the real model."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import nn

from app.setting.summary import memory, parameter_count, sentence, shapes
from lstm_core import initialize
from lstm_core.attention import ATTENTIONS
from lstm_core.cells import CELLS
from lstm_core.config import RunConfig
from lstm_core.model import SequenceModel
from lstm_core.recipes import Zeros
from tests.core.strategies import configs


def check(config: RunConfig) -> None:
    model = SequenceModel(config.model, config.task.spec)
    assert shapes(config) == {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert parameter_count(config) == sum(p.numel() for p in model.parameters())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(configs())
def test_shapes_are_those_of_the_model(config: RunConfig) -> None:
    """Of any setting; small, so that the real model is quickly built."""
    small = config.replace(**{"model.hidden_size": 3 + config.model.hidden_size % 5, "model.proj_size": 0})
    check(small)
    if CELLS[config.model.cell].kernel == "LSTM":
        check(small.replace(**{"model.proj_size": 2}))


@pytest.mark.parametrize("task", ["digits", "reversing", "tagging"])
@pytest.mark.parametrize("attention", ["none", *ATTENTIONS])
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_with_every_attention_in_every_place(cell: str, attention: str, task: str) -> None:
    model = {"cell": cell, "attention": attention, "hidden_size": 3, "num_layers": 2, "embedding_size": 4}
    config = RunConfig.model_validate({"task": {"name": task}, "model": model})
    check(config)
    if config.task.spec.foresight:
        check(config.replace(**{"model.bidirectional": True}))


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


@pytest.mark.parametrize("value", [-2.0, 0.0, 3.0])
def test_memory_of_a_gru_is_that_of_its_update_gate(value: float) -> None:
    """Against a GRU whose candidate is 0 and whose weights are 0: what is left of its state after a step is z."""
    config = RunConfig().replace(**{"model.cell": "gru", "init.bias": {"scheme": "forget", "value": value}})
    gru = nn.GRU(1, 1)
    for parameter in gru.parameters():
        nn.init.zeros_(parameter)
    initialize(gru, config.init.model_copy(update={"weight_ih": Zeros(), "weight_hh": Zeros()}))
    left = gru(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))[1].item()
    assert f"update gate starts {'near' if value == 0 else 'at'} σ({value:g})".replace("-", "−") in memory(config)
    assert f"= {left:.2f}: remembers about {1 / (1 - left):.3g} steps" in memory(config)


def test_a_simple_rnn_has_nothing_that_keeps_its_state() -> None:
    for cell in ("rnn_tanh", "rnn_relu"):
        assert memory(RunConfig().replace(**{"model.cell": cell})).startswith("no gate keeps the state")


def test_given_weights_promise_nothing() -> None:
    assert memory(RunConfig().replace(**{"init.weights": "0123456789abcdef"})) == "the first weights come from a file"


def test_negative_and_missing_biases() -> None:
    negative = RunConfig().replace(**{"init.bias": {"scheme": "forget", "value": -2}})
    assert "σ(−2) = 0.12: remembers about 1.14 steps" in memory(negative)
    strong = RunConfig().replace(**{"init.bias": {"scheme": "forget", "value": 20}})
    assert "about 4.85 × 10⁸ steps" in memory(strong)
    assert "no biases" in memory(RunConfig().replace(**{"model.bias": False}))


def test_the_sentence_counts() -> None:
    assert sentence(RunConfig()).startswith("25\u202f602 parameters, 40 time steps;")
