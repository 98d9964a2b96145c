"""Commands for training on several machines: keys, a scheduler, workers."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from lstm_core.terminal.output import tell

PORT = 8786


def keys(given: Namespace) -> int:
    """Make the keys of a cluster."""
    from lstm_core.runs.keys import make

    until = make(Path(given.folder).expanduser())
    tell(f"The keys are in {given.folder} and hold until {until:%Y-%m-%d}. Copy the folder, over a safe way, to every")
    tell("machine that shall train or serve, and set LSTM_LAB_TLS to it there. Whoever has it can use the cluster.")
    return 0


def scheduler(given: Namespace) -> int:
    """Give the work of servers to workers, until ended."""
    from lstm_core.runs.keys import security
    from lstm_core.runs.machines import schedule

    schedule(given.host, given.port, security(), lambda address: tell(f"The scheduler is at {address}"))
    return 0


def worker(given: Namespace) -> int:
    """Train what a scheduler gives, until ended."""
    from lstm_core.runs.engine import worker_count
    from lstm_core.runs.keys import checked, security
    from lstm_core.runs.machines import work

    work(checked(given.scheduler), given.workers or worker_count(), security())
    return 0
