"""One row of the table that `make bench` prints."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """What was measured: every value seen, and what one aims at in words, such as «≥ 0.95» or «0.85 … 1.15».

    `id` is that of the aim, where it has one, as the text of `tests.bench.__main__` explains it.
    """

    id: str
    measure: str
    values: Sequence[float]
    unit: str
    aim: str

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def columns(self) -> tuple[str, str, str, str, str, str]:
        low, high = min(self.values), max(self.values)
        spread = f"{low:.3g} … {high:.3g}" if len(self.values) > 1 else ""
        return self.id, self.measure, f"{self.median:.3g}", spread, self.unit, self.aim

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "median": self.median}
