"""The calculating process: it answers, tells what went wrong, and is replaced when it is gone."""

from __future__ import annotations

import math
import operator
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import calculator
from lstm_core.config import RunConfig
from lstm_core.files import FileProblem


@pytest.fixture(autouse=True, scope="module")
def process() -> Iterator[None]:
    yield
    calculator.close()


class Odd(Exception):
    """An exception that cannot be put together again from what it was taken apart to."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} and {other}")


def modules() -> list[str]:
    return [name for name in ("torch", "streamlit") if name in sys.modules]


def raising(kind: str) -> None:
    raise {"file": FileProblem("The file is of no use."), "odd": Odd(1, 2)}[kind]


def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def say() -> str:
    print("something that a library says")
    return "said"


def test_an_answer_is_what_the_function_returns() -> None:
    assert calculator.ask(math.gcd, 12, 18) == 6
    assert calculator.ask(RunConfig.to_query, RunConfig()) == RunConfig().to_query()
    assert calculator.ask(say) == "said"
    assert calculator.ask(operator.getitem, bytes(5_000_000), slice(0, 3)) == bytes(3)


def test_the_process_has_torch_and_no_page() -> None:
    assert calculator.ask(modules) == ["torch"]


def test_what_the_function_raises_is_raised_here() -> None:
    with pytest.raises(FileProblem, match="of no use"):
        calculator.ask(raising, "file")
    with pytest.raises(calculator.CalculatorError, match="1 and 2"):
        calculator.ask(raising, "odd")
    assert calculator.ask(math.gcd, 4, 6) == 2


def test_one_that_dies_is_replaced() -> None:
    with pytest.raises(calculator.CalculatorError, match="ended without a result; try"):
        calculator.ask(end)
    before = calculator.ask(os.getpid)
    os.kill(before, signal.SIGKILL)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)  # it is gone, with all its threads
    assert calculator.ask(os.getpid) != before


def test_one_that_takes_too_long_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    calculator.warm()
    monkeypatch.setattr(calculator, "PATIENCE", 0.5)
    with pytest.raises(calculator.CalculatorError, match=r"longer than 0.5 s; try smaller values"):
        calculator.ask(time.sleep, 60)
    assert calculator.ask(math.gcd, 9, 6) == 3


def test_many_may_ask_at_once() -> None:
    found: list[int] = []
    asking = [
        threading.Thread(target=lambda k=k: found.append(calculator.ask(math.gcd, 7 * k, 7))) for k in range(1, 9)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert found == [7] * 8


def test_closing_waits_for_no_process_that_is_still_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, begun = tmp_path / "python", tmp_path / "begun"
    slow.write_text(f"#!/bin/sh\ntouch {begun}\nexec sleep 600\n")
    slow.chmod(0o755)
    calculator.close()
    monkeypatch.setattr(sys, "executable", str(slow))
    warming = threading.Thread(target=calculator.warm, daemon=True)
    warming.start()
    deadline = time.monotonic() + 30
    while not begun.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    closing = threading.Thread(target=calculator.close, daemon=True)
    closing.start()
    closing.join(30)
    warming.join(30)
    assert not closing.is_alive()
    assert not warming.is_alive()


def test_it_ends_without_a_word_when_nobody_hears_it_any_more() -> None:
    command = [sys.executable, "-c", "from app.calculator import main; main()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, b"")
