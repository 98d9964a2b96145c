"""Kill whatever can be killed while runs of every sort go on, and see whether anything is lost.

    python -m tests.chaos --runs 20 --kills 100 --seed 1 [--postgres | --database URL] [--servers 2] [--scheduler]

It starts real servers, begins different runs, changes, holds and forks some of them, and kills workers, clusters,
servers and the calculating process at random moments, by SIGKILL, by SIGTERM, and by SIGSTOP until the lease of what
they work on is long over. In the end every run is compared with its undisturbed twin (`tests.twins`). It prints a
table, and returns 1 where a run is lost, stuck or different in a single bit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tabulate import tabulate

from lstm_core.config import RunConfig
from lstm_core.runs.records import StoreError
from lstm_core.runs.store import RunStore
from tests.cluster import Cluster, clustered
from tests.postgres import serving
from tests.serving import COMMAND, end

LEASE = 3.0  # seconds: short, so that who is stopped for longer finds the run in other hands
STUCK = 300.0  # seconds without any progress after which a run counts as stuck
PAUSE = 1.2  # seconds between two kills, on average, of which training goes on before the next …
BLIND = 0.15  # … but for this share of them: what is only just starting is hit as well
TELL = 10.0  # seconds between two lines on how far it is
WORK = 0.9  # seconds of training for each kill

# Settings of every sort, each with about how many milliseconds a step takes.
KINDS: Sequence[tuple[float, dict[str, Any]]] = (
    (1.5, {"task": {"name": "recall", "length": 12}, "training": {"clip": "norm"}}),
    (2.0, {"task": {"name": "adding", "length": 12}, "model": {"cell": "gru"}}),
    (3.5, {"task": {"name": "sine", "length": 12}, "model": {"num_layers": 2, "dropout": 0.3, "bidirectional": True}}),
    (1.5, {"task": {"name": "copy"}, "model": {"cell": "rnn_tanh"}}),
    (7.0, {"task": {"name": "sentiment"}, "model": {"attention": "additive"}}),
    (3.5, {"task": {"name": "reversing", "length": 5}, "training": {"optimizer": "rmsprop", "momentum": 0.5}}),
    (4.0, {"task": {"name": "brackets", "length": 12}, "model": {"cell": "gru", "num_layers": 2, "dropout": 0.2}}),
    (2.0, {"task": {"name": "stocks", "length": 12}, "training": {"optimizer": "sgd", "schedule": "cosine"}}),
    (5.0, {"task": {"name": "tagging"}, "model": {"bidirectional": True}}),
    (3.0, {"task": {"name": "text"}, "training": {"clip": "value", "clip_threshold": 0.5}}),
)
VICTIMS = {"worker": 12, "cluster": 2, "server": 3, "calculator": 1, "scheduler": 2}
WAYS = {"SIGKILL": 5, "SIGTERM": 3, "SIGSTOP": 3}


@dataclass
class Planned:
    """A run, and what is done with it at which step."""

    config: RunConfig
    todo: list[tuple[int, str]]
    id: str = ""
    since: float = field(default_factory=time.monotonic)  # of the last progress
    seen: Any = None
    resumed: int = 0


def planned(count: int, seconds: float, seed: int) -> list[Planned]:
    """`count` runs that train for about so many seconds each."""
    runs = []
    for index in range(count):
        milliseconds, settings = KINDS[index % len(KINDS)]
        steps = max(200, round(1000 * seconds / milliseconds))
        training = {"steps": steps, "batch_size": 8, "validate_every": 50, "seed": seed * 1000 + index}
        model = {"hidden_size": 8, **settings.get("model", {})}
        config = {**settings, "model": model, "training": {**training, **settings.get("training", {})}}
        todo = [(round(steps * part), what) for part, what in ((0.2, "fork"), (0.4, "change"), (0.6, "pause"))]
        runs.append(Planned(RunConfig.model_validate(config), [each for k, each in enumerate(todo) if index % 3 != k]))
    return runs


class Chaos:
    """Servers on one store, the runs in it, and everything that is done to them."""

    def __init__(self, folder: Path, url: str, servers: int, cluster: Cluster | None, seed: int) -> None:
        self.store, self.random, self.cluster = RunStore(url), random.Random(seed), cluster
        self.folder, self.kills, self.stopped = folder, Counter[str](), list[tuple[float, psutil.Process]]()
        self.environment = {"LSTM_LAB_DATABASE": url, "LSTM_LAB_LEASE": str(LEASE), "LSTM_LAB_WORKERS": "2"}
        self.environment |= cluster.environment if cluster else {}
        self.servers = [self._serve() for _ in range(servers)]
        self.runs: list[Planned] = []

    def begin(self, runs: list[Planned]) -> None:
        for run in runs:
            run.id = self._insist(lambda run=run: self.store.create(run.config))  # type: ignore[misc]
        self.runs += runs

    def look(self) -> None:
        """Do what is due: with the runs, and with what was stopped or has ended."""
        now = time.monotonic()
        for then, process in [each for each in self.stopped if each[0] < now]:
            self.stopped.remove((then, process))
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        for index, server in enumerate(self.servers):
            if server.poll() is not None:
                self.servers[index] = self._serve()
        with contextlib.suppress(StoreError):  # somebody who was stopped holds it: later, then
            for run in list(self.runs):
                self._look_after(run, now)

    def _look_after(self, run: Planned, now: float) -> None:
        found = self.store.get(run.id)
        if (found.status, found.step, found.revision) != run.seen:
            run.seen, run.since = (found.status, found.step, found.revision), now
        if found.status == "failed" and found.error and found.error.get("again"):
            self.store.desire(run.id, "running")  # as somebody does who reads why
            run.resumed += 1
        if run.todo and run.todo[0][0] <= found.step and found.status in ("running", "queued", "paused"):
            what = run.todo[0][1]
            if what == "fork":
                fork = Planned(run.config, [])
                fork.id = self.store.fork(run.id, run.todo[0][0] // 2, run.config)
                self.runs.append(fork)
            elif what == "change":
                self.store.request_override(run.id, "learning_rate", 0.01)
            elif what == "pause" and found.status != "paused":
                self.store.desire(run.id, "paused")
                return
            else:
                self.store.desire(run.id, "running")
            run.todo.pop(0)

    @property
    def going(self) -> list[Planned]:
        return [run for run in self.runs if run.seen is None or run.seen[0] not in ("finished", "failed")]

    @property
    def progress(self) -> str:
        told = Counter(
            f"{run.seen[0]} at {run.seen[1]}" if run in self.going else "over" for run in self.runs if run.seen
        )
        return ", ".join(f"{count} {what}" for what, count in told.items())

    @property
    def work(self) -> list[int]:
        """How far each run is."""
        return [run.seen[1] for run in self.runs if run.seen]

    @property
    def stuck(self) -> list[Planned]:
        return [run for run in self.going if time.monotonic() - run.since > STUCK]

    def kill(self) -> bool:
        """Choose a process and a way, and do it; False as long as there is no worker to be disturbed."""
        victims: dict[str, list[psutil.Process]] = {name: [] for name in VICTIMS}
        roots = [*self.servers, *(self.cluster.workers if self.cluster else [])]
        for root in roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(root.pid)
                for child in process.children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):  # one that has ended and waits to be noticed
                        victims[_kind(child)].append(child)
                if root in self.servers:
                    victims["server"].append(process)
        if not victims["worker"]:
            return False
        known = {name: weight for name, weight in VICTIMS.items() if victims[name]}
        if self.cluster:
            known["scheduler"] = VICTIMS["scheduler"]
        (name,) = self.random.choices(list(known), list(known.values()))
        (way,) = self.random.choices(list(WAYS), list(WAYS.values()))
        if name == "scheduler":
            assert self.cluster is not None
            self.cluster.restart_scheduler()
            self.kills["scheduler SIGKILL"] += 1
            return True
        process = self.random.choice(victims[name])
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(getattr(signal, way))
            self.kills[f"{name} {way}"] += 1
            if way == "SIGSTOP":
                self.stopped.append((time.monotonic() + self.random.uniform(0.2, 3 * LEASE), process))
        return True

    def close(self) -> None:
        for _, process in self.stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        for server in self.servers:
            end(server)

    def _serve(self) -> subprocess.Popen[bytes]:
        with (self.folder / "server.log").open("ab") as out:
            environment = {**os.environ, **self.environment}
            return subprocess.Popen(COMMAND, stdout=out, stderr=out, env=environment, cwd=self.folder)

    def _insist(self, do: Any) -> Any:
        while True:
            try:
                return do()
            except StoreError:
                self.look()
                time.sleep(0.05)


def _kind(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    if "lstm_core.runs.cluster" in words:
        return "cluster"
    return "calculator" if "app.calculator" in words else "worker"


@contextlib.contextmanager
def places(given: argparse.Namespace) -> Iterator[tuple[Path, str, Cluster | None]]:
    """A folder, a database and perhaps a cluster, all gone afterwards."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        url = given.database or str(folder / "runs.sqlite3")
        if given.postgres:
            url = stack.enter_context(stack.enter_context(serving()).database())
        environment = {"LSTM_LAB_DATABASE": url, "LSTM_LAB_LEASE": str(LEASE)}
        cluster = stack.enter_context(clustered(folder, 2, environment)) if given.scheduler else None
        yield folder, RunStore(url).url, cluster


def rage(chaos: Chaos, runs: int, kills: int, seed: int) -> None:
    """Begin the runs, kill as often as wanted, and wait until all of them are over or one is stuck."""
    seconds = WORK * kills / runs
    chaos.begin(planned(runs, seconds, seed))
    more, next_kill, told = seed, 0.0, 0.0
    before: list[int] | None = None  # how far the runs were at the last kill; None: it does not matter
    while (chaos.going or chaos.kills.total() < kills) and not chaos.stuck:
        chaos.look()
        if time.monotonic() > told + TELL:
            told = time.monotonic()
            print(f"{chaos.kills.total()} kills, {chaos.progress}", file=sys.stderr, flush=True)
        if chaos.kills.total() < kills and time.monotonic() > next_kill and chaos.work != before:
            if not chaos.going:
                more += 1
                chaos.begin(planned(2, seconds, more))
            if chaos.kill():
                next_kill = time.monotonic() + chaos.random.expovariate(1 / PAUSE)
                before = None if chaos.random.random() < BLIND else chaos.work
        time.sleep(0.05)


def compare(chaos: Chaos) -> dict[str, list[str]]:
    """The differences of every run from its twin, found in fresh processes."""
    parts = [[run.id for run in chaos.runs[k :: os.cpu_count() or 1]] for k in range(os.cpu_count() or 1)]
    command = [sys.executable, "-m", "tests.twins", chaos.store.url]
    asked = [subprocess.Popen([*command, *part], stdout=subprocess.PIPE) for part in parts if part]
    told: dict[str, list[str]] = {}
    for process in asked:
        out, _ = process.communicate()
        told |= json.loads(out) if process.returncode == 0 else {}
    return {run.id: told.get(run.id, ["its twin could not be trained"]) for run in chaos.runs}


def report(chaos: Chaos, told: dict[str, list[str]]) -> str:
    rows = []
    for run in chaos.runs:
        found = chaos.store.get(run.id)
        sort = f"{run.config.task.name} · {run.config.model.cell}" + (" · fork" if found.parent else "")
        changes = len(chaos.store.overrides(run.id))
        rows.append([run.id, sort, found.steps, found.revision, changes, run.resumed, found.status, *told[run.id][:1]])
    heads = ["run", "what", "steps", "taken back", "changes", "resumed", "status", "differs"]
    killed = ", ".join(f"{name} {count}" for name, count in sorted(chaos.kills.items()))
    return f"{tabulate(rows, heads)}\n\n{chaos.kills.total()} kills: {killed}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", help="an empty database; a new one in a file where none is given")
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL of its own")
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--scheduler", action="store_true", help="a scheduler and workers apart from the servers")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    with places(given) as (folder, url, cluster):
        chaos = Chaos(folder, url, given.servers, cluster, given.seed)
        try:
            rage(chaos, given.runs, given.kills, given.seed)
        finally:
            chaos.close()
        told = compare(chaos)
        print(report(chaos, told))
        if any(told.values()):
            print(f"\nThe servers said last:\n{(folder / 'server.log').read_text()[-4000:]}")
    wrong = [run for run, found in told.items() if found]
    seconds = time.monotonic() - began
    print(f"{len(told) - len(wrong)} of {len(told)} runs are as `train` alone draws them, {seconds:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
