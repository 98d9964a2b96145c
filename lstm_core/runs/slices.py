"""One slice of a run, what a worker executes: take the lease, go on from the checkpoint, write, give it back.

A run is a chain of slices, so that many runs share few workers and any of them may die at any time: the next slice
continues from the last checkpoint, takes back what was recorded after it and draws the same curve again.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch

from lstm_core import files
from lstm_core.config import Override, RunConfig
from lstm_core.runs import kept, telemetry
from lstm_core.runs.failures import in_words, keeps_dying
from lstm_core.runs.forking import NotWanted
from lstm_core.runs.heartbeat import alive
from lstm_core.runs.holder import this_process
from lstm_core.runs.leaving import at_work, is_leaving
from lstm_core.runs.limits import time_is_up
from lstm_core.runs.memory import give_back
from lstm_core.runs.patience import patiently
from lstm_core.runs.queue import ALONE, slice_seconds
from lstm_core.runs.records import OVER, Lease, LeaseLost, RunNotFound, Status, StoreError, Wishes
from lstm_core.runs.store import RunStore
from lstm_core.training import NonFinite, Snapshot, Step, train

LOOK = 0.025  # seconds between two looks at what is wished: a pause shall hold at once
FLUSH = 0.05  # seconds between two writes of what was measured
CHECKPOINT = 2.0  # seconds of work that a crash may cost
WORTH = 10  # times as long as keeping the state took, where that is more: a large one takes a second
HELD_UP = 3  # times as long as its slice may a run take by the clock
ATTEMPTS = 3  # deaths without a slice that was survived in between before a run is given up


@dataclass(frozen=True)
class SliceResult:
    """What became of a slice: the run's status after it, None where the run was not there to be taken.

    With the steps that it trained and the seconds that it took.
    """

    run_id: str
    status: Status | None
    steps: int = 0
    seconds: float = 0.0


@at_work()
def run_slice(
    url: str, run_id: str, *, seconds: float | None = None, longest: float = ALONE, most: float = math.inf
) -> SliceResult:
    """Work on a run for about `seconds`, or up to `longest` while nobody else waits.

    Without `seconds` for as long as `slice_seconds` says: the shorter, the more others wait. Somebody's run is stopped
    when it was trained for `most` seconds in all.
    """
    began = time.monotonic()
    if is_leaving():
        return SliceResult(run_id, None)
    store, steps = opened(url), 0

    def count(_: Step) -> None:
        nonlocal steps
        steps += 1

    try:
        lease = store.acquire(run_id, this_process())
        status = work(store, lease, seconds=seconds, longest=longest, most=most, watch=count) if lease else None
    except LeaseLost:
        status = None
    return SliceResult(run_id, status, steps, time.monotonic() - began)


def work(
    store: RunStore,
    lease: Lease,
    *,
    seconds: float | None = None,
    longest: float = ALONE,
    most: float = math.inf,
    watch: Callable[[Step], None] | None = None,
) -> Status:
    """Work under a lease and release it; returns the run's status. `watch` is shown every step.

    Whatever goes wrong in the training ends the run with an explanation in the store. Raises only LeaseLost, and
    StoreError where the store itself cannot be used for long.
    """
    torch.set_num_threads(1)
    files.look_in(store.file)
    if lease.attempts > ATTEMPTS:
        return patiently(store.release, lease, "failed", keeps_dying(ATTEMPTS, lease.step))
    task: _Work | None = None
    try:
        with alive(store, lease):
            task = _Work(store, lease, watch, math.inf if lease.owner is None else most)
            status = task.go(seconds, longest)
    except NotWanted:
        return patiently(store.release, lease, "queued")
    except StoreError:
        raise
    except Exception as error:
        step = lease.step
        if task is not None:
            task.flush()
            step = task.state.step
            if isinstance(error, NonFinite):
                task.checkpoint()  # its weights are still good, and show what was about to break
        return patiently(store.release, lease, "failed", in_words(error, step))
    said = time_is_up(task.worked, task.state.step - 1) if task.spent else None
    status = patiently(store.release, lease, status, said, train_seconds=task.worked)
    if status not in OVER:
        kept.keep(lease, task.state, task.size)
    else:
        del task
        give_back()
    return status


class _Work:
    """A slice in progress: the live state, and what is measured but not yet written."""

    def __init__(self, store: RunStore, lease: Lease, watch: Callable[[Step], None] | None, most: float) -> None:
        self.store, self.lease, self.watch, self.most = store, lease, watch, most
        self.config = RunConfig.model_validate(lease.config)
        self.state, self.seq = patiently(kept.state_of, store, lease, self.config)
        self.size, self.keeping = 0, 0.0
        self.steps: list[Step] = []
        self.since = 0.0  # when the first of the steps was measured
        self.snapshots: list[Snapshot] = []
        self.pictured = -1
        self.stamp: tuple[int, int] | None = None  # of the store, when it was asked last
        self.spent = False  # whether the run has had all the time that it may have
        if not lease.described:
            patiently(store.describe, lease, self.state.about)
        self.began = self.saved = time.monotonic()
        self.processor = time.thread_time()
        self.pace = deque([(self.began, self.state.step)])

    @property
    def worked(self) -> float:
        """Seconds of training in the whole run up to now."""
        return self.lease.train_seconds + time.monotonic() - self.began

    def go(self, seconds: float | None, longest: float) -> Status:
        """Train until the run is over, is not wanted any more or the slice's time is up."""
        overrides = patiently(self.store.overrides, self.lease.run_id)
        wishes = patiently(self.store.wishes, self.lease)
        ended = False
        while not ended:
            overrides = self.grant(wishes, overrides)
            if self.state.reopen(overrides):
                patiently(self.store.rewind, self.lease, self.state.step)
            ended, wishes = self.follow(wishes, overrides, seconds, longest)
        a_second_more = int(self.worked) > int(self.lease.train_seconds)
        self.checkpoint(keep=a_second_more or not wishes.others_waiting or self.state.over)
        if self.state.over:
            return "finished"
        waits = wishes.others_waiting or wishes.desired != "running" or is_leaving()
        return "queued" if waits else "running"

    def grant(self, wishes: Wishes, overrides: list[Override]) -> list[Override]:
        """Let requested changes take effect at the next step; returns all changes of the run.

        Where steps are drawn again after a crash a change waits for those of the same setting that were asked for
        before it, or they would put it out of effect.
        """
        if not wishes.requests:
            return overrides
        step = self.state.step - 1 if self.state.over else self.state.step
        for request in wishes.requests:
            before = [o.step for o in overrides if o.field == request.field]
            patiently(self.store.apply_override, self.lease, request.id, max([step, *before]))
        return patiently(self.store.overrides, self.lease.run_id)

    def follow(
        self, wishes: Wishes, overrides: list[Override], seconds: float | None, longest: float
    ) -> tuple[bool, Wishes]:
        """Train as wished until the wishes change; returns whether the slice is over, and the new wishes."""
        until = wishes.target
        if wishes.desired != "running":
            if self.pictured == self.state.step - 1:
                return True, wishes
            until = self.state.step  # one step more, for a picture of the step that it rests at
        look = time.monotonic() + (LOOK if self.state.step else 0.0)
        write, new = look, wishes
        for item in train(self.config, self.state, until=until, overrides=overrides):
            if isinstance(item, Snapshot):
                self.snapshots.append(item)
                continue
            if not self.steps:
                self.since = time.time()
            self.steps.append(item)
            if self.watch:
                self.watch(item)
            now = time.monotonic()
            if now < look:
                continue
            if now >= write:
                new, write = self.flush() or new, now + FLUSH
            else:
                new = self.asked(new)
            if now - self.saved > max(CHECKPOINT, WORTH * self.keeping):
                self.checkpoint()
            if new.requests or (new.desired, new.target) != (wishes.desired, wishes.target):
                return False, new
            if self.worked > self.most:
                self.spent = True
                with contextlib.suppress(RunNotFound):
                    patiently(self.store.desire, self.lease.run_id, "stopped")
                return True, patiently(self.store.wishes, self.lease)
            if is_leaving() or self.taken(seconds) > self.allowed(new, seconds, longest):
                return True, new
            look = time.monotonic() + LOOK
        return True, patiently(self.store.wishes, self.lease)

    def taken(self, seconds: float | None) -> float:
        """Seconds of this slice; where it is not told how many it has, those in which the processor was its own.

        Else who is held up by pages and other programs would have fewer steps of the same slice than others. What
        waits for something else is over after a while all the same.
        """
        passed = time.monotonic() - self.began
        return passed if seconds is not None else max(time.thread_time() - self.processor, passed / HELD_UP)

    def allowed(self, wishes: Wishes, seconds: float | None, longest: float) -> float:
        """Seconds that the slice may take with so many others waiting."""
        if not wishes.others_waiting:
            return longest
        first = self.lease.step < 0
        return slice_seconds(wishes.others_waiting, wishes.running, first) if seconds is None else seconds

    def asked(self, known: Wishes) -> Wishes:
        """What is wanted now; `known` where nothing was written anywhere since that was asked for."""
        stamp = self.store.stamp()
        if stamp is not None and stamp == self.stamp:
            return known
        self.stamp = stamp
        return patiently(self.store.wishes, self.lease)

    def flush(self) -> Wishes | None:
        """Write what is measured, one scalars frame and the frames of each snapshot; returns what is wanted now.

        None where there is nothing to write.
        """
        if not self.steps:
            return None
        first, last = self.steps[0].step, self.steps[-1].step
        table = telemetry.table([(item.step, item.scalars) for item in self.steps])
        self.seq += 1
        encoded = [telemetry.encode("scalars", table, self.seq, first, last, made=self.since)]
        for snapshot in self.snapshots:
            self.pictured = snapshot.step
            for index, arrays in enumerate([snapshot.arrays, *snapshot.samples]):
                kind, sample = ("sample", index - 1) if index else ("snapshot", None)
                self.seq += 1
                encoded.append(telemetry.encode(kind, arrays, self.seq, snapshot.step, snapshot.step, sample))
        speed = self._speed(last + 1)
        wishes = patiently(self.store.report, self.lease, encoded, step=last, speed=speed, train_seconds=self.worked)
        self.steps, self.snapshots = [], []
        self.stamp = self.store.stamp()  # whoever wrote in between is heard at the next flush
        return wishes

    def checkpoint(self, keep: bool = True) -> None:
        """Write everything measured and the state that belongs to it, and `keep` it beside later ones."""
        self.flush()
        begun = time.monotonic()
        data = self.state.dump()
        patiently(self.store.checkpoint, self.lease, self.state.step, data)
        if keep:
            patiently(self.store.keep_state, self.lease, self.state.step, data)
        self.saved, self.size = time.monotonic(), len(data)
        self.keeping = self.saved - begun

    def _speed(self, step: int) -> float | None:
        """Steps per second over about the last second."""
        now = time.monotonic()
        self.pace.append((now, step))
        while len(self.pace) > 2 and now - self.pace[1][0] > 1:
            self.pace.popleft()
        since, before = self.pace[0]
        elapsed = now - since
        return (step - before) / elapsed if elapsed > FLUSH else None


@lru_cache(maxsize=4)
def opened(url: str) -> RunStore:
    return RunStore(url)
