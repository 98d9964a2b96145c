"""The check that the page runs: right gradients pass it, every mistake is caught by both comparisons."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lstm_core.agreement import MISTAKES, RIGHT_BELOW, check
from lstm_core.scratch import LSTM

SIZES = (3, 4, 6, 2)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), SIZES, (4, 8, 10, 4)])
def test_the_right_one_agrees_with_both(sizes: tuple[int, int, int, int]) -> None:
    found = check(*sizes, seed=1)
    assert max(found.numerical.values()) < RIGHT_BELOW
    assert max(found.autograd.values()) < 1e-12
    assert found.forward < 1e-12
    inputs, units, steps, batch = sizes
    assert found.shapes == {
        "weight_ih": (4 * units, inputs),
        "weight_hh": (4 * units, units),
        "bias": (4 * units,),
        "x": (steps, batch, inputs),
        "h0": (batch, units),
        "c0": (batch, units),
    }
    assert found.differences == sum(np.prod(shape) for shape in found.shapes.values())


@pytest.mark.parametrize("mistake", [name for name in MISTAKES if name != "none"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_mistake_is_caught_by_both(mistake: str, seed: int) -> None:
    found = check(*SIZES, seed=seed, mistake=mistake)
    assert found.forward < 1e-12  # it is the way back alone that is wrong
    for errors in (found.numerical, found.autograd):
        assert errors["weight_hh"] > 1e-3
    for name in found.numerical:
        assert (found.numerical[name] > RIGHT_BELOW) == (found.autograd[name] > RIGHT_BELOW), name


def test_a_mistake_is_where_it_is_said_to_be() -> None:
    order, time = (check(*SIZES, seed=3, mistake=mistake).autograd for mistake in ("order", "time"))
    assert {name for name, error in order.items() if error > RIGHT_BELOW} == {"weight_ih", "weight_hh", "bias"}
    assert min(time.values()) > 1e-3


def test_the_loss_is_half_the_squares_of_torchs_outputs() -> None:
    found = check(*SIZES, seed=5)
    random = np.random.default_rng(5)
    layer = LSTM.draw(3, 4, random)
    h0, c0 = (torch.from_numpy(state)[None] for state in random.normal(size=(2, 2, 4)))
    rnn = nn.LSTM(3, 4).double()
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh"):
            getattr(rnn, f"{name}_l0").copy_(torch.from_numpy(getattr(layer, name)))
        rnn.bias_ih_l0.zero_()
        rnn.bias_hh_l0.copy_(torch.from_numpy(layer.bias))
        outputs, _ = rnn(torch.from_numpy(random.normal(size=(6, 2, 3))), (h0, c0))
    np.testing.assert_allclose(found.torch_outputs, outputs.numpy(), atol=1e-14)
    assert found.loss == pytest.approx(float((outputs**2).sum()) / 2)


def test_an_unknown_mistake_is_named() -> None:
    with pytest.raises(ValueError, match="no mistake 'typo'; choose one of none, time, cell, order"):
        check(*SIZES, seed=1, mistake="typo")
