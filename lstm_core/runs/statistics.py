"""What an engine has done since it was made, as plain numbers that anybody may read at any time."""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # upper bounds of what is counted together


@dataclass
class Tally:
    """How often a value fell below each of `bounds`, and the sum of all values."""

    bounds: Sequence[float] = SECONDS
    counts: list[int] = field(default_factory=list)  # one for each bound, and one for what is above the last
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass
class Statistics:
    """Slices, waits and steps; times in seconds. Written by the engine's thread alone."""

    slices: Tally = field(default_factory=Tally)  # from handing a slice to a worker until it is over
    waits: Tally = field(default_factory=Tally)  # from seeing that a run wants a slice until it gets one
    lost: int = 0  # slices whose worker died
    steps: int = 0  # trained, those that were trained again included
    workers: int = 0  # that are alive
    _wanting: dict[str, float] = field(default_factory=dict)
    _begun: dict[str, float] = field(default_factory=dict)

    def wanted(self, run_ids: Iterable[str]) -> None:
        """These runs, and no others, want a slice now."""
        now = time.monotonic()
        self._wanting = {run_id: self._wanting.get(run_id, now) for run_id in run_ids if run_id not in self._begun}

    def began(self, run_id: str) -> None:
        """A worker was given a slice of the run."""
        now = self._begun[run_id] = time.monotonic()
        self.waits.add(now - self._wanting.pop(run_id, now))

    def ended(self, run_id: str, steps: int | None, seconds: float | None = None) -> None:
        """The slice is over: it trained so many steps, None where it was lost. It took `seconds`, or until now."""
        now = time.monotonic()
        passed = now - self._begun.pop(run_id, now)
        self.slices.add(passed if seconds is None else seconds)
        self.lost += steps is None
        self.steps += steps or 0

    def also(self, run_id: str, steps: int, seconds: float) -> None:
        """A worker took a slice of this run by itself, after one it was given; it ended some time before now."""
        since = self._wanting.pop(run_id, None)
        if since is not None:
            self.waits.add(max(time.monotonic() - since - seconds, 0.0))
        self.ended(run_id, steps, seconds)

    @property
    def waiting(self) -> int:
        return len(self._wanting)

    @property
    def longest_wait(self) -> float:
        """Seconds that the run which has waited longest has waited by now."""
        since = list(self._wanting.copy().values())
        return time.monotonic() - min(since) if since else 0.0
