"""How the two databases are spoken to: SQLite in a file, and PostgreSQL."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError

RESTED = 1.0  # seconds after which a connection is tried before it is used again: its server may have gone meanwhile

# Of the server: a program that hangs in the middle of a transaction must not hold up the others for long. Of the
# client: a server that vanished from the network shall be noticed.
POSTGRESQL = {
    "application_name": "lstm-lab",
    "options": "-c lock_timeout=10s -c idle_in_transaction_session_timeout=30s",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


class Engines(NamedTuple):
    """One pool of connections in three ways: for several statements on one state, for a single one, for changes."""

    reading: sa.Engine
    glancing: sa.Engine
    writing: sa.Engine


def engines(url: str) -> Engines:
    """Connections to the database at `url`; none is opened yet."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql(parsed)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    if parsed.database and parsed.database != ":memory:":
        _keep_to(engine, Path(parsed.database))
    return Engines(engine, engine, engine.execution_options(writes=True))


def write_ahead_log(url: str) -> Path | None:
    """The file to which every commit is added; None where there is no such file on this machine."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(f"{parsed.database}-wal")


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: `_begin_sqlite` decides which kind it is.
    connection.isolation_level = None
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _keep_to(engine: sa.Engine, file: Path) -> None:
    """Notice when the file was moved away, deleted or replaced: one that is still open would be written in vain."""
    known: list[tuple[int, int]] = []

    def only_if_there(*_: object) -> None:
        if known and not file.exists():  # SQLite would begin an empty one, and hide what happened
            raise FileNotFoundError("the file is gone")

    def remember(_connection: Any, record: Any) -> None:
        known[:] = [_identity(file)]
        record.info["file"] = known[0]

    def compare(_connection: Any, record: Any, _proxy: Any) -> None:
        if not file.exists() or record.info["file"] != _identity(file):
            raise InvalidatePoolError  # to be opened again

    event.listen(engine, "do_connect", only_if_there)
    event.listen(engine, "connect", remember)
    event.listen(engine, "checkout", compare)


def _identity(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer takes its lock at once: a reader that becomes a writer later could only fail.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(parsed: sa.URL) -> Engines:
    given = {name: value for name, value in POSTGRESQL.items() if name not in parsed.query}
    engine = sa.create_engine(parsed, connect_args=given, pool_timeout=10)
    event.listen(engine, "checkin", _rest)
    event.listen(engine, "checkout", _wake(engine))
    return Engines(
        engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
        engine.execution_options(isolation_level="AUTOCOMMIT"),
        engine.execution_options(isolation_level="READ COMMITTED"),
    )


def _rest(_connection: Any, record: Any) -> None:
    record.info["rests_since"] = time.monotonic()


def _wake(engine: sa.Engine) -> Any:
    def wake(connection: Any, record: Any, _proxy: Any) -> None:
        # A worker asks forty times a second: to try the connection each time would double what that costs.
        if time.monotonic() - record.info.get("rests_since", time.monotonic()) < RESTED:
            return
        try:
            engine.dialect.do_ping(connection)
        except Exception as error:
            raise InvalidatePoolError from error  # a new connection takes its place

    return wake
