"""Several machines: servers, workers and a scheduler that meet in one PostgreSQL, all as real processes."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
import torch
from distributed.comm import CommClosedError, connect
from distributed.security import Security

from lstm_core.runs import keys, telemetry
from lstm_core.runs.engine import _Place, scheduler_address
from lstm_core.runs.records import StoreError
from lstm_core.runs.store import RunStore
from tests import loops
from tests.cluster import LAB, Cluster, clustered
from tests.postgres import Postgres
from tests.runs.conftest import small
from tests.runs.test_engine import settled, until
from tests.runs.test_slices import alone, assert_same
from tests.serving import Server, serve


@dataclass
class Lab:
    """Two servers with one database and one cluster of two workers, and the store as they have it."""

    store: RunStore
    cluster: Cluster
    servers: list[Server]


@pytest.fixture(scope="module")
def lab(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    torch.set_num_threads(1)
    with ExitStack() as stack:
        url = stack.enter_context(postgres.database())
        cluster = stack.enter_context(clustered(tmp_path_factory.mktemp("cluster")))
        environment = {"LSTM_LAB_DATABASE": url, **cluster.environment}
        folders = [tmp_path_factory.mktemp("server") for _ in range(2)]
        servers = [stack.enter_context(serve(folder, environment=environment)) for folder in folders]
        store = RunStore(url)
        stack.callback(store.close)
        yield Lab(store, cluster, servers)


def polled(server: Server, run: str) -> tuple[dict[str, Any], list[bytes]]:
    """What a page of this server is told of a run: its state, and its frames."""
    with urllib.request.urlopen(f"{server.url}/lab/runs/{run}/poll", timeout=30) as response:
        body = response.read()
    parts = []
    while body:
        (length,) = struct.unpack_from(">I", body)
        parts.append(body[4 : 4 + length])
        body = body[4 + length :]
    return json.loads(parts[0]), parts[1:]


def test_two_servers_share_runs_and_workers_and_no_step_is_trained_twice(lab: Lab) -> None:
    store = lab.store
    configs = [small(60, **{"training.seed": seed}) for seed in range(4)]
    runs = [store.create(config) for config in configs]
    for run, config in zip(runs, configs, strict=True):
        settled(store, run, "finished", "failed")
        assert_same(store.scalars(run), alone(config))
        assert store.get(run).revision == 1  # nothing was taken back, only described
        steps = [telemetry.decode(data).arrays["step"] for *_, data in store.frames(run, kinds=["scalars"])]
        assert [int(step) for piece in steps for step in piece] == list(range(61))
        for server in lab.servers:
            state, (scalars, *_) = polled(server, run)
            assert state["status"] == "finished"
            assert telemetry.decode(scalars).arrays["step"].tolist() == list(range(61))


def test_a_fork_goes_on_where_its_parent_was(lab: Lab) -> None:
    parent = lab.store.create(small(60))
    settled(lab.store, parent, "finished", "failed")
    config = small(80)
    fork = lab.store.fork(parent, 40, config)
    settled(lab.store, fork, "finished", "failed")
    assert_same(lab.store.scalars(fork), alone(config))


def test_workers_leave_and_come_and_the_scheduler_is_lost(lab: Lab) -> None:
    store = lab.store
    run = store.create(small(1_000_000))
    until(lambda: store.get(run).step > 5, "the first steps")
    first, _ = lab.cluster.workers
    machine = psutil.Process(first.pid)
    for process in (machine, *machine.children(recursive=True)):
        process.kill()
    first.wait()
    on_from(store, run)
    lab.cluster.restart_scheduler()
    on_from(store, run)
    store.desire(run, "paused")
    settled(store, run, "paused")
    last = store.get(run).step
    recorded = store.scalars(run)
    assert recorded["step"].tolist() == list(range(last + 1))
    assert recorded["loss/train"].tolist() == alone(small(last))["loss/train"].tolist()
    printed = [*(server.printed() for server in lab.servers), lab.cluster.log.read_text()]
    assert all("Runs go on when it is back" in text for text in printed[:-1])
    secret = sa.make_url(store.url).password
    assert secret
    assert not [text for text in printed if secret in text]
    assert not [text for text in printed[:-1] if "Traceback" in text]


def on_from(store: RunStore, run: str) -> None:
    """Wait until the run is trained further than it is now, and further still."""
    for _ in range(2):
        step = store.get(run).step
        until(lambda step=step: store.get(run).step > step + 5, f"steps beyond {step}")  # type: ignore[misc]


def test_a_database_that_is_started_again_is_used_again(postgres: Postgres, database: str) -> None:
    store = RunStore(database)
    run = store.create(small())
    postgres.stop(force=True)
    with pytest.raises(StoreError, match="cannot be used") as refused:
        store.get(run)
    assert postgres.password not in str(refused.value)
    postgres.start()
    assert store.get(run).id == run
    store.close()


def refuses(address: str, security: Security) -> bool:
    """Whether nobody answers at the address who trusts these keys."""

    async def attempt() -> None:
        with contextlib.suppress(CommClosedError):
            connection = await connect(address, timeout=3, **security.get_connection_args("client"))
            try:
                await connection.write({"op": "identity"})
                await connection.read()
            finally:
                connection.abort()
            raise AssertionError

    try:
        loops.run(attempt())
    except OSError:
        return True
    except AssertionError:
        return False
    return True


def test_only_who_has_the_keys_of_the_local_cluster_is_heard() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "lstm_core.runs.cluster", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        address = told["address"]
        assert address.startswith("tls://127.0.0.1:")
        assert not refuses(address, Security(require_encryption=True, **told["keys"]))
        assert refuses(address, Security.temporary())
        assert refuses(address.replace("tls://", "tcp://"), Security())
        process.communicate()


def test_keys_are_made_once_and_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    made = subprocess.run([*LAB, "keys", str(folder)], capture_output=True, text=True, check=True)
    assert "LSTM_LAB_TLS" in made.stdout
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == dict.fromkeys(keys.FILES, 0o600)
    assert folder.stat().st_mode & 0o777 == 0o700
    before = (folder / "key.pem").read_text()
    again = subprocess.run([*LAB, "keys", str(folder)], capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "choose another folder" in again.stderr
    assert (folder / "key.pem").read_text() == before
    security = keys.security({"LSTM_LAB_TLS": str(folder)})
    assert security.get_tls_config_for_role("worker")["key"] == str(folder / "key.pem")


def test_without_keys_there_is_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="set LSTM_LAB_TLS to a folder"):
        keys.security({})
    with pytest.raises(ValueError, match=r"ca\.pem, cert\.pem, key\.pem cannot be read there"):
        keys.security({"LSTM_LAB_TLS": str(tmp_path)})


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.7:8786", "10.0.0.7:8786", "tls://10.0.0.7", "tls://:8786", "tls://a:b"]
)
def test_an_address_that_keeps_no_secrets_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("LSTM_LAB_SCHEDULER", address)
    with pytest.raises(ValueError, match="must be tls://HOST:PORT"):
        scheduler_address("postgresql+psycopg://lab@db/lab")


@pytest.mark.parametrize("url", ["sqlite:////srv/runs.sqlite3", "postgresql+psycopg://lab:hush@localhost/lab"])
def test_what_only_this_machine_finds_is_no_store_for_workers_of_others(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("LSTM_LAB_SCHEDULER", "tls://10.0.0.7:8786")
    assert scheduler_address("postgresql+psycopg://lab@db/lab") == "tls://10.0.0.7:8786"
    with pytest.raises(ValueError, match=r"which only this machine finds, not the workers of") as refused:
        scheduler_address(url)
    assert "hush" not in str(refused.value)
    for here in ("tls://127.0.0.1:8786", "tls://[::1]:8786"):
        monkeypatch.setenv("LSTM_LAB_SCHEDULER", here)
        assert scheduler_address(url) == here


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://lab:hush@127.0.0.1:1/lab?connect_timeout=2",
        "postgresql+psycopg://lab@127.0.0.1:1/lab?password=hush",
        "postgresql+psycopg://lab:hush@127.0.0.1:port/lab",
        "postgresql+psycopg://lab:hush@[::1/lab",
        "nonsense://lab:hush@somewhere/lab",
    ],
)
def test_no_error_tells_the_password(url: str) -> None:
    with pytest.raises(StoreError) as refused:
        RunStore(url)
    assert "hush" not in str(refused.value)
    assert "hush" not in repr(_Place(url))
