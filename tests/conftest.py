"""What several test folders share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from lstm_core import files
from tests import postgres as servers
from tests.postgres import Postgres
from tests.serving import Server, serve

# The same examples at every run, and none refused because the machine was busy while they were drawn.
settings.register_profile(
    "steady",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("steady")


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors: a third of its time a test waits for a page or a process."""
    return min(6, 3 * (os.cpu_count() or 2) // 2)


@pytest.fixture(autouse=True, scope="module")
def places() -> Iterator[None]:
    """No test file looks for files in a store that another one had, which may be gone meanwhile."""
    before = list(files._places)
    yield
    files._places[:] = before


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The whole application, with one training process and a teacher's page; shared by all tests that ask for it."""
    everything = {"LSTM_LAB_TEACHER_PASSWORD": "a password for tests"}
    with serve(tmp_path_factory.mktemp("server"), workers=1, environment=everything) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; whoever stops it starts it again."""
    with servers.serving() as running:
        yield running


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The address of an empty database of that server."""
    with postgres.database() as url:
        yield url
