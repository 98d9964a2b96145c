"""A language model of single characters: one long text, and at every place the question which sign comes next."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from lstm_core import files, texts
from lstm_core.settings import FILE_ID, setting
from lstm_core.tasks.base import Array, Batch, Generation, Goal, Preview, Sample, Spec, Stream, TaskConfig, TaskData

PLAIN = "\n" + "".join(map(chr, range(32, 127)))  # the signs of the built-in text
TYPESET = {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."}
SHARES = (0.9, 0.95)  # where validation and test begin
MOST = (256, 1000)  # windows of the validation and the test part
PROMPT = 24  # characters with which a generated text begins


class Corpus(NamedTuple):
    """A text, the signs, in order, that its tokens stand for, and how it was read, a sentence each."""

    text: str
    signs: str
    notes: tuple[str, ...] = ()


def _settings(cell: str) -> Mapping[str, Any]:
    return {
        "task": {"name": "text", "length": 64},
        "model": {"cell": cell, "hidden_size": 128},
        "training": {"learning_rate": 0.005, "schedule": "cosine", "clip": "norm", "steps": 1500, "batch_size": 32},
    }


class TextModel(TaskConfig):
    """Every character of a text is asked for, given all before it; bits per character, −log2 p on average.

    The built-in text is the prose of "The Python Language Reference", which every Python brings in its module
    `pydoc_data.topics` (© Python Software Foundation, PSF License Version 2, which allows use and copies): whole
    paragraphs without the grammar, the tables and the examples, in the 95 printable characters of ASCII and the line
    end. Python 3.11.7 has 186,925 characters of it; another version has a slightly different text and the same signs.

    In the order of the text: 90 % training, 5 % validation, 5 % test, and no character belongs to two parts. Training
    reads on from window to window and carries the state along, so that `length` is the horizon of the gradient and not
    that of the memory; validation and test begin every window without a state. Chance: every sign with equal
    probability. Whoever knows how frequent each sign is, and nothing else, needs 4.53 bits of the built-in text.

    Measured with the examples, 1500 steps, seeds 1, 2, 3: LSTM 2.31, 2.31, 2.31 bits on the test part (23 s on one
    core), GRU 2.25, 2.26, 2.28 (34 s).

    The settings hold the file's id alone; `data` raises FileProblem where the file cannot be used.
    """

    title: ClassVar[str] = "Character language model"
    summary: ClassVar[str] = "Which character comes next? Learned from one long text, and able to go on writing."
    metric: ClassVar[str] = "bits"
    metric_unit: ClassVar[str] = "bits per character"
    goal: ClassVar[Goal | None] = Goal("bits", 2.5, at_least=False)
    examples: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {"LSTM": _settings("lstm"), "GRU": _settings("gru")}
    )

    name: Literal["text"] = "text"
    file: str | None = setting(
        None,
        "Own text",
        "A text to learn from; empty is a handbook of Python that is built in.",
        essential=True,
        file="text",
        pattern=FILE_ID,
    )
    length: int = setting(
        64,
        "Window",
        "Characters between two updates; the gradient flows back as far, the state is carried on.",
        unit="characters",
        ge=2,
        le=1000,
    )

    @property
    def time_steps(self) -> int:
        return self.length

    @property
    def spec(self) -> Spec:
        signs = len(self._signs())
        return Spec(outputs=signs, loss="cross_entropy", vocabulary=signs, answers="steps", foresight=False)

    @property
    def headline(self) -> str:
        return "The next character of a text" if self.file is None else "The next character of your own text"

    def corpus(self) -> Corpus:
        """The text of the settings; raises FileProblem where it cannot be read."""
        return _built_in() if self.file is None else _own(self.file)

    def data(self, seed: int) -> TaskData:
        """As for every task; raises FileProblem also where the text is too short for the window."""
        corpus = self.corpus()
        tokens = Generation("", list(corpus.signs)).tokens(corpus.text)
        train, *rest = np.split(tokens, [int(len(tokens) * share) for share in SHARES])
        longest = min(map(len, rest)) - 1
        if self.length > longest:
            raise files.FileProblem(
                f"The text has {len(tokens)} characters, too few for a window of {self.length}: choose a window of at "
                f"most {longest}, or a text of at least {20 * (self.length + 2)} characters."
            )
        validation, test = (_windows(part, self.length, most) for part, most in zip(rest, MOST, strict=True))
        uniform = math.log(len(corpus.signs))
        chance = {"loss": uniform, "bits": uniform / math.log(2)}
        return TaskData(Stream(train, self.length), validation, test, chance)

    def metrics(self, prediction: Array, targets: Array) -> dict[str, float]:
        """Bits per character of logits (B, T, K) for targets (B, T): the cross-entropy divided by log 2."""
        logits = prediction - prediction.max(-1, keepdims=True)
        right = np.take_along_axis(logits, targets[..., None], -1)[..., 0]
        surprise = np.log(np.exp(logits).sum(-1)) - right
        return {"bits": float(surprise.mean(dtype=np.float64) / math.log(2))}

    def samples(self, batch: Batch) -> list[Sample]:
        marks = [_mark(sign) for sign in self._signs()]
        found = []
        for row, targets in zip(batch.inputs, batch.targets, strict=True):
            read, asked = ([marks[token] for token in tokens] for tokens in (row, targets))
            found.append(Sample("".join(read[:PROMPT]), read, asked[-1], targets=asked))
        return found

    def answer(self, prediction: Array) -> str:
        return _mark(self._signs()[int(prediction.argmax())])

    @property
    def generation(self) -> Generation:
        corpus = self.corpus()
        start = int(len(corpus.text) * SHARES[0])
        start = max(start, corpus.text.find("\n", start) + 1)  # where a line begins, if there is one
        return Generation(corpus.text[start : start + PROMPT], list(corpus.signs))

    def preview(self) -> Preview | None:
        """How a text of one's own was read."""
        return None if self.file is None else Preview([], [], list(_own(self.file).notes))

    def _signs(self) -> str:
        """The signs of the text; of a file that is not here as many as a text can have, so that it can be described."""
        try:
            return PLAIN if self.file is None else _own(self.file).signs
        except files.FileProblem:
            return texts.REPLACEMENT * texts.DISTINCT


def _windows(tokens: Array, length: int, most: int) -> Batch:
    """Windows that follow on each other, their answers included; of very many, as many as wanted, evenly spread."""
    starts = np.arange(0, len(tokens) - length, length)
    if len(starts) > most:
        starts = starts[np.linspace(0, len(starts) - 1, most).astype(int)]
    places = starts[:, None] + np.arange(length)
    return Batch(tokens[places], tokens[places + 1])


def _mark(sign: str) -> str:
    return {"\n": "↵", " ": "␣"}.get(sign, sign)


@lru_cache(maxsize=1)
def _built_in() -> Corpus:
    try:
        from pydoc_data.topics import topics
    except ModuleNotFoundError as error:
        raise files.FileProblem("This Python comes without its handbook; choose a text of your own.") from error
    paragraphs = [block for name in sorted(topics) for block in re.split(r"\n\s*\n", topics[name])]
    prose = [" ".join(block.split()) for block in paragraphs if _is_prose(block)]
    text = "\n".join(dict.fromkeys(prose))  # some paragraphs stand under two topics
    plain = str.maketrans(TYPESET)
    return Corpus("".join(sign for sign in text.translate(plain) if sign in PLAIN), PLAIN)


def _is_prose(block: str) -> bool:
    """Whether a paragraph is sentences: not indented, no table, no grammar, no heading, and not a few words only."""
    drawn = re.search(r"^\s*[|+]|::=|^(.)\1{3,}\s*$", block, re.MULTILINE)
    return not block.startswith(" ") and drawn is None and block.count(" ") >= 8


@lru_cache(maxsize=4)
def _own(file: str) -> Corpus:
    text, notes = texts.read(files.read(file), "The file")
    return Corpus(text, "".join(sorted(set(text))), notes)
