"""Sentences: their labels, keys and tags by independent rules, and what can be known of them, counted two ways."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_core.tasks.base import IGNORED
from lstm_core.tasks.grammar import END, Chain, Grammar, slot
from lstm_core.tasks.sentiment import NEGATIVE, POSITIVE, Sentiment
from lstm_core.tasks.tagging import BEGIN, SLOTS, TAGS, Tagging
from tests.core.strategies import groups

INTENSIFIERS = {"really", "very", "quite", "so", "rather"}


def opinions(words: list[str]) -> tuple[int, list[int]]:
    """The sum of the opinions and the places that decide: the rule told on the words alone, from right to left."""
    total, places = 0, []
    for place, word in enumerate(words):
        if word in POSITIVE.split() or word in NEGATIVE.split():
            sign = 1 if word in POSITIVE.split() else -1
            before = place - 1
            while words[before] in INTENSIFIERS:
                before -= 1
            if words[before] in ("not", "never"):
                sign = -sign
                places.append(before)
            total += sign
            places.append(place)
    return total, sorted(places)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(task=groups(Sentiment), seed=st.integers(0, 99))
def test_a_sentiment_is_the_sum_of_its_opinions(task: Sentiment, seed: int) -> None:
    batch = task.generate(np.random.default_rng(seed), 20)
    for sample, label, length in zip(task.samples(batch), batch.targets, batch.lengths, strict=True):
        words = sample.marks[:length]
        assert 5 <= len(words) <= task.length
        assert sample.title == " ".join(words)
        assert set(sample.marks[length:]) <= {""}
        total, places = opinions(words)
        assert total != 0
        assert sample.target == ("positive" if total > 0 else "negative") == task.answers[label]
        assert sample.keys == places


def test_both_sentiments_are_equally_likely_at_every_length() -> None:
    batch = Sentiment().generate(np.random.default_rng(0), 20_000)
    assert abs(batch.targets.mean() - 0.5) < 5 * 0.5 / math.sqrt(20_000)
    for low, high in ((5, 10), (11, 20), (21, 40)):
        of_these = batch.targets[(batch.lengths >= low) & (batch.lengths <= high)]
        assert abs(of_these.mean() - 0.5) < 5 * 0.5 / math.sqrt(len(of_these))
    assert set(batch.lengths) == set(range(5, 41))
    assert len(POSITIVE.split()) == len(NEGATIVE.split())
    assert not set(POSITIVE.split()) & set(NEGATIVE.split())


def test_negators_matter_and_some_decide_nothing() -> None:
    task = Sentiment()
    batch = task.generate(np.random.default_rng(1), 3000)
    changed = idle = 0
    for sample, label in zip(task.samples(batch), batch.targets, strict=True):
        words = [word for word in sample.marks if word]
        plain, _ = opinions([word if word not in ("not", "never") else "so" for word in words])
        changed += (plain > 0) != bool(label)
        idle += any(words[t] in ("not", "never") and t not in sample.keys for t in range(len(words)))
    assert changed / 3000 > 0.2  # who overlooks them is often wrong
    assert idle / 3000 > 0.1


def test_attention_on_keys_is_the_share_that_lies_on_them() -> None:
    task = Sentiment()
    batch = task.data(1).validation
    on_keys = batch.keys / batch.keys.sum(1, keepdims=True)
    prediction = np.eye(2)[batch.targets]
    assert task.evaluate(prediction, batch, on_keys) == pytest.approx({"accuracy": 1.0, "attention_on_keys": 1.0})
    padding = np.arange(task.length) < batch.lengths[:, None]
    even = padding / batch.lengths[:, None]
    expected = np.mean(batch.keys.sum(1) / batch.lengths)
    assert expected == pytest.approx(0.2, abs=0.02)
    assert task.evaluate(prediction, batch, even)["attention_on_keys"] == pytest.approx(expected)


def readings(words: list[str]) -> list[list[str]]:
    """Every path over the slots that says these words, found by trying; how likely each is does not matter here."""
    paths = [[name] for name in BEGIN if words[0] in SLOTS[name].words]
    for word in words[1:]:
        paths = [
            [*path, name]
            for path in paths
            for name in SLOTS[path[-1]].after
            if name != END and word in SLOTS[name].words
        ]
    return [path for path in paths if END in SLOTS[path[-1]].after]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(task=groups(Tagging), seed=st.integers(0, 99))
def test_tags_are_a_reading_of_the_sentence(task: Tagging, seed: int) -> None:
    batch = task.generate(np.random.default_rng(seed), 10)
    for sample, targets, length in zip(task.samples(batch), batch.targets, batch.lengths, strict=True):
        assert 3 <= length <= task.length
        words, tags = sample.marks[:length], sample.targets[:length]
        assert tags in [[name.partition("-")[0] for name in path] for path in readings(words)]
        assert (targets[length:] == IGNORED).all()
        assert set(sample.targets[length:]) <= {""}
        assert [TAGS[target] for target in targets[:length]] == tags


def test_a_whole_sentence_leaves_hardly_any_doubt() -> None:
    task = Tagging()
    samples = task.samples(task.generate(np.random.default_rng(0), 1000))
    found = [readings([word for word in sample.marks if word]) for sample in samples]
    one = [len({tuple(name.partition("-")[0] for name in path) for path in paths}) == 1 for paths in found]
    assert np.mean(one) > 0.99


def test_chance_and_memoryless_tagging_are_those_of_a_large_sample() -> None:
    task = Tagging()
    batch = task.generate(np.random.default_rng(5), 20_000)
    asked = batch.targets != IGNORED
    words, tags = batch.inputs[asked], batch.targets[asked]
    counts = np.zeros((task.spec.vocabulary, len(TAGS)))
    np.add.at(counts, (words, tags), 1)
    assert task.memoryless == pytest.approx(counts.max(1).sum() / len(words), abs=0.005)
    shares = counts.sum(0) / len(words)
    chance = task.data(1).chance
    assert chance["accuracy"] == pytest.approx(shares.max(), abs=0.005)
    assert chance["loss"] == pytest.approx(-(shares * np.log(shares)).sum(), abs=0.005)
    assert task.memoryless == pytest.approx(0.86, abs=0.005)


def test_a_reader_from_the_left_cannot_know_every_tag() -> None:
    """Filtering: the likeliest tag given the words so far, from the chances of the slots alone."""
    task = Tagging()
    batch = task.generate(np.random.default_rng(6), 2000)
    grammar = Grammar(SLOTS, BEGIN, 3, task.length)
    tags = np.array([TAGS.index(name.partition("-")[0]) for name in grammar.names[:-1]])
    right = asked = 0
    belief = np.eye(1, len(grammar.names)).repeat(len(batch), 0)
    for t in range(task.length):
        table = grammar.chain.transitions[t]
        moves = table / np.where(table.sum(1) > 0, table.sum(1), 1)[:, None]
        belief = (belief @ moves) * grammar.emissions[:, batch.inputs[:, t]].T
        belief /= belief.sum(1, keepdims=True)
        by_tag = np.stack([belief[:, :-1][:, tags == tag].sum(1) for tag in range(len(TAGS))], 1)
        here = t < batch.lengths
        right += (by_tag.argmax(1) == batch.targets[:, t])[here].sum()
        asked += here.sum()
    assert right / asked == pytest.approx(0.96, abs=0.005)


def test_a_chain_weighs_its_paths_as_it_says() -> None:
    start, moves = np.array([0.5, 0.5, 0.0]), np.array([[0.1, 0.6, 0.3], [0.5, 0.0, 0.5], [0.2, 0.2, 0.6]])
    allowed = np.ones((3, 3))
    allowed[1, 2] = allowed[2, 0] = 0
    chain = Chain(start, moves, allowed)
    weights = np.einsum("i,ij,jk,j,k->ijk", start, moves, moves, allowed[1], allowed[2])
    weights /= weights.sum()
    paths = chain.paths(np.random.default_rng(0), 50_000)
    drawn = np.zeros((3, 3, 3))
    np.add.at(drawn, tuple(paths.T), 1 / 50_000)
    np.testing.assert_allclose(drawn, weights, atol=0.01)
    expected = [weights.sum((1, 2)), weights.sum((0, 2)), weights.sum((0, 1))]
    np.testing.assert_allclose(chain.occupancy, expected, atol=1e-12)
    np.testing.assert_allclose(chain.transitions[2], weights.sum(0), atol=1e-12)


def test_a_grammar_speaks_its_words_and_keeps_its_bounds() -> None:
    grammar = Grammar({"a": slot("x y", {"a": 9, END: 1}), "b": slot("z", {END: 1})}, {"a": 1, "b": 1}, 2, 4)
    rng = np.random.default_rng(0)
    paths = grammar.chain.paths(rng, 5000)
    tokens, lengths = grammar.tokens(rng, paths), grammar.lengths(paths)
    assert grammar.words == ("", "x", "y", "z")
    assert set(tokens.ravel()) == {0, 1, 2}  # «z» alone would be too short
    np.testing.assert_allclose(
        [(lengths == n).mean() for n in (2, 3, 4)], np.array([0.1, 0.09, 0.081]) / 0.271, atol=0.03
    )
    assert (tokens == 1).sum() / (tokens > 0).sum() == pytest.approx(0.5, abs=0.02)
