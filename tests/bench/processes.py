"""The processes of a running server by what they are there for, and what they take."""

from __future__ import annotations

from contextlib import suppress

import psutil

MEGABYTE = 2**20
KNOWN = {"lstm_core.runs.cluster": "cluster", "app.calculator": "calculator", "spawn_main": "worker"}


def family(pid: int) -> dict[str, list[psutil.Process]]:
    """The server, its cluster, the cluster's workers, the calculator, whatever else."""
    found: dict[str, list[psutil.Process]] = {"server": [psutil.Process(pid)]}
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            words = " ".join(child.cmdline())
            kind = next((kind for part, kind in KNOWN.items() if part in words), "other")
            found.setdefault(kind, []).append(child)
    return found


def memory(processes: list[psutil.Process]) -> float:
    """Resident MB; what several share counts in part for each, where the system can tell."""
    total = 0.0
    for process in processes:
        with suppress(psutil.Error):
            told = process.memory_full_info()
            total += getattr(told, "pss", told.rss) / MEGABYTE
    return total


def used(processes: list[psutil.Process]) -> float:
    """Seconds of processor time that they have had."""
    total = 0.0
    for process in processes:
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total
