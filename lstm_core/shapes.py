"""The shapes of a recurrent layer worked out on paper: every tensor, every parameter, and what equals what.

The rules are those of https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html. Lengths go by their letters:
T steps, B sequences, I inputs, H units, P the width of the hidden state (proj_size, or H), D directions, L layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from lstm_core.cells import CELLS
from lstm_core.config import RunConfig
from lstm_core.groups import ModelConfig
from lstm_core.settings import setting

Shape = tuple[int, ...]
NOT_OF_A_LAYER = ("embedding_size", "attention")  # settings of a network that its recurrent layers know nothing of
DEFAULTS = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False, "proj_size": 0}
CLASSES = {"lstm": "nn.LSTM", "gru": "nn.GRU", "rnn_tanh": "nn.RNN", "rnn_relu": "nn.RNN"}


class Arguments(ModelConfig):
    """The arguments of `nn.LSTM`, `nn.GRU` or `nn.RNN`, and the size of what it is given."""

    input_size: int = setting(32, "Input size", "I: how many numbers it reads at each step.", ge=1, le=4096)
    steps: int = setting(40, "Time steps", "T: how long the sequences are.", ge=1, le=10_000)
    batch: int = setting(64, "Batch", "B: how many sequences go through at once.", ge=1, le=4096)

    @model_validator(mode="after")
    def _possible(self) -> Arguments:
        if self.cell not in CLASSES:
            known = ", ".join(CLASSES)
            raise PydanticCustomError(
                "contradiction",
                "cell is {cell}, which torch has no class for; choose one of {known}.",
                {"cell": self.cell, "known": known},
            )
        if self.proj_size and self.cell != "lstm":
            raise PydanticCustomError(
                "contradiction",
                "proj_size is {size}, but only an LSTM can project its hidden state; set it to 0.",
                {"size": self.proj_size},
            )
        if self.proj_size >= self.hidden_size:
            raise PydanticCustomError(
                "contradiction",
                "proj_size is {size}; choose less than hidden_size, which is {hidden}.",
                {"size": self.proj_size, "hidden": self.hidden_size},
            )
        return self

    @classmethod
    def of(cls, config: RunConfig) -> Arguments:
        """The recurrent layers of a run, reading one of its training batches."""
        model, spec = config.model, config.task.spec
        given = model.model_dump() | {"cell": "lstm" if model.cell == "lstm_relu" else model.cell}
        return cls(
            **given,
            input_size=model.embedding_size if spec.vocabulary else spec.features or 1,
            steps=config.task.time_steps,
            batch=config.training.batch_size,
        )

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def width(self) -> int:
        """P."""
        return self.proj_size or self.hidden_size

    @property
    def gates(self) -> str:
        return CELLS[self.cell].gates

    @property
    def has_cell_state(self) -> bool:
        return "c" in CELLS[self.cell].states


@dataclass(frozen=True)
class Dimension:
    """One length of a tensor: its letters, as in D·P, and how much that is."""

    letters: str
    size: int


@dataclass(frozen=True)
class Tensor:
    """A tensor that goes in or comes out."""

    name: str
    dimensions: tuple[Dimension, ...]
    about: str

    @property
    def shape(self) -> Shape:
        return tuple(dimension.size for dimension in self.dimensions)


@dataclass(frozen=True)
class Parameter:
    """A parameter by torch's name: `rows` blocks of equal height, one for each gate, where there are gates."""

    name: str
    dimensions: tuple[Dimension, ...]
    gates: str = ""

    @property
    def shape(self) -> Shape:
        return tuple(dimension.size for dimension in self.dimensions)

    @property
    def count(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Term:
    """The parameters of one layer and direction: what they are by formula, with the numbers in it, and how many."""

    place: str
    formula: str
    numbers: str
    count: int


@dataclass(frozen=True)
class Same:
    """Two indexing expressions that give the same tensor, and why."""

    left: str
    right: str
    because: str


def tensors(given: Arguments) -> list[Tensor]:
    """What goes in and what comes out, in the order of a call: input, h_0, c_0, output, h_n, c_n."""
    t, b = Dimension("T", given.steps), Dimension("B", given.batch)
    around = (b, t) if given.batch_first else (t, b)
    wide = given.directions * given.width
    output = Dimension(_times("2" if given.bidirectional else "", _width_letter(given)), wide)
    places = Dimension("2·L" if given.bidirectional else "L", given.directions * given.num_layers)
    h = (places, b, Dimension(_width_letter(given), given.width))
    c = (places, b, Dimension("H", given.hidden_size))
    found = [
        Tensor("input", (*around, Dimension("I", given.input_size)), "what is read"),
        Tensor("h_0", h, "the hidden states to begin with; 0 where none are given"),
    ]
    if given.has_cell_state:
        found.append(Tensor("c_0", c, "the cell states to begin with; 0 where none are given"))
    found += [
        Tensor("output", (*around, output), "the hidden state of the last layer after every step"),
        Tensor("h_n", h, "the hidden state of every layer and direction when it has read all"),
    ]
    if given.has_cell_state:
        found.append(Tensor("c_n", c, "the cell state of every layer and direction when it has read all"))
    return found


def parameters(given: Arguments) -> list[Parameter]:
    """Every parameter, in torch's order."""
    rows = Dimension(_times(_gate_count(given), "H"), len(given.gates) * given.hidden_size)
    p = Dimension(_width_letter(given), given.width)
    found = []
    for layer in range(given.num_layers):
        below = _below(given, layer)
        for suffix in (f"_l{layer}", f"_l{layer}_reverse")[: given.directions]:
            found.append(Parameter("weight_ih" + suffix, (rows, below), given.gates))
            found.append(Parameter("weight_hh" + suffix, (rows, p), given.gates))
            if given.bias:
                found += [Parameter(kind + suffix, (rows,), given.gates) for kind in ("bias_ih", "bias_hh")]
            if given.proj_size:
                found.append(Parameter("weight_hr" + suffix, (p, Dimension("H", given.hidden_size))))
    return found


def terms(given: Arguments) -> list[Term]:
    """The number of parameters, layer by layer: 4·H·(I + H + 2) and the like."""
    gates, hidden = _gate_count(given), given.hidden_size
    found = []
    for layer in range(given.num_layers):
        below = _below(given, layer)
        inside = [(below.letters, below.size), (_width_letter(given), given.width), *([("2", 2)] if given.bias else [])]
        formula = f"{_times(gates, 'H')}·({' + '.join(letters for letters, _ in inside)})"
        numbers = f"{_times(gates, str(hidden))}·({' + '.join(str(size) for _, size in inside)})"
        count = len(given.gates) * hidden * sum(size for _, size in inside)
        if given.proj_size:
            formula, numbers = f"{formula} + P·H", f"{numbers} + {given.width}·{hidden}"
            count += given.width * hidden
        ways = ("forward", "backward") if given.bidirectional else ("",)
        found += [Term(f"layer {layer}{', ' if way else ''}{way}", formula, numbers, count) for way in ways]
    return found


def parameter_count(given: Arguments) -> int:
    return sum(term.count for term in terms(given))


def halves(given: Arguments) -> list[Same]:
    """The parts of `output` by direction; none where there is only one."""
    if not given.bidirectional:
        return []
    p = given.width
    return [
        Same(f"output[..., :{p}]", "forward", "the direction that reads from the first step to the last"),
        Same(f"output[..., {p}:]", "backward", "the direction that reads from the last step to the first"),
    ]


def slices(given: Arguments) -> list[Same]:
    """Which slice of `output` is which of `h_n`: runnable expressions, for the last layer's directions.

    A backward direction has read everything when it arrives at the first step. Lower layers are in h_n alone, and
    cell states in c_n alone.
    """
    last = given.directions * (given.num_layers - 1)
    p, both = given.width, given.bidirectional
    forward = Same(
        f"h_n[{last}]", _at(given, "-1", f":{p}" if both else ""), "it has read all of the sequence at the last step"
    )
    if not both:
        return [forward]
    backward = Same(
        f"h_n[{last + 1}]", _at(given, "0", f"{p}:"), "it reads from the end, and has read all at the first step"
    )
    return [forward, backward]


def places(given: Arguments) -> list[str]:
    """What every row of h_n and c_n belongs to, in their order."""
    ways = ("forward", "backward") if given.bidirectional else ("forward",)
    return [f"layer {layer}, {way}" for layer in range(given.num_layers) for way in ways]


def constructor(given: Arguments) -> str:
    """The call that makes the module: both sizes, and whatever is not torch's default."""
    sizes = [f"{given.input_size}, {given.hidden_size}"]
    own = [f"{name}={getattr(given, name)!r}" for name, usual in DEFAULTS.items() if getattr(given, name) != usual]
    relu = ['nonlinearity="relu"'] if given.cell == "rnn_relu" else []
    return f"{CLASSES[given.cell]}({', '.join([*sizes, *relu, *own])})"


def program(given: Arguments) -> str:
    """A program of a few lines that makes the module, calls it once and holds it to everything said here."""
    name = {"lstm": "lstm", "gru": "gru"}.get(given.cell, "rnn")
    found = {tensor.name: tensor for tensor in tensors(given)}
    states = "(h_n, c_n)" if given.has_cell_state else "h_n"
    lines = [
        "import torch",
        "from torch import nn",
        "",
        f"{name} = {constructor(given)}",
        f"input = torch.randn{_written(found['input'].shape)}  # ({_letters(found['input'])})",
        f"output, {states} = {name}(input)",
        "",
    ]
    for out in ("output", "h_n", "c_n"):
        if out in found:
            lines.append(f"assert {out}.shape == {_written(found[out].shape)}")
    lines += [f"assert torch.equal({same.left}, {same.right})" for same in slices(given)]
    lines.append(f"assert sum(p.numel() for p in {name}.parameters()) == {parameter_count(given)}")
    return "\n".join(lines)


def _written(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))})"


def _letters(tensor: Tensor) -> str:
    return ", ".join(dimension.letters for dimension in tensor.dimensions)


def _at(given: Arguments, step: str, columns: str) -> str:
    """`output` at one step, in the layout that it has."""
    index = f":, {step}" if given.batch_first else step
    if not columns:
        return f"output[{index}]"
    return f"output[{index}, {columns}]" if given.batch_first else f"output[{index}, :, {columns}]"


def _below(given: Arguments, layer: int) -> Dimension:
    """What a layer reads at each step."""
    if layer == 0:
        return Dimension("I", given.input_size)
    letters = _times("2" if given.bidirectional else "", _width_letter(given))
    return Dimension(letters, given.directions * given.width)


def _width_letter(given: Arguments) -> str:
    return "P" if given.proj_size else "H"


def _gate_count(given: Arguments) -> str:
    return "" if len(given.gates) == 1 else str(len(given.gates))


def _times(*factors: str) -> str:
    return "·".join(factor for factor in factors if factor)
