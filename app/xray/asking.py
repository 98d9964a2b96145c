"""Which initializers the page shows side by side, and what was measured of each."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

from pydantic import ValidationError

from app import calculator, services
from app.figures.panel import layer_name
from app.figures.side import STYLES, Shown
from app.setting import own_data, settle
from app.setting.fields import Control
from lstm_core.config import RunConfig
from lstm_core.recipes import PRESET_TITLES
from lstm_core.xray import XRay, xray

OWN = "own"  # the settings of the Lab, whatever they are
USUAL = ("pytorch", "keras", "chrono")
NONE = "none"
READ = 200  # names in an address that are looked at
MOST = 6  # beside each other; with more nobody could tell them apart
LARGE = 128  # units beyond which it takes longer than a glance


@dataclass(frozen=True)
class Choice:
    """Names of initializers in the order in which they were chosen, and what could not be chosen."""

    names: tuple[str, ...]
    problems: tuple[str, ...] = ()


def chosen(written: str) -> Choice:
    """Read the names from an address, separated by commas; empty is the usual choice."""
    if not written:
        return Choice(USUAL)
    if written == NONE:
        return Choice(())
    names = list(dict.fromkeys(name.strip() for name in written.split(",", READ)[:READ] if name.strip()))
    known = [name for name in names if name in STYLES]
    problems = [
        f"“{name[:40]}” is no initializer; choose some of {', '.join(STYLES)}." for name in names if name not in STYLES
    ]
    if len(known) > MOST:
        left = ", ".join(title(name) for name in known[MOST:])
        problems.append(f"Of {len(known)} initializers the first {MOST} are shown, without {left}.")
    return Choice(tuple(known[:MOST]) or USUAL, tuple(settle.few(problems)))


def written(names: Sequence[str]) -> str | None:
    """The names for an address; nothing for the usual choice."""
    return None if tuple(names) == USUAL else ",".join(names) or NONE


def title(name: str) -> str:
    return "Settings of the Lab" if name == OWN else PRESET_TITLES[name]


def config_of(name: str, config: RunConfig) -> RunConfig:
    """The page's settings with this initializer and nothing of one's own beside it; raises `ValidationError`."""
    if name == OWN:
        return config
    return RunConfig.model_validate({**config.model_dump(), "init": {"preset": name}})


def layers(config: RunConfig) -> dict[str, str]:
    """Every layer and direction by its name, in words."""
    ends = ("fwd", "bwd") if config.model.bidirectional else ("fwd",)
    names = [f"l{number}.{end}" for number in range(config.model.num_layers) for end in ends]
    return {name: layer_name(name).capitalize() for name in names}


def layer(written: str, config: RunConfig) -> tuple[str, str]:
    """The layer of an address, by default the first, and a sentence where there is no such layer."""
    known = list(layers(config))
    if not written or written in known:
        return written or known[0], ""
    return known[0], f"There is no layer “{written[:40]}” in this network; choose one of {', '.join(known)}."


def measured(names: Sequence[str], config: RunConfig, layer: str) -> tuple[list[Shown], list[str]]:
    """What there is to show, and a sentence for each initializer that cannot be.

    Raises ValueError where the data cannot be made, `CalculatorError` where there is no answer.
    """
    shown, problems = [], []
    for name in names:
        try:
            own = config_of(name, config)
        except ValidationError as error:
            problems.append(f"{title(name)} is not shown. {' '.join(settle.in_words(error))}")
            continue
        shown.append(Shown(title(name), STYLES[name], _measured(own, layer)))
    return shown, problems


@lru_cache(maxsize=256)
def _measured(config: RunConfig, layer: str) -> XRay:
    files = (control.value for control in own_data.settings(config) if control.value is not None)
    brought = [data for file_id in files if (data := services.store().file(file_id)) is not None]
    return calculator.ask(xray, config, layer, brought)


def moves_time(control: Control) -> bool:
    """Whether a setting of the task decides how many time steps a sequence has."""
    kinds = [option for kind in control.options for option in get_args(kind)]
    others = kinds or ([control.value + 1, control.value - 1] if type(control.value) is int else [])
    for other in others:
        with contextlib.suppress(ValidationError):
            if control.config.replace(**{control.path: other}).task.time_steps != control.config.task.time_steps:
                return True
    return False
