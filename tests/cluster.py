"""A cluster as it runs over several machines, here all on this one: a scheduler, workers, keys of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.serving import end

PATIENCE = 60.0  # seconds until a scheduler that says nothing counts as broken
LAB = (sys.executable, "-m", "lstm_core")


class Cluster:
    """A scheduler of `python -m lstm_core scheduler` and the worker processes that were started for it.

    `environment` has what makes a server or an Engine use it; what all of them print is in `log`.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.keys, self.log = folder / "keys", folder / "cluster.log"
        subprocess.run([*LAB, "keys", self.keys], check=True, capture_output=True)
        self.environment = {"LSTM_LAB_TLS": str(self.keys), **(environment or {})}
        self.workers: list[subprocess.Popen[bytes]] = []
        self.address = self.start_scheduler()
        self.environment["LSTM_LAB_SCHEDULER"] = self.address

    def start_scheduler(self, port: int = 0) -> str:
        """Start it, again at the same port if wanted; returns its address."""
        told = self.log.with_name(f"scheduler-{time.monotonic_ns()}.log")
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(port), out=told)
        deadline = time.monotonic() + PATIENCE
        while "tls://" not in (said := told.read_text()):
            assert self.scheduler.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the scheduler does not start"
            time.sleep(0.05)
        return said.split()[-1]

    def restart_scheduler(self) -> None:
        """Kill it and start it at the same address."""
        self.scheduler.kill()
        self.scheduler.wait()
        self.start_scheduler(int(self.address.rpartition(":")[2]))

    def add_workers(self, count: int = 1) -> subprocess.Popen[bytes]:
        """Start a machine's worth of workers: one process that sees to `count` others."""
        self.workers.append(self._start("worker", self.address, "--workers", str(count)))
        return self.workers[-1]

    def _start(self, *arguments: str, out: Path | None = None) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log, (out or self.log).open("ab") as said:
            environment = {**os.environ, **self.environment}
            return subprocess.Popen([*LAB, *arguments], stdout=said, stderr=log, env=environment)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            end(process)


@contextlib.contextmanager
def clustered(folder: Path, workers: int = 2, environment: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A cluster with two machines' worth of workers, one after the other."""
    cluster = Cluster(folder, environment)
    try:
        for _ in range(workers):
            cluster.add_workers()
        yield cluster
    finally:
        cluster.close()
