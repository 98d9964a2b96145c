"""Files that a user brings: kept by their content, found by their id.

Settings hold only the id, never a path: whoever opens a link can name bytes that somebody gave to this program, but
cannot make it read a file of its own machine.
"""

from __future__ import annotations

import hashlib
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Kind = Literal["csv", "text", "weights"]
Lookup = Callable[[str], bytes | None]

LARGEST = 10 * 2**20  # bytes
_ID = re.compile("[0-9a-f]{16}")


class FileProblem(ValueError):
    """A user's file cannot be used; the message says why and what to do."""


class FileMissing(FileProblem):
    """No place that this process looks in has a file of this id."""

    def __init__(self, file_id: str) -> None:
        super().__init__(f"The file {file_id} is not here: it was given to another run store. Choose the file again.")


_kept: dict[str, bytes] = {}
_places: list[Callable[[], Lookup | None]] = []


def identify(data: bytes) -> str:
    """The id of a content: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def keep(data: bytes, name: str) -> str:
    """Keep a file for as long as this process lives, and return its id; raises FileProblem for too large a file."""
    check_size(len(data), name)
    file_id = identify(data)
    _kept[file_id] = data
    return file_id


def keep_path(path: str | Path) -> str:
    """Keep a file of this machine; its size is looked at before it is read. Raises FileProblem."""
    path = Path(path)
    try:
        check_size(path.stat().st_size, str(path))
        with path.open("rb") as file:
            # What is no ordinary file, or still grows, has a size that says nothing.
            return keep(file.read(LARGEST + 1), str(path))
    except OSError as error:
        raise FileProblem(f"{path} cannot be read: {error.strerror or error}.") from error


def read(file_id: str) -> bytes:
    """The content of a file; raises FileMissing."""
    data = _kept.get(file_id)
    for place in reversed(_places if is_id(file_id) else []):
        if data is not None:
            break
        lookup = place()
        data = lookup(file_id) if lookup is not None else None
    if data is None:
        raise FileMissing(file_id)
    return data


def look_in(lookup: Lookup) -> None:
    """Also look for files in this place, such as `store.file`, and there before all earlier ones.

    A bound method is known only for as long as its object is in use elsewhere.
    """
    place = weakref.WeakMethod(lookup) if hasattr(lookup, "__self__") else lambda: lookup
    known = [other for other in _places if (found := other()) is not None and found != lookup]
    _places[:] = [*known, place]


def check_size(size: int, name: str) -> None:
    """Raise FileProblem where a file of so many bytes is too large."""
    if size > LARGEST:
        raise FileProblem(
            f"{name} is larger than {LARGEST // 2**20} MiB, the most that can be read; choose a smaller file."
        )
