"""All entry points, one after the other, with a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.fuzz import addresses, uploads
from tests.fuzz.harness import Entry, Found, run, told

PURE: tuple[Entry, ...] = (*addresses.ENTRIES, *uploads.ENTRIES)


def everything(count: int, seed: int, only: str, say: Callable[[str], None]) -> bool:
    """Give about `count` inputs to all entry points whose name has `only` in it; whether nothing broke."""
    found = list(_all(PURE, count, seed, only, say))
    faults = sum(len(one.faults) for one in found)
    say(f"{sum(one.given for one in found)} inputs, seed {seed}: {faults} faults.")
    return not faults


def _all(entries: Iterable[Entry], count: int, seed: int, only: str, say: Callable[[str], None]) -> Iterable[Found]:
    for entry in entries:
        if only in entry.name:
            one = run(entry, seed, max(1, count * entry.share // 1000))
            for line in told(one):
                say(line)
            yield one
