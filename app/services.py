"""The run store and the engine of this process: made when first asked for, shared by every page and route."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from app import calculator
from lstm_core import files, logs
from lstm_core.config import RunConfig
from lstm_core.runs.records import RunNotFound
from lstm_core.runs.statistics import Statistics
from lstm_core.runs.store import RunStore

if TYPE_CHECKING:
    from lstm_core.runs.engine import Engine

EXAMPLE = "Example: recall with chrono"
PAGE_FIRST = 1.0  # seconds for a browser to open the page before the workers want all processors for their imports
WARM_AFTER = 20.0  # seconds until the calculating process is started though the workers are not up yet
BEGUN_WITHIN = 20.0  # seconds for the first run of a new store to begin, until nothing is drawn ahead
LOOK_AGAIN = 0.5  # seconds between two looks whether it has
EXAMPLE_SETTINGS = {"init": {"preset": "chrono"}, "training": {"steps": 300}}

_log = logging.getLogger("lstm-lab")
_lock = threading.RLock()
_store: RunStore | None = None
_engine: Engine | None = None
_example: str | None = None


def store() -> RunStore:
    """The store of this process; raises StoreError, with what to do, where it cannot be opened."""
    global _store
    with _lock:
        if _store is None:
            _store = RunStore()
            files.look_in(_store.file)
            _log.info("The run store is open.")
        return _store


def shows_only() -> bool:
    """Whether LSTM_LAB_WORKERS is 0: this server trains nothing, another one on the same store does."""
    return os.environ.get("LSTM_LAB_WORKERS") == "0"


def engine() -> Engine:
    """The engine of this process, not necessarily started."""
    global _engine
    with _lock:
        if _engine is None:
            from lstm_core.runs.engine import Engine

            logs.gather()  # Dask has just been loaded
            _engine = Engine(store())
        return _engine


def poke() -> None:
    """Let the engine look at the store at once, where this process has one."""
    if not shows_only():
        with contextlib.suppress(ValueError):  # a setting that cannot be, of which `start` has told
            engine().poke()


def statistics() -> Statistics:
    """What the engine of this process has done; nothing where it has none."""
    return _engine.statistics if _engine is not None else Statistics()


def engine_ready() -> bool:
    """Whether runs are worked on at once; never waits and never makes an engine."""
    return shows_only() or (_engine is not None and _engine.ready)


def ensure_example() -> str | None:
    """On an empty store, begin the run that a first visitor finds on the page; returns its id."""
    global _example
    with _lock:
        if not store().list(limit=1):
            _example = store().create(RunConfig.model_validate(EXAMPLE_SETTINGS))
            store().rename(_example, EXAMPLE)
        return example_run_id()


def example_run_id() -> str | None:
    """The run to show to someone who asked for none: the example, else the newest with something to see."""
    global _example
    with _lock:
        if _example is not None:
            try:
                return store().get(_example).id
            except RunNotFound:
                pass
        runs = store().list()
        _example = next((run.id for run in runs if run.name == EXAMPLE), None)
        return _example or next((run.id for run in runs if run.step >= 0), None)


def start(closing: threading.Event | None = None) -> None:
    """Open the store, begin the example if there is nothing else, start the workers. Blocks for seconds.

    With `closing` the first page has a moment before the workers do; if that is set meanwhile none are started.
    """
    try:
        ensure_example()
        if closing is not None and closing.wait(PAGE_FIRST):
            return
        if not shows_only():
            engine().start()
        threading.Thread(target=_warm, args=(_engine, _store), daemon=True, name="warm").start()
        _log.info("The training processes start." if not shows_only() else "This server shows what others train.")
    except Exception as error:
        # The page opens all the same and says that nothing trains; the reason belongs to whoever started it.
        _log.error("The training processes could not be started: %s", error)


def _warm(engine: Engine | None, opened: RunStore | None) -> None:
    """Start the calculating process, after the workers: without them nothing trains, and there may be two cores.

    Then draw the figures of a run once: the first to press Train does not wait for their library.
    """
    if engine is not None:
        engine.wait(WARM_AFTER)
    if engine is not _engine or opened is not _store:
        return  # all was closed meanwhile
    calculator.warm()
    with contextlib.suppress(Exception):  # whoever asks for that run is told what is wrong with it
        _draw_once(opened)


def _draw_once(opened: RunStore | None) -> None:
    """Draw the figures of a run that a worker has described, if there is one soon."""
    until = time.monotonic() + BEGUN_WITHIN
    while opened is not None and opened is _store and time.monotonic() < until:
        described = next((run.about for run in opened.list(limit=8) if run.about is not None), None)
        if described is not None:
            from app.figures import specs  # plotly takes a while to import

            specs(described)
            return
        time.sleep(LOOK_AGAIN)


def close() -> None:
    """Stop the workers and let go of the store; both are made again when next asked for."""
    global _engine, _store, _example
    with _lock:
        old_engine, old_store, _engine, _store, _example = _engine, _store, None, None, None
    calculator.close()
    if old_engine is not None:
        old_engine.close()
    if old_store is not None:
        old_store.close()
