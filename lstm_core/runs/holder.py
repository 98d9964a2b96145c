"""Who holds a lease: a process, named so that it can be told from any other and found dead."""

from __future__ import annotations

import socket
from functools import lru_cache
from pathlib import Path

import psutil

DRIFT = 2.0  # seconds by which two readings of one process's start may differ


def this_process() -> str:
    """host:pid:start of the calling process."""
    process = psutil.Process()
    return f"{socket.gethostname()}:{process.pid}:{_start(process)}"


def is_dead(holder: str) -> bool:
    """Whether the process is known to have ended.

    False for a process of another host, of another container or from before this host was started, of which nothing
    can be known: a host that has the same name may be meant.
    """
    host, pid, started = holder.rsplit(":", 2)
    if host != socket.gethostname() or started.partition("@")[2] != _here():
        return False
    try:
        process = psutil.Process(int(pid))
        return not _same(_start(process), started) or process.status() == psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return False
    except psutil.NoSuchProcess:
        return True


def _start(process: psutil.Process) -> str:
    """When a process was started, as nobody can change it by setting the clock: in ticks since the host was."""
    if not _here():
        return f"{process.create_time():.2f}"
    try:
        # The name of the program comes second, in parentheses, and may contain anything.
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError as error:
        raise psutil.NoSuchProcess(process.pid) from error
    return f"{ticks}@{_here()}"


def _same(start: str, other: str) -> bool:
    return start == other if _here() else abs(float(start) - float(other)) <= DRIFT


@lru_cache(maxsize=1)
def _here() -> str:
    """What tells this start of this host, and this container, from every other; empty where there is no such thing."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return f"{boot[:13]}.{Path('/proc/self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        return ""
