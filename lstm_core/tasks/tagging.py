"""The part of speech of every word: what a word is can depend on its neighbours, before it and after it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from lstm_core.settings import setting
from lstm_core.tasks.base import IGNORED, Array, Batch, Endless, Goal, Sample, Spec, TaskConfig, TaskData
from lstm_core.tasks.grammar import END, Grammar, Slot, entropy, slot

SHORTEST = 3
TAGS = ("noun", "verb", "adjective", "adverb", "determiner", "pronoun", "preposition", "conjunction")
BEGIN = {"determiner": 1.0, "pronoun": 1.0}
# The tag is the part before the dash; what follows it tells apart the places in which words of this tag can stand.
SLOTS: Mapping[str, Slot] = {
    # who
    "determiner": slot("the our these some her", {"adjective": 1, "noun": 2}),
    "adjective": slot("old small happy fast light quiet young", {"noun": 1}),
    "noun": slot("dogs birds people girls friends men neighbours horses", {"adverb": 1, "verb": 2, "verb-alone": 2}),
    "pronoun": slot("we they you i", {"adverb": 1, "verb": 2, "verb-alone": 2, "verb-saying": 1}),
    # does
    "adverb": slot("often never always also still", {"verb": 1, "verb-alone": 1}),
    "verb": slot("watch light play back see take like round", {"determiner-what": 2, "pronoun-what": 1}),
    "verb-alone": slot("run work walk play sleep laugh", {"adverb-how": 2, "preposition": 2, "conjunction": 1, END: 1}),
    "verb-saying": slot("know think say hope", {"conjunction-that": 1}),
    "conjunction-that": slot("that", {"determiner": 1, "pronoun": 1}),
    # what, how and where
    "determiner-what": slot("the a her that this", {"adjective-what": 1, "noun-what": 2}),
    "adjective-what": slot("old small fast light new quiet round", {"noun-what": 1}),
    "noun-what": slot(
        "light run walk play watch work house ball book fire",
        {"adverb-how": 1, "preposition": 2, "conjunction": 2, END: 1},
    ),
    "pronoun-what": slot("her that them it us", {"adverb-how": 1, "preposition": 2, "conjunction": 2, END: 1}),
    "adverb-how": slot("fast back slowly down up well away", {"conjunction": 1, END: 1}),
    "preposition": slot("down up in near with past", {"determiner-what": 3, "pronoun-what": 1}),
    "conjunction": slot("and but while", {"determiner": 1, "pronoun": 1}),
}


class Tagging(TaskConfig):
    """For each word of a sentence of 3 to `length` words: which of eight parts of speech is it?

    The law: a sentence is a path over `SLOTS`. It begins in a slot of `BEGIN`; each slot gives one of its words,
    equally likely, and is followed by one of its successors, as often as their weights say, until the end; of all
    paths those count that have at least 3 and at most `length` words, each in proportion to its chance. The answer at
    a word is its slot's name up to the dash. Many words stand in slots of several tags: «light» can be an adjective,
    a noun or a verb, «that» a determiner, a pronoun or a conjunction.
    Chance is the best answer that never looks: the most frequent tag and the entropy of the tags, counted exactly
    over all words of all sentences; `memoryless` is the best answer from the word alone: 86 % of up to 20 words. Who
    knows the law and reads from the left can be right of 96 %, since some words are decided by what follows.

    Measured: in both directions 100 %, 99.99 % and 100 % (seeds 1, 2, 3) of the test in 5 s of one core, from the left
    alone 95.9 %.
    """

    title: ClassVar[str] = "Parts of speech"
    summary: ClassVar[str] = "Name the part of speech of every word; some words can be several, as the sentence has it."
    metric: ClassVar[str] = "accuracy"
    goal: ClassVar[Goal | None] = Goal("accuracy", 0.98)
    examples: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "Both directions": {
                "task": {"name": "tagging"},
                "model": {"bidirectional": True},
                "training": {"steps": 200},
            },
            "From the left alone": {"task": {"name": "tagging"}, "training": {"steps": 200}},
        }
    )

    name: Literal["tagging"] = "tagging"
    length: int = setting(20, "Longest sentence", "How many words a sentence may have.", unit="steps", ge=5, le=100)

    @property
    def time_steps(self) -> int:
        return self.length

    @property
    def spec(self) -> Spec:
        vocabulary = len(_grammar(self.length).words)
        return Spec(outputs=len(TAGS), loss="cross_entropy", vocabulary=vocabulary, answers="steps")

    @property
    def headline(self) -> str:
        return f"Parts of speech, up to {self.length} words"

    def generate(self, rng: np.random.Generator, n: int) -> Batch:
        grammar = _grammar(self.length)
        paths = grammar.chain.paths(rng, n)
        return Batch(grammar.tokens(rng, paths), _tags(grammar)[paths[:, :-1]], grammar.lengths(paths))

    def data(self, seed: int) -> TaskData:
        shares = self._counts().sum(1)
        shares /= shares.sum()
        return TaskData(
            train=Endless(self.generate),
            validation=self.generate(np.random.default_rng([seed, 3]), 256),
            test=self.generate(np.random.default_rng([seed, 4]), 1000),
            chance={"loss": entropy(shares), "accuracy": float(shares.max())},
        )

    @property
    def memoryless(self) -> float:
        """The accuracy of the best answer that looks at the word and at nothing else."""
        counts = self._counts()
        return float(counts.max(0).sum() / counts.sum())

    def _counts(self) -> Array:
        """(tags, words): how often a sentence has each word with each tag, on average."""
        grammar = _grammar(self.length)
        visits = grammar.chain.occupancy.sum(0)[:-1, None] * grammar.emissions[:-1]
        return np.array([visits[_tags(grammar)[:-1] == tag].sum(0) for tag in range(len(TAGS))])

    def samples(self, batch: Batch) -> list[Sample]:
        words, samples = _grammar(self.length).words, []
        for tokens, tags in zip(batch.inputs, batch.targets, strict=True):
            sentence = [words[token] for token in tokens]
            targets = ["" if tag == IGNORED else TAGS[tag] for tag in tags]
            samples.append(Sample(" ".join(sentence).strip(), sentence, " ".join(targets).strip(), targets=targets))
        return samples

    def answer(self, prediction: Array) -> str:
        return TAGS[int(prediction.argmax())]


@lru_cache(maxsize=8)
def _grammar(length: int) -> Grammar:
    return Grammar(SLOTS, BEGIN, SHORTEST, length)


def _tags(grammar: Grammar) -> Array:
    """The tag of each state; nothing is asked at the end."""
    return np.array([*(TAGS.index(name.partition("-")[0]) for name in grammar.names[:-1]), IGNORED])
