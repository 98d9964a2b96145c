"""Whose turn it is: owners go round, not runs; how long a slice may be; what a person is told of the line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_core.race_plan import plan
from lstm_core.runs.queue import ALONE, FIRST, LONGEST, ROUND, SHORTEST, Place, slice_seconds
from lstm_core.runs.schema import runs
from lstm_core.runs.store import RunStore
from tests.runs.conftest import rows, small

BACKENDS = ("sqlite", "postgresql")
WORKERS = ("a:1:1.0", "b:2:1.0", "c:3:1.0")
ELSEWHERE = "elsewhere:1:1.0"


@contextmanager
def opened() -> Iterator[RunStore]:
    store = RunStore("sqlite://")  # in memory, and so for one thread
    yield store
    store.close()


def serve(store: RunStore, workers: int, slices: int) -> list[str]:
    """Let workers take what is next, all slices equally long; returns the runs in the order they were taken."""
    held, taken = [], []
    for _ in range(slices):
        if len(held) == workers:
            store.release(held.pop(0), "queued")
        line = store.waiting()
        if line:
            lease = store.acquire(line[0], ELSEWHERE)
            assert lease is not None
            held.append(lease)
            taken.append(line[0])
    for lease in held:
        store.release(lease, "queued")
    return taken


@settings(max_examples=8, deadline=None)
@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    workers=st.integers(1, 3),
    nobody=st.booleans(),
    shuffled=st.randoms(use_true_random=False),
)
def test_owners_have_equal_shares_however_many_runs_they_have(
    counts: list[int], workers: int, nobody: bool, shuffled: Random
) -> None:
    owners = [None if nobody and not k else f"owner {k}" for k in range(len(counts))]
    whose = {}
    with opened() as store:
        order = [owner for owner, count in zip(owners, counts, strict=True) for _ in range(count)]
        shuffled.shuffle(order)
        for owner in order:
            whose[store.create(small(), owner=owner)] = owner
        taken = serve(store, workers, 2 * len(whose) + 2 * len(owners))
    assert {whose[run] for run in taken[: len(owners)]} == set(owners)
    for owner, count in zip(owners, counts, strict=True):
        if count < workers:
            continue  # cannot use as much as the others: its runs are never all in the line
        gaps = waits(taken, whose, owner)
        # Everybody else has one slice at most in between, and those that the workers had begun already.
        assert max(gaps, default=0) <= len(owners) + workers - 1
    shares: Counter[str] = Counter(taken)
    for owner in owners:
        own = [shares[run] for run in whose if whose[run] == owner]
        assert max(own) - min(own) <= 1  # nor does an owner forget one of the own runs


def waits(taken: list[str], whose: dict[str, str | None], owner: str | None) -> list[int]:
    """After how many slices each slice of this owner came after the one before."""
    places = [-1, *(place for place, run in enumerate(taken) if whose[run] == owner)]
    return [later - earlier for earlier, later in pairwise(places)]


@pytest.mark.parametrize("workers", [1, 2])
def test_twenty_runs_of_one_delay_the_single_run_of_another_by_one_slice(store: RunStore, workers: int) -> None:
    many = [store.create(small(), owner="one") for _ in range(20)]
    served = serve(store, workers, 10)
    assert set(served) <= set(many)
    single = store.create(small(), owner="another")
    assert store.waiting()[0] == single
    taken = serve(store, workers, 20)
    assert taken[0] == single
    places = [place for place, run in enumerate(taken) if run == single]
    assert all(later - earlier == 2 for earlier, later in pairwise(places))


def test_a_clock_that_was_wrong_holds_nobody_up(store: RunStore) -> None:
    first, second, other = (store.create(small(), owner=owner) for owner in ("one", "one", "two"))
    with store._database.write() as connection:
        later = {"last_ran": runs.c.last_ran + 3600, "started": runs.c.created + 3600}
        connection.execute(sa.update(runs).where(runs.c.owner == "one").values(later))
    assert set(serve(store, 1, 4)) == {first, second, other}
    taken = serve(store, 1, 8)
    assert [taken.count(run) for run in (first, second, other)] == [2, 2, 4]


def test_slices_are_short_where_many_wait() -> None:
    assert slice_seconds(1, 2) == LONGEST
    assert slice_seconds(28, 2) == pytest.approx(ROUND * 2 / 28)
    assert slice_seconds(10_000, 2) == SHORTEST
    assert slice_seconds(3, 0) == LONGEST
    assert slice_seconds(28, 2, first=True) == FIRST


def test_a_worker_knows_how_many_wait_and_how_many_work(store: RunStore) -> None:
    ids = [store.create(small(), owner=f"{k}") for k in range(5)]
    leases = [store.acquire(run, worker) for run, worker in zip(ids, WORKERS, strict=False)]
    assert leases[0] is not None
    wishes = store.wishes(leases[0])
    assert (wishes.others_waiting, wishes.running) == (2, 3)


def test_the_place_counts_everybody_and_names_nobody(store: RunStore) -> None:
    mine = [store.create(small(), owner="one") for _ in range(3)]
    other = store.create(small(), owner="two")
    store.acquire(mine[0], ELSEWHERE)
    places = store.queue()
    assert list(places) == store.waiting() == [other, mine[1], mine[2]]
    assert [(place.place, place.of, place.own) for place in places.values()] == [(1, 3, 0), (2, 3, 0), (3, 3, 1)]
    assert [place.seconds for place in places.values()] == [LONGEST, 2 * LONGEST, 3 * LONGEST]
    assert store.queue_place(mine[0]) is None
    assert places[mine[2]].words == "third in line, about 3 s, behind 1 run of the same owner"
    assert not any(word in places[mine[2]].words for word in ("one", "two"))


def test_a_long_step_is_waited_for(store: RunStore) -> None:
    first, second = (store.create(small(), owner=owner) for owner in ("one", "two"))
    lease = store.acquire(first, ELSEWHERE)
    assert lease is not None
    store.append(lease, [rows(0, 0, 1)], step=0, speed=0.1)
    place = store.queue_place(second)
    assert place is not None
    assert place.words == "next in line, about 10 s"


def test_a_line_that_moves_tells_how_fast(store: RunStore) -> None:
    ids = [store.create(small(), owner=f"{k}") for k in range(6)]
    with store._database.write() as connection:
        now = store._database.now(connection)
        for k, run in enumerate(ids[:5]):
            had = {"last_ran": now - 2.0 * (5 - k), "started": now - 60.0}
            connection.execute(sa.update(runs).where(runs.c.id == run).values(had))
    places = store.queue()
    assert list(places) == [ids[5], *ids[:5]]
    assert [place.seconds for place in places.values()] == pytest.approx([2, 4, 6, 8, 10, 12], rel=0.25)


def test_the_runs_of_one_race_wait_for_longer_slices(store: RunStore) -> None:
    race = store.create_race(plan(small(), "init.preset", ["pytorch", "keras"], [1, 2]), owner="one")
    first, *_ = store.waiting()
    assert store.acquire(first, ELSEWHERE) is not None
    assert len(store.runners(race)) == 4
    assert [place.seconds for place in store.queue().values()] == [ALONE, 2 * ALONE, 3 * ALONE]
    store.create(small(), owner="two")
    assert max(place.seconds for place in store.queue().values()) < 5


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(1, 1, 0, 0.3), "next in line, under 1 s"),
        (Place(10, 12, 0, 8.2), "tenth in line, about 8 s"),
        (Place(11, 30, 2, 80.0), "11th in line, about 80 s, behind 2 runs of the same owner"),
        (Place(22, 30, 0, 240.0), "22nd in line, about 4 min"),
        (Place(113, 200, 0, 240.0), "113th in line, about 4 min"),
    ],
)
def test_a_place_in_words(place: Place, words: str) -> None:
    assert place.words == words
