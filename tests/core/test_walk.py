"""The walk through one unit against torch's own modules, and its equations against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from lstm_core.cells import CELLS
from lstm_core.config import RunConfig
from lstm_core.files import FileProblem
from lstm_core.inside import varied
from lstm_core.model import as_tensors
from lstm_core.probes import trace
from lstm_core.state import first_model
from lstm_core.walk import OFFERED, Walk, walk_unit

TASKS: list[dict[str, Any]] = [
    {"name": "recall", "length": 7},
    {"name": "adding", "length": 9},
    {"name": "tagging"},
    {"name": "digits"},
]


def config_of(task: dict[str, Any], training: dict[str, Any] | None = None, **model: Any) -> RunConfig:
    init = {"preset": "large_gaussian"}  # nothing so small that it would not matter
    small = {"hidden_size": 5, **model}
    return RunConfig.model_validate({"task": task, "model": small, "init": init, "training": training or {}})


@st.composite
def cases(draw: st.DrawFn) -> tuple[RunConfig, str, int, int]:
    cell = draw(st.sampled_from([*CELLS]))
    layers, both = draw(st.integers(1, 2)), draw(st.booleans())
    model = {"cell": cell, "num_layers": layers, "bidirectional": both, "bias": draw(st.booleans())}
    if CELLS[cell].kernel == "LSTM":
        model["proj_size"] = draw(st.sampled_from([0, 2]))
    config = config_of(draw(st.sampled_from(TASKS)), {"seed": draw(st.integers(0, 5))}, **model)
    layer = f"l{draw(st.integers(0, layers - 1))}.{draw(st.sampled_from(['fwd', 'bwd'][: 1 + both]))}"
    return config, layer, draw(st.integers(0, 11)), draw(st.integers(0, 4))


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


@settings(deadline=None, max_examples=40)
@given(cases())
def test_all_is_as_torch_has_it(case: tuple[RunConfig, str, int, int]) -> None:
    """Gates and states of torch's own kernel on the same sequence, in double precision."""
    config, layer, sample, unit = case
    walk = walk_unit(config, None, sample, layer, unit)
    model = first_model(config)
    part = config.task.data(config.training.seed).validation
    first = [int(row) for row in varied(part)]
    row = [*first, *(row for row in range(OFFERED) if row not in first)][sample]
    inputs, _, lengths = as_tensors(part.take(np.array([row])))
    x = model.embed(inputs).detach().double()
    found = trace(model.rnn.double(), x, lengths=lengths)[layer]
    steps = len(walk.marks)
    assert steps == (int(lengths[0]) if lengths is not None else config.task.time_steps) == len(walk.reads)
    for name, values in found.items():
        if unit < values.shape[-1]:
            np.testing.assert_allclose(walk.values[name], values[:steps, 0, unit].numpy(), atol=1e-12, err_msg=name)
        else:
            assert name == "h"
            assert name not in walk.values


@settings(deadline=None, max_examples=40)
@given(cases())
def test_the_equations_hold_with_the_numbers_that_are_shown(case: tuple[RunConfig, str, int, int]) -> None:
    config, layer, sample, unit = case
    walk = walk_unit(config, None, sample, layer, unit)
    v, cell = walk.values, config.model.cell
    squash = (lambda z: np.maximum(z, 0)) if cell.endswith("relu") else np.tanh
    near = {"rtol": 1e-12, "atol": 1e-14}

    def before(state: str) -> Any:
        shifted = np.zeros(len(walk.marks))
        if layer.endswith("bwd"):
            shifted[:-1] = v[state][1:]
        else:
            shifted[1:] = v[state][:-1]
        return shifted

    for state in CELLS[cell].states:
        if state in v:
            np.testing.assert_array_equal(v[f"{state}_before"], before(state))
    if cell == "gru":
        for gate in "rz":
            np.testing.assert_allclose(v[gate], sigmoid(v[f"ih.{gate}"] + v[f"hh.{gate}"] + v[f"b.{gate}"]), **near)
        np.testing.assert_allclose(v["q"], v["hh.n"] + v["b_hh.n"], **near)
        np.testing.assert_allclose(v["n"], np.tanh(v["ih.n"] + v["b_ih.n"] + v["r"] * v["q"]), **near)
        np.testing.assert_allclose(v["h"], (1 - v["z"]) * v["n"] + v["z"] * v["h_before"], **near)
        return
    for gate in CELLS[cell].gates:
        z = v[f"ih.{gate}"] + v[f"hh.{gate}"] + v[f"b.{gate}"]
        np.testing.assert_allclose(v[f"pre.{gate}"], z, **near)
        np.testing.assert_allclose(v[gate], sigmoid(z) if gate in CELLS[cell].sigmoids else squash(z), **near)
    if "c" in v:
        np.testing.assert_allclose(v["c"], v["f"] * v["c_before"] + v["i"] * v["g"], **near)
        np.testing.assert_allclose(v["m"] if walk.projected else v["h"], v["o"] * squash(v["c"]), **near)


def test_the_parts_are_products_of_weights_and_inputs() -> None:
    """Each part from the network's own matrices: row k of gate f times x_t, times h_{t−1}, and both biases."""
    config = config_of({"name": "recall", "length": 6})
    walk, rnn = walk_unit(config, None, 0, "l0.fwd", 3), first_model(config).rnn.double()
    assert isinstance(rnn, nn.LSTM)
    model = first_model(config)
    part = config.task.data(config.training.seed).validation
    x = model.embed(torch.from_numpy(part.take(varied(part)).inputs[:1])).detach().double()
    h = torch.cat([torch.zeros(1, 5).double(), rnn(x)[0][:-1, 0].detach()])
    row = 5 + 3  # the second block of rows is f's
    np.testing.assert_allclose(walk.values["ih.f"], (x[:, 0] @ rnn.weight_ih_l0[row]).detach(), atol=1e-13)
    np.testing.assert_allclose(walk.values["hh.f"], (h @ rnn.weight_hh_l0[row]).detach(), atol=1e-13)
    bias = rnn.bias_ih_l0[row] + rnn.bias_hh_l0[row]
    np.testing.assert_allclose(walk.values["b.f"], bias.detach().expand(6), atol=1e-13)


def test_given_weights_are_those_that_are_walked_with() -> None:
    config = config_of({"name": "recall", "length": 6})
    model = first_model(config.replace(**{"training.seed": 8}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    other = walk_unit(config, save(model.state_dict()), 1, "l0.fwd", 2)
    fresh = walk_unit(config, None, 1, "l0.fwd", 2)
    assert np.abs(other.values["f"] - fresh.values["f"]).max() > 0.01
    part = config.task.data(config.training.seed).validation
    x = model.embed(torch.from_numpy(part.take(varied(part)).inputs[1:2])).detach()
    np.testing.assert_allclose(other.values["f"], trace(model.rnn, x)["l0.fwd"].f[:, 0, 2], atol=1e-5)


def test_weights_that_do_not_fit_are_refused_in_words() -> None:
    wide = first_model(config_of({"name": "recall"}, hidden_size=7))
    with pytest.raises(FileProblem, match="weight_hh_l0"):
        walk_unit(config_of({"name": "recall"}), save(wide.state_dict()))


def test_what_is_not_there_is_the_nearest_that_is() -> None:
    config = config_of({"name": "recall", "length": 6})
    walk = walk_unit(config, None, 10**6, "l7.bwd", 10**6)
    assert (walk.sample, walk.layer, walk.unit) == (OFFERED - 1, "l0.fwd", 4)


@pytest.mark.parametrize(("task", "read"), [("recall", {*"AB0123456789"}), ("adding", None), ("digits", None)])
def test_what_is_read_is_said(task: str, read: set[str] | None) -> None:
    walk: Walk = walk_unit(config_of({"name": task}))
    if read is not None:
        assert set(walk.reads) <= read
        assert walk.reads == walk.marks
    elif task == "adding":
        assert all(len(both.split(", ")) == 2 for both in walk.reads)
    else:
        assert walk.reads[0] == "row 1"
