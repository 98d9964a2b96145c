"""Adding, copy memory, sines and brackets: their laws told a second time, and their chance levels against samples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_core.tasks import TASKS
from lstm_core.tasks.adding import Adding
from lstm_core.tasks.base import Batch, Endless, Examples
from lstm_core.tasks.brackets import Brackets
from lstm_core.tasks.copy_memory import CopyMemory
from lstm_core.tasks.sine import Sine
from tests.core.strategies import groups

GENERATED = ("recall", "adding", "copy", "brackets", "sentiment", "tagging")
SMALL = {
    "recall": {"length": 6},
    "adding": {"length": 6},
    "copy": {"delay": 3, "symbols": 2},
    "brackets": {"length": 7},
    "sentiment": {"length": 9},
    "tagging": {"length": 7},
}


@pytest.mark.parametrize("name", GENERATED)
def test_training_validation_and_test_share_no_draw(name: str) -> None:
    data = TASKS[name]().data(1)
    assert isinstance(data.train, Endless)
    seen = [data.train.batch(index, 256, 1) for index in range(3)]
    parts = [*seen, data.validation, data.test]
    for one, other in itertools.combinations(parts, 2):
        n = min(len(one), len(other))
        assert not np.array_equal(one.inputs[:n], other.inputs[:n])
    if name in ("recall", "adding", "brackets"):  # so many different ones that none is ever drawn twice
        rows = [part.inputs.reshape(len(part), -1) for part in parts]
        assert len(np.unique(np.concatenate(rows), axis=0)) == sum(map(len, parts))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(task=st.sampled_from(GENERATED).flatmap(lambda name: groups(TASKS[name])), seed=st.integers(0, 99))
def test_any_setting_gives_well_formed_batches(task: Adding, seed: int) -> None:
    batch, again = (task.generate(np.random.default_rng(seed), 5) for _ in range(2))
    steps, spec = task.time_steps, task.spec
    assert batch.inputs.shape == ((5, steps) if spec.vocabulary else (5, steps, spec.features))
    assert np.array_equal(batch.inputs, again.inputs)
    assert batch.inputs.min() >= 0
    assert spec.vocabulary is None or batch.inputs.max() < spec.vocabulary
    assert (
        batch.targets.shape
        == {"steps": (5, steps), "sequence": (5,) if spec.loss == "cross_entropy" else (5, 1)}[spec.answers]
    )
    if batch.lengths is not None:
        assert ((batch.lengths >= 1) & (batch.lengths <= steps)).all()
        assert np.array_equal(batch.inputs != 0, np.arange(steps) < batch.lengths[:, None])
    for sample, target in zip(task.samples(batch), batch.targets, strict=True):
        assert len(sample.marks) == steps
        assert sample.target
        assert sample.targets is None or len(sample.targets) == len(target)


@pytest.mark.parametrize("name", GENERATED)
def test_chance_is_what_the_best_blind_answer_reaches(name: str) -> None:
    """Fit the best constant to 20,000 sequences by counting alone; it may do no better or worse than the task says."""
    task = TASKS[name](**SMALL[name])
    batch, chance = task.generate(np.random.default_rng(7), 20_000), task.data(1).chance  # type: ignore[attr-defined]
    if task.spec.loss == "mse":
        best = batch.targets.mean()
        assert chance["loss"] == pytest.approx(np.square(batch.targets - best).mean(), rel=0.03)
        assert chance[task.metric] == pytest.approx(np.abs(batch.targets - best).mean(), rel=0.03)
        return
    columns = batch.targets.T if name == "copy" else [batch.targets.ravel()]  # copy knows the time and nothing else
    losses, accuracies = [], []
    for answers in columns:
        shares = np.bincount(answers[answers >= 0], minlength=task.spec.outputs) / (answers >= 0).sum()
        losses.append(-sum(share * math.log(share) for share in shares if share))
        accuracies.append(shares.max())
    asked = accuracies[-2:] if name == "copy" else accuracies
    assert chance["loss"] == pytest.approx(np.mean(losses), abs=0.01)
    assert chance["accuracy"] == pytest.approx(np.mean(asked), abs=0.01)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(task=groups(Adding), seed=st.integers(0, 99))
def test_adding_adds_the_two_marked_values(task: Adding, seed: int) -> None:
    batch = task.generate(np.random.default_rng(seed), 20)
    for inputs, target, keys in zip(batch.inputs, batch.targets, batch.keys, strict=True):
        first, second = (step for step in range(task.length) if inputs[step, 1] == 1)
        assert first < task.length // 2 <= second
        assert set(inputs[:, 1]) <= {0.0, 1.0}
        assert 0 <= inputs[:, 0].min() <= inputs[:, 0].max() <= 1
        assert target[0] == pytest.approx(inputs[first, 0] + inputs[second, 0], rel=1e-6)
        assert np.flatnonzero(keys).tolist() == [first, second]


def test_adding_marks_every_place_of_a_half_equally_often() -> None:
    batch = Adding(length=7).generate(np.random.default_rng(0), 12_000)
    shares = batch.inputs[..., 1].mean(0)
    np.testing.assert_allclose(shares, [1 / 3] * 3 + [1 / 4] * 4, atol=0.02)
    assert abs(np.corrcoef(batch.inputs[:, 0].T)[0, 1]) < 0.05  # the value says nothing about its marker


def test_adding_is_judged_by_both_errors() -> None:
    task, batch = Adding(length=4), Batch(np.zeros((2, 4, 2), np.float32), np.array([[1.0], [0.5]], np.float32))
    measured = task.evaluate(np.array([[1.0], [1.0]], np.float32), batch)
    assert measured == pytest.approx({"mae": 0.25, "mse": 0.125})


@settings(max_examples=40, deadline=None, derandomize=True)
@given(task=groups(CopyMemory), seed=st.integers(0, 99))
def test_copy_asks_for_the_letters_after_the_sign(task: CopyMemory, seed: int) -> None:
    batch, k = task.generate(np.random.default_rng(seed), 5), task.symbols
    for sample, inputs in zip(task.samples(batch), batch.inputs, strict=True):
        blanks = ["·"] * (task.delay - 1)
        assert sample.marks == [*sample.target, *blanks, "?", *"·" * k]
        assert sample.targets == ["·"] * (task.delay + k) + list(sample.target)
        assert len(sample.target) == k
        assert sample.marks.index("?") == k + task.delay - 1
        assert inputs.max() == 9


def test_copy_counts_the_recalled_letters_alone() -> None:
    task = CopyMemory(delay=10, symbols=4)
    batch = task.generate(np.random.default_rng(0), 500)
    perfect = np.eye(9)[batch.targets]
    assert task.metrics(perfect, batch.targets) == {"accuracy": 1.0}
    blanks = np.eye(9)[np.full_like(batch.targets, 8)]
    assert task.metrics(blanks, batch.targets) == {"accuracy": 0.0}
    first_letter = np.eye(9)[np.where(batch.targets == 8, 8, 0)]
    assert task.metrics(first_letter, batch.targets)["accuracy"] == pytest.approx(1 / 8, abs=0.04)


def test_a_sine_mixture_obeys_its_law() -> None:
    values, labels = Sine(waves=3, period=50.0).series()
    assert len(values) == len(labels) == 1000
    for t in (0, 1, 499, 999):
        expected = sum(math.sin(2 * math.pi * t * k**1.5 / 50) / k for k in (1, 2, 3))
        assert values[t] == pytest.approx(expected, abs=1e-9)
    single, _ = Sine(waves=1, period=40.0).series()
    np.testing.assert_allclose(single[40:], single[:-40], atol=1e-9)


def test_the_noise_of_a_sine_has_its_size_and_the_seed_changes_nothing() -> None:
    clean, noisy = (Sine(noise=noise).series()[0] for noise in (0.0, 0.3))
    assert np.std(noisy - clean) == pytest.approx(0.3, rel=0.1)
    first, second = (Sine(noise=0.3).data(seed) for seed in (1, 2))
    assert isinstance(first.train, Examples)
    assert isinstance(second.train, Examples)
    assert np.array_equal(first.train.examples.inputs, second.train.examples.inputs)
    assert np.array_equal(first.test.targets, second.test.targets)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(task=groups(Brackets), seed=st.integers(0, 99))
def test_brackets_are_balanced_words_and_their_depth_is_counted(task: Brackets, seed: int) -> None:
    batch = task.generate(np.random.default_rng(seed), 4)
    for sample, targets in zip(task.samples(batch), batch.targets.tolist(), strict=True):
        stack: list[str] = []
        for mark, target in zip(sample.marks, targets, strict=True):
            if mark in "([{":
                stack.append(mark)
            elif mark in ")]}":
                assert stack.pop() + mark in ("()", "[]", "{}")
            assert len(stack) == target <= task.max_depth
        assert not stack


def test_brackets_follow_the_law_exactly() -> None:
    """Every walk of 6 steps by enumeration, with its weight, against what the generator draws and what it says."""
    task = Brackets(length=6, max_depth=2, kinds=1)
    walks: dict[tuple[int, ...], float] = {}
    for changes in itertools.product((-1, 0, 1), repeat=6):
        depths = tuple(itertools.accumulate(changes))
        if depths[-1] == 0 and all(0 <= depth <= 2 for depth in depths):
            walks[depths] = math.prod(0.2 if change == 0 else 0.4 for change in changes)
    total = sum(walks.values())
    batch = task.generate(np.random.default_rng(0), 40_000)
    drawn, counts = np.unique(batch.targets, axis=0, return_counts=True)
    assert {tuple(row) for row in drawn.tolist()} == set(walks)
    for row, count in zip(drawn.tolist(), counts, strict=True):
        assert count / 40_000 == pytest.approx(walks[tuple(row)] / total, abs=0.01)

    shares, by_token = np.zeros(3), np.zeros((3, 3))
    for depths, weight in walks.items():
        for before, depth in itertools.pairwise((0, *depths)):
            shares[depth] += weight / total / 6
            by_token[depth - before, depth] += weight / total / 6
    chance = task.data(1).chance
    assert chance["accuracy"] == pytest.approx(shares.max(), rel=1e-9)
    assert chance["loss"] == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-9)
    assert task.memoryless == pytest.approx(by_token.max(1).sum(), rel=1e-9)


def test_a_bracket_alone_says_hardly_more_than_nothing() -> None:
    task = Brackets()
    assert task.data(1).chance["accuracy"] == pytest.approx(0.31, abs=0.005)
    assert task.memoryless == pytest.approx(0.33, abs=0.005)


def test_the_kinds_of_brackets_are_equally_likely() -> None:
    batch = Brackets(kinds=3).generate(np.random.default_rng(0), 2000)
    opened = np.bincount(batch.inputs.ravel(), minlength=7)[1:4]
    np.testing.assert_allclose(opened / opened.sum(), 1 / 3, atol=0.01)
