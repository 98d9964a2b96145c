"""The store's files: what users bring, kept once by its content for every server and worker of the store."""

from __future__ import annotations

import time
from pathlib import PurePath

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from lstm_core.cleaning import clean_name
from lstm_core.files import FileProblem, Kind, check_size, identify
from lstm_core.runs.records import KeptFile, StoreError
from lstm_core.runs.schema import Database, files, races, runs

KEPT = 24 * 3600.0  # seconds for which a file stays that no run uses …
SPARE = 256 * 2**20  # … and bytes of older ones, for links that were made and not opened yet
MOST_UNUSED = 2**30  # bytes of files that no run uses, whoever brought them
FILE_SETTINGS = (("task", "file"), ("init", "weights"))  # the settings that refer to files

_FIELDS = [column for column in files.c if column.name in KeptFile.__dataclass_fields__]


class Library:
    """The half of `RunStore` that keeps files."""

    _database: Database

    def keep_file(self, name: str, data: bytes, kind: Kind) -> str:
        """Keep a file and return its id; raises FileProblem for one that is too large, and where there are too many.

        The same content has the same id and is kept once, under the name with which it first came.
        """
        check_size(len(data), name)
        file_id = identify(data)
        shown = clean_name(PurePath(name.replace("\\", "/").replace("\0", "")).name) or "file"
        row = {"id": file_id, "name": shown, "kind": kind, "size": len(data), "created": time.time(), "data": data}
        with self._database.write() as connection:
            if connection.execute(sa.update(files).where(files.c.id == file_id).values(created=time.time())).rowcount:
                return file_id
            unused = sum(size for _, size, _ in _unused(connection))
        if unused + len(data) > MOST_UNUSED:
            raise FileProblem(
                f"{shown} cannot be kept: {unused // 2**20} MiB of files that no run uses are here already. Train with "
                "one of those, or try again tomorrow, when the oldest of them have made room."
            )
        try:
            with self._database.write() as connection:
                connection.execute(sa.insert(files).values(row))
        except StoreError as error:
            # Another process may have brought the same file at the same moment.
            if not isinstance(error.__cause__, IntegrityError):
                raise
        return file_id

    def file(self, file_id: str) -> bytes | None:
        """The content of a file; None where the store has none of this id."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(files.c.data).where(files.c.id == file_id))

    def files(self, kind: Kind | None = None) -> list[KeptFile]:
        """The files, the newest first, without their content; all, or those of one kind."""
        query = sa.select(*_FIELDS).order_by(files.c.created.desc())
        if kind is not None:
            query = query.where(files.c.kind == kind)
        with self._database.read() as connection:
            return [KeptFile(**row._mapping) for row in connection.execute(query)]

    def drop_files(self, age: float = KEPT, room: int = SPARE) -> int:
        """Remove files that no run and no race refers to; returns how many.

        Those stay that came less than `age` seconds ago, and of the older ones the newest, as far as `room` bytes go.
        """
        with self._database.write() as connection:
            dropped, used = [], 0
            for file_id, size, created in _unused(connection):
                used += size
                if used > room and created < time.time() - age:
                    dropped.append(file_id)
            for begin in range(0, len(dropped), 100):
                connection.execute(sa.delete(files).where(files.c.id.in_(dropped[begin : begin + 100])))
        return len(dropped)


def _unused(connection: sa.Connection) -> list[tuple[str, int, float]]:
    """(id, size, when it came) of every file that no settings refer to, the newest first."""
    used: set[str] = set()
    for document in (runs.c.config, races.c.plan["config"]):
        for group, name in FILE_SETTINGS:
            used.update(connection.scalars(sa.select(document[group][name].as_string()).distinct()))
    query = sa.select(files.c.id, files.c.size, files.c.created).order_by(files.c.created.desc())
    return [(row.id, row.size, row.created) for row in connection.execute(query) if row.id not in used]
