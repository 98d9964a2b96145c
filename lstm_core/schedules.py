"""How the learning rate goes on: what it is multiplied with at each step. A new schedule is one line in `SCHEDULES`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from lstm_core.config import TrainingConfig

SCHEDULES: Mapping[str, Callable[[TrainingConfig, int], float]] = MappingProxyType(
    {
        "constant": lambda _settings, _step: 1.0,
        "step": lambda settings, step: 0.5 ** (step // settings.halve_every),
        "cosine": lambda settings, step: 0.5 * (1 + math.cos(math.pi * min(step / settings.steps, 1))),
    }
)


def learning_rate(settings: TrainingConfig, step: int) -> float:
    """The learning rate of update number `step` (0, 1, …): a pure function, so that a resumed run needs no memory.

    During a warm-up of w updates the rate is (step + 1) / w of what the schedule says (Goyal et al., 2017,
    https://arxiv.org/abs/1706.02677). The cosine (Loshchilov & Hutter, 2017, https://arxiv.org/abs/1608.03983) goes
    over the whole run and has no restarts.
    """
    warm = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    return settings.learning_rate * warm * SCHEDULES[settings.schedule](settings, step)
