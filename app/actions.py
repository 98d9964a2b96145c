"""What the buttons do: each action writes a wish into the store, for a worker to find. None of them waits for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from app import services, session
from lstm_core.config import RunConfig, TrainingConfig, explain
from lstm_core.runs.records import Run, StoreError

OVERRIDABLE = ("learning_rate", "clip", "clip_threshold")
OVER = ("finished", "stopped", "failed")


def perform(action: Mapping[str, Any]) -> None:
    """Carry out what a button of the page or the board asks for; what cannot be done is said on the page.

    `action` is {"name": …, "run": id} and, for some, "n" (steps), "field" and "value".
    """
    known = ACTIONS.get(str(action.get("name")))
    try:
        if known is not None:
            known(action)
    except ValidationError as error:
        session.say(explain(error))
    except StoreError as error:
        session.say([str(error)])


def train() -> None:
    """Begin a run with the settings of the sidebar."""
    perform({"name": "train"})


def _train(action: Mapping[str, Any]) -> None:
    _begin(action, session.current().config)


def _rewind(action: Mapping[str, Any]) -> None:
    """The same settings and seed, so the same first weights: measured once, then waiting before the first update."""
    run = _run(action)
    _begin(action, session.settings_of(run), run, target=0)


def _reseed(action: Mapping[str, Any]) -> None:
    """The same settings with the next seed: other first weights, other data."""
    run = _run(action)
    config = session.settings_of(run)
    _begin(action, config.replace(**{"training.seed": (config.training.seed + 1) % 2**31}), run)


def _begin(action: Mapping[str, Any], config: RunConfig, parent: Run | None = None, target: int | None = None) -> None:
    if not session.first_press(str(action["name"])):
        return
    store = services.store()
    run_id = store.create(config, parent=parent.id if parent else None, target=target)
    _poke()
    settings = session.current().config
    untouched = parent is None or settings == session.settings_of(parent)
    session.follow(run_id, config if untouched else settings)


def _pause(action: Mapping[str, Any]) -> None:
    run = _run(action)
    if run.status not in OVER:
        services.store().desire(run.id, "paused")


def _resume(action: Mapping[str, Any]) -> None:
    run = _run(action)
    if run.status in OVER and run.status != "stopped":
        raise StoreError(f"This run is {run.status}; press Same weights to run it again from its first step.")
    services.store().desire(run.id, "running")
    _poke()


def _step(action: Mapping[str, Any]) -> None:
    """So many steps further, then pause; a second press before they are done adds to them."""
    run = _run(action)
    if run.status in OVER:
        raise StoreError(f"This run is {run.status}: there is no step left to take. Press Same weights to begin again.")
    waiting = run.target if run.desired == "running" and run.target is not None else run.step
    count = action.get("n")
    target = min(max(run.step, waiting) + (count if isinstance(count, int) and count > 0 else 1), run.steps)
    services.store().desire(run.id, "running", target=target)
    _poke()


def _stop(action: Mapping[str, Any]) -> None:
    run = _run(action)
    if run.status not in OVER:
        services.store().desire(run.id, "stopped")
        _poke()


def _override(action: Mapping[str, Any]) -> None:
    """Another learning rate or clipping from the next step on; the value must be one the settings would take."""
    run, name, value = _run(action), str(action.get("field")), action.get("value")
    if name not in OVERRIDABLE:
        raise StoreError(f"{name} cannot be changed in mid-run; change it in the sidebar and press Train.")
    if run.status in OVER:
        raise StoreError(f"This run is {run.status}: change the setting in the sidebar and press Train.")
    checked = TrainingConfig.model_validate(run.config["training"] | {name: value})
    services.store().request_override(run.id, name, getattr(checked, name))


def _run(action: Mapping[str, Any]) -> Run:
    return services.store().get(str(action.get("run") or ""))


def _poke() -> None:
    services.engine().poke()


ACTIONS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "train": _train,
    "pause": _pause,
    "resume": _resume,
    "step": _step,
    "stop": _stop,
    "rewind": _rewind,
    "reseed": _reseed,
    "override": _override,
}
