"""The store's files: what users bring, kept once by its content for every server and worker of the store."""

from __future__ import annotations

import time
from pathlib import PurePath

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from lstm_core.cleaning import clean_name
from lstm_core.files import Kind, check_size, identify
from lstm_core.runs.records import KeptFile, StoreError
from lstm_core.runs.schema import Database, files

_FIELDS = [column for column in files.c if column.name in KeptFile.__dataclass_fields__]


class Library:
    """The half of `RunStore` that keeps files."""

    _database: Database

    def keep_file(self, name: str, data: bytes, kind: Kind) -> str:
        """Keep a file and return its id; raises FileProblem for one that is too large.

        The same content has the same id and is kept once, under the name with which it first came.
        """
        check_size(len(data), name)
        file_id = identify(data)
        shown = clean_name(PurePath(name.replace("\\", "/").replace("\0", "")).name) or "file"
        row = {"id": file_id, "name": shown, "kind": kind, "size": len(data), "created": time.time(), "data": data}
        if self._has(file_id):
            return file_id
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

    def _has(self, file_id: str) -> bool:
        with self._database.read() as connection:
            return connection.scalar(sa.select(files.c.id).where(files.c.id == file_id)) is not None
