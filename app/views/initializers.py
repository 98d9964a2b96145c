"""Initializers: what the first weights do to gradients, gates and memory before any training, side by side."""

from __future__ import annotations

import streamlit as st

from app import charts, controls, messages, session, tying
from app.calculator import CalculatorError
from app.figures.side import STYLES
from app.plain import plain
from app.setting.fields import controls as settings
from app.xray import asking, pictures, sentences
from lstm_core.config import RunConfig
from lstm_core.runs.records import StoreError

MODEL = ("model.cell", "model.hidden_size", "model.num_layers", "model.bidirectional")


def page() -> None:
    try:
        here = session.begin("initializers")
    except StoreError as error:
        messages.unusable(error)
        return
    choice = asking.chosen(session.own("show"))
    layer, problem = asking.layer(session.own("layer"), here.config)
    with st.sidebar:
        _settings(here, choice.names, layer)
    try:
        shown, more = asking.measured(choice.names, here.config, layer)
    except (CalculatorError, ValueError) as error:
        shown, more = [], [str(error)]
    messages.problems(here, [*choice.problems, *([problem] if problem else []), *more])
    messages.refusals(here)
    st.html(f"<h2 class='xray-title'>What the first weights do, before any training</h2>{sentences.opening(shown)}")
    if shown:
        charts.show([pictures.hero(shown)], key="xray-hero")
        st.html(sentences.legend(shown))
        charts.show(pictures.details(shown), key="xray-details")


def _settings(here: session.Session, names: tuple[str, ...], layer: str) -> None:
    config = here.config
    st.multiselect(
        "Initializers",
        list(STYLES),
        format_func=asking.title,
        max_selections=asking.MOST,
        help="Two to six, side by side; “Settings of the Lab” are whatever the Lab has at its left.",
        **tying.tie("show", list(names), lambda chosen: session.set_own(show=asking.written(chosen))),
    )
    controls.pick_task(config)
    for control in settings(config, "task"):
        if asking.moves_time(control):
            controls.widget(control)
    for control in settings(config, "model"):
        if control.path in MODEL:
            controls.widget(control)
    if config.model.hidden_size > asking.LARGE:
        st.caption(
            f"Beyond {asking.LARGE} units each initializer takes a while, mostly for its singular values: about 0.3 s "
            "for 256 units, 1.5 s for 512."
        )
    _layer(config, layer)
    for control in settings(config, "training"):
        if control.path == "training.seed":
            controls.widget(control)
    with st.container(key="train"):
        _foot(here, names)


def _layer(config: RunConfig, layer: str) -> None:
    names = asking.layers(config)
    if len(names) > 1:
        st.selectbox(
            "Layer",
            list(names),
            format_func=names.__getitem__,
            help="Which layer and direction is looked at.",
            **tying.tie("layer", layer, lambda chosen: session.set_own(layer=chosen)),
        )


def _foot(here: session.Session, names: tuple[str, ...]) -> None:
    for note in here.notes:
        st.caption(plain(note))
    presets = [name for name in names if name != asking.OWN]
    st.caption("Train these takes them to Compare, where a race of them can be begun; nothing trains before.")
    pressed = st.button(
        "Train these", key="race", type="primary", icon=":material/sports_score:", width="stretch", disabled=not presets
    )
    if pressed:
        session.go("compare", vary="init.preset", values=",".join(presets))


page()
