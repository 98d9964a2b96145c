"""Texts from bytes: what was written is read in any encoding; anything else is refused in words."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_core import texts
from lstm_core.files import FileProblem
from lstm_core.texts import DISTINCT, REPLACEMENT, SHORTEST

LANGUAGES = {
    "cp1252": "El niño y la niña comían piñas; ¿quién había visto a su tía en el jardín?\n",
    "cp1250": "Příliš žluťoučký kůň úpěl ďábelské ódy, a pak šel domů za svou ženou.\n",
    "cp1251": "Это просто русский текст для проверки того, как читаются файлы.\n",
    "shift_jis": "これは日本語の文章です。今日は天気がいいので、散歩に行きましょう。\n",
    "gb18030": "这是一个中文文本，用于测试。今天天气很好，我们去散步吧。\n",
    "utf-8": "Größe, naïve, “quoted” – 数字 и слова.\n",
    "utf-8-sig": "Größe, naïve, “quoted” – 数字 и слова.\n",
    "utf-16": "Größe, naïve, “quoted” – 数字 и слова.\n",
    "utf-32": "Größe, naïve, “quoted” – 数字 и слова.\n",
    "utf-16-le": "Plain words without any mark at the beginning.\n",
    "utf-16-be": "Plain words without any mark at the beginning.\n",
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", LANGUAGES)
def test_a_text_in_any_encoding_is_read(encoding: str, end: str) -> None:
    text = LANGUAGES[encoding] * 40
    read = texts.read(text.replace("\n", end).encode(encoding), "it.txt")
    assert read.text == text.strip("\n")
    guessed = encoding.replace("_", "-") not in ("utf-8", "utf-8-sig", "utf-16", "utf-32")
    assert len(read.notes) == guessed
    assert all(f"read as {encoding.replace('_', '-').upper()}, which fits best" in note for note in read.notes)


def test_composed_characters_become_one() -> None:
    text = unicodedata.normalize("NFD", "Größe und naïve Übungen\n") * 60
    assert texts.read(text.encode(), "it.txt").text == unicodedata.normalize("NFC", text).strip("\n")


@settings(max_examples=30, deadline=None, derandomize=True)
@given(kinds=st.integers(150, 400), common=st.integers(0, 300))
def test_the_rarest_characters_become_one_sign(kinds: int, common: int) -> None:
    signs = [chr(0x4E00 + n) for n in range(kinds)]
    text = "".join(sign * (1 + (number < common)) for number, sign in enumerate(signs)) * 10
    read = texts.read(text.encode(), "it.txt")
    assert len(read.text) == len(text)
    assert len(set(read.text)) == min(kinds, DISTINCT)
    if kinds <= DISTINCT:
        assert (read.text, read.notes) == (text, ())
        return
    counts = Counter(text)
    kept = set(read.text) - {REPLACEMENT}
    assert min(counts[sign] for sign in kept) >= max(counts[sign] for sign in set(text) - kept)
    assert all(new in (old, REPLACEMENT) for old, new in zip(text, read.text, strict=True))
    assert f"{read.text.count(REPLACEMENT)} characters in all" in read.notes[0]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty: it has 0 bytes"),
        (b"short", f"has 5 characters, too few to learn from; choose a text of at least {SHORTEST}"),
        (b"x" * (texts.LARGEST + 1), "is larger than 5 MiB"),
        (b"\x89PNG\r\n" * 500, "is a PNG picture"),
        (b"PK\x03\x04" * 500, "is a ZIP archive"),
        (b"\x7fELF" * 500, "is a program"),
        (b"words \0 and words " * 100, "is not a text"),
        (bytes(range(1, 9)) * 300, "is not a text"),
        (b"\xef\xbb\xbfgood until \xff" * 100, "begins as UTF-8 but is damaged at byte 14"),
    ],
)
def test_what_is_no_text_is_refused_in_words(data: bytes, sentence: str) -> None:
    with pytest.raises(FileProblem, match=sentence):
        texts.read(data, "it.txt")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.binary(max_size=300), times=st.integers(1, 30))
def test_any_bytes_are_a_text_or_one_kind_of_refusal(data: bytes, times: int) -> None:
    try:
        read = texts.read(data * times, "it.txt")
    except FileProblem:
        return
    assert len(read.text) >= SHORTEST
    assert len(set(read.text)) <= DISTINCT
    assert "\0" not in read.text
    assert "\r" not in read.text
