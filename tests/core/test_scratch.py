"""The LSTM by hand against `nn.LSTM`, autograd and finite differences."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lstm_core.scratch import LSTM, Array, Gradients, gradient_check

NEAR = 1e-9


@dataclass(frozen=True)
class Case:
    rnn: nn.LSTM
    x: Array
    state: tuple[Array, Array]
    grad_output: Array

    def by_hand(self) -> LSTM:
        layer = LSTM.from_arrays({name: value.numpy() for name, value in self.rnn.state_dict().items()})
        layer.state = self.state
        return layer


@st.composite
def cases(draw: st.DrawFn) -> Case:
    inputs, hidden = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    steps, batch = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    scale, at_zero = draw(st.sampled_from([0.1, 1.0, 5.0])), draw(st.booleans())
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    rnn = nn.LSTM(inputs, hidden, bias=draw(st.booleans())).double()
    for parameter in rnn.parameters():
        parameter.data = torch.from_numpy(scale * random.normal(size=tuple(parameter.shape)))
    h, c = (0.0 if at_zero else 1.0) * random.normal(size=(2, batch, hidden))
    return Case(rnn, random.normal(size=(steps, batch, inputs)), (h, c), random.normal(size=(steps, batch, hidden)))


def small(seed: int = 3) -> tuple[LSTM, Array]:
    random = np.random.default_rng(seed)
    layer = LSTM.draw(2, 3, random)
    layer.state = random.normal(size=(4, 3)), random.normal(size=(4, 3))
    return layer, random.normal(size=(5, 4, 2))


def squares(outputs: Array) -> tuple[float, Array]:
    return float((outputs**2).sum() / 2), outputs


@settings(deadline=None)
@given(cases())
def test_outputs_and_states_are_those_of_torch(case: Case) -> None:
    layer = case.by_hand()
    h0, c0 = (torch.from_numpy(s)[None] for s in case.state)
    with torch.no_grad():
        outputs, (h, c) = case.rnn(torch.from_numpy(case.x), (h0, c0))
    np.testing.assert_allclose(layer.forward(case.x), outputs.numpy(), rtol=NEAR, atol=NEAR)
    assert layer.state is not None
    np.testing.assert_allclose(layer.state, [h[0].numpy(), c[0].numpy()], rtol=NEAR, atol=NEAR)


@settings(deadline=None)
@given(cases())
def test_gradients_are_those_of_autograd(case: Case) -> None:
    layer = case.by_hand()
    layer.forward(case.x)
    gradients = layer.backward(case.grad_output)

    x, h0, c0 = (torch.from_numpy(v).clone().requires_grad_() for v in (case.x, *case.state))
    case.rnn(x, (h0[None], c0[None]))[0].backward(torch.from_numpy(case.grad_output))
    expected = {name.removesuffix("_l0"): value.grad for name, value in case.rnn.named_parameters()}
    expected |= {"x": x.grad, "h0": h0.grad, "c0": c0.grad}
    if case.rnn.bias:  # the two add up, so that both have the gradient of the sum
        expected["bias"] = (expected.pop("bias_ih") + expected.pop("bias_hh")) / 2
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(gradients, name), value.numpy(), rtol=NEAR, atol=NEAR, err_msg=name)


@given(st.integers(1, 8), st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_the_state_goes_on_from_piece_to_piece(cut: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    layer, x = LSTM.draw(3, 4, random), random.normal(size=(9, 2, 3))
    whole = layer.forward(x)
    layer.reset()
    np.testing.assert_allclose(np.concatenate([layer.forward(x[:cut]), layer.forward(x[cut:])]), whole, atol=1e-14)
    assert np.abs(layer.forward(x) - whole).max() > 1e-3  # without a reset it is not a new beginning
    layer.reset()
    np.testing.assert_array_equal(layer.forward(x), whole)


def test_the_way_back_is_an_lstm_on_the_reversed_sequence() -> None:
    torch.manual_seed(1)
    rnn = nn.LSTM(2, 3, bidirectional=True).double()
    x = torch.randn(5, 4, 2, dtype=torch.double)
    arrays = {name: value.numpy() for name, value in rnn.state_dict().items()}
    outputs = LSTM.from_arrays(arrays, "_l0_reverse").forward(x.numpy()[::-1])[::-1]
    np.testing.assert_allclose(outputs, rnn(x)[0][..., 3:].detach().numpy(), atol=NEAR)


def test_finite_differences_agree_and_leave_the_layer_alone() -> None:
    layer, x = small()
    before = [np.copy(v) for v in (layer.weight_ih, layer.weight_hh, layer.bias, *(layer.state or ()))]
    errors = gradient_check(layer, x, squares)
    assert set(errors) == set(Gradients._fields)
    assert max(errors.values()) < 1e-7
    after = [layer.weight_ih, layer.weight_hh, layer.bias, *(layer.state or ())]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", Gradients._fields)
def test_finite_differences_catch_a_wrong_gradient(name: str) -> None:
    class Wrong(LSTM):
        def backward(self, grad_output: Array) -> Gradients:
            right = super().backward(grad_output)
            wrong = getattr(right, name).copy()
            wrong.flat[-1] *= 1.01
            return right._replace(**{name: wrong})

    layer, x = small()
    errors = gradient_check(Wrong(layer.weight_ih, layer.weight_hh, layer.bias, layer.state), x, squares)
    assert errors.pop(name) > 1e-5
    assert max(errors.values()) < 1e-7


def test_finite_differences_catch_a_gradient_that_skips_the_cell_state() -> None:
    class Forgetful(LSTM):
        """Cuts the path from c_t to c_{t−1}."""

        def backward(self, grad_output: Array) -> Gradients:
            self.steps = [step._replace(f=np.zeros_like(step.f)) for step in self.steps]
            return super().backward(grad_output)

    layer, x = small()
    assert gradient_check(Forgetful(layer.weight_ih, layer.weight_hh, layer.bias, layer.state), x, squares)["c0"] > 0.1


def test_it_learns_to_remember_by_gradient_descent_alone() -> None:
    random = np.random.default_rng(0)
    layer = LSTM.draw(1, 4, random)
    x = 0.1 * random.normal(size=(8, 2, 1))
    x[0, :, 0] = 1.0, -1.0  # two patterns that differ in their first step
    target = np.array([0.5, -0.5])  # to be told by the first unit after the last step

    def last(outputs: Array) -> tuple[float, Array]:
        grad = np.zeros_like(outputs)
        grad[-1, :, 0] = outputs[-1, :, 0] - target
        return float((grad**2).sum() / 2), grad

    losses = []
    for _ in range(400):
        layer.reset()
        loss, grad_output = last(layer.forward(x))
        layer.update(layer.backward(grad_output), learning_rate=0.5)
        losses.append(loss)
    assert losses[0] > 0.2  # knows nothing: 0.25 is the loss of an output of 0
    assert losses[-1] < 1e-3


def test_one_update_is_one_step_of_torchs_sgd() -> None:
    layer, x = small()
    weights = {name: torch.from_numpy(getattr(layer, name).copy()) for name in ("weight_ih", "weight_hh", "bias")}
    gradients = layer.backward(layer.forward(x))
    for name, weight in weights.items():
        weight.grad = torch.from_numpy(getattr(gradients, name))
    torch.optim.SGD(weights.values(), lr=0.3).step()
    layer.update(gradients, 0.3)
    for name, weight in weights.items():
        np.testing.assert_allclose(getattr(layer, name), weight.numpy(), atol=1e-15)


def test_drawn_weights_keep_within_torchs_bound() -> None:
    layer = LSTM.draw(3, 16, np.random.default_rng(0))
    assert [v.shape for v in (layer.weight_ih, layer.weight_hh, layer.bias)] == [(64, 3), (64, 16), (64,)]
    assert 0.24 < np.abs(layer.weight_hh).max() <= 0.25


def test_what_does_not_fit_is_refused_in_words() -> None:
    layer, x = small()
    with pytest.raises(ValueError, match=r"shape \(5, 4, 1\); expected \(T, B, I\) with I = 2"):
        layer.forward(x[..., :1])
    with pytest.raises(ValueError, match=r"state has the shape \(4, 3\), x needs \(2, 3\); call reset"):
        layer.forward(x[:, :2])
    with pytest.raises(ValueError, match="call of forward first"):
        layer.backward(x)
    layer.forward(x)
    with pytest.raises(ValueError, match=r"expected \(5, 4, 3\)"):
        layer.backward(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="weight_hh_l1 not found; there are weight_ih_l1"):
        LSTM.from_arrays({"weight_ih_l1": layer.weight_ih}, "_l1")
    projected = {name: value.numpy() for name, value in nn.LSTM(2, 3, proj_size=2).state_dict().items()}
    with pytest.raises(ValueError, match="no projection"):
        LSTM.from_arrays(projected)


def test_numpy_is_all_it_needs() -> None:
    code = "import sys, lstm_core.scratch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
