"""A whole model in fixed point: the model's own answers, its parameters and a run's own figures are the truth."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from lstm_core.attention import ATTENTIONS
from lstm_core.cells import CELLS
from lstm_core.config import ModelConfig, RunConfig
from lstm_core.fixed_point import Rounder, quantize
from lstm_core.model import SequenceModel, as_tensors
from lstm_core.precision import BITS, WHAT, Precision, measure_precision, table, watched
from lstm_core.state import TrainState
from lstm_core.tasks.base import Batch, Sample, Spec, TaskConfig, TaskData
from lstm_core.training import train

torch.set_num_threads(1)
Answers = Literal["sequence", "steps", "decoded"]
LENGTHS = np.array([6, 2, 4])


class Echo(TaskConfig):
    """A task of any shape, for models that have learnt nothing."""

    metric: ClassVar[str] = "accuracy"
    name: Literal["echo"] = "echo"
    answers_as: Answers = "sequence"

    @property
    def time_steps(self) -> int:
        return 6

    @property
    def headline(self) -> str:
        return "Echo"

    @property
    def spec(self) -> Spec:
        steps = 4 if self.answers_as == "decoded" else 0
        return Spec(5, "cross_entropy", vocabulary=7, answers=self.answers_as, decoded_steps=steps)

    def data(self, seed: int) -> TaskData:
        raise NotImplementedError

    def samples(self, batch: Batch) -> list[Sample]:
        raise NotImplementedError

    def batch(self, seed: int = 0) -> Batch:
        random = np.random.default_rng(seed)
        shape = {"sequence": (3,), "steps": (3, 6), "decoded": (3, 4)}[self.answers_as]
        return Batch(random.integers(0, 7, (3, 6)), random.integers(0, 5, shape), LENGTHS)


def model_for(task: TaskConfig, **settings: str | int | bool) -> SequenceModel:
    torch.manual_seed(0)
    return SequenceModel(ModelConfig.model_validate({"hidden_size": 6, "embedding_size": 4, **settings}), task.spec)


@pytest.fixture(scope="module")
def trained() -> TrainState:
    """A network that has learnt to recall the first of ten tokens."""
    config = RunConfig.model_validate(
        {"task": {"name": "recall", "length": 10}, "init": {"preset": "chrono"}}
        | {"model": {"hidden_size": 16}, "training": {"steps": 150, "learning_rate": 0.01, "seed": 1}}
    )
    state = TrainState(config)
    for _ in train(config, state, snapshot_seconds=1e9):
        pass
    return state


@pytest.fixture(scope="module")
def result(trained: TrainState) -> Precision:
    return measure_precision(trained.model, trained.task, trained.data.test, bits=(32, 16, 8, 2))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("answers", ["sequence", "steps", "decoded"])
@pytest.mark.parametrize(
    ("attention", "bidirectional", "batch_first"), [("none", False, True), ("additive", True, False)]
)
def test_watched_without_interference_it_is_the_model(
    cell: str, answers: str, attention: str, bidirectional: bool, batch_first: bool
) -> None:
    task = Echo.model_validate({"answers_as": answers})
    model = model_for(task, cell=cell, attention=attention, bidirectional=bidirectional, batch_first=batch_first)
    inputs, targets, lengths = as_tensors(task.batch())
    twin = watched(model, lambda _, value: value)
    with torch.no_grad():
        for given in (targets, None):  # the decoder's own answers, too
            expected, got = model(inputs, lengths, targets=given), twin(inputs, lengths, targets=given)
            torch.testing.assert_close(got.prediction.float(), expected.prediction, rtol=0, atol=1e-5)
            if attention != "none":
                torch.testing.assert_close(got.attention.float(), expected.attention, rtol=0, atol=1e-5)


@pytest.mark.parametrize("attention", ["none", *ATTENTIONS])
def test_every_parameter_has_its_range_and_is_called_a_weight(attention: str) -> None:
    task = Echo(answers_as="decoded")
    model = model_for(task, attention=attention, num_layers=2)
    found = {need.name: need for need in measure_precision(model, task, task.batch()).needs}
    parameters = list(model.named_parameters())
    assert sum(need.weight for need in found.values()) == len(parameters)
    for name, parameter in parameters:
        for part, prefix in (("rnn", ""), ("decoder", "decoder.")):
            if name.startswith(part + "."):
                kind, _, layer = name.removeprefix(part + ".").rpartition("_")
                name = f"{prefix}{layer}.fwd.{kind}"
        need = found[name]
        assert need.weight
        assert (need.range.low, need.range.high) == (parameter.min().item(), parameter.max().item())
    assert not found["l1.fwd.f"].weight
    assert 0 < found["decoder.l0.fwd.f"].range.low < found["decoder.l0.fwd.f"].range.high < 1


def test_with_many_bits_nothing_is_lost_and_with_two_everything_is(trained: TrainState, result: Precision) -> None:
    assert result.floats["accuracy"] == trained.test()["accuracy/test"] > 0.99
    costs = {(cost.bits, cost.what): cost.metrics["accuracy"] for cost in result.costs}
    assert set(costs) == {(bits, what) for bits in (32, 16, 8, 2) for what in WHAT}
    for what in WHAT:
        assert costs[32, what] == result.floats["accuracy"]
        assert costs[16, what] > 0.98
    assert costs[2, "everything"] < 0.7


def test_the_weights_alone_are_those_of_a_model_with_rounded_weights(trained: TrainState, result: Precision) -> None:
    needs = {need.name: need for need in result.needs}
    rounded = TrainState(trained.config).model.double().eval()
    with torch.no_grad():
        for (name, own), parameter in zip(trained.model.named_parameters(), rounded.parameters(), strict=True):
            kind, _, layer = name.removeprefix("rnn.").rpartition("_")
            need = needs[f"{layer}.fwd.{kind}" if name.startswith("rnn.") else name]
            parameter.copy_(quantize(own.double(), need.formats[2]))
        inputs, _, _ = as_tensors(trained.data.test)
        expected_prediction = rounded(inputs).prediction
    rounder = Rounder({name: need.formats[2] for name, need in needs.items() if need.weight})
    prediction = watched(trained.model, rounder)(inputs).prediction
    torch.testing.assert_close(prediction, expected_prediction, rtol=0, atol=1e-9)
    expected = trained.task.evaluate(prediction.detach().numpy(), trained.data.test)
    assert next(c.metrics for c in result.costs if (c.bits, c.what) == (2, "weights")) == expected


def test_formats_can_be_chosen_from_other_data_than_those_measured(trained: TrainState) -> None:
    few, many = trained.data.test.take(slice(0, 3)), trained.data.test
    of_few, of_many = (measure_precision(trained.model, trained.task, many, known, (8,)).needs for known in (few, None))
    for small, large in zip(of_few, of_many, strict=True):
        assert large.range.low <= small.range.low <= small.range.high <= large.range.high
    assert any(small.range != large.range for small, large in zip(of_few, of_many, strict=True))


def test_the_model_is_left_as_it_was() -> None:
    task = Echo(answers_as="steps")
    model = model_for(task, num_layers=2, dropout=0.5)
    model(*as_tensors(task.batch())[::2]).prediction.sum().backward()

    def everything() -> list[Tensor]:
        return [torch.get_rng_state(), *(p.clone() for p in model.parameters()), *(p.grad for p in model.parameters())]

    before = [tensor.clone() for tensor in everything()]
    measure_precision(model, task, task.batch())
    assert all(torch.equal(old, new) for old, new in zip(before, everything(), strict=True))
    assert model.training
    assert isinstance(model.rnn, torch.nn.LSTM)


def test_the_table_says_it_all(result: Precision) -> None:
    lines = table(result).splitlines()
    assert " ".join(lines[0].split()) == "part from to integer bits 32 bits 16 bits 8 bits 2 bits"
    f = next(need for need in result.needs if need.name == "l0.fwd.f")
    row = next(line.split() for line in lines if line.startswith("l0.fwd.f "))
    assert row[1:4] == [f"{f.range.low:.4g}", f"{f.range.high:.4g}", str(f.range.integer_bits)]
    assert row[4:] == [f.formats[bits].title for bits in (32, 16, 8, 2)]
    assert lines[-4].startswith("accuracy of 1000 sequences  32-bit floats")
    assert lines[-3].split()[:3] == ["everything", "rounded", f"{result.floats['accuracy']:.4g}"]
    assert len({len(line) for line in lines[-4:]}) == 1
    assert BITS == (16, 8, 4)


def test_what_is_no_number_is_named() -> None:
    task = Echo()
    model = model_for(task)
    with torch.no_grad():
        model.head.bias[2] = float("nan")
    with pytest.raises(ValueError, match=r"head\.bias: Fixed point has no numbers for values from nan"):
        measure_precision(model, task, task.batch())
