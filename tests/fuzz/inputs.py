"""What hostile input is made of: strings, numbers, nested values, damaged bytes, all drawn from one seeded source."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

MARKUP = [
    "<script>window.__hit=1</script>",
    "<img src=x onerror=window.__hit=1>",
    "</script><script>window.__hit=1</script>",
    '"><svg onload=window.__hit=1>',
    '<a href="javascript:window.__hit=1">x</a>',
    "<b>bold</b>",
    "[x](javascript:window.__hit=1)",
    "![x](http://127.0.0.1:9/x.png)",
    ":material/home: :red[x] $\\frac{1}{2}$ `code`",
    "{{7*7}} ${7*7} %s %n {0.__class__}",
]
BIDI = ["\u202eevil\u202c", "\u2066a\u2069", "\u05d0\u05d1\u05d2 abc", "\u200f\u200e", "\u202a\u202b\u202d"]
ODD = [
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "\n",
        "a\r\nSet-Cookie: x=1",
        "\t",
        "\x1b[31mred\x1b[0m",
        "\x7f",
        "\x85",
        "\ufeff",
        "\ufffe",
    ),
    *(
        "\u200b\u200d\u2060",
        "\u2028\u2029",
        "👩\u200d👧",
        "e" + "\u0301" * 50,
        "ﷺ",
        "İıſK",
        "²",
        "٣",
        "１２",
        "½",
        "−1",
    ),
    *("\ud800", "\udfff\ud83d", "..", "../../etc/passwd", "..\\..\\x", "/etc/passwd", "C:\\x", "file:///etc/passwd"),
    *("%00", "%2e%2e%2f", "~", "con", "a/b", "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "'; DROP TABLE runs;--"),
    *(
        "' OR 1=1 --",
        "%",
        "_",
        "\\",
        '"""',
        "'" * 3,
        "#",
        "?&=",
        "null",
        "None",
        "undefined",
        "true",
        "NaN",
        "Infinity",
    ),
    *("-inf", "[]", "{}", "__proto__", "constructor", "__class__", "self"),
]
NUMBERS = [
    0, -1, 1, 2, 255, 256, 2**15, 2**31 - 1, 2**31, -(2**31) - 1, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**9,
    10**30, 10**400, 0.0, -0.0, 0.1, 1e-320, 1e30, 1e308, -1e308, math.inf, -math.inf, math.nan, True, False,
]  # fmt: skip
LENGTHS = (200, 201, 300, 4000, 10_000)


def text(rng: Random) -> str:
    """A string that somebody might use to break something."""
    kind = rng.randrange(8)
    if kind < 2:
        return rng.choice(MARKUP)
    if kind == 2:
        return rng.choice(BIDI)
    if kind < 5:
        return rng.choice(ODD)
    if kind == 5:
        return str(number(rng))[:5000] if rng.random() < 0.9 else "9" * 5000
    if kind == 6:
        return (rng.choice([*ODD, *MARKUP, "x", "a.b", "1,", "((((", "0"]) or "x") * rng.choice((3, 50, 2000)) + "!"
    return "".join(chr(_sign(rng)) for _ in range(rng.choice((1, 3, 12, 60, *LENGTHS[:2]))))


def _sign(rng: Random) -> int:
    return rng.choice((rng.randrange(32, 127), rng.randrange(0x250), rng.randrange(0x10000), rng.randrange(0x110000)))


def clean(string: str) -> str:
    """The string as it can travel in UTF-8: without halves of surrogate pairs."""
    return string.encode("utf-8", "replace").decode()


def number(rng: Random) -> Any:
    return rng.choice(NUMBERS) if rng.random() < 0.8 else rng.uniform(-1, 1) * 10 ** rng.randrange(-20, 20)


def value(rng: Random, depth: int = 2) -> Any:
    """Any JSON value, also ones that JSON should not have."""
    kind = rng.randrange(8)
    if kind < 3:
        return text(rng)
    if kind < 5 or depth == 0:
        return number(rng)
    if kind == 5:
        return None
    if kind == 6:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if rng.random() < 0.1:
        return nested(rng.choice((50, 500)))
    return {text(rng): value(rng, depth - 1) for _ in range(rng.randrange(4))}


def nested(depth: int) -> Any:
    """A list in a list in a list …"""
    whole: Any = 1
    for _ in range(depth):
        whole = [whole]
    return whole


def bent(rng: Random, good: Mapping[str, Any], parts: int = 3) -> dict[str, Any]:
    """A good mapping with some of its values replaced, taken away or added to."""
    made = dict(good)
    for _ in range(rng.randrange(1, parts + 1)):
        key = rng.choice(list(made)) if made and rng.random() < 0.8 else text(rng)
        if rng.random() < 0.2:
            made.pop(key, None)
        elif isinstance(made.get(key), dict) and rng.random() < 0.7:
            made[key] = bent(rng, made[key], 1)
        else:
            made[key] = value(rng)
    return made


def damaged(rng: Random, data: bytes) -> bytes:
    """Bytes of a real file with something wrong in them."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        place = rng.randrange(len(made) + 1)
        kind = rng.randrange(7)
        if kind == 0 and made:
            made[place % len(made)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del made[place : place + rng.choice((1, 4, 100))]
        elif kind == 2:
            made[place:place] = rng.choice(
                (b"\0", b"\xff\xfe", b"\r", b"\x1a", b'"', b"\n\n", b";", b"=1+1", b"\xed\xa0\x80")
            )
        elif kind == 3:
            made = made[:place] if rng.random() < 0.3 else made
        elif kind == 4:
            made[place:place] = made[place : place + rng.choice((3, 30, 300))]
        elif kind == 5:
            made[place : place + 8] = rng.choice((2**63 - 1, 2**64 - 1, 0, len(data), 10**9)).to_bytes(8, "little")
        else:
            made[place:place] = clean(text(rng)).encode()[:2000]
    return bytes(made)


Fails = Callable[[Any], str | None]


def smallest(bad: Any, fails: Fails, tries: int = 150) -> Any:
    """A smaller input that fails in the same way, found by taking parts away."""
    left, wanted = tries, fails(bad)
    again = wanted is not None
    while again and left > 0:
        again = False
        for smaller in _smaller(bad):
            left -= 1
            if left < 0:
                break
            if fails(smaller) == wanted:
                bad, again = smaller, True
                break
    return bad


def _smaller(whole: Any) -> Iterator[Any]:
    if isinstance(whole, str | bytes | list | tuple) and len(whole) > 1:
        step = len(whole)
        while step > 1:
            step //= 2
            for begin in range(0, len(whole), step):
                if begin // step > 16:
                    break
                yield whole[:begin] + whole[begin + step :]
    if isinstance(whole, dict):
        for key in whole:
            yield {other: inner for other, inner in whole.items() if other != key}
        for key, inner in whole.items():
            yield from ({**whole, key: smaller} for smaller in _smaller(inner))
    elif isinstance(whole, list | tuple) and len(whole) < 50:
        for place, inner in enumerate(whole):
            yield from (_put(whole, place, smaller) for smaller in _smaller(inner))


def _put(whole: Sequence[Any], place: int, inner: Any) -> Any:
    made = list(whole)
    made[place] = inner
    return tuple(made) if isinstance(whole, tuple) else made
