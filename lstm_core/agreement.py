"""Whether the LSTM by hand is right: its gradients against finite differences and against autograd.

And mistakes to be caught, each a class that differs from the right one in its way back alone. Torch is loaded only
when `check` is called: a page asks for it in another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from lstm_core.scratch import LSTM, Array, Gradients, gradient_check

RIGHT_BELOW = 1e-7  # of the relative error of a right gradient, by finite differences in double precision


class _Untimed(LSTM):
    """Sends nothing back from a step to the one before."""

    def backward(self, grad_output: Array) -> Gradients:
        found, steps = [], self.steps
        for t, step in enumerate(steps):
            self.steps = [step]
            found.append(super().backward(grad_output[t : t + 1]))
        self.steps = steps
        d_x = np.concatenate([one.x for one in found])
        d_ih, d_hh, d_bias = (sum(one[k] for one in found) for k in range(3))
        return Gradients(d_ih, d_hh, d_bias, d_x, found[0].h0, found[0].c0)  # type: ignore[arg-type]


class _Confused(LSTM):
    """Takes c_t for c_{t−1} in ∂L/∂f = dc ⊙ c_{t−1}."""

    def backward(self, grad_output: Array) -> Gradients:
        self.steps = [step._replace(c_before=step.c) for step in self.steps]
        return super().backward(grad_output)


class _Misordered(LSTM):
    """Stacks the gates' gradients in the order f, i, g, o."""

    def backward(self, grad_output: Array) -> Gradients:
        right = super().backward(grad_output)
        i, f, g, o = np.split(np.arange(len(self.bias)), 4)
        rows = np.concatenate([f, i, g, o])
        return right._replace(weight_ih=right.weight_ih[rows], weight_hh=right.weight_hh[rows], bias=right.bias[rows])


@dataclass(frozen=True)
class Mistake:
    """A class to check, and what is wrong with it, in words and as a line of code."""

    title: str
    made: type[LSTM]
    what: str = ""


MISTAKES: Mapping[str, Mistake] = MappingProxyType(
    {
        "none": Mistake("None", LSTM),
        "time": Mistake("Nothing goes back through time", _Untimed, "line (10) is left out, so each step is alone"),
        "cell": Mistake(
            "c of this step for c of the last", _Confused, "in line (7) df = dc * c instead of dc * c_before"
        ),
        "order": Mistake("Two gates exchanged", _Misordered, "line (8) stacks f before i"),
    }
)


@dataclass(frozen=True)
class Check:
    """Per parameter: the relative error by finite differences, and the distance to autograd, measured alike.

    `outputs` and `torch_outputs` are the hidden states (T, B, H) of the two; `differences` says for how many single
    numbers the loss was computed twice.
    """

    numerical: Mapping[str, float]
    autograd: Mapping[str, float]
    shapes: Mapping[str, tuple[int, ...]]
    outputs: Array
    torch_outputs: Array
    loss: float

    @property
    def differences(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    @property
    def forward(self) -> float:
        """The largest distance between the two hidden states."""
        return float(np.abs(self.outputs - self.torch_outputs).max())


def check(inputs: int, units: int, steps: int, batch: int, seed: int, mistake: str = "none") -> Check:
    """Draw a layer, a state and a sequence; run forward, backward and both comparisons for L = ½ Σ h².

    Raises ValueError for a mistake that is not in `MISTAKES`.
    """
    import torch
    from torch import nn

    if mistake not in MISTAKES:
        raise ValueError(f"There is no mistake {mistake!r}; choose one of {', '.join(MISTAKES)}.")
    random = np.random.default_rng(seed)
    layer = MISTAKES[mistake].made.draw(inputs, units, random)
    h0, c0 = random.normal(size=(2, batch, units))
    layer.state = h0, c0
    x = random.normal(size=(steps, batch, inputs))
    numerical = gradient_check(layer, x, _squares)

    outputs = layer.forward(x)
    loss, grad_output = _squares(outputs)
    mine = layer.backward(grad_output)._asdict()

    rnn = nn.LSTM(inputs, units).double()
    weights = {name: getattr(layer, name) for name in ("weight_ih", "weight_hh", "bias")}
    parameters = dict(zip(weights, rnn.parameters(), strict=False))  # «bias» is bias_ih
    with torch.no_grad():
        for name, value in weights.items():
            parameters[name].copy_(torch.from_numpy(value))
        dict(rnn.named_parameters())["bias_hh_l0"].zero_()
    given = {name: torch.from_numpy(value).requires_grad_() for name, value in (("x", x), ("h0", h0), ("c0", c0))}
    theirs, _ = rnn(given["x"], (given["h0"][None], given["c0"][None]))
    (theirs**2).sum().div(2).backward()
    autograd = {}
    for name, tensor in (parameters | given).items():
        assert tensor.grad is not None
        true = tensor.grad.numpy()
        autograd[name] = float(np.abs(mine[name] - true).max() / max(1.0, np.abs(true).max()))
    return Check(
        numerical=numerical,
        autograd=autograd,
        shapes={name: value.shape for name, value in mine.items()},
        outputs=outputs,
        torch_outputs=theirs.detach().numpy(),
        loss=loss,
    )


def _squares(outputs: Array) -> tuple[float, Array]:
    """L = ½ Σ h², whose gradient is h itself."""
    return float((outputs**2).sum() / 2), outputs
