"""The shapes on paper against torch's own modules."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from lstm_core import shapes
from lstm_core.config import RunConfig, explain
from lstm_core.model import SequenceModel
from lstm_core.shapes import Arguments
from lstm_core.tasks import TASKS
from tests.core.own_files import ready

MODULES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn_tanh": nn.RNN, "rnn_relu": nn.RNN}


@st.composite
def arguments(draw: st.DrawFn) -> Arguments:
    cell, hidden = draw(st.sampled_from([*MODULES])), draw(st.integers(1, 6))
    return Arguments(
        cell=cell,
        input_size=draw(st.integers(1, 5)),
        hidden_size=hidden,
        num_layers=draw(st.integers(1, 3)),
        bias=draw(st.booleans()),
        batch_first=draw(st.booleans()),
        dropout=draw(st.sampled_from([0.0, 0.5])),
        bidirectional=draw(st.booleans()),
        proj_size=draw(st.integers(0, hidden - 1)) if cell == "lstm" else 0,
        steps=draw(st.integers(1, 5)),
        batch=draw(st.integers(1, 4)),
    )


def called(given: Arguments) -> tuple[nn.RNNBase, dict[str, Tensor]]:
    """The module as torch makes it of the same arguments, and what a call of it takes and gives."""
    names = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional", "proj_size")
    own: dict[str, Any] = {name: getattr(given, name) for name in names if name != "proj_size" or given.proj_size}
    if given.cell.startswith("rnn"):
        own["nonlinearity"] = given.cell.removeprefix("rnn_")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dropout with a single layer
        rnn = MODULES[given.cell](**own)
    order = (given.batch, given.steps) if given.batch_first else (given.steps, given.batch)
    x = torch.randn(*order, given.input_size)
    output, state = rnn(x)
    found = {"input": x, "output": output}
    return rnn, found | dict(zip(("h_n", "c_n"), state if isinstance(state, tuple) else (state,), strict=False))


@settings(deadline=None, max_examples=60)
@given(arguments())
def test_everything_on_paper_is_so_in_torch(given: Arguments) -> None:
    rnn, found = called(given)
    tensors = {tensor.name: tensor.shape for tensor in shapes.tensors(given)}
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {
        name: shape for name, shape in tensors.items() if not name.endswith("_0")
    }
    assert tensors["h_0"] == tensors["h_n"]
    assert tensors.get("c_0") == tensors.get("c_n")

    parameters = shapes.parameters(given)
    assert [(p.name, p.shape) for p in parameters] == [(n, tuple(p.shape)) for n, p in rnn.named_parameters()]
    count = sum(p.numel() for p in rnn.parameters())
    assert shapes.parameter_count(given) == sum(p.count for p in parameters) == count
    assert len(shapes.places(given)) == len(found["h_n"]) == len(shapes.terms(given))
    for same in shapes.slices(given):
        assert torch.equal(eval(same.left, dict(found)), eval(same.right, dict(found)))


@settings(deadline=None, max_examples=40)
@given(arguments())
def test_the_formulas_give_the_numbers(given: Arguments) -> None:
    """Every formula, with the letters replaced by their values, is the number that stands beside it."""
    letters = {"H": given.hidden_size, "P": given.width, "I": given.input_size, "T": given.steps, "B": given.batch}
    letters["L"] = given.num_layers

    def value(formula: str) -> int:
        return int(eval(formula.replace("·", "*"), dict(letters)))

    for term in shapes.terms(given):
        assert value(term.formula) == value(term.numbers) == term.count
    for one in (*shapes.tensors(given), *shapes.parameters(given)):
        assert [value(d.letters) for d in one.dimensions] == list(one.shape)


@settings(deadline=None, max_examples=25)
@given(arguments())
def test_the_program_runs_as_it_stands(given: Arguments) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(shapes.program(given), {})


def test_a_program_that_says_something_wrong_would_not_run() -> None:
    right = shapes.program(Arguments(bidirectional=True, hidden_size=5, input_size=3, batch=2, steps=4))
    exec(right, {})
    for wrong in (right.replace("output[0, :, 5:]", "output[-1, :, 5:]"), right.replace("== 400", "== 401")):
        assert wrong != right
        with pytest.raises(AssertionError):
            exec(wrong, {})


def test_each_half_of_the_output_reads_its_own_way() -> None:
    """What comes last changes nothing in the forward half at the first step, and much in the backward one."""
    given = Arguments(bidirectional=True, hidden_size=3, input_size=2, steps=6, batch=2)
    rnn, found = called(given)
    changed = found["input"].clone()
    changed[-1] += 1
    other = rnn(changed)[0]
    forward, backward = (half.left for half in shapes.halves(given))
    assert torch.equal(eval(forward, dict(found))[0], eval(forward, {"output": other})[0])
    assert not torch.equal(eval(backward, dict(found))[0], eval(backward, {"output": other})[0])
    assert shapes.halves(Arguments()) == []


@pytest.mark.parametrize("task", TASKS)
def test_the_layers_of_a_run_are_taken_from_its_settings(task: str) -> None:
    config = RunConfig(task=ready(task)).replace(**{"model.hidden_size": 6, "model.num_layers": 2})
    given = Arguments.of(config)
    rnn = SequenceModel(config.model, config.task.spec).rnn
    assert [(p.name, p.shape) for p in shapes.parameters(given)] == [
        (name, tuple(p.shape)) for name, p in rnn.named_parameters()
    ]
    assert given.steps == config.task.time_steps


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"hidden_size": 4, "proj_size": 4}, "proj_size is 4; choose less than hidden_size, which is 4."),
        (
            {"cell": "gru", "proj_size": 2},
            "proj_size is 2, but only an LSTM can project its hidden state; set it to 0.",
        ),
        (
            {"cell": "lstm_relu"},
            "cell is lstm_relu, which torch has no class for; choose one of lstm, gru, rnn_tanh, rnn_relu.",
        ),
        ({"input_size": 0}, "input_size is 0; choose a value of at least 1."),
    ],
)
def test_what_cannot_be_is_said_in_words(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Arguments(**values)
    assert explain(refused.value) == [sentence]
