"""An LSTM layer by hand, in NumPy alone: forward, backward through time, one step of learning, and a check of it all.

One step reads x_t and the state (h, c) left by step t − 1; σ is the logistic function, ⊙ goes entry by entry:

    (1)  z = W_ih x_t + W_hh h_{t−1} + b              four stacked parts: z_i, z_f, z_g, z_o
    (2)  i = σ(z_i)   f = σ(z_f)   g = tanh(z_g)   o = σ(z_o)
    (3)  c_t = f ⊙ c_{t−1} + i ⊙ g
    (4)  h_t = o ⊙ tanh(c_t)

Backward, d· stands for ∂L/∂·, and every line is the chain rule applied to one line above, the last one first:

    (5)  dh_t = what the loss sends to output t  +  what step t + 1 sends to h_t
    (6)  do = dh_t ⊙ tanh(c_t)         dc_t = dh_t ⊙ o ⊙ (1 − tanh²(c_t))  +  what step t + 1 sends to c_t    from (4)
    (7)  di = dc_t ⊙ g    df = dc_t ⊙ c_{t−1}    dg = dc_t ⊙ i                                                from (3)
    (8)  dz_i = di ⊙ i (1 − i), likewise f and o;  dz_g = dg ⊙ (1 − g²)                                       from (2)
    (9)  dW_ih += dz x_tᵀ    dW_hh += dz h_{t−1}ᵀ    db += dz    dx_t = W_ihᵀ dz                              from (1)
    (10) to step t − 1 go  W_hhᵀ dz  for h_{t−1}  and  dc_t ⊙ f  for c_{t−1}                             from (1), (3)

Names, gate order (i, f, g, o) and shapes are those of https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html;
its two bias vectors only ever add up, so here there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Loss = Callable[[Array], tuple[float, Array]]  # outputs (T, B, H) → the loss and its gradient, (T, B, H)


class Step(NamedTuple):
    """What the backward pass needs to know of one step: x (B, I), all else (B, H)."""

    x: Array
    h_before: Array
    c_before: Array
    i: Array
    f: Array
    g: Array
    o: Array
    c: Array
    h: Array


class Gradients(NamedTuple):
    """∂L/∂ each weight, the input and the state before the first step, in the shapes of these."""

    weight_ih: Array  # (4H, I)
    weight_hh: Array  # (4H, H)
    bias: Array  # (4H,)
    x: Array  # (T, B, I)
    h0: Array  # (B, H)
    c0: Array  # (B, H)


@dataclass
class LSTM:
    """One layer, one direction. The state stays between calls, so a long text can be read piece by piece."""

    weight_ih: Array  # (4H, I), rows in the order i, f, g, o
    weight_hh: Array  # (4H, H)
    bias: Array  # (4H,)
    state: tuple[Array, Array] | None = None  # h and c, each (B, H); none is 0
    steps: list[Step] = field(default_factory=list, repr=False)

    @classmethod
    def draw(cls, input_size: int, hidden_size: int, random: np.random.Generator) -> LSTM:
        """New weights, uniform within ±1/√H as torch draws them."""
        rows, bound = 4 * hidden_size, hidden_size**-0.5
        weight_ih = random.uniform(-bound, bound, (rows, input_size))
        weight_hh = random.uniform(-bound, bound, (rows, hidden_size))
        return cls(weight_ih, weight_hh, bias=random.uniform(-bound, bound, rows))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.floating]], suffix: str = "_l0") -> LSTM:
        """The weights of one layer of an `nn.LSTM`, from its state dict as NumPy arrays; `_l0_reverse` is the way back.

        Raises ValueError where a weight is missing and for a layer with a projection.
        """
        missing = [name for name in ("weight_ih" + suffix, "weight_hh" + suffix) if name not in arrays]
        if missing:
            raise ValueError(f"{' and '.join(missing)} not found; there are {', '.join(arrays) or 'no arrays at all'}.")
        if "weight_hr" + suffix in arrays:
            raise ValueError(f"weight_hr{suffix} projects the hidden state; this layer has no projection.")
        weight_ih, weight_hh = (np.array(arrays[name + suffix], np.float64) for name in ("weight_ih", "weight_hh"))
        bias = np.zeros(len(weight_ih))
        for name in ("bias_ih", "bias_hh"):
            bias = bias + arrays.get(name + suffix, 0.0)
        return cls(weight_ih, weight_hh, bias)

    def reset(self) -> None:
        """Forget everything read so far: the next step starts from h = c = 0."""
        self.state = None

    def forward(self, x: Array) -> Array:
        """x (T, B, I) → the hidden state after every step, (T, B, H), starting from the state of the last call."""
        input_size, hidden_size = self.weight_ih.shape[1], self.weight_hh.shape[1]
        if x.ndim != 3 or x.shape[2] != input_size or 0 in x.shape:
            raise ValueError(f"x has the shape {x.shape}; expected (T, B, I) with I = {input_size}.")
        shape = x.shape[1], hidden_size
        h, c = self.state or (np.zeros(shape), np.zeros(shape))
        if not h.shape == c.shape == shape:
            raise ValueError(f"The state has the shape {h.shape}, x needs {shape}; call reset() to begin anew.")
        self.steps = []
        for x_t in x:
            z = x_t @ self.weight_ih.T + h @ self.weight_hh.T + self.bias  # (1), one sequence per row
            z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)
            i, f, g, o = sigmoid(z_i), sigmoid(z_f), np.tanh(z_g), sigmoid(z_o)  # (2)
            h_before, c_before = h, c
            c = f * c_before + i * g  # (3)
            h = o * np.tanh(c)  # (4)
            self.steps.append(Step(x_t, h_before, c_before, i, f, g, o, c, h))
        self.state = h, c
        return np.stack([step.h for step in self.steps])

    def backward(self, grad_output: Array) -> Gradients:
        """∂L/∂output of the last `forward`, (T, B, H) → all gradients; they end where that call began.

        Raises ValueError where there was no `forward` with outputs of this shape.
        """
        expected = (len(self.steps), *self.steps[0].h.shape) if self.steps else "a call of forward first"
        if grad_output.shape != expected:
            raise ValueError(f"grad_output has the shape {grad_output.shape}; expected {expected}.")
        d_ih, d_hh, d_bias = np.zeros_like(self.weight_ih), np.zeros_like(self.weight_hh), np.zeros_like(self.bias)
        d_x = np.zeros((*grad_output.shape[:2], self.weight_ih.shape[1]))
        dh = dc = np.zeros(grad_output.shape[1:])
        for t in reversed(range(len(self.steps))):
            x_t, h_before, c_before, i, f, g, o, c, _ = self.steps[t]
            dh = dh + grad_output[t]  # (5)
            do, dc = dh * np.tanh(c), dc + dh * o * (1 - np.tanh(c) ** 2)  # (6)
            di, df, dg = dc * g, dc * c_before, dc * i  # (7)
            dz = np.hstack([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)])  # (8)
            d_ih, d_hh, d_bias = d_ih + dz.T @ x_t, d_hh + dz.T @ h_before, d_bias + dz.sum(axis=0)  # (9)
            d_x[t] = dz @ self.weight_ih
            dh, dc = dz @ self.weight_hh, dc * f  # (10)
        return Gradients(d_ih, d_hh, d_bias, d_x, h0=dh, c0=dc)

    def update(self, gradients: Gradients, learning_rate: float) -> None:
        """One step of gradient descent: every weight goes a little against its gradient."""
        self.weight_ih = self.weight_ih - learning_rate * gradients.weight_ih
        self.weight_hh = self.weight_hh - learning_rate * gradients.weight_hh
        self.bias = self.bias - learning_rate * gradients.bias


def sigmoid(z: Array) -> Array:
    """σ(z) = 1 / (1 + e^−z), written with tanh because that never overflows."""
    return 0.5 * (1 + np.tanh(0.5 * z))


def gradient_check(layer: LSTM, x: Array, loss: Loss, nudge: float = 1e-5) -> dict[str, float]:
    """How far each gradient by `backward` is from (L(θ + ε) − L(θ − ε)) / 2ε: the largest difference by name.

    The difference is relative to the larger of 1 and the numerical gradient's largest entry. A right gradient stays
    below 1e-7, a wrong one does not. The layer is left as it was.
    """
    h0, c0 = layer.state or (np.zeros((x.shape[1], layer.weight_hh.shape[1])),) * 2
    values = {
        "weight_ih": layer.weight_ih,
        "weight_hh": layer.weight_hh,
        "bias": layer.bias,
        "x": x,
        "h0": h0,
        "c0": c0,
    }

    def run(values: Mapping[str, Array]) -> tuple[LSTM, float, Array]:
        weight_ih, weight_hh, bias, x, h0, c0 = values.values()
        probe = type(layer)(weight_ih, weight_hh, bias, (h0, c0))
        return probe, *loss(probe.forward(x))

    probe, _, grad_output = run(values)
    gradients = probe.backward(grad_output)._asdict()
    errors = {}
    for name, value in values.items():
        numerical = np.zeros_like(value)
        for place in np.ndindex(value.shape):
            moved = np.zeros_like(value)
            moved[place] = nudge
            above, below = run({**values, name: value + moved})[1], run({**values, name: value - moved})[1]
            numerical[place] = (above - below) / (2 * nudge)
        errors[name] = float(np.abs(gradients[name] - numerical).max() / max(1.0, np.abs(numerical).max()))
    return errors
