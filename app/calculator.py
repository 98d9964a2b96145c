"""One process beside the server that has torch loaded, for what a page wants computed at once: a server never loads it.

A question is a function of a module and its arguments, the answer what it returns; both are plain data. The process
is started when first needed (or by `warm`), ends with the server, and is replaced when it dies or takes too long.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO, ParamSpec, TypeVar

from app import turns

PATIENCE = 30.0  # seconds for one answer; loading torch is not counted

P = ParamSpec("P")
R = TypeVar("R")


class CalculatorError(Exception):
    """There is no answer; the message says why and what to do."""


class _Calculator:
    """The process and the pipes to it: one question at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, function: Callable[..., Any], arguments: tuple[Any, ...], patience: float) -> Any:
        question = pickle.dumps((function, arguments))
        with self._lock:
            process = self._running()
            late = threading.Timer(patience, process.kill)
            late.daemon = True
            late.start()
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(question)
                process.stdin.flush()
                fine, answer = pickle.load(process.stdout)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                self._end()
                why = f"takes longer than {patience:g} s" if late.finished.is_set() else "ended without a result"
                raise CalculatorError(f"This calculation {why}; try smaller values, or once more.") from error
            finally:
                late.cancel()
        if fine:
            return answer
        raise answer

    def warm(self) -> None:
        with self._lock:
            self._running()

    def close(self) -> None:
        if process := self._process:
            process.kill()  # whoever waits for it holds the lock
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        """The process, once it has said that it is ready."""
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        command = [sys.executable, "-W", "ignore", "-c", "from app.calculator import main; main()"]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert self._process.stdout is not None
            pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            self._end()
            raise CalculatorError("The calculating process could not be started; try again in a moment.") from error
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # of what could not be written any more
                if pipe is not None:
                    pipe.close()


_calculator = _Calculator()


def ask(function: Callable[P, R], /, *arguments: P.args, **_nothing: P.kwargs) -> R:
    """What `function`, one of a module, returns for the arguments; what it raises is raised here.

    Raises CalculatorError, in words, where the process died or took too long.
    """
    with turns.aside():
        answer: R = _calculator.ask(function, arguments, PATIENCE)
    return answer


def warm() -> None:
    """Start the process, so that the first question need not wait for torch."""
    with contextlib.suppress(CalculatorError):
        _calculator.warm()


def close() -> None:
    """End the process; the next question starts another one."""
    _calculator.close()


def main() -> None:
    """Answer questions until there are none any more, or nobody to hear the answers."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints must not come between
    try:
        _answer(source, target)
    except BrokenPipeError:  # the server has ended; what is left to write at exit goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), target.fileno())


def _answer(source: BinaryIO, target: BinaryIO) -> None:
    import torch

    torch.set_num_threads(1)
    pickle.dump("ready", target)
    target.flush()
    while True:
        try:
            function, arguments = pickle.load(source)
        except EOFError:
            return
        try:
            answer = pickle.dumps((True, function(*arguments)))
        except Exception as error:
            answer = _in_bytes(error)
        target.write(answer)
        target.flush()


def _in_bytes(error: Exception) -> bytes:
    """An exception that can travel: as it is, or, where it cannot be taken apart and put together, its words."""
    try:
        answer = pickle.dumps((False, error))
        pickle.loads(answer)
    except Exception:
        return pickle.dumps((False, CalculatorError(str(error))))
    return answer
