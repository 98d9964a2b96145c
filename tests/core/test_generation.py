"""Writing on, step by step, against full forward passes, the softmax itself, and a model that must stay as it was."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_core import files, generation
from lstm_core.config import ModelConfig, RunConfig
from lstm_core.generation import draw, generate, generate_text
from lstm_core.model import SequenceModel
from lstm_core.snapshots import Snapshot
from lstm_core.tasks.base import Generation, Spec
from lstm_core.tasks.recall import Recall
from lstm_core.tasks.text_model import TextModel
from lstm_core.training import TrainState, train

CELLS = ["lstm", "lstm_relu", "gru", "rnn_tanh", "rnn_relu"]
SPEC = Spec(outputs=7, loss="cross_entropy", vocabulary=7, answers="steps", foresight=False)
PROMPT = np.array([3, 1, 4])
SMALL: dict[str, Any] = {
    "task": {"name": "text", "length": 16},
    "model": {"hidden_size": 8, "embedding_size": 4},
    "training": {"batch_size": 4, "steps": 3},
}


def model_of(seed: int = 0, **settings: Any) -> SequenceModel:
    torch.manual_seed(seed)
    model = SequenceModel(ModelConfig.model_validate({"hidden_size": 6, "embedding_size": 5, **settings}), SPEC)
    with torch.no_grad():
        model.head.weight.mul_(6)  # likely and unlikely signs
    return model.double()


def full_logits(model: SequenceModel, tokens: np.ndarray) -> torch.Tensor:
    """(T, K): the answers of one whole forward pass over tokens (T,)."""
    with torch.no_grad():
        return model(torch.from_numpy(tokens)[None]).prediction[0]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", ["none", "dot", "scaled", "general", "additive"])
def test_the_coldest_text_is_the_likeliest_path_of_full_forward_passes(cell: str, attention: str) -> None:
    model = model_of(cell=cell, attention=attention, num_layers=2, batch_first=attention == "dot")
    coldest = generate(model, PROMPT, 12, [0.0, 1e-9], np.random.default_rng(0))
    text = PROMPT
    for _ in range(12):
        text = np.append(text, full_logits(model, text)[-1].argmax().item())
    assert np.array_equal(coldest[0], text[3:])
    assert np.array_equal(coldest[1], text[3:])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", ["none", "general"])
def test_logits_step_by_step_are_those_of_the_full_forward_pass(
    cell: str, attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def watched(logits: Any, temperatures: Any, numbers: Any) -> Any:
        seen.append(logits.copy())
        return draw(logits, temperatures, numbers)

    monkeypatch.setattr(generation, "draw", watched)
    model = model_of(cell=cell, attention=attention)
    written = generate(model, PROMPT, 10, [0.5, 1.0, 2.0], np.random.default_rng(4))
    for row, tokens in enumerate(written):
        whole = full_logits(model, np.concatenate([PROMPT, tokens]))[2:-1]
        np.testing.assert_allclose([step[row] for step in seen], whole, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_logits_beyond_all_numbers_give_signs_all_the_same() -> None:
    logits = np.array([[math.inf, 0.0, 1.0], [-math.inf, math.inf, math.inf], [math.nan] * 3, [-math.inf] * 3])
    chosen = draw(logits, [1.0, 0.0, 0.5, 1.0], np.array([0.1, 0.9, 0.5, 1 - 2**-53]))
    assert ((chosen >= 0) & (chosen < 3)).all()


def test_attention_sees_as_many_outputs_as_a_window_has_and_the_state_all_of_them() -> None:
    model, window = model_of(attention="additive"), 5
    written = generate(model, PROMPT, 14, [0.0], np.random.default_rng(0), window=window)[0]
    text = PROMPT
    for _ in range(14):
        with torch.no_grad():
            outputs, _ = model.recur(model.embed(torch.from_numpy(text)[None]))
            answer = model.answer(outputs[-window:]).prediction[0, -1]
        text = np.append(text, answer.argmax().item())
    assert np.array_equal(written, text[3:])


def test_at_temperature_one_signs_are_as_frequent_as_the_softmax_says() -> None:
    model, n = model_of(), 4000
    for temperature in (1.0, 0.6):
        first = generate(model, PROMPT, 1, [temperature] * n, np.random.default_rng(1))[:, 0]
        expected = n * torch.softmax(full_logits(model, PROMPT)[-1] / temperature, -1).numpy()
        assert expected.min() > 5
        chi_square = ((np.bincount(first, minlength=7) - expected) ** 2 / expected).sum()
        assert chi_square < 16.81  # of 6 degrees of freedom: 99 %


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    logits=st.lists(st.floats(-50, 50), min_size=2, max_size=6),
    temperature=st.floats(0.05, 5),
    number=st.floats(0, 1, exclude_max=True),
)
def test_a_draw_is_the_inverse_of_the_distribution(logits: list[float], temperature: float, number: float) -> None:
    token = int(draw(np.array([logits]), [temperature], np.array([number]))[0])
    weights = [math.exp((value - max(logits)) / temperature) for value in logits]
    below = math.fsum(weights[:token]) / math.fsum(weights)
    above = math.fsum(weights[: token + 1]) / math.fsum(weights)
    assert below - 1e-12 <= number <= above + 1e-12
    assert weights[token] > 0


def test_writing_draws_from_the_given_generator_alone_and_leaves_the_model_as_it_is() -> None:
    model = model_of(num_layers=2, dropout=0.5).train()
    model.head.eval()
    modes = [module.training for module in model.modules()]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    before, of_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    first, again, other = (generate(model, PROMPT, 20, [1.0], np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], of_numpy)  # type: ignore[index, arg-type]
    assert [module.training for module in model.modules()] == modes
    assert model.rnn.dropout == 0.5
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_each_temperature_writes_as_if_it_were_alone_with_its_numbers() -> None:
    model = model_of(attention="dot")
    together = generate(model, PROMPT, 15, [0.3, 1.0], np.random.default_rng(9))
    numbers = np.random.default_rng(9).random((15, 2))

    class Given:
        def random(self, _shape: Any) -> Any:
            return numbers[:, 1:]

    alone = generate(model, PROMPT, 15, [1.0], Given())  # type: ignore[arg-type]
    assert np.array_equal(together[1], alone[0])


def test_snapshots_of_a_language_model_hold_the_text_of_every_temperature() -> None:
    config = RunConfig.model_validate(SMALL)
    state = TrainState(config)
    snapshots = [item for item in train(config, state, snapshot_seconds=0) if isinstance(item, Snapshot)]
    told = state.about["generation"]
    assert told["temperatures"] == [0.2, 0.5, 0.8, 1.0, 1.3]
    assert told["prompt"] in TextModel().corpus().text
    for snapshot in snapshots:
        assert snapshot.arrays["generated"].shape == (5, 160)
        assert snapshot.arrays["generated"].dtype == np.int32
    last = snapshots[-1].arrays["generated"]
    again = generation.shown(state.model, Generation(told["prompt"], told["signs"]), 16, [1, 7, 3])
    assert np.array_equal(last, again)
    assert {told["signs"][token] for token in last.ravel()} <= set(told["signs"])


def test_a_task_that_does_not_write_has_no_text_in_its_snapshots() -> None:
    state = TrainState(RunConfig.model_validate({"task": {"name": "recall", "length": 5}}))
    assert state.about["generation"] is None
    assert "generated" not in state.probe.snapshot(0).arrays


@pytest.mark.parametrize("task", ["reversing", "stocks"])
def test_a_snapshot_neither_drops_nor_draws(task: str) -> None:
    of = {"hidden_size": 6, "num_layers": 2}
    states = [
        TrainState(RunConfig.model_validate({"task": {"name": task}, "model": {**of, "dropout": dropout}}))
        for dropout in (0.0, 0.5)
    ]
    before = torch.get_rng_state()
    without, dropped = (state.probe.snapshot(0) for state in states)
    assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip([without.arrays, *without.samples], [dropped.arrays, *dropped.samples], strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_trained_model_writes_text_from_a_seed() -> None:
    state, task = TrainState(RunConfig.model_validate(SMALL)), TextModel(length=16)
    text = generate_text(state.model, task, "The ", 40, 0.7, seed=3)
    assert len(text) == 40
    assert text == generate_text(state.model, task, "The ", 40, 0.7, seed=3)
    assert text != generate_text(state.model, task, "The ", 40, 0.7, seed=4)
    assert set(text) <= set(task.corpus().signs)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"prompt": ""}, "empty"),
        ({"prompt": "Straße"}, "'ß'"),
        ({"temperature": -0.1}, "-0.1"),
        ({"temperature": math.nan}, "nan"),
        ({"length": 0}, "choose 1 to"),
        ({"task": Recall()}, "recall"),
    ],
)
def test_what_cannot_be_written_is_said_in_words(changed: dict[str, Any], words: str) -> None:
    asked = {"task": TextModel(length=16), "prompt": "The ", "length": 5, "temperature": 1.0, "seed": 0}
    with pytest.raises(ValueError, match=words):
        generate_text(TrainState(RunConfig.model_validate(SMALL)).model, **(asked | changed))


def test_a_model_of_ones_own_text_writes_in_its_signs() -> None:
    text = "żółw i jeż — 東京\n" * 90
    task = TextModel(file=files.keep(text.encode(), "own.txt"), length=8)
    config = RunConfig.model_validate(SMALL).model_copy(update={"task": task})
    state = TrainState(config)
    assert state.about["generation"]["signs"] == sorted(set(text))
    assert set(generate_text(state.model, task, "東京", 30, 1.0, seed=1)) <= set(text)
