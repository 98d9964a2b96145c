"""Who a run belongs to: whoever holds a token has what was made with it, and the store knows only the token's hash."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """A token that nobody guesses: 256 random bits in 43 signs that are safe in a cookie and in an address."""
    return secrets.token_urlsafe(32)


def is_token(text: str) -> bool:
    """Whether a text looks as `new_token` makes them."""
    return _TOKEN.fullmatch(text) is not None


def owner_of(token: str) -> str:
    """What the store keeps of a token: its SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def owner_of_person(issuer: str, subject: str) -> str:
    """The owner that a person is who signed in: the same with every browser. Both are as OpenID Connect has them."""
    return owner_of(f"{len(issuer)} {issuer} {subject}")  # the length tells where the issuer ends


def same(one: str | None, other: str | None) -> bool:
    """Whether two owners are the same one, compared in constant time; nobody is not the same as nobody."""
    return one is not None and other is not None and hmac.compare_digest(one.encode(), other.encode())
