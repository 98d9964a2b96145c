"""A run trained in this process, with a progress bar, until it is over or paused."""

from __future__ import annotations

import math
import os
import signal
import sys
from typing import TYPE_CHECKING

from tqdm import tqdm

from lstm_core.config import RunConfig
from lstm_core.runs.holder import this_process
from lstm_core.runs.leaving import is_leaving, leave
from lstm_core.runs.records import Lease, Run
from lstm_core.runs.store import RunStore
from lstm_core.tasks import TASKS
from lstm_core.terminal.output import Patient, complain, figures, tell

if TYPE_CHECKING:
    from lstm_core.training import Step


def train_here(store: RunStore, run_id: str, address: str | None) -> int:
    """Train a run and tell what became of it; returns the exit code, 1 where it failed or cannot be had.

    Raises ValidationError for settings that no run can have any more.
    """
    title = RunConfig.model_validate(store.get(run_id).config).title  # settings of an older version may not stand
    lease = store.acquire(run_id, this_process(), claim=True)
    if lease is None:
        complain(_not_free(store.get(run_id)))
        return 1
    tell(f"{title}\nWatch it live: {_link(run_id, address)}")
    with _Progress(store, lease) as progress:
        from lstm_core.runs.slices import work

        try:
            status = work(store, lease, seconds=math.inf, longest=math.inf, watch=progress)
        except KeyboardInterrupt:
            complain("Ended at once; what came after the last checkpoint will be trained again.")
            return 130
    run = store.get(run_id)
    if told := figures(progress.numbers):
        tell(told)
    if status == "failed":
        complain(in_words(run))
        return 1
    if status == "finished":
        tell(f"Finished step {run.step} in {run.train_seconds:.1f} s.")
    elif is_leaving():
        tell(f"Given back at step {run.step}. A server goes on with it, or: python -m lstm_core resume {run_id}")
        return 128 + signal.SIGTERM
    else:
        tell(f"{status.capitalize()} at step {run.step}. Go on with: python -m lstm_core resume {run_id}")
    return 0


def in_words(run: Run) -> str:
    """Why a run failed, and what to do; empty for one that did not."""
    error = run.error or {}
    return "\n".join(str(error[part]) for part in ("what", "why", "remedy") if error.get(part))


def _not_free(run: Run) -> str:
    if run.status == "finished":
        return f"Run {run.id} is finished. For more steps: python -m lstm_core resume {run.id} --steps {2 * run.steps}"
    where = f" in another process ({run.lease_holder}), up to step {run.steps}" if run.lease_holder else ""
    return f"Run {run.id} is {run.status}{where}."


def _link(run_id: str, address: str | None) -> str:
    address = address or os.environ.get("LSTM_LAB_ADDRESS") or "http://127.0.0.1:8501"
    return f"{address if '://' in address else 'http://' + address}/?run={run_id}".replace("//?", "/?")


class _Progress:
    """Shows each step on a bar, and turns Ctrl-C into the wish to pause; a second Ctrl-C ends at once.

    SIGTERM lets the run be given back, for a server to go on with; a second one ends at once, too.
    `numbers` are the newest figures of every part that was measured.
    """

    def __init__(self, store: RunStore, lease: Lease) -> None:
        self._store, self._lease = store, lease
        metric = TASKS[lease.config["task"]["name"]].metric
        self._shown = ("loss/train", f"{metric}/train", f"{metric}/val")
        self._interrupted = False
        self.numbers: dict[str, float] = {}

    def __enter__(self) -> _Progress:
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        self._before_term = signal.signal(signal.SIGTERM, self._terminate)
        first = max(self._lease.step + 1, self._lease.fork_step or 0)
        steps = self._store.get(self._lease.run_id).steps
        self._bar = tqdm(total=steps + 1, initial=first, unit="step", dynamic_ncols=True, file=Patient(sys.stderr))
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        signal.signal(signal.SIGINT, self._before)
        signal.signal(signal.SIGTERM, self._before_term)

    def __call__(self, step: Step) -> None:
        measured = ("/train", "/val", "/test", "best/step")
        self.numbers |= {name: value for name, value in step.scalars.items() if name.endswith(measured)}
        shown = (f"{_short(name)} {self.numbers[name]:.4f}" for name in self._shown if name in self.numbers)
        self._bar.set_postfix_str(", ".join(shown), refresh=False)
        self._bar.update(step.step + 1 - self._bar.n)
        if self._interrupted:
            self._interrupted = False
            self._store.desire(self._lease.run_id, "paused")

    def _interrupt(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        self._interrupted = True

    def _terminate(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before_term)
        leave()


def _short(name: str) -> str:
    """«loss/train» as «loss», «bits/val» as «val bits»."""
    what, part = name.split("/")
    return what if part == "train" else f"{part} {what}"
