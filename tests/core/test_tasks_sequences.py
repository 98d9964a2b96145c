"""The tasks whose answer is another sequence, or a sign after every sign, against independent truths."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from datetime import date, datetime
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from lstm_core import files
from lstm_core.config import RunConfig
from lstm_core.tasks import TASKS
from lstm_core.tasks.base import IGNORED, Batch, Stream
from lstm_core.tasks.dates import FORMS, Dates, _alphabet, _days
from lstm_core.tasks.reversing import Reversing
from lstm_core.tasks.text_model import TextModel, _built_in
from lstm_core.training import Step, TrainState, train

DECODED = ["reversing", "dates"]


def as_logits(batch: Batch, outputs: int) -> Any:
    """Predictions (B, S, K) that are right wherever an answer is asked for."""
    return np.eye(outputs, dtype=np.float32)[np.maximum(batch.targets, 0)]


@pytest.mark.parametrize("name", DECODED)
def test_exact_counts_whole_answers_and_accuracy_single_signs(name: str) -> None:
    task = TASKS[name]()
    batch = task.data(1).validation.take(slice(0, 8))
    prediction = as_logits(batch, task.spec.outputs)
    assert task.metrics(prediction, batch.targets) == {"accuracy": 1, "exact": 1}
    asked = (batch.targets != IGNORED).sum()
    prediction[3, 0] = np.roll(prediction[3, 0], 1)  # one wrong sign
    assert task.metrics(prediction, batch.targets) == pytest.approx({"accuracy": (asked - 1) / asked, "exact": 7 / 8})
    ignored = batch.targets == IGNORED
    prediction[ignored] = np.random.default_rng(0).normal(size=(ignored.sum(), task.spec.outputs))
    assert task.metrics(prediction, batch.targets) == pytest.approx({"accuracy": (asked - 1) / asked, "exact": 7 / 8})


@pytest.mark.parametrize("name", DECODED)
def test_guessing_reaches_chance(name: str) -> None:
    task = TASKS[name]() if name == "dates" else Reversing(length=2, letters=2)
    data = task.data(1)
    guesses = np.random.default_rng(0).normal(size=(len(data.test), task.spec.decoded_steps, task.spec.outputs))
    measured = task.metrics(guesses, data.test.targets)
    for metric, n in (("accuracy", data.test.targets.size), ("exact", len(data.test))):
        chance = data.chance[metric]
        assert abs(measured[metric] - chance) <= 5 * np.sqrt(chance * (1 - chance) / n) + 1e-9


@pytest.mark.parametrize("name", [*DECODED, "text"])
def test_examples_are_settings_of_the_task_and_its_goal_is_better_than_chance(name: str) -> None:
    task = TASKS[name]
    goal = task.goal
    assert goal is not None
    for example in task.examples.values():
        config = RunConfig.model_validate(example)
        assert config.task.name == name
        assert not goal.reached(config.task.data(1).chance[goal.metric])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(length=st.integers(2, 30), letters=st.integers(2, 26), seed=st.integers(0, 99))
def test_a_reversed_word_is_the_word_backwards_and_an_end(length: int, letters: int, seed: int) -> None:
    task = Reversing(length=length, letters=letters)
    batch = task.generate(np.random.default_rng(seed), 12)
    assert batch.lengths is not None
    for word, n, answer, sample in zip(batch.inputs, batch.lengths, batch.targets, task.samples(batch), strict=True):
        assert [*answer] == [*word[:n][::-1], letters] + [IGNORED] * (length - n)
        assert sample.target == sample.title[::-1]
        assert "".join(sample.marks) == sample.title
        assert sample.targets == [*sample.target, "end"] + [""] * (length - n)
        assert len(sample.marks) == length


def test_words_of_every_length_and_letter_are_equally_frequent() -> None:
    batch = Reversing(length=5, letters=4).generate(np.random.default_rng(0), 20_000)
    assert batch.lengths is not None
    assert set(np.unique(batch.lengths)) == {1, 2, 3, 4, 5}
    inside = np.arange(5) < batch.lengths[:, None]
    for drawn, kinds in ((batch.lengths - 1, 5), (batch.inputs[inside], 4)):
        shares = np.bincount(drawn, minlength=kinds) / drawn.size
        assert np.abs(shares - 1 / kinds).max() < 5 * np.sqrt((1 - 1 / kinds) / kinds / drawn.size)


STRPTIME = {
    "21 November 2026": "%d %B %Y",
    "21 Nov 2026": "%d %b %Y",
    "21 Nov '26": "%d %b '%y",
    "21-Nov-26": "%d-%b-%y",
    "the 21st of November 2026": "the %d of %B %Y",
    "November 21, 2026": "%B %d, %Y",
    "Nov 21, 2026": "%b %d, %Y",
    "November 21st, 2026": "%B %d, %Y",
    "Sat 21 Nov 2026": "%a %d %b %Y",
    "Saturday, 21 November 2026": "%A, %d %B %Y",
    "Saturday, November 21, 2026": "%A, %B %d, %Y",
    "21.11.2026": "%d.%m.%Y",
    "21.11.26": "%d.%m.%y",
    "11/21/2026": "%m/%d/%Y",
    "2026/11/21": "%Y/%m/%d",
    "20261121": "%Y%m%d",
}
ENDINGS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}
DAY = date.fromordinal


@pytest.mark.parametrize("form", STRPTIME)
def test_every_form_says_what_the_calendar_reads_in_it(form: str) -> None:
    write, pattern = FORMS["all"][form], STRPTIME[form]
    assert write(date(2026, 11, 21)) == form
    for ordinal in np.concatenate(_days())[::7]:
        day = DAY(int(ordinal))
        text = write(day)
        if ending := re.search(r"\d(st|nd|rd|th)\b", text):
            assert ending[1] == ENDINGS.get(day.day, "th")
            text = re.sub(r"(?<=\d)(st|nd|rd|th)\b", "", text)
        assert datetime.strptime(text, pattern).date() == day
        if "%a" in pattern.lower():  # strptime reads a weekday but does not check it
            assert text.startswith(day.strftime("%a" if "%a" in pattern else "%A"))
        if "'" not in pattern and pattern[:2] != "%Y":
            assert not re.search(r"\b0\d(?!\d*$)", text), "no leading zero before the year"


def test_the_forms_are_all_told_in_the_docstring_and_no_text_has_two_meanings() -> None:
    assert Dates.__doc__ is not None
    assert all(form in Dates.__doc__ for form in FORMS["all"])
    assert {*FORMS["words"]} | {*FORMS["numbers"]} == {*FORMS["all"]} == {*STRPTIME}
    days = [DAY(int(day)) for day in np.concatenate(_days())]
    meanings = {(write(day), day) for write in FORMS["all"].values() for day in days}
    assert len({text for text, _ in meanings}) == len(meanings)


def test_no_day_is_in_two_parts_in_whatever_form() -> None:
    parts = [set(part.tolist()) for part in _days()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 36_525
    assert [len(part) for part in parts] == [29_220, 3652, 3653]
    data = Dates().data(3)
    said = []
    for batch in (data.train.batch(0, 1024, 3), data.validation, data.test):
        said.append({"".join("0123456789-"[token] for token in row) for row in batch.targets})
    for found, part in zip(said, parts, strict=True):
        assert {date.fromisoformat(text).toordinal() for text in found} <= part
    assert not np.array_equal(Dates().data(4).test.inputs, data.test.inputs)
    assert len(Dates().data(1).test) == 2000


@pytest.mark.parametrize("forms", FORMS)
def test_every_date_fits_and_keeps_its_signs(forms: str) -> None:
    task = Dates(forms=forms)  # type: ignore[arg-type]
    signs, steps = _alphabet(forms)
    days = np.concatenate(_days())[::5]
    for number, write in enumerate(FORMS[forms].values()):
        batch = task.written(days, np.full(len(days), number))
        assert batch.lengths is not None
        assert batch.inputs.shape == (len(days), steps)
        assert batch.lengths.min() >= 1
        for day, tokens, length in zip(days[::40], batch.inputs[::40], batch.lengths[::40], strict=True):
            assert "".join(signs[token] for token in tokens[:length]) == write(DAY(int(day)))
    sample = task.samples(batch.take(slice(0, 1)))[0]
    assert date.fromisoformat(sample.target) == DAY(int(days[0]))
    assert len(sample.marks) == task.time_steps
    assert sample.targets == list(sample.target)


def test_all_days_are_written_with_the_known_signs_and_within_the_known_length() -> None:
    for forms, writers in FORMS.items():
        signs, steps = _alphabet(forms)
        for day in np.concatenate(_days()):
            texts = [write(DAY(int(day))) for write in writers.values()]
            assert max(map(len, texts)) <= steps
            assert set("".join(texts)) <= set(signs)


# ---- the text model

SMALL: dict[str, Any] = {
    "task": {"name": "text", "length": 20},
    "model": {"hidden_size": 6, "embedding_size": 4},
    "training": {"batch_size": 4, "steps": 40, "validate_every": 1000},
}
OWN = "Über das Meer fuhr Ødipus; 3 Schiffe folgten ihm.\n"


def own_text(times: int = 60) -> str:
    return files.keep((OWN * times).encode(), "own.txt")


def test_the_parts_of_a_text_follow_on_each_other_and_share_nothing() -> None:
    task = TextModel(length=50)
    text, data = task.corpus().text, task.data(1)
    assert isinstance(data.train, Stream)
    signs = task.corpus().signs
    read = ["".join(signs[token] for token in data.train.tokens)]
    for part in (data.validation, data.test):
        assert np.array_equal(part.inputs[:, 1:], part.targets[:, :-1])
        assert np.array_equal(part.inputs[1:, 0], part.targets[:-1, -1])  # window after window
        read.append("".join(signs[t] for t in [*part.inputs.ravel(), part.targets[-1, -1]]))
    ends = [len(text) * 9 // 10, len(text) * 95 // 100, len(text)]
    for number, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
        assert read[number] == text[begin:end][: len(read[number])]
        assert 0 <= end - begin - len(read[number]) < 50
    assert not {read[1][i : i + 200] for i in range(0, 5000, 100)} & {read[0][i : i + 200] for i in range(len(read[0]))}


def test_the_built_in_text_is_sentences_in_plain_signs() -> None:
    corpus = TextModel().corpus()
    assert len(corpus.text) > 150_000
    assert set(corpus.text) <= set(corpus.signs) == {"\n", *map(chr, range(32, 127))}
    lines = corpus.text.split("\n")
    assert len(lines) == len(set(lines))
    assert min(line.count(" ") for line in lines) >= 5
    assert not [line for line in lines if line.startswith((" ", "|", "+")) or "  " in line or "::=" in line]
    # every word is one of the handbook's own
    assert set(re.findall(r"[a-z]{4,}", corpus.text)) <= set(re.findall(r"[a-z]{4,}", " ".join(topics.values())))


def test_a_python_without_its_handbook_asks_for_another_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    _built_in.cache_clear()
    with pytest.raises(files.FileProblem, match="choose a text of your own"):
        TextModel().data(1)


def test_bits_are_the_cross_entropy_over_log_two_and_chance_is_a_uniform_guess() -> None:
    task = TextModel(length=20)
    data, k = task.data(1), task.spec.outputs
    logits = 30 * np.random.default_rng(0).normal(size=(*data.validation.targets.shape, k)).astype(np.float32)
    loss = functional.cross_entropy(
        torch.from_numpy(logits).flatten(0, 1), torch.from_numpy(data.validation.targets).flatten()
    )
    assert task.evaluate(logits, data.validation)["bits"] == pytest.approx(loss.item() / math.log(2), rel=1e-5)
    assert task.evaluate(logits * 0, data.validation)["bits"] == pytest.approx(data.chance["bits"], rel=1e-6)
    assert data.chance["bits"] == math.log2(k)
    counts = np.array(list(Counter(task.corpus().text).values()))
    entropy = -(counts / counts.sum() * np.log2(counts / counts.sum())).sum()
    assert entropy == pytest.approx(4.53, abs=0.03)  # as the docstring says


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_training_reads_on_with_the_state_of_the_whole_text_so_far(cell: str) -> None:
    """With a learning rate of nearly 0 the losses are those of one forward pass over each row's whole stretch."""
    config = RunConfig.model_validate(SMALL | {"task": {"name": "text", "file": own_text(30), "length": 20}})
    config = config.replace(**{"training.optimizer": "sgd", "training.learning_rate": 1e-6, "model.cell": cell})
    config = config.replace(**{"training.batch_size": 3})
    state = TrainState(config)
    steps = [item for item in train(config, state, snapshot_seconds=1e9) if isinstance(item, Step)]
    batches = [state.data.train.batch(step, 3, config.training.seed) for step in range(len(steps))]
    begins = [step for step, batch in enumerate(batches) if not batch.continues]
    assert len(begins) >= 2, "at least one whole epoch"
    for first, after in zip(begins, [*begins[1:], len(steps)], strict=True):
        rows, answers = (
            torch.from_numpy(np.concatenate([getattr(batch, of) for batch in batches[first:after]], axis=1))
            for of in ("inputs", "targets")
        )
        with torch.no_grad():
            logits = state.model(rows).prediction
        for piece in range(after - first):
            at = slice(20 * piece, 20 * piece + 20)
            loss = functional.cross_entropy(logits[:, at].flatten(0, 1), answers[:, at].flatten()).item()
            assert steps[first + piece].scalars["loss/train"] == pytest.approx(loss, abs=2e-4)
        if after - first > 1:  # what forgets at every window is something else
            with torch.no_grad():
                alone = state.model(rows[:, 20:40]).prediction
            assert (alone - logits[:, 20:40]).abs().max() > 1e-2


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
@pytest.mark.parametrize("stop", [4, 13, 30])
def test_a_run_resumed_in_the_middle_of_the_text_goes_on_bit_for_bit(cell: str, stop: int) -> None:
    config = RunConfig.model_validate(SMALL).replace(**{"model.cell": cell, "model.num_layers": 2})
    config = config.replace(**{"task.file": own_text(), "training.steps": 36, "model.dropout": 0.2})
    whole = [item.scalars for item in train(config, snapshot_seconds=1e9) if isinstance(item, Step)]
    state = TrainState(config)
    first = [item.scalars for item in train(config, state, until=stop, snapshot_seconds=0) if isinstance(item, Step)]
    assert state.data.train.batch(stop + 1, 4, 1).continues
    again = TrainState.load(config, state.dump())
    rest = [item.scalars for item in train(config, again, snapshot_seconds=0) if isinstance(item, Step)]
    assert [*first, *rest] == whole


def test_every_epoch_begins_a_little_elsewhere_and_reads_nearly_all() -> None:
    stream = TextModel(file=own_text(), length=20).data(1).train
    assert isinstance(stream, Stream)
    batches = [stream.batch(index, 4, 1) for index in range(200)]
    begins = [index for index, batch in enumerate(batches) if not batch.continues]
    firsts = {tuple(batches[index].inputs[0]) for index in begins}
    assert len(firsts) > 3
    read = sum(batch.inputs.size for batch in batches[: begins[1]])
    assert read > 0.9 * len(stream.tokens)


def test_own_text_has_signs_of_its_own_and_goes_by_its_id() -> None:
    task = TextModel(file=own_text(), length=20)
    assert task.corpus().text == (OWN * 60).strip("\n")
    assert task.spec.vocabulary == task.spec.outputs == len(set(OWN))
    data = task.data(1)
    assert data.chance["bits"] == pytest.approx(math.log2(len(set(OWN))))
    for sample, row in zip(task.samples(data.test), data.test.inputs, strict=True):
        assert "".join(sample.marks).replace("␣", " ").replace("↵", "\n") == "".join(
            task.corpus().signs[token] for token in row
        )
        assert sample.targets is not None
        assert sample.targets[:-1] == sample.marks[1:]


def test_the_spec_reads_a_file_once(monkeypatch: pytest.MonkeyPatch) -> None:
    task, reads = TextModel(file=own_text(61)), []
    read = files.read
    monkeypatch.setattr(files, "read", lambda file_id: (reads.append(file_id), read(file_id))[1])
    specs = {task.spec for _ in range(5)}
    task.data(1)
    assert len(specs) == len(reads) == 1


def test_a_text_that_is_not_here_can_be_described_but_not_trained_on() -> None:
    config = RunConfig.model_validate({"task": {"name": "text", "file": "0" * 16}})
    assert RunConfig.from_query(config.to_query()) == config
    assert config.task.spec.outputs == 200
    with pytest.raises(files.FileMissing, match="Choose the file again"):
        config.task.data(1)


def test_a_text_too_short_for_the_window_is_refused_with_what_would_do() -> None:
    short = files.keep(("ab" * 509).encode(), "short.txt")
    with pytest.raises(files.FileProblem, match=r"1018 characters.*window of 60.*at most 50.*at least 1240"):
        TextModel(file=short, length=60).data(1)
    assert len(TextModel(file=short, length=50).data(1).test) == 1
    assert TextModel(file=files.keep(b"ab" * 620, "longer.txt"), length=60).data(1)


def test_the_whole_setting_solves_a_text_that_says_the_same_again_and_again() -> None:
    config = RunConfig.model_validate(SMALL).replace(**{"task.file": own_text(), "training.learning_rate": 0.02})
    config = config.replace(**{"model.hidden_size": 24, "training.steps": 120, "training.batch_size": 16})
    last = [item for item in train(config, snapshot_seconds=1e9) if isinstance(item, Step)][-1].scalars
    assert last["bits/test"] < 1.5 < math.log2(len(set(OWN)))
