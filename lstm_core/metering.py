"""What is measured of every training step: computed for a few steps in a row, when somebody first asks for one of them.

One step's measuring takes some microseconds, and three times as many in the middle of training, which has thrown
everything else out of the processor's caches. In a row the steps take turns with nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from lstm_core.gradients import Gradients
from lstm_core.tasks.base import Array, Batch

STEPS = 64  # that may wait to be measured …
LARGEST = (
    2**16
)  # … with so many gradients and predicted numbers at most: to copy and keep more costs more than it saves


@dataclass
class Row:
    """A step's scalars, or what they are measured from: gradients, prediction and targets."""

    meter: Meter
    parts: tuple[Array, Array, Array] | None
    found: Mapping[str, float] = field(default_factory=dict)

    def scalars(self) -> Mapping[str, float]:
        if self.parts is not None:
            self.meter.measure()
        return self.found


class Meter:
    """Measures steps by `metrics` (prediction and targets → scalars) and by the norms of the gradients."""

    def __init__(self, gradients: Gradients, metrics: Callable[[Array, Array], dict[str, float]]) -> None:
        self._gradients, self._metrics = gradients, metrics
        self._waiting: list[Row] = []

    def take(self, prediction: Tensor, batch: Batch) -> Row:
        """Keep what this step is measured by; the gradients as they are now."""
        entries, said = self._gradients.entries(), prediction.detach().cpu().numpy()
        later = entries.size + said.size <= LARGEST
        row = Row(self, (entries.copy() if later else entries, said, batch.targets))
        self._waiting.append(row)
        if not later or len(self._waiting) == STEPS:
            self.measure()
        return row

    def measure(self) -> None:
        """Measure all that wait."""
        waiting, self._waiting = self._waiting, []
        for row in waiting:
            assert row.parts is not None
            gradients, prediction, targets = row.parts
            row.found = {**self._metrics(prediction, targets), **self._gradients.norms_of(gradients)}
            row.parts = None
