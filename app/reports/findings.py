"""The findings about a run: gathered from the store, in words for the board, `GET /lab/runs/{id}/findings`."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.setting import settle
from app.setting.fields import Control, settings_in, words
from lstm_core.config import RunConfig
from lstm_core.diagnosis import Finding, diagnose
from lstm_core.runs.records import OVER, Run, RunNotFound, StoreError
from lstm_core.runs.store import RunStore
from lstm_core.runs.whole import Whole, read
from lstm_core.settings import Settings
from lstm_core.tasks import TASKS

KEPT = 64  # runs whose findings stay at hand
REST = 2.0  # seconds, at least, between two diagnoses of a run that goes on …
WORTH = 20  # … and so many times as long as the last one took


@dataclass(frozen=True)
class Look(Whole):
    """All that is known of a run, with its settings as they stand today."""

    config: RunConfig

    @property
    def findings(self) -> list[Finding]:
        return diagnose(
            self.config,
            self.run.about,
            self.columns,
            self.arrays,
            self.samples,
            at=self.at,
            status=self.run.status,
            error=self.run.error,
            overrides=self.overrides,
        )


def look(store: RunStore, run_id: str) -> Look:
    """Read a run; raises RunNotFound and StoreError."""
    whole = read(store, run_id)
    return Look(**vars(whole), config=settle.settle(whole.run.config)[0])


def document(found: Look) -> dict[str, Any]:
    """What the board is told: the findings, each experiment with its changes in words."""
    told = []
    for finding in found.findings:
        one = finding.as_json()
        if finding.experiment is not None:
            one["experiment"]["changes"] = changes(found.config, finding.experiment.settings)
        told.append(one)
    return {"run": found.run.id, "step": max(found.run.step, -1), "findings": told}


def changes(config: RunConfig, settings: Mapping[str, Any]) -> list[str]:
    """What these settings change, each as «label: value»."""
    changed = config.replace(**settings)
    if changed.task.name != config.task.name:
        return [f"Task: {TASKS[changed.task.name].title}", *_differing(config, changed, ("model", "init", "training"))]
    return _differing(config, changed, ("task", "model", "init", "training"))


def _differing(one: RunConfig, other: RunConfig, groups: tuple[str, ...]) -> list[str]:
    return [
        f"{control.label}: {in_words(control)}"
        for group in groups
        for control in settings_in(getattr(other, group), group, other)
        if control.value != getattr(getattr(one, group), control.path.split(".")[-1])
    ]


def in_words(control: Control) -> str:
    """The value of a setting as its widget would say it."""
    value = control.value
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Settings):
        inner = [f"{part.label.lower()} {in_words(part)}" for part in settings_in(value, control.path, control.config)]
        return ", ".join([words(str(getattr(value, "scheme", ""))), *inner])
    choices = control.extra.get("choices")
    if isinstance(choices, Mapping) and value in choices:
        return str(choices[value])
    return words(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


@dataclass
class _Kept:
    key: tuple[Any, ...]
    made: float
    cost: float
    body: bytes


class Findings:
    """Answers for the board, each run's diagnosed anew only when it has moved on and that is worth its time."""

    def __init__(self, store: Callable[[], RunStore]) -> None:
        self._store = store
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def answer(self, request: Request) -> Response:
        """200 with `document`; 404 with a sentence for a run that is not there."""
        headers = {"Cache-Control": "no-store"}
        try:
            body = await asyncio.to_thread(self._body, str(request.path_params["id"])[:64])
        except StoreError as error:
            status = 404 if isinstance(error, RunNotFound) else 503
            return JSONResponse({"type": "missing", "message": str(error)}, status, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    def _body(self, run_id: str) -> bytes:
        store, begun = self._store(), time.monotonic()
        run = store.get(run_id)
        key = (run.revision, run.seq, run.status, run.state_version if run.status in OVER else 0)
        kept = self._kept.get(run_id)
        if kept is not None and (kept.key == key or _fresh(kept, run, begun)):
            return kept.body
        body = json.dumps(document(look(store, run_id)), allow_nan=False).encode()
        self._kept[run_id] = _Kept(key, begun, time.monotonic() - begun, body)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return body


def _fresh(kept: _Kept, run: Run, now: float) -> bool:
    """Whether a run that goes on was looked at a moment ago."""
    same = kept.key[0] == run.revision and run.status not in OVER
    return same and now - kept.made < max(REST, WORTH * kept.cost)
