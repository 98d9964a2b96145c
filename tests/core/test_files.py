"""Files by their content: what is given is found again, and nothing else can be reached."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_core import files
from lstm_core.files import LARGEST, FileMissing, FileProblem


@given(data=st.binary(max_size=300))
def test_a_file_is_found_by_its_content(data: bytes) -> None:
    file_id = files.keep(data, "it")
    assert file_id == hashlib.sha256(data).hexdigest()[:16]
    assert files.is_id(file_id)
    assert files.read(file_id) == data


@pytest.mark.parametrize("text", ["", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef\n", "../../etc/passwd"])
def test_nothing_else_is_an_id(text: str) -> None:
    assert not files.is_id(text)
    with pytest.raises(FileMissing):
        files.read(text)


def test_a_path_is_read_after_a_look_at_its_size(tmp_path: Path) -> None:
    path = tmp_path / "it.csv"
    path.write_bytes(b"small")
    assert files.read(files.keep_path(path)) == b"small"
    with path.open("wb") as file:
        file.truncate(2**40)  # more than there is memory: to read it all would fail otherwise
    with pytest.raises(FileProblem, match=r"it\.csv is larger than 10 MiB"):
        files.keep_path(path)
    with pytest.raises(FileProblem, match=r"missing\.csv cannot be read: No such file"):
        files.keep_path(tmp_path / "missing.csv")
    with pytest.raises(FileProblem, match="cannot be read: Is a directory"):
        files.keep_path(tmp_path)
    with pytest.raises(FileProblem, match="larger than 10 MiB"):
        files.keep_path("/dev/zero")


def test_the_largest_file_is_kept_and_one_byte_more_is_not() -> None:
    assert len(files.read(files.keep(bytes(LARGEST), "it"))) == LARGEST
    with pytest.raises(FileProblem, match="it is larger than 10 MiB"):
        files.keep(bytes(LARGEST + 1), "it")


class Shelf:
    """A place with one file."""

    def __init__(self, data: bytes) -> None:
        self.id, self.data, self.asked = files.identify(data), data, 0

    def find(self, file_id: str) -> bytes | None:
        self.asked += 1
        return self.data if file_id == self.id else None


def test_further_places_are_looked_in_the_last_one_first() -> None:
    first, last = Shelf(b"first shelf"), Shelf(b"last shelf")
    for shelf in (first, last, last):
        files.look_in(shelf.find)
    assert files.read(last.id) == b"last shelf"
    assert (first.asked, last.asked) == (0, 1)
    assert files.read(first.id) == b"first shelf"
    assert (first.asked, last.asked) == (1, 2)


def test_a_place_is_forgotten_with_its_owner() -> None:
    shelf = Shelf(b"gone")
    files.look_in(shelf.find)
    file_id = shelf.id
    del shelf
    with pytest.raises(FileMissing, match=f"The file {file_id} is not here"):
        files.read(file_id)
