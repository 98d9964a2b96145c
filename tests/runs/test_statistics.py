"""What an engine counts, against what was done."""

from __future__ import annotations

import time

from lstm_core.runs.statistics import Statistics, Tally


def test_a_tally_counts_between_its_bounds() -> None:
    tally = Tally(bounds=(1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 7.0):
        tally.add(value)
    assert tally.counts == [2, 1, 1]
    assert tally.total == 10.0


def test_who_wants_and_who_has_a_slice() -> None:
    done = Statistics()
    done.wanted(["a", "b"])
    assert done.waiting == 2
    time.sleep(0.02)
    done.began("a")
    done.wanted(["a", "b"])  # the store still calls a run waiting that no worker has taken yet
    assert done.waiting == 1
    assert done.longest_wait >= 0.02
    done.ended("a", 7)
    done.wanted(["b"])
    done.began("b")
    done.ended("b", None)
    done.wanted([])
    assert (done.steps, done.lost, done.waiting, done.longest_wait) == (7, 1, 0, 0.0)
    assert sum(done.slices.counts) == sum(done.waits.counts) == 2
    assert done.waits.total >= 0.04
