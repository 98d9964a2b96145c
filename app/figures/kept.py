"""Figures kept for the next run: most depend on a few things of it only, which many runs have alike."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

from app.figures.panel import About

LAST = 16  # results kept of each function, at a few kB
NOTHING = object()


class Asked(Mapping[str, Any]):
    """A description that remembers what was asked of it, and what it said. It is asked by name: TypeError for all."""

    def __init__(self, about: About) -> None:
        self._about = about
        self.said: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        self.said[name] = self._about.get(name, NOTHING)
        return self._about[name]

    def __iter__(self) -> Iterator[str]:
        raise TypeError("A figure asks for what it needs by name: it could not be kept for a run that says more.")

    def __len__(self) -> int:
        return len(self._about)


def kept(made: Callable[[About], str]) -> Callable[[About], str]:
    """The same pure function, not called again where a description says all that was asked of one before."""
    known = deque[tuple[dict[str, Any], str]](maxlen=LAST)

    @wraps(made)
    def found(about: About) -> str:
        for said, result in list(known):
            if all(about.get(name, NOTHING) == value for name, value in said.items()):
                return result
        asked = Asked(about)
        result = made(asked)
        known.appendleft((asked.said, result))
        return result

    return found
