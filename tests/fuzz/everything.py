"""All entry points, one after the other, with a report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lstm_core import files
from tests.fuzz import addresses, lines, routes, tabs, uploads, words
from tests.fuzz.harness import Entry, Found, run, told
from tests.fuzz.standing import Standing, standing

GROWTH = 0.05  # by which the server may weigh more at the end than when it was warm
STEADY = 0.01  # a round of inputs that lets it weigh so little more has found it warm: what it keeps is bounded
ROUNDS = 8  # of warming it up, at most

PURE: tuple[Entry, ...] = (*addresses.ENTRIES, *words.ENTRIES, *uploads.ENTRIES)

Say = Callable[[str], None]


def everything(count: int, seed: int, only: str = "", say: Say = print) -> bool:
    """Give about `count` inputs to all entry points whose name has `only` in it; whether nothing broke."""
    places = [*files._places]
    try:
        found = [*_pure(count, seed, only, say), *_served(count, seed, only, say)]
    finally:
        files._places[:] = places  # the stores of these runs are gone
    faults = sum(len(one.faults) for one in found)
    say(f"{sum(one.given for one in found)} inputs, seed {seed}: {faults} faults.")
    return not faults


def _all(entries: Iterable[Entry], count: int, seed: int, only: str, say: Say) -> Iterator[Found]:
    for entry in entries:
        if only in entry.name:
            one = run(entry, seed, max(1, count * entry.share // 1000))
            for line in told(one):
                say(line)
            yield one


def _pure(count: int, seed: int, only: str, say: Say) -> Iterator[Found]:
    return _all(PURE, count, seed, only, say)


def _served(count: int, seed: int, only: str, say: Say) -> Iterator[Found]:
    """Through a real server, which must be as healthy and as light in the end as it was when it was warm."""
    with tempfile.TemporaryDirectory() as folder, standing(Path(folder)) as there:
        entries = [*routes.entries(there), *lines.entries(there), *tabs.entries(there)]
        if not any(only in entry.name for entry in entries):
            return
        tabs.open_all(there)
        for entry in entries:
            _warm_up(there, entry, count, seed)
        before = there.weight()
        for one in _all(entries, count, seed, only, say):
            there.leave()
            _healthy(there, one, say)
            yield one
        growth = there.weight() / before - 1
        say(f"The server holds {there.weight():.1f} MB, {growth:+.1%} since it was warm.")
        weighed = Found("memory of the server")
        if growth > GROWTH:
            weighed.faults["grows"] = (0, growth, f"{before:.1f} MB when it was warm, {there.weight():.1f} MB now")
            say(f"  it may hold {GROWTH:.0%} more")
        yield weighed


def _warm_up(there: Standing, entry: Entry, count: int, seed: int) -> None:
    """Give an entry inputs, other ones than later, until it has filled whatever it fills."""
    for turn in range(1, ROUNDS + 1):
        before = there.weight()
        run(entry, seed - turn, max(1, count * entry.share // 3000))
        there.leave()
        if there.weight() < before * (1 + STEADY):
            break


def _healthy(there: Standing, one: Found, say: Say) -> None:
    try:
        there.restore()
        there.works()
    except Exception as error:
        one.faults["no longer works"] = (one.given, None, repr(error))
        say(f"  after these, the server no longer works: {error!r}")
