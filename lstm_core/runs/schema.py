"""The tables of the run store and the way to its database: SQLite in a file, or a PostgreSQL server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from lstm_core.runs import migrations
from lstm_core.runs.addresses import explain, place
from lstm_core.runs.dialects import engines, write_ahead_log
from lstm_core.runs.records import StoreError

metadata = sa.MetaData()

_PREPARING = 0x15_7A_1AB  # any number, but the same for every program that opens such a store

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
    sa.Column("tier", sa.Integer, nullable=False, default=0),  # how often its rows were merged; 1 of a packed picture
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


class Clock(FunctionElement[float]):
    """The time as an expression: seconds since 1970 by the database's clock on a server, by this host's with a file.

    So that hosts which share a database need not agree on the time.
    """

    type = sa.Float()
    inherit_cache = True  # else every statement with it would be compiled each time, which takes longer than to run it


@compiles(Clock)
def _own_clock(_element: Clock, compiler: Any, **options: Any) -> str:
    return str(compiler.process(sa.bindparam("clock", callable_=lambda: time.time(), type_=sa.Float), **options))


@compiles(Clock, "postgresql")
def _clock_of_server(_element: Clock, _compiler: Any, **_options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


_NOW = sa.select(Clock())


class Database:
    """Connections to one database, as transactions that read and transactions that write.

    Raises StoreError, with what to do, wherever the database cannot be reached, read or written.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            sa.make_url(url)
        except (SQLAlchemyError, ValueError) as error:
            raise StoreError(explain(error, url)) from None  # which shows the address as it is, with its password
        with self._in_words():
            self._engines = engines(url)
        self._log = write_ahead_log(url)
        self._prepare()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent view of the database."""
        with self._in_words(), self._engines.reading.begin() as connection:
            yield connection

    @contextmanager
    def glance(self) -> Iterator[sa.Connection]:
        """For a single statement that reads: on a server it takes one exchange instead of three."""
        with self._in_words(), self._engines.glancing.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that may write; committed at the end, undone by an exception."""
        with self._in_words(), self._engines.writing.begin() as connection:
            yield connection

    def now(self, connection: sa.Connection) -> float:
        """Seconds since 1970 by the clock that all who share this database go by; see `Clock`."""
        return float(connection.scalar(_NOW) or 0.0)

    def stamp(self) -> tuple[int, int] | None:
        """What is another one after each commit, at the price of a look at a file's size and time.

        None where nothing tells it so cheaply. Of two commits within a few milliseconds it may miss the second.
        """
        with suppress(OSError):
            if self._log is not None:
                found = self._log.stat()
                return found.st_mtime_ns, found.st_size
        return None

    def close(self) -> None:
        self._engines.reading.dispose()

    def _prepare(self) -> None:
        with self.read() as connection:
            format = migrations.found(connection)
        if format == migrations.HEAD:
            return
        with self.write() as connection:
            # Of several programs that start at once one makes the tables or brings them up to date.
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PREPARING)))
            format = migrations.found(connection)
            if format is None:
                metadata.create_all(connection)
                migrations.stamp(connection, migrations.HEAD)
            elif migrations.can_bring_up(format):
                migrations.bring_up(connection)
            else:
                raise StoreError(
                    f"The run store {place(self.url)} has format {format}, this program writes format "
                    f"{migrations.HEAD}. Start the version of the program that wrote it, or set LSTM_LAB_DATABASE to "
                    "another place."
                )

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError, ImportError) as error:
            raise StoreError(explain(error, self.url)) from error
