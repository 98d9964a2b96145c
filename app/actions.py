"""What the buttons do: each action leaves a wish in the store, for a worker to find. None of them waits for it.

Whose run it is, `changes` asks before it writes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from app import services, session
from app.people import changes, owning
from app.plain import apart
from app.setting import branching, links, own_data
from app.setting.settle import in_words
from lstm_core.config import RunConfig, TrainingConfig
from lstm_core.files import FileProblem
from lstm_core.runs.records import CHANGEABLE, OVER, Run, StoreError

MOST = 2**31 - 1  # steps that a run may count


def perform(action: Mapping[str, Any]) -> None:
    """Carry out what a button of the page or the board asks for; what cannot be done is said on the page.

    `action` is {"name": …, "run": id} and, for some, "n" (steps), "step" (a place in the run), "field" and "value".
    """
    session.touch()
    known = ACTIONS.get(str(action.get("name")))
    try:
        if known is not None:
            known(action)
    except ValidationError as error:
        session.say(in_words(error))
    except (StoreError, FileProblem) as error:
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
    session.check_locks(config)
    own_data.check(config)
    run_id = changes.begin(config, parent=parent.id if parent else None, target=target)
    settings = session.current().config
    untouched = parent is None or settings == session.settings_of(parent)
    session.follow(run_id, config if untouched else settings)


def _pause(action: Mapping[str, Any]) -> None:
    run = _own(action)
    if run.status not in OVER:
        changes.desire(run.id, "paused")


def _resume(action: Mapping[str, Any]) -> None:
    run = _own(action)
    again = run.status == "stopped" or bool(run.error and run.error.get("again"))
    if run.status in OVER and not again:
        raise StoreError(f"This run is {run.status}; press Same weights to run it again from its first step.")
    changes.desire(run.id, "running")


def _extend(action: Mapping[str, Any]) -> None:
    """More steps for a run that has reached its end: as many again as it was set to, and straight on."""
    run = _own(action)
    _check_unlocked("training.steps")
    if session.first_press(f"extend {run.id}"):
        changes.extend(run.id, run.step + int(run.config["training"]["steps"]))


def _step(action: Mapping[str, Any]) -> None:
    """So many steps further, then pause; a second press before they are done adds to them.

    They end with the run; pressed at its end, they put that off.
    """
    run = _own(action)
    if run.status in ("stopped", "failed"):
        raise StoreError(f"This run is {run.status}: there is no step left to take. Press Same weights to begin again.")
    count = _whole(action, "n") or 1
    waiting = run.target if run.desired == "running" and run.target is not None else run.step
    here = run.step if run.status == "finished" else max(run.step, waiting)
    if run.status == "finished" or here >= run.steps:
        _check_unlocked("training.steps")
        changes.extend(run.id, here + count)
        changes.desire(run.id, "running", target=here + count)
    else:
        changes.desire(run.id, "running", target=min(here + count, run.steps))


def _stop(action: Mapping[str, Any]) -> None:
    run = _own(action)
    if run.status not in OVER:
        changes.desire(run.id, "stopped")


def _override(action: Mapping[str, Any]) -> None:
    """Another learning rate or clipping from the next step on; the value must be one the settings would take."""
    run, name, value = _own(action), str(action.get("field")), action.get("value")
    if name not in CHANGEABLE:
        raise StoreError(f"{name[:60]} cannot be changed in mid-run; change it in the sidebar and press Train.")
    if run.status in OVER:
        raise StoreError(f"This run is {run.status}: change the setting in the sidebar and press Train.")
    _check_unlocked(f"training.{name}")
    checked = TrainingConfig.model_validate(run.config["training"] | {name: value})
    changes.override(run.id, name, getattr(checked, name))


def _fork(action: Mapping[str, Any]) -> None:
    """A new run that goes on from a step of this one, with the settings of the sidebar."""
    run = _run(action)
    place = _whole(action, "step")
    step = run.step if place is None else place
    config, notes = branching.fork(session.current().config, session.settings_of(run), step)
    session.check_locks(config)
    if not session.first_press("fork"):
        return
    run_id = changes.fork(run.id, step, config)
    session.follow(run_id, config)
    session.say(notes)


def _weights(action: Mapping[str, Any]) -> None:
    """Let the next run begin with the weights that this one has now."""
    run = _run(action)
    store = services.store()
    file = store.keep_file(branching.file_name(run), store.weights(run.id), "weights")
    config, notes = branching.start(session.current().config, session.settings_of(run), file)
    title = apart(run.name) if run.name else session.settings_of(run).title
    session.check_locks(config)
    session.use(config, [*notes, f"Train now begins with the weights that “{title}” has at step {max(run.step, 0)}."])


def _try(action: Mapping[str, Any]) -> None:
    """A new run with this one's settings but for those of an experiment that was proposed."""
    changes = action.get("settings")
    config = session.settings_of(_run(action))
    _begin(action, config.replaced(changes) if isinstance(changes, Mapping) else config)


def _rename(action: Mapping[str, Any]) -> None:
    changes.rename(_own(action).id, str(action.get("value") or ""))


def _pin(action: Mapping[str, Any]) -> None:
    """Let the run stay as it is when the store needs room."""
    changes.pin(_own(action).id, True)


def _unpin(action: Mapping[str, Any]) -> None:
    changes.pin(_own(action).id, False)


def _delete(action: Mapping[str, Any]) -> None:
    """Throw the run away; who looks at it looks at the example then."""
    run = _own(action)
    changes.delete(run.id)
    session.let_go_of(run.id)


def _restore(action: Mapping[str, Any]) -> None:
    changes.restore(str(action.get("run") or ""))


def _remove(action: Mapping[str, Any]) -> None:
    """Remove for good what was thrown away."""
    changes.remove(str(action.get("run") or ""))


def _own(action: Mapping[str, Any]) -> Run:
    """The run that is to be changed; raises StoreError for one that belongs to someone else or is only watched."""
    run = services.store().get(str(action.get("run") or ""))
    owning.check(str(action["name"]), run.id, run.owner)
    return _run(action)


def _run(action: Mapping[str, Any]) -> Run:
    """The run that is acted on, whosever it is; raises StoreError for one that is only watched."""
    run_id, here = str(action.get("run") or ""), session.current()
    if here.watching and run_id == here.run:
        raise StoreError("This run is to look at only. Make a copy with these settings to train one of your own.")
    return services.store().get(run_id)


def _whole(action: Mapping[str, Any], name: str) -> int | None:
    """A whole number that a button gave; None for what is none, or larger than any number of steps."""
    value = action.get(name)
    return value if isinstance(value, int) and 0 <= value <= MOST else None


def _check_unlocked(path: str) -> None:
    if session.current().locks.locked(path):
        raise StoreError(f"{links.titles()[path]} stays as it is: locked by the link.")


ACTIONS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "train": _train,
    "pause": _pause,
    "resume": _resume,
    "extend": _extend,
    "step": _step,
    "stop": _stop,
    "rewind": _rewind,
    "reseed": _reseed,
    "override": _override,
    "fork": _fork,
    "weights": _weights,
    "try": _try,
    "rename": _rename,
    "pin": _pin,
    "unpin": _unpin,
    "delete": _delete,
    "restore": _restore,
    "remove": _remove,
}
