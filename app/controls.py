"""The sidebar's widgets, made from `RunConfig`'s own fields: a new setting there has its widget here by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import streamlit as st

from app import session, tying
from app.setting import links, preview, ready, uploads
from app.setting.fields import Control, controls, is_essential, ladder, schemes, settings_in, words
from lstm_core.cells import CELLS
from lstm_core.config import RunConfig
from lstm_core.recipes import PRESETS
from lstm_core.tasks import TASKS

TOP = ("task", "init", "model", "training")  # the order of the essential settings
NOT_SET = ""


def draw(config: RunConfig, without: Collection[str] = ()) -> None:
    """All settings but the groups `without`: the essential ones open, the rest folded away by group."""
    known = [*TOP, *(group for group in RunConfig.model_fields if group not in TOP)]
    groups = [group for group in known if group not in without]
    pick_task(config)
    _pick_ready_made(config)
    for group in groups:
        for control in _shown(config, group):
            if is_essential(control, config):
                widget(control)
    _look_at_the_data(config)
    for group in sorted(groups, key=lambda group: [*links.GROUPS, group].index(group)):
        rest = [control for control in _shown(config, group) if not is_essential(control, config)]
        if rest:
            with st.expander(links.GROUPS.get(group, words(group))):
                if group in session.current().locks.lock:
                    st.caption(links.REASON)
                for control in rest:
                    widget(control)


def _shown(config: RunConfig, group: str) -> list[Control]:
    """The settings of a group but those that a link hides."""
    locks = session.current().locks
    return [control for control in controls(config, group) if not locks.hidden(control.path)]


def pick_task(config: RunConfig) -> None:
    locks = session.current().locks
    if locks.hidden("task.name"):
        return
    locked = locks.locked("task.name")
    st.selectbox(
        "Task",
        list(TASKS),
        format_func=lambda name: TASKS[name].title,
        help=config.task.summary,
        disabled=locked,
        **tying.bind("task", config.task.name, read=lambda name: {"name": name}),
    )
    if locked:
        st.caption(links.REASON)


def _pick_ready_made(config: RunConfig) -> None:
    """Settings that are known to show something, where the task brings any."""
    made, chosen, locks = ready.made(config), ready.chosen(config), session.current().locks
    if made and not locks.hidden(links.READY):
        st.selectbox(
            "Ready-made",
            [*made, *([ready.OWN] if chosen == ready.OWN else [])],
            help="Settings with which this task is known to work, or instructively does not; the seed stays.",
            disabled=locks.locked(links.READY),
            **tying.tie("ready", chosen, _use_ready_made),
        )


def _use_ready_made(title: str) -> None:
    config = session.current().config
    if title != ready.chosen(config):
        session.use(ready.made(config).get(title, config))


def _look_at_the_data(config: RunConfig) -> None:
    """Drawn only while it is open: data are made for it."""
    unfolded = st.expander("Look at the data", key="look", on_change=session.touch)
    if unfolded.open:
        with unfolded:
            st.html(preview.page(config))


def widget(control: Control) -> None:
    """Draw the widget that fits the setting, and under it what is to be said of the present choice.

    What a link hides is not drawn; what it locks says so, a locked group once and not at each setting.
    """
    locks = session.current().locks
    if locks.hidden(control.path):
        return
    if locks.locked(control.path):
        control = replace(control, locked=True, notes=(*control.notes, links.REASON))
    _widget(control)
    if control.path in locks.lock or (control.locked and is_essential(control, control.config)):
        st.caption(links.REASON)
    elif control.forbidden:
        st.caption(" ".join(control.reasons))
    note = NOTES.get(control.path)
    if note is not None and (said := note(control.value)):
        st.caption(said)


def _widget(control: Control) -> None:
    kinds = [kind for kind in control.options if kind is not type(None)]
    if control.extra.get("file"):
        uploads.draw(control)
    elif schemes(control):
        _recipe(control)
    elif control.offered is not None:
        _select(control, _offered(control), control.value)
    elif bool in kinds and control.optional:
        given = "yes" if _preset(control) else "no"
        _select(control, {NOT_SET: f"Preset: {given}", True: "Yes", False: "No"}, control.value)
    elif bool in kinds:
        st.toggle(
            control.label,
            help=control.help,
            disabled=control.fixed,
            **tying.bind(control.path, control.value),
        )
    elif get_origin(kinds[0]) is Literal:
        choices = control.extra.get("choices", {})
        texts = {name: choices.get(name) or words(str(name)) for name in get_args(kinds[0])}
        _select(control, ({NOT_SET: "None"} if control.optional else {}) | texts, control.value)
    elif str in kinds:
        _text(control)
    else:
        _number(control)


def _offered(control: Control) -> dict[Any, str]:
    """What one's own file leaves to choose, the present value included though it may be of another file."""
    offered = {NOT_SET if value is None else value: words for value, words in (control.offered or {}).items()}
    present = NOT_SET if control.value is None else control.value
    return offered if present in offered else {present: f"{present} (not in this file)", **offered}


def _device_note(device: str) -> str:
    if device != "cuda" or shutil.which("nvidia-smi") or Path("/proc/driver/nvidia").exists():
        return ""
    return "No CUDA device can be seen on this machine; the run would fail here unless a worker elsewhere has one."


NOTES: Mapping[str, Callable[[Any], str]] = {
    "model.cell": lambda cell: CELLS[cell].note,
    "training.device": _device_note,
}


def _select(
    control: Control, texts: Mapping[Any, str], value: Any, read: Callable[[Any], Any] = lambda name: name
) -> None:
    """A choice by words; `NOT_SET` stands for None, which a selectbox would show as nothing chosen."""
    st.selectbox(
        control.label,
        list(texts),
        format_func=lambda name: texts.get(name, str(name)),
        help=control.help,
        disabled=control.fixed,
        **tying.bind(
            control.path,
            NOT_SET if value is None else value,
            read=lambda name: None if name == NOT_SET else read(name),
        ),
    )


def _text(control: Control) -> None:
    """A line to type; empty where the setting may be."""
    unset = None if control.optional else NOT_SET
    st.text_input(
        control.label,
        placeholder="empty" if control.optional else None,
        help=control.help,
        disabled=control.fixed,
        **tying.bind(control.path, control.value or NOT_SET, read=lambda text: text.strip() or unset),
    )


def _number(control: Control) -> None:
    if control.optional or control.fixed or control.look == "box":
        _box(control)
        return
    low, high = control.range
    if control.look == "slider":
        st.slider(
            control.label,
            low,
            high,
            step=type(low)(control.step),
            help=control.help,
            **tying.bind(control.path, control.value),
        )
        return
    with st.container(key=_css("ladder", control), horizontal=True, vertical_alignment="bottom", gap="small"):
        st.select_slider(
            control.label,
            sorted({*ladder(low, high), control.value}),
            format_func=lambda value: f"{value:.12g}",
            help=control.help,
            **tying.bind(control.path, control.value, "ladder"),
        )
        _box(control, label_visibility="collapsed", width=84)


def _box(control: Control, **look: Any) -> None:
    """A box to type the exact value; empty where the setting may be."""
    low, high = control.range
    whole = isinstance(low, int)
    st.number_input(
        control.label,
        low,
        high,
        step=1 if whole else control.step,
        format="%d" if whole else "%g",
        placeholder="empty" if control.optional else None,
        help=control.help,
        disabled=control.fixed,
        **tying.bind(control.path, control.value, "exact"),
        **look,
    )


def _recipe(control: Control) -> None:
    """A scheme, and under it the scheme's own settings."""
    given = _preset(control)
    unset = {NOT_SET: f"Preset: {words(given.scheme)}" if given is not None else "None"}
    if given is not None:
        control = replace(control, notes=(*control.notes, f"The preset says: {_in_words(given)}."))
    _select(
        control,
        (unset if control.optional else {}) | {name: words(name) for name in schemes(control)},
        control.value.scheme if control.value is not None else None,
        read=lambda name: {"scheme": name},
    )
    inner = settings_in(control.value, control.path, control.config) if control.value is not None else []
    if inner:
        with st.container(key=_css("scheme", control)):
            for part in inner:
                widget(part)


def _css(kind: str, control: Control) -> str:
    """A container's key, which the style sheet knows by its beginning."""
    return f"{kind}-{control.path.replace('.', '-')}"


def _preset(control: Control) -> Any:
    """What the chosen preset says about this part of the initialization."""
    return getattr(PRESETS[control.config.init.preset], control.path.split(".")[-1], None)


def _in_words(recipe: Any) -> str:
    """A scheme with its settings in a few words: «orthogonal, gain 1»."""
    said = [
        f"{control.label.lower()} {control.value}".removesuffix(".0")
        for control in settings_in(recipe, "", RunConfig())
        if control.value is not None
    ]
    return ", ".join([words(recipe.scheme), *said])
