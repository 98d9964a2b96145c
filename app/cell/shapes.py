"""The shapes tab: arguments to choose, and from them every tensor, every parameter, and what equals what."""

from __future__ import annotations

from html import escape
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from pydantic import ValidationError

from app import session, theme, tying
from app.setting.fields import Control, settings_in, words
from lstm_core import shapes
from lstm_core.config import RunConfig, explain
from lstm_core.shapes import CLASSES, NOT_OF_A_LAYER, Arguments, Dimension, Parameter
from lstm_core.wording import count

FIRST = ("cell", "input_size", "hidden_size", "num_layers", "bidirectional")  # the order of the widgets
MOST_SAID = 40  # arguments in an address that are looked at
MANY_STEPS = 7  # columns of the picture, of longer sequences the ends


def draw(here: session.Session) -> None:
    given = _arguments(here.config)
    with st.sidebar:
        _controls(given, here.config)
    left, right = st.columns([6, 5], gap="large")
    with left:
        st.html(f'<div class="cell-page">{_tensors(given)}{_equal(given)}</div>')
        st.code(shapes.program(given), language="python", wrap_lines=True)
        st.html('<div class="cell-page"><p>Runs as it stands; every line that begins with assert holds.</p></div>')
    with right:
        st.html(f'<div class="cell-page">{_count(given)}{_parameters(given)}</div>')


# -- arguments


def _arguments(config: RunConfig) -> Arguments:
    """Those of the present settings, with what the address says otherwise."""
    return _with(Arguments.of(config), session.own("nn")) or Arguments.of(config)


def _with(given: Arguments, said: str) -> Arguments | None:
    """`said` is written as in hidden_size:8,bias:false; None where it is no such thing."""
    pairs = (part.partition(":") for part in said.split(",", MOST_SAID)[:MOST_SAID] if part)
    try:
        return Arguments.model_validate(given.model_dump() | {name: value for name, _, value in pairs})
    except ValidationError as error:
        session.say(explain(error))
        return None


def _choose(name: str, value: Any, config: RunConfig) -> None:
    """One argument was changed; what cannot be is said and left as it was."""
    usual, present = Arguments.of(config), _arguments(config)
    wanted = {name: value, **({"proj_size": 0} if name == "cell" and value != "lstm" else {})}
    try:
        given = Arguments.model_validate(present.model_dump() | wanted)
    except ValidationError as error:
        session.say(explain(error))
        return
    own = {field: getattr(given, field) for field in Arguments.model_fields if field not in NOT_OF_A_LAYER}
    said = [f"{field}:{str(v).lower()}" for field, v in own.items() if v != getattr(usual, field)]
    session.set_own(nn=",".join(said) or None)


def _controls(given: Arguments, config: RunConfig) -> None:
    made = {control.path.partition(".")[2]: control for control in settings_in(given, "nn", config)}
    names = [*FIRST, *(name for name in made if name not in (*FIRST, *NOT_OF_A_LAYER))]
    for name in names:
        if name != "proj_size" or given.cell == "lstm":
            _widget(name, made[name], config)
    if given.dropout and given.num_layers == 1:
        st.caption("Dropout acts between layers, and there is only one.")
    if session.own("nn"):
        st.button("As in the settings", icon=":material/undo:", on_click=lambda: session.set_own(nn=None))


def _widget(name: str, control: Control, config: RunConfig) -> None:
    tied = tying.tie(f"cell:nn:{name}", control.value, lambda value: _choose(name, value, config))
    kind = control.field.annotation
    if get_origin(kind) is Literal:
        texts = control.extra.get("choices", {})
        options = [option for option in get_args(kind) if option in CLASSES]
        named = {option: f"{CLASSES[option]}, {texts.get(option, words(option))}" for option in options}
        st.selectbox("Module", options, format_func=lambda option: named[option], help=control.help, **tied)
    elif kind is bool:
        st.toggle(control.label, help=control.help, **tied)
    else:
        low, high = control.range
        st.number_input(
            control.label, low, high, step=control.step, format="%d" if kind is int else "%g", help=control.help, **tied
        )


# -- pictures


def _shape(dimensions: tuple[Dimension, ...]) -> str:
    """(40, 64, 128), with the letters under the numbers."""
    parts = (
        f"<span><b>{dimension.size}</b><small>{escape(dimension.letters)}</small></span>" for dimension in dimensions
    )
    return f'<span class="cell-shape">({"<i>,</i>".join(parts)})</span>'


def _tensors(given: Arguments) -> str:
    rows = (
        f'<tr><th scope="row"><code>{tensor.name}</code></th><td>{_shape(tensor.dimensions)}</td>'
        f"<td>{escape(tensor.about)}</td></tr>"
        for tensor in shapes.tensors(given)
    )
    call = escape(shapes.constructor(given))
    return (
        f'<h3>What goes in and what comes out</h3><p><code class="cell-call">{call}</code></p>'
        f'<table class="cell-table">{"".join(rows)}</table>'
    )


def _equal(given: Arguments) -> str:
    """The output as a strip of time steps, with the places that h_n repeats."""
    steps = [str(t) for t in range(given.steps)]
    if given.steps > MANY_STEPS:
        steps = ["0", "1", "2", "…", *(str(t) for t in range(given.steps - 3, given.steps))]
    found = shapes.slices(given)
    rows = [_lane(steps, "forward", found[0].left, len(steps) - 1)]
    if given.bidirectional:
        rows.append(_lane(steps, "backward", found[1].left, 0))
    heads = "".join(f"<span>{step}</span>" for step in steps)
    halves = "".join(
        f"<li><code>{escape(half.left)}</code> is the {half.right} half: {escape(half.because)}</li>"
        for half in shapes.halves(given)
    )
    same = "".join(
        f"<li><code>{escape(one.left)}</code> = <code>{escape(one.right)}</code>: {escape(one.because)}</li>"
        for one in found
    )
    below = given.num_layers - 1
    only = [
        "The lower layers are in h_n alone." if below else "",
        "Cell states are in c_n alone." * given.has_cell_state,
    ]
    places = ", ".join(f"{number} is {place}" for number, place in enumerate(shapes.places(given)))
    order = f"Rows of h_n: {places}." if len(shapes.places(given)) > 1 else ""
    text = f"{order} {' '.join(part for part in only if part)}".strip()
    label = "output over time; " + " and ".join(f"{one.left} is {one.right}" for one in found)
    return (
        "<h3>Which part of output is which part of h_n</h3>"
        f'<div class="cell-lanes" role="img" aria-label="{escape(label)}" style="--steps:{len(steps)}">'
        f'<div class="cell-lane cell-lane-head"><span>t</span>{heads}</div>{"".join(rows)}</div>'
        f"<ul>{halves}{same}</ul><p>{escape(text)}</p>"
    )


def _lane(steps: list[str], way: str, name: str, marked: int) -> str:
    empty, full = '<span class="cell-box"></span>', f'<span class="cell-box cell-marked">{escape(name)}</span>'
    cells = "".join(full if place == marked else empty for place in range(len(steps)))
    arrow = "→" if way == "forward" else "←"
    return f'<div class="cell-lane cell-{way}"><span>{way} {arrow}</span>{cells}</div>'


def _count(given: Arguments) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(term.place)}</th><td>{escape(term.formula)}</td>'
        f"<td>{escape(term.numbers)}</td><td>{count(term.count)}</td></tr>"
        for term in shapes.terms(given)
    )
    total = count(shapes.parameter_count(given))
    letters = ["I is what the first layer reads", "H its units", *(["P what it hands on"] if given.proj_size else [])]
    kinds = {4: "4 are the gates i, f, g and o", 3: "3 are the gates r, z and n", 1: "a simple RNN has no gates"}
    biases = "; 2 are the bias vectors, which only ever add up" if given.bias else ""
    legend = f"{', '.join(letters)}; {kinds[len(given.gates)]}{biases}."
    return (
        f'<header class="cell-sum"><h3>Parameters</h3><output>{total}</output></header>'
        f'<table class="cell-table cell-terms">{rows}</table><p>{escape(legend)}</p>'
    )


def _parameters(given: Arguments) -> str:
    rows = "".join(
        f'<tr><th scope="row"><code>{one.name}</code></th><td>{_shape(one.dimensions)}</td>'
        f"<td>{_blocks(one)}</td><td>{count(one.count)}</td></tr>"
        for one in shapes.parameters(given)
    )
    return f'<h3>Every parameter</h3><table class="cell-table cell-parameters">{rows}</table>'


def _blocks(one: Parameter) -> str:
    """The rows of a matrix, gate by gate."""
    blocks = "".join(f'<span style="--colour:{theme.GATES[gate]}">{gate}</span>' for gate in one.gates)
    said = f"rows in the order {', '.join(one.gates)}" if len(one.gates) > 1 else ""
    return f'<span class="cell-blocks" title="{said}">{blocks}</span>' if len(one.gates) > 1 else ""
