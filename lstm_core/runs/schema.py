"""The tables of the run store and the way to its database: SQLite in a file, or any server SQLAlchemy reaches."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from platformdirs import user_data_path
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError, NoSuchModuleError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.compiler import compiles

from lstm_core.runs.records import StoreError
from lstm_core.runs.upgrades import UPGRADES

SCHEMA_VERSION = 4

metadata = sa.MetaData()

about_database = sa.Table(
    "about_database",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("schema_version", sa.Integer, nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    # What a page polls comes first, so that reading it never touches the documents behind it.
    sa.Column("revision", sa.Integer, nullable=False, default=0),
    sa.Column("seq", sa.BigInteger, nullable=False, default=0),
    sa.Column("state_version", sa.Integer, nullable=False, default=0),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("desired", sa.String(16), nullable=False),
    sa.Column("target", sa.Integer),
    sa.Column("step", sa.Integer, nullable=False, default=-1),
    sa.Column("steps", sa.Integer, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False, default=0),
    sa.Column("lease_holder", sa.String(128)),
    sa.Column("lease_until", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("last_ran", sa.Float, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("train_seconds", sa.Float, nullable=False, default=0.0),
    sa.Column("speed", sa.Float, nullable=False, default=0.0),
    sa.Column("name", sa.String(200)),
    sa.Column("owner", sa.String(64)),  # who may control it, as `owners` has it; nobody's where empty
    sa.Column("pinned", sa.Integer, nullable=False, default=0, server_default="0"),  # never thinned to save space
    sa.Column("thinned", sa.Float),  # when pictures and kept states were taken out to save space
    sa.Column("parent", sa.String(16)),
    sa.Column("fork_step", sa.Integer),
    sa.Column("deleted", sa.Float),  # when it was thrown away; for a while it can be taken back
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("config", sa.JSON, nullable=False),
    sa.Column("about", sa.JSON(none_as_null=True)),
)
sa.Index("runs_waiting", runs.c.desired, runs.c.status, runs.c.last_ran)
sa.Index("runs_by_age", runs.c.created)


def _run_id() -> sa.Column[str]:
    return sa.Column("run_id", sa.String(16), sa.ForeignKey(runs.c.id, ondelete="CASCADE"), nullable=False)


overrides = sa.Table(
    "overrides",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _run_id(),
    sa.Column("field", sa.String(32), nullable=False),
    sa.Column("value", sa.JSON, nullable=False),
    sa.Column("step", sa.Integer),  # empty until a worker has put it into effect
)
sa.Index("overrides_of_run", overrides.c.run_id)

frames = sa.Table(
    "frames",
    metadata,
    _run_id(),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("sample", sa.Integer),
    sa.Column("first", sa.Integer, nullable=False),
    sa.Column("last", sa.Integer, nullable=False),
    sa.Column("tier", sa.Integer, nullable=False, default=0),  # how many times its rows have been merged
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("overview", sa.LargeBinary),  # the same picture in fewer rows, for long runs
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("run_id", "seq"),
)
sa.Index("frames_by_kind", frames.c.run_id, frames.c.kind, frames.c.tier, frames.c.last)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    _run_id(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("run_id", "name"),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),  # by the content: the same file is there once
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

races = sa.Table(
    "races",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("owner", sa.String(64)),
    sa.Column("plan", sa.JSON, nullable=False),  # the common settings, what varies, its values
)

race_runs = sa.Table(
    "race_runs",
    metadata,
    sa.Column("race_id", sa.String(16), sa.ForeignKey(races.c.id, ondelete="CASCADE"), nullable=False),
    _run_id(),
    sa.Column("value", sa.Integer, nullable=False),  # which of the plan's values it has
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("race_id", "run_id"),
)
sa.Index("races_of_run", race_runs.c.run_id)


class Clock(sa.ColumnElement[float]):
    """The time as an expression: seconds since 1970 by the database's clock on a server, by this host's with a file.

    So that hosts which share a database need not agree on the time.
    """

    type = sa.Float()
    inherit_cache = True


@compiles(Clock)
def _own_clock(_element: Clock, compiler: Any, **options: Any) -> str:
    return str(compiler.process(sa.bindparam("clock", callable_=lambda: time.time(), type_=sa.Float), **options))


@compiles(Clock, "postgresql")
def _clock_of_server(_element: Clock, _compiler: Any, **_options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


_NOW = sa.select(Clock())


def database_url(url: str | None = None) -> str:
    """The database to use: `url` (or a path), else LSTM_LAB_DATABASE, else a file in the user's data folder."""
    url = url or os.environ.get("LSTM_LAB_DATABASE")
    if url and "://" in url:
        return url
    path = Path(url) if url else user_data_path("lstm-lab") / "runs.sqlite3"
    return f"sqlite:///{path.expanduser().absolute()}"


class Database:
    """Connections to one database, as transactions that read and transactions that write.

    Raises StoreError, with what to do, wherever the database cannot be reached, read or written.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        with self._in_words():
            parsed = sa.make_url(url)
            if parsed.get_backend_name() == "sqlite" and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self._engine = sa.create_engine(parsed)
            if self._engine.dialect.name == "sqlite":
                event.listen(self._engine, "connect", _set_up_sqlite)
                event.listen(self._engine, "begin", _begin_sqlite)
            self._writing = self._engine.execution_options(writes=True)
        self._prepare()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent view of the database."""
        with self._in_words(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that may write; committed at the end, undone by an exception."""
        with self._in_words(), self._writing.begin() as connection:
            yield connection

    def now(self, connection: sa.Connection) -> float:
        """Seconds since 1970 by the clock that all who share this database go by; see `Clock`."""
        return float(connection.scalar(_NOW) or 0.0)

    def close(self) -> None:
        self._engine.dispose()

    def _prepare(self) -> None:
        try:
            self._create()
        except StoreError as error:
            # Another process may have created the same tables at the same moment.
            if not isinstance(error.__cause__, ProgrammingError | IntegrityError):
                raise
            self._create()

    def _create(self) -> None:
        with self.write() as connection:
            if sa.inspect(connection).has_table(about_database.name):
                # Locked, so that of several programs that start at once one brings it up to date.
                found = connection.scalar(sa.select(about_database.c.schema_version).with_for_update()) or 0
                self._bring_up_to_date(connection, found)
                return
            metadata.create_all(connection)
            connection.execute(sa.insert(about_database).values(id=1, schema_version=SCHEMA_VERSION))

    def _bring_up_to_date(self, connection: sa.Connection, found: int) -> None:
        if found > SCHEMA_VERSION or any(version not in UPGRADES for version in range(found, SCHEMA_VERSION)):
            raise StoreError(
                f"The run store {self.place} has format {found}, this program writes format {SCHEMA_VERSION}. "
                "Start the version of the program that wrote it, or set LSTM_LAB_DATABASE to another place."
            )
        for version in range(found, SCHEMA_VERSION):
            UPGRADES[version](connection, metadata.tables)
        if found < SCHEMA_VERSION:
            connection.execute(sa.update(about_database).values(schema_version=SCHEMA_VERSION))

    @property
    def place(self) -> str:
        """The database as a person may read it: the file, or the address without its password."""
        parsed = sa.make_url(self.url)
        return str(parsed.database) if parsed.get_backend_name() == "sqlite" else parsed.render_as_string()

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError, ImportError) as error:
            raise StoreError(_explain(error, self.url)) from error


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: `_begin_sqlite` decides which kind it is.
    connection.isolation_level = None
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer takes its lock at once: a reader that becomes a writer later could only fail.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _explain(error: Exception, url: str) -> str:
    cause = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    try:
        parsed = sa.make_url(url)
        place = parsed.database if parsed.get_backend_name() == "sqlite" else parsed.render_as_string()
    except SQLAlchemyError:
        return f"{url!r} is no database address: set LSTM_LAB_DATABASE to a file or to postgresql+psycopg://…"
    if isinstance(error, NoSuchModuleError | ImportError):
        return f"No driver for {place} is installed: {cause}. Install the extra with `pip install lstm-lab[cluster]`."
    remedies = {
        "not a database": "The file is damaged or is something else: move it away, and a new store is made.",
        "malformed": "The file is damaged: move it away, and a new store is made in its place.",
        "locked": "Another program holds it for too long: close what else has it open, then try again.",
        "readonly": "It cannot be written: check the permissions of the file and its folder.",
        "unable to open": "It cannot be opened: check that the folder exists and may be written.",
        "full": "The disk is full: free some space, or delete old runs.",
    }
    remedy = next((words for sign, words in remedies.items() if sign in cause), None)
    return f"The run store {place} cannot be used ({cause}). " + (
        remedy or "Check LSTM_LAB_DATABASE and that the database is up."
    )
