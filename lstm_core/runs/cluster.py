"""The local cluster as a process of its own: `python -m lstm_core.runs.cluster WORKERS`.

Apart from the server, so that neither waits for the other, and so that the workers' start never imports the program
that asked for them. It prints its address and keys as one line of JSON and lives until its standard input ends:
however the server dies, the cluster ends with it, and the workers with the cluster, once they have given back what
they work on.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import contextlib
import json
import logging
import signal
import sys
from collections.abc import Iterable

import dask
import psutil
from distributed import LocalCluster, Nanny
from distributed.security import Security

from lstm_core import logs
from lstm_core.runs.leaving import WITHIN

CLOSE_WITHIN = 2.0  # seconds for what remains when the workers have ended
PRELOAD = "lstm_core.runs.preload"  # makes a new worker ready
KEPT = 50  # entries of each of Dask's own logs
KEYS = ("tls_ca_file", "tls_client_cert", "tls_client_key")

ONE_THREAD = {"OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1}
# Dask would have every freed piece of memory given back to the system at once, and a thread's own arena (slices run in
# a thread) does so by itself: a training step, which frees and takes the same few megabytes over and over, is up to
# three times as slow then.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": 2**28, "MALLOC_MMAP_THRESHOLD_": 2**26, "MALLOC_ARENA_MAX": 1}


def configure() -> None:
    """Have Dask run slices as they want to be run; for every process that makes schedulers or workers."""
    # A worker that dies takes a slice with it, not a task to be tried again: the store knows how a run goes on.
    dask.config.set({"distributed.scheduler.allowed-failures": 0, "distributed.admin.tick.limit": "10s"})
    # A worker that was killed is started again; on a busy machine that may take longer than Dask would wait for it.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"})
    # The web pages of Dask cannot be turned off; they are left empty and seen by this machine only.
    dask.config.set({"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []})
    # It would look a hundred times a second at what a slice is doing, and keep hours of figures that nobody reads.
    dask.config.set({"distributed.worker.profile.enabled": False})
    dask.config.set(
        {f"distributed.admin.{name}-length": KEPT for name in ("log", "low-level-log", "system-monitor.log")}
    )
    dask.config.set({"distributed.nanny.pre-spawn-environ": {**ONE_THREAD, **KEEP_MEMORY}})


def main() -> None:
    configure()
    logs.set_up(dask=logging.CRITICAL)
    security = Security.temporary()
    cluster = LocalCluster(
        n_workers=int(sys.argv[1]),
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        security=security,
        memory_limit=0,
        silence_logs=logging.CRITICAL,
        preload=[logs.__name__, PRELOAD],
    )
    keys = {name: getattr(security, name) for name in KEYS}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        with contextlib.suppress(BrokenPipeError):  # whoever wanted it is gone already
            print(json.dumps({"address": cluster.scheduler_address, "keys": keys}), flush=True)
            sys.stdin.read()
    finally:
        end_workers(cluster.workers.values())
        with contextlib.suppress(TimeoutError):
            cluster.close(timeout=CLOSE_WITHIN)


def end_workers(nannies: Iterable[Nanny]) -> None:
    """Let every worker give back what it works on, all at the same time; those that cannot are ended."""
    workers = []
    for nanny in nannies:
        nanny.close_gracefully()  # its worker is not to be started again
        with contextlib.suppress(psutil.NoSuchProcess):
            workers += [psutil.Process(nanny.pid)] if nanny.pid else []
    for worker in workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.terminate()
    for worker in psutil.wait_procs(workers, WITHIN)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()


if __name__ == "__main__":
    main()
