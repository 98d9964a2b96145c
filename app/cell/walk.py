"""Whose weights the page goes through, and asking for the walk: those of a run after some step, or fresh ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import streamlit as st
from safetensors.numpy import load, save

from app import calculator, services, session, tying
from app import controls as sidebar
from app.board.cell import cell
from app.plain import apart, plain
from app.setting import fields, own_data
from lstm_core import files
from lstm_core.config import RunConfig
from lstm_core.files import FileProblem
from lstm_core.recipes import PRESET_TITLES
from lstm_core.runs.records import Run, StoreError
from lstm_core.walk import Walk, walk_unit

FRESH, TRAINED = "fresh", "run"
SOURCES = {FRESH: "Fresh weights", TRAINED: "A run"}
NEWEST = 20


@dataclass(frozen=True)
class Source:
    """Settings, weights (None: those that the settings draw) and what to say of them."""

    config: RunConfig
    weights: bytes | None
    about: str


def source(here: session.Session) -> str:
    """What the address says; without a word, the run that came along, else fresh weights."""
    said = session.own("of", TRAINED if here.run else FRESH)
    return said if said in SOURCES and (said == FRESH or session.shown(here) is not None) else FRESH


def controls(here: session.Session, walk: Walk | None) -> None:
    """The sidebar: whose weights, which sequence, which layer; and the settings that fresh weights are drawn by."""
    run = session.shown(here)
    chosen = source(here)
    st.segmented_control(
        "Weights",
        list(SOURCES) if run is not None else [FRESH],
        required=True,
        format_func=lambda name: SOURCES[name],
        help="Fresh weights are those that the settings below draw; a run's are what it has learned.",
        width="stretch",
        **tying.tie("cell:of", chosen, lambda name: session.set_own(of=name, t=None, unit=None)),
    )
    if chosen == TRAINED and run is not None:
        _choose_run(run)
    if walk is not None:
        _choose_place(walk)
    if chosen == FRESH:
        for control in fields.controls(here.config, "training"):
            if control.path == "training.seed":  # the one setting of the training that the first weights depend on
                sidebar.widget(control)
        sidebar.draw(here.config, without=("training",))


def _choose_run(run: Run) -> None:
    newest = {other.id: _title(other) for other in services.store().list(NEWEST) if other.step >= 0}
    newest = newest if run.id in newest else {run.id: _title(run), **newest}
    st.selectbox(
        "Run",
        list(newest),
        format_func=lambda run_id: newest.get(run_id, run_id),
        help="The newest runs; the one chosen here is the run of all pages.",
        **tying.tie("cell:run", run.id, session.reopen),
    )
    steps = _steps(run)
    if len(steps) > 1:
        st.select_slider(
            "After step",
            steps,
            help="How much it had learned: before the first update, at the states kept on its way, or as it is now.",
            **tying.tie("cell:after", _after(steps), lambda step: session.set_own(after=str(step))),
        )


def _steps(run: Run) -> list[int]:
    """The steps after which the weights are known."""
    last = max(run.step, 0)
    return sorted({0, last, *(step for step in services.store().kept_steps(run.id) if step < last)})


def _after(steps: list[int]) -> int:
    """The step that the address names, or the last one before it that is known."""
    said = session.own_number("after")
    return max(step for step in steps if said is None or step <= said)


def _title(run: Run) -> str:
    """What the list calls a run. It ends with the id: a list box tells its options apart by their words alone."""
    return f"{apart(run.name or '') or session.settings_of(run).title} · {run.id}"


def find(here: session.Session) -> tuple[Walk | None, str]:
    """The walk that the address describes, and whose weights it has; or None, and why there is none."""
    try:
        found = _source(here)
        given = tuple(
            files.read(control.value) for control in own_data.settings(found.config) if control.value is not None
        )
        sample, unit = (_number(name) for name in ("sample", "unit"))
        return _walk(found.config, found.weights, sample, session.own("layer"), unit, given), found.about
    except (FileProblem, StoreError, calculator.CalculatorError) as error:
        return None, str(error)


def draw(here: session.Session) -> None:
    """The walk with its sidebar; in place of the walk why there is none."""
    walk, about = find(here)
    with st.sidebar:
        controls(here, walk)
    if walk is None:
        st.info(plain(about), icon=":material/info:")
    else:
        cell(walk, at=_number("t"), about=about, key="cell", on_place=_moved)


def _source(here: session.Session) -> Source:
    if source(here) == FRESH:
        config = here.config
        start = "weights from a file" if config.init.weights else PRESET_TITLES[config.init.preset]
        return Source(config, None, f"fresh weights: {start}, seed {config.training.seed}")
    run = session.shown(here)
    assert run is not None
    config, steps, store = session.settings_of(run), _steps(run), services.store()
    after, name = _after(steps), apart(run.name or config.title)
    latest = store.load_checkpoint(run.id) if after == steps[-1] else None
    state = latest[1] if latest is not None else store.nearest_state(run.id, after)
    if state is None:  # nothing is kept so early: the first weights follow from the settings
        return Source(config, None, f"{name}, before the first update")
    step, weights = of_state(state)
    return Source(config, weights, f"{name}, after step {step}")


def of_state(state: bytes) -> tuple[int, bytes]:
    """The updates that a kept state has seen, and its model's weights as a safetensors file."""
    length = int.from_bytes(state[:8], "little")
    told = json.loads(json.loads(state[8 : 8 + length])["__metadata__"]["state"])
    tensors = {name[6:]: tensor for name, tensor in load(state).items() if name.startswith("model.")}
    return told["step"] - told["over"], save(tensors)


@lru_cache(maxsize=32)
def _walk(
    config: RunConfig, weights: bytes | None, sample: int, layer: str, unit: int, given: tuple[bytes, ...]
) -> Walk:
    return calculator.ask(walk_unit, config, weights, sample, layer, unit, given)


def _number(name: str) -> int:
    return session.own_number(name) or 0


def _choose_place(walk: Walk) -> None:
    """The sequence, and the layer and direction where there are several."""
    samples = {place: f"{place + 1} · {title}" for place, title in enumerate(walk.samples)}
    st.selectbox(
        "Sequence",
        list(samples),
        format_func=lambda place: samples.get(place, str(place)),
        help="Sequences of the validation part; the first few are those of the Lab.",
        **tying.tie("cell:sample", walk.sample, lambda place: session.set_own(sample=str(place), t=None)),
    )
    if len(walk.layers) > 1:
        st.selectbox(
            "Layer and direction",
            walk.layers,
            format_func=_layer_words,
            help="A backward direction reads from the end: what came before is at its right.",
            **tying.tie("cell:layer", walk.layer, lambda layer: session.set_own(layer=layer)),
        )


def _layer_words(layer: str) -> str:
    number, way = layer[1:].split(".")
    return f"Layer {number}, {'forward' if way == 'fwd' else 'backward'}"


def _moved(place: Mapping[str, Any]) -> None:
    """Somebody rests at a step, or wants another unit."""
    session.touch()
    chosen = {name: place.get(name) for name in ("t", "unit")}
    session.set_own(**{name: str(at) for name, at in chosen.items() if isinstance(at, int) and 0 <= at < 10**6})
