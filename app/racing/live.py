"""A race as it goes on, read once for everyone who looks.

Whoever asks gets the same bytes, made at most twice a second; of every run only what is new is read from the store.
They are a frame of arrays: `x` (P,) the steps that the points stand for, and for each quantity (`loss`, `metric`)
`<quantity>` (runs, P) and `<quantity>/band` (values, 3, P) with median, least and greatest; `about` is JSON as bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors.numpy import save

from lstm_core.race_plan import Plan
from lstm_core.race_results import (
    POINTS,
    SHARES,
    WINDOW,
    Array,
    RunResult,
    Spread,
    Tally,
    ValueResult,
    band,
    by_value,
    gradient_ratio,
    places,
    stretch,
)
from lstm_core.runs.races import Race, Runner
from lstm_core.runs.records import OVER
from lstm_core.runs.store import RunStore
from lstm_core.runs.telemetry import decode

GRADIENT = "gradient/l0.fwd.h"  # of the first layer, forward
FRESH = 0.5  # seconds for which an answer is not made again
PACES, SURE = 60, 3.0  # answers, and seconds at least, over which the pace of a race is measured
LOOK = 2.0  # seconds between two looks at the newest snapshot of a run that goes on


@dataclass
class Followed:
    """One run of a race: how far it was read, and what was found."""

    tally: Tally
    revision: int
    seq: int = -1
    before: float | None = None
    after: float | None = None
    looked: float = float("-inf")
    ended: bool = False


@dataclass(frozen=True)
class Answer:
    """What everybody gets who asks about a race now."""

    tag: str
    body: bytes
    about: dict[str, Any]


class Feed:
    """One race, as it is read from the store bit by bit. Safe to ask from several threads."""

    def __init__(self, store: Callable[[], RunStore], race_id: str) -> None:
        self._store, self._id = store, race_id
        self._lock = threading.Lock()
        self._runs: dict[str, Followed] = {}
        self._paces: deque[tuple[float, int]] = deque(maxlen=PACES)
        self._described: dict[str, Any] | None = None
        self._state: tuple[Any, ...] = ()
        self._answer: Answer | None = None
        self._made = float("-inf")

    def answer(self) -> Answer:
        """The race as it was half a second ago or later; raises RaceNotFound."""
        with self._lock:
            if self._answer is None or time.monotonic() - self._made > FRESH:
                self._answer = self._read()
                self._made = time.monotonic()
            return self._answer

    def _read(self) -> Answer:
        store = self._store()
        race, runners = store.race(self._id), store.runners(self._id)
        queue, own = store.queue(), {runner.run for runner in runners}
        others = len(queue.keys() - own)
        begun = any(runner.step >= 0 for runner in runners)
        line = None if begun else next((place.words for run, place in queue.items() if run in own), None)
        state = (race.plan, others, line, [(r.run, r.revision, r.seq, r.state_version) for r in runners])
        if self._answer is not None and state == self._state:
            return self._answer
        width = stretch(max((runner.steps for runner in runners), default=1))
        self._runs = {runner.run: self._follow(store, race.plan, runner, width) for runner in runners}
        if self._described is None:
            self._described = next((store.get(r.run).about for r in runners if r.described), None)
        if any(runner.step >= 0 for runner in runners):
            self._paces.append((time.monotonic(), sum(max(runner.step, 0) for runner in runners)))
        self._state = state
        return self._put_together(race, runners, others, line, width)

    def _follow(self, store: RunStore, plan: Plan, runner: Runner, width: int) -> Followed:
        """Take in what a run has recorded since the last look."""
        metric = plan.config.task.metric
        kept = self._runs.get(runner.run)
        if kept is None or kept.revision != runner.revision or kept.tally.width != width:
            share = f"{metric}/train" if metric in SHARES else None
            kept = Followed(Tally(width, [f"{name}/train" for name in ("loss", metric)], share), runner.revision)
        if kept.seq < runner.seq:
            for _, _, _, data in store.frames(runner.run, kept.seq, kinds=("scalars",)):
                kept.tally.add(decode(data).arrays)
            kept.seq = runner.seq
        self._look(store, runner, kept)
        return kept

    def _look(self, store: RunStore, runner: Runner, kept: Followed) -> None:
        """The gradient through time at step 0 and at the newest snapshot, now and then: a snapshot is large."""
        now, ended = time.monotonic(), runner.status in OVER
        if runner.step < 0 or (kept.ended == ended and (ended or now - kept.looked < LOOK)):
            return
        kept.looked, kept.ended = now, ended
        steps = store.snapshot_steps(runner.run)
        if steps and kept.before is None:
            kept.before = _ratio(store, runner.run, steps[0])
        if steps:
            kept.after = _ratio(store, runner.run, steps[-1])

    def _put_together(self, race: Race, runners: Sequence[Runner], others: int, line: str | None, width: int) -> Answer:
        plan = race.plan
        results = [_result(runner, self._runs[runner.run], plan.config.task.metric) for runner in runners]
        steps = max((runner.steps for runner in runners), default=1)
        arrays: dict[str, Array] = {"x": places(width, steps).astype(np.float32)}
        for quantity, name in (("loss", "loss/train"), ("metric", f"{plan.config.task.metric}/train")):
            curves = np.array([self._runs[runner.run].tally.curve(name) for runner in runners]).reshape(-1, POINTS)
            of_value = [[runner.value == value for runner in runners] for value in range(len(plan.values))]
            bands = [band(curves[np.array(rows, bool)]) for rows in of_value]
            arrays[quantity] = curves.astype(np.float32)
            arrays[f"{quantity}/band"] = np.array(bands, np.float32)
        about = self._describe(race, results, width) | {
            "runs": [dataclasses.asdict(result) for result in results],
            "rows": [_row(row) for row in by_value(results, len(plan.values))],
            "state": self._stand(runners, others) | {"line": line},
        }
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        body = save(arrays)
        return Answer(hashlib.blake2s(body, digest_size=8).hexdigest(), body, about)

    def _describe(self, race: Race, results: Sequence[RunResult], width: int) -> dict[str, Any]:
        """What of a race does not move: it decides which figures there are."""
        plan, task, told = race.plan, race.plan.config.task, self._described or {}
        return {
            "race": race.id,
            "title": plan.title,
            "headline": task.headline,
            "label": plan.label,
            "vary": plan.vary,
            "values": [plan.words(value) for value in range(len(plan.values))],
            "seeds": list(plan.seeds),
            "missing": len(plan.values) * len(plan.seeds) - len(results),
            "metric": task.metric,
            "unit": task.metric_unit,
            "share": task.metric in SHARES,
            "loss": told.get("loss_name", ""),
            "chance": told.get("chance", {}),
            "window": WINDOW,
            "width": width,
            "steps": max((result.steps for result in results), default=0),
            "order": [[result.run, result.value, result.seed] for result in results],
        }

    def _stand(self, runners: Sequence[Runner], others: int) -> dict[str, Any]:
        """How far the race is; `seconds` until its end at the pace of the last looks, where that can be told."""
        going = [runner for runner in runners if runner.status not in OVER]
        left = sum(runner.steps - max(runner.step, 0) for runner in going if runner.desired == "running")
        pace = 0.0
        if self._paces and self._paces[-1][0] - self._paces[0][0] > SURE:
            (since, before), (now, done) = self._paces[0], self._paces[-1]
            pace = (done - before) / (now - since)
        return {
            "runs": len(runners),
            "over": len(runners) - len(going),
            "running": sum(runner.status == "running" for runner in going),
            "begun": sum(runner.step >= 0 for runner in runners),
            "stopping": bool(going) and all(runner.desired == "stopped" for runner in going),
            "paused": bool(going) and all(runner.desired == "paused" for runner in going),
            "failed": sum(runner.status == "failed" for runner in runners),
            "stopped": sum(runner.status == "stopped" for runner in runners),
            "others": others,
            "seconds": left / pace if pace > 0 and left else None,
        }


def _ratio(store: RunStore, run: str, step: int) -> float | None:
    data = store.snapshot(run, step)
    gradient = None if data is None else decode(data).arrays.get(GRADIENT)
    return None if gradient is None else gradient_ratio(gradient)


def _result(runner: Runner, kept: Followed, metric: str) -> RunResult:
    tally = kept.tally
    share = tally.solved / runner.step if tally.solved is not None and runner.step > 0 else None
    return RunResult(
        run=runner.run,
        value=runner.value,
        seed=runner.seed,
        status=runner.status,
        step=runner.step,
        steps=runner.steps,
        solved=tally.solved,
        seconds=None if share is None else share * runner.train_seconds,
        final=tally.last.get(f"{metric}/val"),
        test=tally.last.get(f"{metric}/test"),
        before=kept.before,
        after=kept.after,
        error=str((runner.error or {}).get("what", "")),
    )


def _row(result: ValueResult) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, Spread) else v for name, v in vars(result).items()}
