"""One row of the table that `make bench` prints."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was measured: every value seen, and what one aims at in words."""

    measure: str
    values: Sequence[float]
    unit: str
    aim: str

    def columns(self) -> tuple[str, str, str, str, str]:
        low, high = min(self.values), max(self.values)
        spread = f"{low:.3g} … {high:.3g}" if len(self.values) > 1 else ""
        return self.measure, f"{statistics.median(self.values):.3g}", spread, self.unit, self.aim
