"""A store that cannot be used for a while costs a worker nothing: what it measured is still at hand when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from lstm_core.runs.leaving import is_leaving
from lstm_core.runs.records import LeaseLost, RunNotFound, StoreError

PATIENCE = 60.0  # seconds of trouble after which the worker gives up, and the run goes on from its last checkpoint
FIRST, LONGEST = 0.05, 1.0  # seconds between two tries

P = ParamSpec("P")
R = TypeVar("R")


def patiently(do: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
    """What `do` returns, tried again and again as long as the store cannot be used.

    Each try must be one transaction, so that nothing of a failed one remains. Raises StoreError after `PATIENCE`, or
    when this process is to end; LeaseLost and RunNotFound at once.
    """
    end, pause = time.monotonic() + PATIENCE, FIRST
    while True:
        try:
            return do(*arguments, **named)
        except (LeaseLost, RunNotFound):
            raise
        except StoreError:
            if is_leaving() or time.monotonic() > end:
                raise
        time.sleep(pause)
        pause = min(2 * pause, LONGEST)
