"""What every forecast of a series shares: windows, scaling without leakage, the persistence baseline, the lag."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from lstm_core.settings import setting
from lstm_core.tasks.base import Array, Batch, Examples, Forecast, Sample, Spec, TaskConfig, TaskData

TRAIN, VALIDATION = 0.6, 0.2  # shares of the series, in the order of time; the rest is for the test
LONGEST_LAG = 5


class SeriesConfig(TaskConfig):
    """Forecast the next value of a series from the `length` values before it.

    Inputs (N, T, 1), targets (N, 1), both min–max scaled to [0, 1] by the training part alone: nothing that
    happens after it can change what the model is given before. The parts follow each other in time.
    "Chance" is persistence, the forecast that repeats the last value: below it, something was learned.
    """

    metric: ClassVar[str] = "mae"

    length: int = setting(10, "Window", "How many past values the forecast may look at.", unit="steps", ge=2, le=30)

    @abstractmethod
    def series(self) -> tuple[Array, list[str]]:
        """The values (N,) float64 in their own unit, and a label (a date) for each."""

    @property
    def time_steps(self) -> int:
        return self.length

    @property
    def spec(self) -> Spec:
        return Spec(outputs=1, loss="mse", features=1)

    def data(self, seed: int) -> TaskData:
        values, _ = self.series()
        scaled = ((values - self._low) / self._range).astype(np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(scaled, self.length)[:-1, :, None].copy()
        targets = scaled[self.length :, None]
        first, second = (border - self.length for border in self._borders)
        train, validation, test = (
            Batch(windows[rows], targets[rows]) for rows in (slice(0, first), slice(first, second), slice(second, None))
        )
        persistence = validation.inputs[:, -1] - validation.targets
        chance = {"loss": float(np.mean(persistence**2)), self.metric: float(np.abs(persistence).mean()) * self._range}
        return TaskData(Examples(train), validation, test, chance)

    def metrics(self, prediction: Array, targets: Array) -> dict[str, float]:
        """Mean absolute error in the unit of the series."""
        return {self.metric: float(np.abs(prediction - targets).mean()) * self._range}

    def evaluate(self, prediction: Array, batch: Batch, attention: Array | None = None) -> dict[str, float]:
        """The error; that of repeating the last value, on the same part; and the lag.

        A forecast that is best matched by yesterday's value has learned to copy.
        """
        return {
            **self.metrics(prediction, batch.targets),
            "persistence": self.metrics(batch.inputs[:, -1], batch.targets)[self.metric],
            "lag": float(lag(prediction[:, 0], batch.targets[:, 0])),
        }

    def samples(self, batch: Batch) -> list[Sample]:
        marks = [f"−{self.length - step}" for step in range(self.length)]
        return [
            Sample(
                f"Window {number + 1}", marks, self._in_words(target[0]), values=self.in_unit(window).round(4).tolist()
            )
            for number, (window, target) in enumerate(zip(batch.inputs, batch.targets, strict=True))
        ]

    def answer(self, prediction: Array) -> str:
        return self._in_words(prediction[0])

    def forecast(self, data: TaskData) -> Forecast:
        """Training and validation in the order of time; the test part stays unseen."""
        assert isinstance(data.train, Examples)
        train, validation = data.train.examples, data.validation
        inputs, targets = (
            np.concatenate([train.inputs, validation.inputs]),
            np.concatenate([train.targets, validation.targets]),
        )
        labels = self.series()[1][self.length :][: len(inputs)]
        truth, persistence = self.in_unit(targets)[:, 0], self.in_unit(inputs)[:, -1, 0]
        return Forecast(inputs, truth.tolist(), persistence.tolist(), self.metric_unit, labels, split=len(train))

    def in_unit(self, scaled: Array) -> Array:
        return np.asarray(scaled * self._range + self._low, dtype=np.float64)

    def _in_words(self, scaled: float) -> str:
        return f"{scaled * self._range + self._low:.3f} {self.metric_unit}"

    @property
    def _borders(self) -> tuple[int, int]:
        n = len(self.series()[0])
        return int(n * TRAIN), int(n * (TRAIN + VALIDATION))

    @property
    def _low(self) -> float:
        return float(self.series()[0][: self._borders[0]].min())

    @property
    def _range(self) -> float:
        return float(np.ptp(self.series()[0][: self._borders[0]])) or 1.0


def lag(prediction: Array, truth: Array, longest: int = LONGEST_LAG) -> int:
    """The shift s in 0 … longest at which prediction[t] correlates best with truth[t − s], both (N,).

    0 is what one wants; 1 means that the forecast repeats the last value it saw. A constant prediction
    correlates with nothing and counts as 0. Every shift is judged on the same N − longest predictions.
    """
    longest = min(longest, len(truth) - 3)
    if longest < 1 or np.ptp(prediction[longest:]) == 0:
        return 0
    scores = [_correlation(prediction[longest:], truth[longest - s : len(truth) - s]) for s in range(longest + 1)]
    return int(np.argmax(scores))


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale else 0.0
