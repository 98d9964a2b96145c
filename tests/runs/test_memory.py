"""What is freed between pieces that are in use goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from lstm_core.runs import memory

HOLES = """
import psutil
from lstm_core.runs import memory
memory.share_arenas()
pairs = [(bytearray(100_000), bytearray(1_000)) for _ in range(1_500)]
kept = [small for _, small in pairs]
del pairs
taken = psutil.Process().memory_info().rss
memory.give_back()
print((taken - psutil.Process().memory_info().rss) // 2**20)
"""


def test_holes_between_what_is_in_use_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    least = 100 if platform.libc_ver()[0] == "glibc" else -1  # MB, of the 143 that were freed
    assert int(done.stdout) >= least


def test_it_is_not_done_again_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(memory, "_last", float("-inf"))
    monkeypatch.setattr(memory, "_call", lambda name, *_: asked.append(name))
    for _ in range(3):
        memory.give_back()
    assert asked == ["malloc_trim"]


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_name: None) -> None:
        raise TypeError("bad argument type for built-in operation")

    monkeypatch.setattr(memory.ctypes, "CDLL", nothing)
    monkeypatch.setattr(memory, "_last", float("-inf"))
    memory.share_arenas()
    memory.give_back()
