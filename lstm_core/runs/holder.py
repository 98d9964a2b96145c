"""Who holds a lease: a process, named so that it can be told from any other and found dead."""

from __future__ import annotations

import os
import socket

import psutil

DRIFT = 2.0  # seconds by which two readings of one process's start may differ


def this_process() -> str:
    """host:pid:start of the calling process."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def is_dead(holder: str) -> bool:
    """Whether the process is known to have ended; False for a process of another host, which cannot be known."""
    host, pid, started = holder.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - float(started)) <= DRIFT
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return False
    except psutil.NoSuchProcess:
        return True
