"""Text that came from outside, so that nothing in it is taken for Markdown."""

from __future__ import annotations

import string


def plain(text: str) -> str:
    """The text with every sign that could mean something to Markdown made to mean itself; lines stay lines."""
    lines = ("".join("\\" + sign if sign in string.punctuation else sign for sign in line) for line in text.split("\n"))
    return "  \n".join(lines)
