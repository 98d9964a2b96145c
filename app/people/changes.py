"""Every change of a run or a race that a page makes: nothing else in `app` writes them. Each asks first who it is.

What is begun belongs to whoever begins it. All functions raise StoreError in words: `owning.NotYours` for what belongs
to someone else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from types import MappingProxyType

from app import services
from app.people import owning, signing
from lstm_core.config import RunConfig
from lstm_core.race_plan import Plan
from lstm_core.runs.records import OVER, Desired, RunNotFound

ASKED: Mapping[Desired, str] = MappingProxyType({"running": "resume", "paused": "pause", "stopped": "stop"})


def begin(config: RunConfig, *, parent: str | None = None, target: int | None = None, name: str | None = None) -> str:
    """A new run; returns its id."""
    signing.check()
    run_id = services.store().create(config, owner=owning.identity().owner, parent=parent, target=target)
    if name is not None:
        services.store().rename(run_id, name)
    services.poke()
    return run_id


def fork(run_id: str, step: int, config: RunConfig) -> str:
    """A new run that goes on from a step of anybody's; returns its id."""
    signing.check()
    made = services.store().fork(run_id, step, config, owner=owning.identity().owner)
    services.poke()
    return made


def begin_race(plan: Plan) -> str:
    """A new race; returns its id."""
    signing.check()
    race_id = services.store().create_race(plan, owning.identity().owner)
    services.poke()
    return race_id


def desire(run_id: str, desired: Desired, target: int | None = None) -> None:
    """Let a run go on, hold it or end it."""
    if desired == "running":
        signing.check()
    _mine(run_id, ASKED[desired])
    services.store().desire(run_id, desired, target)
    services.poke()


def extend(run_id: str, steps: int) -> None:
    """Let a run have so many steps in all."""
    signing.check()
    _mine(run_id, "extend")
    services.store().extend(run_id, steps)
    services.poke()


def override(run_id: str, field: str, value: float | str) -> None:
    """Another learning rate or clipping from the next step on."""
    _mine(run_id, "override")
    services.store().request_override(run_id, field, value)


def rename(run_id: str, name: str) -> None:
    _mine(run_id, "rename")
    services.store().rename(run_id, name)


def pin(run_id: str, pinned: bool) -> None:
    """Keep a run whole when the store needs room, or no longer."""
    _mine(run_id, "pin")
    services.store().pin(run_id, pinned)


def delete(run_id: str) -> None:
    """Throw a run away, to be had back for a day."""
    _mine(run_id, "delete")
    services.store().delete(run_id)
    services.poke()


def restore(run_id: str) -> None:
    """Take back what was thrown away."""
    owning.check("restore", run_id, services.store().thrown_owner(run_id))
    services.store().restore(run_id)


def remove(run_id: str) -> None:
    """Remove for good what was thrown away."""
    owning.check("remove", run_id, services.store().thrown_owner(run_id))
    services.store().remove(run_id)


def stop_race(race_id: str) -> None:
    """End every run of a race that is not over."""
    _my_race(race_id, "stop")
    services.store().stop_race(race_id)
    services.poke()


def add_seeds(race_id: str, count: int) -> None:
    """Begin more runs of every value of a race."""
    signing.check()
    _my_race(race_id, "add seeds")
    services.store().add_seeds(race_id, count)
    services.poke()


def delete_race(race_id: str) -> None:
    """Remove a race and throw its runs away."""
    _my_race(race_id, "delete")
    services.store().delete_race(race_id)
    services.poke()


def stop_everything() -> int:
    """End every run that is not over, whosever it is, as a teacher may; returns how many those were."""
    owning.check_teacher("stop everything")
    store = services.store()
    going = [entry for entry in store.entries() if entry.deleted is None and entry.status not in OVER]
    for entry in going:
        with contextlib.suppress(RunNotFound):  # deleted at this very moment
            store.desire(entry.id, "stopped")
    services.poke()
    return len(going)


def _mine(run_id: str, what: str) -> None:
    owning.check(what, run_id, services.store().get(run_id).owner)


def _my_race(race_id: str, what: str) -> None:
    owning.check(what, race_id, services.store().race(race_id).owner, "race")
