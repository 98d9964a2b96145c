"""Random sentences and walks as chains of states: what the generated tasks on words and brackets draw from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lstm_core.tasks.base import Array

END = "end"  # where a sentence ends: the state that no path leaves
PADDING = 0  # the token after the end of a sentence


@dataclass(frozen=True)
class Chain:
    """A Markov chain over S states, of which only those paths count that stay where they are allowed.

    The law of a path s_0 … s_{N−1}: P ∝ start[s_0] · Π moves[s_{t−1}, s_t] · Π allowed[t, s_t], with start (S,), moves
    (S, S) and allowed (N, S) of 0 and 1. Everything below is exact: the chain that one gets by the condition is a
    Markov chain again, whose moves follow from one pass backwards.
    """

    start: Array
    moves: Array
    allowed: Array

    @cached_property
    def _tables(self) -> Array:
        """(N, S, S): at each time the chance to go from a state to the next; row 0 of time 0 is the start."""
        steps, states = self.allowed.shape
        tables = np.zeros((steps, states, states))
        after = np.ones(states)  # in proportion to the chance that all goes well from here on
        for t in range(steps - 1, 0, -1):
            tables[t] = self.moves * (self.allowed[t] * after)
            total = tables[t].sum(1)
            tables[t] /= np.where(total > 0, total, 1)[:, None]
            after = total / total.max()
        tables[0, 0] = self.start * self.allowed[0] * after
        tables[0, 0] /= tables[0, 0].sum()
        return tables

    @cached_property
    def _bounds(self) -> Array:
        bounds = self._tables.cumsum(2)
        last = self._tables.shape[2] - 1 - (self._tables[:, :, ::-1] > 0).argmax(2)
        # rounding must not leave room behind the last state that can be reached
        bounds[np.arange(bounds.shape[2]) >= last[..., None]] = 2.0
        return bounds

    def paths(self, rng: np.random.Generator, n: int) -> Array:
        """n paths, (n, N)."""
        draws = rng.random((len(self.allowed), n, 1))
        state = np.zeros(n, np.int64)
        paths = np.empty((n, len(self.allowed)), np.int64)
        for t, bounds in enumerate(self._bounds):
            state = (draws[t] >= bounds[state]).sum(1)
            paths[:, t] = state
        return paths

    @cached_property
    def occupancy(self) -> Array:
        """(N, S): the exact chance to be in each state at each time."""
        chances = [self._tables[0, 0]]
        for table in self._tables[1:]:
            chances.append(chances[-1] @ table)
        return np.array(chances)

    @cached_property
    def transitions(self) -> Array:
        """(N, S, S): the exact chance to go at each time from a state to the next; before time 0 the state is 0."""
        before = np.concatenate([np.eye(1, len(self.start)), self.occupancy[:-1]])
        return before[:, :, None] * self._tables


@dataclass(frozen=True)
class Slot:
    """A place in a sentence: the words that can stand there, all equally likely, and what comes next, how often."""

    words: tuple[str, ...]
    after: Mapping[str, float]


def slot(words: str, after: Mapping[str, float]) -> Slot:
    """«slot("the a", {"noun": 2, "adjective": 1})»: after either word comes a noun twice as often as an adjective."""
    return Slot(tuple(words.split()), after)


class Grammar:
    """Sentences of `shortest` to `longest` words as paths over slots.

    A path goes from slot to slot as their weights say, until it comes to `END`; of all paths those count whose number
    of words is within the bounds. States are numbered in the order of the slots, and `END` is the last. A path has
    longest + 1 places, so that even the longest sentence shows its end. Token 0 stands after the end, the others are
    the words in the order of the alphabet.
    """

    def __init__(self, slots: Mapping[str, Slot], begin: Mapping[str, float], shortest: int, longest: int) -> None:
        self.names = (*slots, END)
        self.words = ("", *sorted({word for one in slots.values() for word in one.words}))
        self.chain = Chain(*_chances(self.names, slots, begin), _within(len(self.names), shortest, longest))
        self._counts = np.array([*(len(one.words) for one in slots.values()), 1])
        self._tokens = np.full((len(self.names), self._counts.max()), PADDING)
        for row, one in enumerate(slots.values()):
            self._tokens[row, : len(one.words)] = [self.words.index(word) for word in one.words]

    def tokens(self, rng: np.random.Generator, paths: Array) -> Array:
        """A word for each place of the paths (n, longest + 1), without the last: (n, longest)."""
        paths = paths[:, :-1]
        which = (rng.random(paths.shape) * self._counts[paths]).astype(np.int64)
        return np.asarray(self._tokens[paths, which])

    def lengths(self, paths: Array) -> Array:
        """The number of words of each path, (n,)."""
        return np.asarray((paths != len(self.names) - 1).sum(1))

    @property
    def emissions(self) -> Array:
        """(states, words): how likely each word is in each state."""
        chances = np.zeros((len(self.names), len(self.words)))
        for row, count in enumerate(self._counts):
            chances[row, self._tokens[row, :count]] = 1 / count
        return chances


def _chances(names: Sequence[str], slots: Mapping[str, Slot], begin: Mapping[str, float]) -> tuple[Array, Array]:
    """How a path starts, (S,), and goes on, (S, S)."""
    start = np.array([begin.get(name, 0.0) for name in names])
    moves = np.array([[one.after.get(name, 0.0) for name in names] for one in slots.values()])
    moves = np.concatenate([moves, np.eye(1, len(names), len(names) - 1)])
    return start / start.sum(), moves / moves.sum(1, keepdims=True)


def _within(states: int, shortest: int, longest: int) -> Array:
    """Where a path may be (longest + 1, states): not at the end too early, and at the end in time."""
    allowed = np.ones((longest + 1, states))
    allowed[:shortest, -1] = 0
    allowed[longest, :-1] = 0
    return allowed


def entropy(chances: Array) -> float:
    """−Σ p log p in nats: the cross-entropy of the best answer that never looks."""
    return -sum(float(p) * math.log(p) for p in chances if p > 0)
