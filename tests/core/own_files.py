"""Files such as users bring, and every task in a state in which it can run."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lstm_core import files
from lstm_core.tasks import TASKS, TaskConfig


def walk(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    """A table of days and two random walks."""
    steps = np.random.default_rng(seed).normal(size=(rows, 2))
    days = pd.date_range("2020-01-01", periods=rows).strftime("%Y-%m-%d")
    return pd.DataFrame({"date": days, "open": steps[:, 0].cumsum(), "close": steps[:, 1].cumsum() + 100})


def csv_of(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def ready(name: str) -> TaskConfig:
    """The task with its default settings, and with a file where it cannot do without."""
    task = TASKS[name]
    if not task.needs_file:
        return task()
    return task.model_validate({"file": files.keep(csv_of(walk()), "walk.csv")})
