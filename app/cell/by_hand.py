"""The NumPy tab: the LSTM by hand with its equations beside it, and a check of it that one runs oneself."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from types import MappingProxyType
from typing import Any

import streamlit as st

from app import calculator, session, tying
from app.plain import plain
from lstm_core.agreement import MISTAKES, RIGHT_BELOW, Check, check
from lstm_core.scratch import LSTM, gradient_check
from lstm_core.wording import count, number

FORWARD = r"""\begin{aligned}
z &= W_{ih}\,x_t + W_{hh}\,h_{t-1} + b & (1) \\
i &= \sigma(z_i)\qquad f = \sigma(z_f) & (2) \\
g &= \tanh(z_g)\quad o = \sigma(z_o) \\
c_t &= f \odot c_{t-1} + i \odot g & (3) \\
h_t &= o \odot \tanh(c_t) & (4)
\end{aligned}"""
BACKWARD = r"""\begin{aligned}
dh_t &= \tfrac{\partial L}{\partial\,\mathrm{output}_t} + \text{from } t{+}1 & (5) \\
do &= dh_t \odot \tanh(c_t) & (6) \\
dc_t &= dh_t \odot o \odot (1-\tanh^2 c_t) \\
&\quad + \text{from } t{+}1 \\
di &= dc_t \odot g \qquad df = dc_t \odot c_{t-1} & (7) \\
dg &= dc_t \odot i \\
dz_i &= di \odot i\,(1-i), \text{ so } f, o & (8) \\
dz_g &= dg \odot (1-g^2) \\
dW_{ih} &\mathrel{+}= dz\,x_t^\top \quad dW_{hh} \mathrel{+}= dz\,h_{t-1}^\top & (9) \\
db &\mathrel{+}= dz \qquad dx_t = W_{ih}^\top dz \\
\text{to } t{-}1 &: \; W_{hh}^\top dz, \quad dc_t \odot f & (10)
\end{aligned}"""
NUMERICAL = (
    r"\frac{\partial L}{\partial\theta} \approx \frac{L(\theta+\varepsilon) - L(\theta-\varepsilon)}{2\,\varepsilon}"
)
WRITTEN = MappingProxyType(
    {"weight_ih": "W_ih", "weight_hh": "W_hh", "bias": "b", "x": "the input x", "h0": "h before", "c0": "c before"}
)


@dataclass(frozen=True)
class Size:
    """One number to choose before the check."""

    label: str
    help: str
    low: int
    high: int
    usual: int


SIZES: Mapping[str, Size] = MappingProxyType(
    {
        "inputs": Size("Input size", "I: numbers read at each step.", 1, 6, 3),
        "units": Size("Hidden size", "H: units of the layer.", 1, 8, 4),
        "steps": Size("Time steps", "T: length of the sequence.", 1, 12, 6),
        "batch": Size("Batch", "B: sequences at once.", 1, 4, 2),
        "seed": Size("Seed", "Decides weights, state and sequence.", 0, 99, 1),
    }
)


@dataclass(frozen=True)
class Wish:
    """What is to be checked, as the address has it: 3.4.6.2.1.none, and a last .1 once it was asked for."""

    numbers: tuple[int, ...]
    mistake: str
    asked: bool

    @classmethod
    def read(cls, said: str) -> Wish:
        parts = said.split(".")
        usual = tuple(size.usual for size in SIZES.values())
        if len(parts) != len(SIZES) + 2 or not all(part.isdecimal() for part in parts[: len(SIZES)]):
            return cls(usual, "none", False)
        bounded = (
            min(max(int(part[:6]), size.low), size.high) for part, size in zip(parts, SIZES.values(), strict=False)
        )
        mistake = parts[-2] if parts[-2] in MISTAKES else "none"
        return cls(tuple(bounded), mistake, parts[-1] == "1")

    def written(self) -> str:
        return ".".join([*map(str, self.numbers), self.mistake, str(int(self.asked))])

    def changed(self, place: int, value: int) -> Wish:
        numbers = tuple(value if k == place else old for k, old in enumerate(self.numbers))
        return Wish(numbers, self.mistake, False)


def draw(_here: session.Session) -> None:
    wish = Wish.read(session.own("check"))
    with st.sidebar:
        _controls(wish)
    _checked(wish)
    _lesson("Forward", FORWARD, LSTM.forward)
    _lesson("Backward", BACKWARD, LSTM.backward)
    _lesson("Gradient check", NUMERICAL, gradient_check)


def _controls(wish: Wish) -> None:
    for place, (name, size) in enumerate(SIZES.items()):
        st.slider(
            size.label,
            size.low,
            size.high,
            help=size.help,
            **tying.tie(f"cell:check:{name}", wish.numbers[place], _changing(wish, place)),
        )
    st.selectbox(
        "A mistake to catch",
        list(MISTAKES),
        format_func=lambda name: MISTAKES[name].title,
        help="Puts an error into the way back alone, as one makes them; forward stays right.",
        **tying.tie("cell:check:mistake", wish.mistake, lambda name: _wish(Wish(wish.numbers, name, False))),
    )
    st.button(
        "Run the gradient check",
        key="gradient-check",
        type="primary",
        icon=":material/rule:",
        width="stretch",
        on_click=lambda: _wish(Wish(wish.numbers, wish.mistake, True)),
    )


def _changing(wish: Wish, place: int) -> Callable[[Any], None]:
    return lambda value: _wish(wish.changed(place, int(value)))


def _wish(wish: Wish) -> None:
    session.touch()
    session.set_own(check=wish.written())


@lru_cache(maxsize=32)
def _check(numbers: tuple[int, ...], mistake: str) -> Check:
    inputs, units, steps, batch, seed = numbers
    return calculator.ask(check, inputs, units, steps, batch, seed, mistake)


def _checked(wish: Wish) -> None:
    """What the check found, or that it can be run."""
    if not wish.asked:
        st.html(
            '<div class="cell-page"><p>An LSTM layer in NumPy alone, forward and backward. '
            "Press <b>Run the gradient check</b> to hold its gradients to finite differences and to nn.LSTM.</p></div>"
        )
        return
    try:
        found = _check(wish.numbers, wish.mistake)
    except calculator.CalculatorError as error:
        st.info(plain(str(error)), icon=":material/info:")
        return
    st.html(f'<div class="cell-page">{_verdict(found, wish.mistake)}{_errors(found)}{_outputs(found)}</div>')


def _verdict(found: Check, mistake: str) -> str:
    worst = max(found.numerical, key=lambda name: found.numerical[name])
    error = found.numerical[worst]
    right = error < RIGHT_BELOW
    what = MISTAKES[mistake].what
    if right:
        said = "Every gradient is right: the error that is left is that of the finite differences."
        if what:
            said = f"Nothing was caught, though {what}: at these sizes it makes no difference."
    else:
        said = (
            f"A gradient is wrong: that of {WRITTEN[worst]} most. What was put in: {what}."
            if what
            else (f"A gradient is wrong: that of {WRITTEN[worst]} most.")
        )
    return (
        f'<header class="cell-sum"><h3>Worst relative error</h3><output data-right="{str(right).lower()}">'
        f"{number(error)}</output></header><p>{escape(said)} Below 10⁻⁷ counts as right; {count(found.differences)} "
        f"numbers were moved up and down by 10⁻⁵ each; L = ½ Σ h² = {number(found.loss)}.</p>"
    )


def _errors(found: Check) -> str:
    rows = "".join(
        f'<tr data-parameter="{name}"><th scope="row">∂L/∂ {WRITTEN[name]}</th>'
        f"<td>({', '.join(map(str, found.shapes[name]))})</td>"
        f'<td data-full="{found.numerical[name]!r}">{_judged(found.numerical[name])}</td>'
        f'<td data-full="{found.autograd[name]!r}">{_judged(found.autograd[name])}</td></tr>'
        for name in found.shapes
    )
    return (
        '<div class="cell-scroll" tabindex="0" role="region" aria-label="Errors of the gradients">'
        '<table class="cell-table cell-errors"><thead><tr><th>gradient</th><th>shape</th><th>finite differences</th>'
        f"<th>autograd of nn.LSTM</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _judged(error: float) -> str:
    word = "right" if error < RIGHT_BELOW else "wrong"
    return f'{number(error)} <span class="cell-judged" data-right="{str(word == "right").lower()}">{word}</span>'


def _outputs(found: Check) -> str:
    """The hidden state of the first unit in the first sequence, by both."""
    mine, theirs = found.outputs[:, 0, 0], found.torch_outputs[:, 0, 0]
    heads = "".join(f"<th>t = {t}</th>" for t in range(len(mine)))

    def row(name: str, values: Sequence[float]) -> str:
        return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{number(value)}</td>" for value in values)}</tr>'

    return (
        f"<p>Forward: the hidden states are at most {number(found.forward)} apart. "
        "The first unit of the first sequence:</p>"
        '<div class="cell-scroll" tabindex="0" role="region" aria-label="Hidden states by both">'
        f'<table class="cell-table cell-errors"><thead><tr><th>h</th>{heads}</tr></thead>'
        f"<tbody>{row('NumPy', mine.tolist())}{row('nn.LSTM', theirs.tolist())}</tbody></table></div>"
    )


def _lesson(title: str, equations: str, function: Callable[..., Any]) -> None:
    """Equations at the left, the code that is them at the right."""
    st.html(f'<div class="cell-page"><h3>{title}</h3></div>')
    left, right = st.columns([5, 8], gap="large")
    left.latex(equations)
    right.code(textwrap.dedent(inspect.getsource(function)), language="python", wrap_lines=True)
