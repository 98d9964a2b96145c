"""Pages take turns: how many are drawn at a time, and that none waits for one that waits itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app import turns


def test_few_are_drawn_at_a_time_and_all_are_drawn() -> None:
    drawing, most, done = 0, 0, 0
    lock = threading.Lock()

    def draw(_: int) -> None:
        nonlocal drawing, most, done
        with turns.turn():
            with lock:
                drawing += 1
                most = max(most, drawing)
            threading.Event().wait(0.01)
            with lock:
                drawing -= 1
                done += 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(draw, range(12)))
    assert (most, done) == (turns.AT_ONCE, 12)


def test_who_waits_for_something_else_lets_others_draw_and_takes_its_turn_again() -> None:
    waiting = threading.Barrier(turns.AT_ONCE + 1)
    answered = threading.Event()

    def ask(_: int) -> None:
        with turns.turn():
            with turns.aside():
                waiting.wait(10)
                assert answered.wait(10)
            assert turns._mine.held

    with ThreadPoolExecutor(turns.AT_ONCE) as pool:
        asking = [pool.submit(ask, place) for place in range(turns.AT_ONCE)]
        waiting.wait(10)
        with turns.turn():
            assert turns._mine.held
        answered.set()
        for each in asking:
            each.result(10)
    with turns.aside():  # of no turn
        assert not turns._mine.held


def test_one_that_takes_long_does_not_hold_up_the_others_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.05)
    over, holding = threading.Event(), threading.Barrier(turns.AT_ONCE + 1)

    def compute() -> None:
        with turns.turn():
            holding.wait(10)
            over.wait(10)

    with ThreadPoolExecutor(turns.AT_ONCE) as pool:
        for _ in range(turns.AT_ONCE):
            pool.submit(compute)
        holding.wait(10)
        with turns.turn():
            assert not turns._mine.held
        over.set()
    with pytest.raises(ZeroDivisionError), turns.turn():
        raise ZeroDivisionError
    with turns.turn():
        assert turns._mine.held
