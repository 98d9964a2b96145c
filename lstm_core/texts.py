"""Reading a text that a user brings: its encoding found, its line ends made equal, what is no text refused in words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from typing import NamedTuple

from lstm_core.files import FileProblem, check_size

LARGEST = 5 * 2**20  # bytes
SHORTEST = 1000  # characters
DISTINCT = 200  # characters that a text may be made of, the replacement included
MARKS_IN_A_ROW = 30
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# The first of those that fit equally well is taken; only NUL bytes speak for UTF-16 or UTF-32 without a mark.
ENCODINGS = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"]
ENCODINGS += ["shift_jis", "gb18030", "euc_kr", "big5", "euc_jp", "mac_roman"]
WIDE = ["utf_16_le", "utf_16_be", "utf_32_le", "utf_32_be"]
MARKS = [(b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32")]
MARKS += [(b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")]

SIGNATURES = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"SQLite format 3\0": "an SQLite database",
    b"PAR1": "a Parquet table",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Office document of the old kind",
    b"\x89HDF": "an HDF5 file",
    b"\x7fELF": "a program",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


class Text(NamedTuple):
    """A text as it is trained on, and what was done to it, a sentence each."""

    text: str
    notes: tuple[str, ...]


def read(data: bytes, name: str) -> Text:
    """The text of a file; raises FileProblem for what is empty, too short, too large or no text.

    Line ends become "\\n" and composed characters one character each (Unicode NFC). Of more than `DISTINCT` different
    characters the rarest become one replacement sign.
    """
    if len(data) > LARGEST:
        raise FileProblem(f"{name} is larger than {LARGEST // 2**20} MiB; choose a shorter text, or a part of it.")
    text, notes = decode(data, name)
    if overloaded(text):
        raise FileProblem(
            f"{name} has more than {MARKS_IN_A_ROW} accents in a row, as no text has; choose a file that is one."
        )
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    if len(text) < SHORTEST:
        raise FileProblem(
            f"{name} has {len(text)} characters, too few to learn from; choose a text of at least {SHORTEST}."
        )
    counts = Counter(text)
    if len(counts) <= DISTINCT:
        return Text(text, notes)
    by_number = sorted(counts, key=lambda sign: (-counts[sign], sign))
    kept = by_number[: DISTINCT - 1]
    rare = {ord(sign): REPLACEMENT for sign in by_number[DISTINCT - 1 :]}
    replaced = len(text) - sum(counts[sign] for sign in kept)
    note = (
        f"{name} is made of {len(counts)} different characters, of which {DISTINCT} are told apart: "
        f"the {len(rare)} rarest, {replaced} characters in all, became {REPLACEMENT}."
    )
    return Text(text.translate(rare), (*notes, note))


def overloaded(text: str) -> bool:
    """Whether more accents stand in a row than in any text: to order those of one letter takes their number squared.

    https://unicode.org/reports/tr15/#Stream_Safe_Text_Format
    """
    return _marks().search(text) is not None


@cache
def _marks() -> re.Pattern[str]:
    marks = "".join(sign for sign in map(chr, range(0x110000)) if unicodedata.combining(sign))
    return re.compile(f"[{marks}]{{{MARKS_IN_A_ROW + 1}}}")


def decode(data: bytes, name: str) -> Text:
    """The characters of a file in whichever encoding it has; raises FileProblem for what is no text."""
    check_size(len(data), name)
    if not data:
        raise FileProblem(f"{name} is empty: it has 0 bytes. Choose another file.")
    if (what := signature(data)) is not None:
        raise FileProblem(f"{name} is {what}, not a text; save what is in it as plain text and choose that.")
    text, notes = _characters(data, name)
    if "\0" in text or len(_CONTROL.findall(text)) > len(text) / 100:
        raise _no_text(name)
    return Text(text, notes)


def signature(data: bytes) -> str | None:
    """What kind of file this is, where its first bytes say that it is no text: «a PNG picture»."""
    return next((what for start, what in SIGNATURES.items() if data.startswith(start)), None)


def _characters(data: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    marked = next((encoding for mark, encoding in MARKS if data.startswith(mark)), None)
    try:
        if marked or b"\0" not in data:
            return data.decode(marked or "utf-8").removeprefix("\ufeff"), ()
    except UnicodeDecodeError as error:
        if marked:
            raise FileProblem(
                f"{name} begins as {marked.upper()} but is damaged at byte {error.start}; save it again as UTF-8."
            ) from error
    few = 0 < data.count(b"\0") < len(data) / 4  # of UTF-16 about every second byte is 0
    encoding = None if few else _guess(data)
    if encoding is None:
        raise _no_text(name)
    shown = encoding.replace("_", "-").upper()
    return data.decode(encoding), (f"{name} is not UTF-8; it was read as {shown}, which fits best.",)


def _guess(data: bytes) -> str | None:
    import charset_normalizer

    candidates = WIDE if b"\0" in data else ENCODINGS
    found = charset_normalizer.from_bytes(data, cp_isolation=candidates)
    likely = [(match.encoding, (match.chaos, match.coherence)) for match in found if match.encoding in candidates]
    equal = [encoding for encoding, fit in likely if fit == likely[0][1]]
    for encoding in sorted(equal, key=candidates.index):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue  # only a part of a long file was looked at
        return encoding
    return None


def _no_text(name: str) -> FileProblem:
    return FileProblem(f"{name} is not a text: it holds bytes that stand for no characters. Save it as UTF-8.")
