"""Text that came from outside, so that nothing in it is taken for Markdown, or turns round what stands beside it."""

from __future__ import annotations

import string
import unicodedata


def plain(text: str) -> str:
    """The text with every sign that could mean something to Markdown made to mean itself; lines stay lines."""
    lines = ("".join("\\" + sign if sign in string.punctuation else sign for sign in line) for line in text.split("\n"))
    return "  \n".join(lines)


def apart(name: str) -> str:
    """A name to stand within a line: one that is written from right to left leaves the rest of the line as it is."""
    leftward = any(unicodedata.bidirectional(sign) in ("R", "AL", "AN") for sign in name)
    return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}" if leftward else name
