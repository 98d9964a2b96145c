"""A run that a test plays frame by frame into the store, as a worker would, so that nothing is left to luck."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from lstm_core import RunConfig
from lstm_core.runs import telemetry
from lstm_core.runs.holder import this_process
from lstm_core.training import Snapshot, Step, TrainState, train
from tests.browser.waiting import until
from tests.serving import Server

CONFIG = RunConfig.model_validate(
    {
        "task": {"name": "recall", "length": 12},
        "model": {"hidden_size": 6, "attention": "dot"},
        "training": {"steps": 120, "validate_every": 20},
    }
)
LOSS = '[data-panel="loss"]'
CURVES = "document.querySelectorAll('[data-panel=\"loss\"] path.js-line')"
Played = tuple[dict[str, Any], list[Snapshot], list[Step]]


def measure(config: RunConfig) -> Played:
    """What a real run measures, with a snapshot at every step."""
    state = TrainState(config)
    items = [item for step in range(config.training.steps + 1) for item in train(config, state, until=step)]
    snapshots = [item for item in items if isinstance(item, Snapshot)]
    return state.about, snapshots, [item for item in items if isinstance(item, Step)]


class Player:
    """Stands in for a worker: writes the measured run into the store, as far as the test wants it."""

    def __init__(self, server: Server, played: Played, config: RunConfig = CONFIG) -> None:
        self.store, (self.about, self.snapshots, self.steps), self.config = server.store(), played, config
        self.id = self.store.create(config)
        lease = self.store.acquire(self.id, this_process(), 3600, claim=True)
        assert lease is not None
        self.lease, self.step = lease, -1
        self.store.describe(lease, self.about)

    def play(self, steps: int = 1) -> int:
        """Write so many steps, the last one with its pictures; returns that step."""
        first, self.step = self.step + 1, min(self.step + steps, self.config.training.steps)
        rows = [(step.step, step.scalars) for step in self.steps[first : self.step + 1]]
        seq = self.lease.seq + 10 * first
        snapshot = self.snapshots[self.step]
        frames = [
            telemetry.encode("scalars", telemetry.table(rows), seq + 1, first, self.step),
            telemetry.encode("snapshot", snapshot.arrays, seq + 2, self.step, self.step),
        ]
        frames += [
            telemetry.encode("sample", sample, seq + 3 + number, self.step, self.step, number)
            for number, sample in enumerate(snapshot.samples)
        ]
        self.store.append(self.lease, frames, step=self.step)
        return self.step


def show(page: Page, server: Server, player: Player, steps: int = 10) -> None:
    """Open the page on the played run and wait until its first steps are drawn."""
    player.play(steps)
    page.goto(f"{server.url}/?run={player.id}")
    drawn(page, player.step)
    until(page, f"{CURVES}.length > 0")


def drawn(page: Page, step: int) -> None:
    until(page, "step => window.__lab?.step === step && window.__lab.snapshot === step", arg=step)
