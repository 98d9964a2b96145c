"""How a store of an earlier format becomes one of the present format: one Alembic revision for each.

A change of the tables in `schema.py` comes with a new file in `versions/` and the next HEAD. A revision is written out
in full and never refers to `schema.py`: it must do the same in ten years. Opening a store of the present format does
not load Alembic.
"""

from __future__ import annotations

import threading

import sqlalchemy as sa

HEAD = "5"  # the format that this program writes: the newest revision's number

version = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), primary_key=True),
)
# Where formats up to the fourth kept their number. It is still written, so that a program from then refuses the store.
_before = sa.table("about_database", sa.column("id", sa.Integer), sa.column("schema_version", sa.Integer))

_ALEMBIC = threading.Lock()  # it knows one migration at a time in a process


def found(connection: sa.Connection) -> str | None:
    """The format that a database has; None for one that is empty."""
    inspector = sa.inspect(connection)
    if inspector.has_table(version.name):
        return connection.scalar(sa.select(version.c.version_num)) or "0"
    if inspector.has_table(_before.name):
        return str(connection.scalar(sa.select(_before.c.schema_version)) or 0)
    return None


def can_bring_up(format: str) -> bool:
    """Whether a store of this format can become one of the present one."""
    return format.isdecimal() and 1 <= int(format) <= int(HEAD)


def stamp(connection: sa.Connection, format: str) -> None:
    """Write down the format of a store that has no version table yet."""
    version.create(connection)
    connection.execute(sa.insert(version).values(version_num=format))
    if connection.scalar(sa.select(_before.c.id)) is None:
        connection.execute(sa.insert(_before).values(id=1, schema_version=int(format)))


def bring_up(connection: sa.Connection, to: str = HEAD) -> None:
    """Make a store of an earlier format, or an empty database, one of the format `to`, within its own transaction."""
    from alembic import command
    from alembic.config import Config

    before = found(connection)
    if before is not None and not sa.inspect(connection).has_table(version.name):
        stamp(connection, before)
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", f"{__name__}:")
    with _ALEMBIC:
        command.upgrade(config, to)
    connection.execute(sa.update(_before).values(schema_version=int(to)))
