"""`Engine`: sees to it that every run that wants to run gets its slices, on a Dask cluster.

It remembers nothing that matters: the store says which runs wait, and leases decide between engines that share it.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import secrets
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from dataclasses import astuple, dataclass
from typing import Any

import dask
from distributed import Client, Future, KilledWorker
from distributed.security import Security

from lstm_core.runs import keys
from lstm_core.runs.addresses import is_this_machine, only_here, place
from lstm_core.runs.limits import limits
from lstm_core.runs.records import StoreError
from lstm_core.runs.statistics import Statistics
from lstm_core.runs.store import RunStore

POLL = 0.25  # seconds after which the store is asked even if nobody pokes
LOOK = 2.0  # seconds between two searches for dead workers
PURGE = 600.0  # seconds between two removals of what was thrown away long ago
TIDY = 60.0  # seconds between two looks at how large the store has become
LONELY = 10.0  # seconds without any worker of another cluster after which it is said that there are none
ALONE = 60.0  # seconds without any worker after which the local cluster is started afresh
CLOSE_WITHIN = 3.5  # seconds until the engine has let go
END_WITHIN = 3.0  # seconds of these for the cluster to give the runs back and to end
WAIT = 1.0  # seconds until a slice that could not begin is tried again
WAIT_AFTER_ERROR = 5.0  # and one that workers or scheduler could not make sense of, or that found no store

_UNREACHABLE = (
    "The scheduler %s cannot be reached (%s); trying again in %.0f s. Runs go on when it is back. If this stays so, "
    "see that it runs and has the same keys."
)

log = logging.getLogger(__name__)
logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # it tells with a traceback what is said below


def worker_count() -> int:
    """LSTM_LAB_WORKERS, else one worker for each processor, at most two; raises ValueError for what is no number."""
    asked = os.environ.get("LSTM_LAB_WORKERS", "").strip()
    if asked and not asked.isdecimal():
        raise ValueError(f"LSTM_LAB_WORKERS is {asked!r}; set it to a number of training processes, such as 2.")
    return max(1, int(asked or min(2, os.cpu_count() or 1)))


def scheduler_address(store_url: str) -> str | None:
    """LSTM_LAB_SCHEDULER, None where it is not set; raises ValueError where workers elsewhere could not work."""
    asked = os.environ.get("LSTM_LAB_SCHEDULER", "").strip()
    if not asked:
        return None
    address = keys.checked(asked)
    host = address.removeprefix("tls://").rpartition(":")[0].strip("[]")
    if only_here(store_url) and not is_this_machine(host):
        raise ValueError(
            f"The runs are kept in {place(store_url)}, which only this machine finds, not the workers of {address};"
            " set LSTM_LAB_DATABASE to a database by a name that all know: postgresql+psycopg://USER:PASSWORD@HOST/NAME."
        )
    return address


@dataclass(frozen=True, repr=False)
class _Place:
    """Where the store is, for workers: what Dask writes of a task that failed must not show the password."""

    url: str

    def __repr__(self) -> str:
        return place(self.url)


class Engine:
    """Runs the slices of a store's runs on `workers` local processes, or on the Dask cluster at `address`.

    With neither it is the cluster LSTM_LAB_SCHEDULER, or LSTM_LAB_WORKERS local processes where that is not set.

    `start` returns at once; `ready` becomes true when slices can run, about two seconds later; `close` ends all
    processes. Runs that were in a slice go on from their last checkpoint when an engine is there again.
    """

    def __init__(self, store: RunStore, workers: int | None = None, address: str | None = None) -> None:
        self._store, self._workers, self._address = store, workers or worker_count(), address
        if address is None and workers is None:
            self._address = scheduler_address(store.url)
        self._security = None if self._address is None else keys.security()
        self._id = secrets.token_hex(4)  # tells the tasks of engines apart that share a cluster
        self._wake, self._closing, self._up = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._process: subprocess.Popen[str] | None = None
        self._turns: dict[Future[Any], str] = {}  # the workers' tasks, each with the run that it begins with
        self._given: set[str] = set()  # the runs that a task was to begin with and that nobody has taken yet
        self._not_before: dict[str, float] = {}
        self._most = limits().longest
        self._workers_up = 0
        self._count = 0
        self.statistics = Statistics()

    @property
    def ready(self) -> bool:
        return self._up.is_set()

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def poke(self) -> None:
        """Look at the store now: somebody has just wished for something."""
        self._wake.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until `ready`; False if that took longer than `timeout` seconds."""
        return self._up.wait(timeout)

    def close(self) -> None:
        """End the engine and its processes, within `CLOSE_WITHIN`.

        Runs in a slice are given back with their state; those that do not reach a next step in time go on from their
        last checkpoint, as after a crash.
        """
        self._closing.set()
        self._wake.set()
        if not self.ready:
            self._end_process()  # its thread waits for a cluster that nobody needs any more
        if self._thread.is_alive():
            self._thread.join(timeout=CLOSE_WITHIN)
        self._end_process()
        with contextlib.suppress(StoreError):
            self._store.reap()

    def _run(self) -> None:
        delay = 1.0
        while not self._closing.is_set():
            try:
                with self._connect() as client:
                    delay = 1.0
                    self._serve(client)
            except (OSError, TimeoutError) as error:
                if not self._closing.is_set():
                    log.error(_UNREACHABLE, self._address or "of this machine", error, delay)
            except Exception:
                if not self._closing.is_set():
                    log.exception("The cluster is not available; trying again in %.0f s.", delay)
            finally:
                self._end_process()
                self._up.clear()
                self._turns.clear()
                self._given.clear()
                self.statistics.workers = 0
            self._closing.wait(delay)
            delay = min(2 * delay, 30)

    def _connect(self) -> Client:
        address, security = self._address, self._security
        if address is None:
            command = [sys.executable, "-W", "ignore", "-m", "lstm_core.runs.cluster", str(self._workers)]
            # A session of its own: Ctrl-C in the server's terminal must end the server first.
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
            )
            assert self._process.stdout is not None
            line = "" if self._closing.is_set() else self._process.stdout.readline()
            if not line:
                raise RuntimeError("the local cluster did not start; its own message is above")
            told = json.loads(line)
            address, security = told["address"], Security(require_encryption=True, **told["keys"])
        with dask.config.set({"distributed.admin.low-level-log-length": 0}):  # it would keep 1000 messages
            return Client(address, security=security, set_as_default=False, timeout="10s")

    def _serve(self, client: Client) -> None:
        """Keep the workers busy until the engine closes; raises ConnectionError where the cluster is gone."""
        looked, purged, tidied, alone_since, told = -math.inf, -math.inf, -math.inf, time.monotonic(), False
        trouble = ""
        while not self._closing.is_set() and client.status == "running":
            now = time.monotonic()
            lost = self._collect(now)
            look = lost or now - looked > LOOK
            if look:
                looked, self._workers_up = now, len(client.nthreads())
                self.statistics.workers = self._workers_up
            if self._workers_up:
                alone_since, told = now, False
                self._up.set()
            elif self._address is None:
                if now - alone_since > ALONE:
                    raise RuntimeError("the local cluster has lost its workers")
            elif now - alone_since > LONELY and not told:
                told = True
                self._up.clear()
                log.warning(
                    "The scheduler %s has no workers; `python -m lstm_core worker %s` starts some.",
                    *2 * [self._address],
                )
            try:
                if look:
                    self._store.reap()
                self._fill(client, now)
                if now - purged > PURGE:
                    purged = now
                    self._store.purge()
                    self._store.drop_files()
                if now - tidied > TIDY:
                    tidied = now
                    if thinned := self._store.make_room():
                        log.info("The store was full: %d of the oldest runs were thinned.", thinned)
                trouble = ""
            except StoreError as error:
                if str(error) != trouble:
                    log.error("%s", error)
                trouble = str(error)
            self._wake.wait(WAIT if trouble else POLL)
            self._wake.clear()
        if not self._closing.is_set():
            raise ConnectionError("it ended or was cut off")

    def _collect(self, now: float) -> bool:
        """Forget the tasks that ended; returns whether one was lost with its worker."""
        lost = False
        for future in [future for future in self._turns if future.done()]:
            run_id = self._turns.pop(future)
            self._given.discard(run_id)
            if future.status != "finished":
                error = future.exception()
                if isinstance(error, KilledWorker | CancelledError):
                    log.warning("A worker was lost that began with run %s: %s", run_id, error)
                else:
                    # Not the run's own fault, which would be in the store: it is not to be tried over and over.
                    log.error("Run %s cannot be worked on: %s", run_id, error)
                    self._not_before[run_id] = now + WAIT_AFTER_ERROR
                self.statistics.ended(run_id, None)
                lost = True
                continue
            (_, status, steps, seconds), *others = future.result()
            self.statistics.ended(run_id, steps, seconds)
            for other, _, steps, seconds in others:
                self.statistics.also(other, steps, seconds)
            if status is None:
                self._not_before[run_id] = now + WAIT
        return lost

    def _fill(self, client: Client, now: float) -> None:
        """Give the free workers the runs that are next in line."""
        self._not_before = {run_id: then for run_id, then in self._not_before.items() if then > now}
        line = self._store.waiting()
        self.statistics.wanted(line)
        self._given.intersection_update(line)
        for run_id in line:
            if len(self._turns) >= self._workers_up:
                break
            if run_id not in self._given and run_id not in self._not_before:
                self._turns[self._submit(client, run_id)] = run_id
                self._given.add(run_id)

    def _submit(self, client: Client, run_id: str) -> Future[Any]:
        self._count += 1
        self.statistics.began(run_id)
        key = f"slice-{run_id}-{self._id}-{self._count}"
        future = client.submit(_turns, _Place(self._store.url), run_id, self._most, key=key, pure=False, retries=0)
        future.add_done_callback(lambda _: self._wake.set())
        return future

    def _end_process(self) -> None:
        """End the local cluster: by the end of its input, or by force where it does not read or takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(END_WITHIN if self.ready else 0.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _turns(where: _Place, run_id: str, most: float) -> list[tuple[Any, ...]]:
    # What a worker calls. The server imports this module too, and shall not have to load torch, not for the answer
    # either: so that is plain tuples.
    from lstm_core.runs.turns import turns

    return [astuple(result) for result in turns(where.url, run_id, most)]
