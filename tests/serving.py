"""Start the real server for a test, with a database of its own, and end it with everything that it started."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lstm_core.runs.store import RunStore

PATIENCE = 60.0  # seconds until a server that does not answer counts as broken
COMMAND = (sys.executable, "-m", "app.server", "--port", "0")


@dataclass(frozen=True)
class Server:
    """A server that answers: its address, its process, its store, and the file that has all it printed."""

    url: str
    process: subprocess.Popen[bytes]
    database: Path
    log: Path

    @property
    def stream(self) -> str:
        return self.url.replace("http", "ws", 1) + "/lab/stream"

    def store(self) -> RunStore:
        return RunStore(str(self.database))

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as response:
            return dict(json.load(response))

    def printed(self) -> str:
        return self.log.read_text()


@contextlib.contextmanager
def serve(
    folder: Path,
    workers: int = 1,
    command: Sequence[str] = COMMAND,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    answers: str = "/healthz",
) -> Iterator[Server]:
    """Run a server with its database in `folder`; with no workers it shows what others write, and trains nothing.

    It is there when it answers at the path `answers`.
    """
    database, log = folder / "runs.sqlite3", folder / "server.log"
    own = {"LSTM_LAB_DATABASE": str(database), "LSTM_LAB_WORKERS": str(workers), "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env={**os.environ, **own, **(environment or {})}, cwd=cwd or folder
        )
    try:
        yield Server(_address(process, log, answers), process, database, log)
    finally:
        end(process)


def _address(process: subprocess.Popen[bytes], log: Path, path: str) -> str:
    """The address that the server prints, once it answers there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        words = [word for word in log.read_text().split() if word.startswith("http://")]
        with contextlib.suppress(OSError):
            if words and urllib.request.urlopen(words[0] + path, timeout=5).status == 200:
                return words[0]
        time.sleep(0.02)
    raise AssertionError(f"the server does not answer; it printed:\n{log.read_text()}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and see to it that none of its children outlives it."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    for left in (*children, process):
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()
    process.wait(10)
