"""Names that people give, so that they stay names wherever they are shown, kept, logged or written into a file."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 200  # signs of a name

_JOINERS = "\u200c\u200d\ufe0e\ufe0f"  # within words of some scripts, and within emoji
_SPACES = re.compile(r"\s+")


def clean_name(text: str, longest: int = LONGEST) -> str:
    """The text as one line of at most `longest` signs, without what is not seen and changes what stands around it.

    Taken out are control characters, halves of surrogate pairs, signs that no character has, and the formatting ones,
    such as those that turn the direction of writing; line ends and tabs become spaces. May be empty.
    """
    text = _SPACES.sub(" ", unicodedata.normalize("NFC", text[: 20 * longest]))
    kept = (sign for sign in text if sign in _JOINERS or unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Cn"))
    return "".join(kept).strip(" " + _JOINERS)[:longest].strip()
