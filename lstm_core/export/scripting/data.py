"""The data of a run as source text: where they come from, how a batch is put together, what validates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from lstm_core.export.scripting.history import History, literal
from lstm_core.export.scripting.own import csv_lines, own_text_lines
from lstm_core.export.scripting.sources import Extract
from lstm_core.settings import Impossible
from lstm_core.tasks.base import Endless, Examples, Stream, TaskConfig, TaskData

TEXT_MODEL = "lstm_core.tasks.text_model"


@dataclass
class DataPart:
    """`text` defines `batch` and what it uses; `begin` are the lines that make `data` and `validation` in the loop.

    `fetch` is the call that gives a batch, `gives` what it consists of.
    """

    text: str
    begin: list[str]
    fetch: str
    gives: list[str]
    validation_rows: int
    settings: dict[str, str] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


def data_part(task: TaskConfig, history: History) -> DataPart:
    """The data of a task; raises Impossible where a script could not have them, FileProblem without the file."""
    found = task.data(history.config.training.seed)
    extract = Extract(
        [(kind.__module__, kind.__name__) for kind in type(task).__mro__ if kind.__module__.startswith("lstm_core.t")],
        task.model_dump(exclude={"name"}),
    )
    rows = len(found.validation)
    lengths = ["lengths"] if found.validation.lengths is not None else []
    if isinstance(found.train, Endless):
        part = _generated(extract, history, rows, lengths)
    else:
        if task.name not in LOADERS:
            raise Impossible(f"A script cannot load the data of the task {task.name}.")
        part = _loaded(task, found, extract, history)
    for name, constant in extract.used.items():
        value, about = getattr(task, name), type(task).model_fields[name].description or ""
        part.settings[constant] = f"{constant} = {literal(value)}  # {about}"
    part.imports |= extract.imports
    return part


def _generated(extract: Extract, history: History, rows: int, lengths: list[str]) -> DataPart:
    """Data drawn anew for every batch, by the task's own functions."""
    extract.method("generate")
    validation = extract.expression("data", "validation")
    batch = f'''\
def batch(step):
    """Batch number `step`, whose sequences were never seen before: it follows from the seed and its number alone."""
    arrays = generate(np.random.default_rng([SEED, 2, step]), {history("batch_size")})
    return map(torch.from_numpy, arrays)'''
    begin = [f"validation = [torch.from_numpy(array) for array in {validation}]"]
    gives = ["inputs", "targets", *lengths]
    text = extract.text()
    if 'def generate(rng, n):\n    """' not in text:
        arrays = "inputs, targets and lengths" if lengths else "inputs and targets"
        text = text.replace("def generate(rng, n):\n", f'def generate(rng, n):\n    """n sequences: {arrays}."""\n')
    return DataPart(f"{text}\n\n\n{batch}", begin, "batch(step)", gives, rows)


def _loaded(task: TaskConfig, found: TaskData, extract: Extract, history: History) -> DataPart:
    """Data that exist already, of which each batch is a part."""
    lines = LOADERS[task.name](task, extract, found)
    file = ["path"] if getattr(task, "file", None) else []
    load = "\n".join([f"def load({', '.join(file)}):", *(f"    {line}" if line else "" for line in lines)])
    size = history("batch_size")
    if isinstance(found.train, Stream):
        room = len(found.train.tokens) - 1 - found.train.length
        most = room // found.train.length
        if history.ever("batch_size", lambda value: value > most):
            size = f"max(1, min({size}, room // LENGTH))"
        text, gives = STREAM.format(size=size), ["inputs", "targets", "continues"]
    else:
        assert isinstance(found.train, Examples)
        most = len(found.train.examples)
        if history.ever("batch_size", lambda value: value > most):
            size = f"min({size}, len(inputs))"
        text, gives = EXAMPLES.format(size=size), ["inputs", "targets"]
    before = extract.text()
    return DataPart(
        "\n\n\n".join(part for part in (before, load, text) if part),
        [f"data, validation = load({', '.join(file)})"],
        "batch(data, step)",
        gives,
        len(found.validation),
        needs=NEEDS.get(task.name, ()),
    )


EXAMPLES = '''\
def batch(data, step):
    """Batch number `step`: every epoch visits each example once, in an order of its own."""
    inputs, targets = data
    size = {size}
    epoch, place = divmod(step, len(inputs) // size)
    order = np.random.default_rng([SEED, 1, epoch]).permutation(len(inputs))
    rows = order[place * size : (place + 1) * size]
    return torch.from_numpy(inputs[rows]), torch.from_numpy(targets[rows])'''

STREAM = '''\
def batch(data, step):
    """Batch number `step`: every row goes on where it ended in the batch before; asked for is the next character.

    In every epoch the rows begin a little elsewhere in the text.
    """
    room = len(data) - 1 - LENGTH
    size = {size}
    stretch = room // size
    epoch, piece = divmod(step, max(1, stretch // LENGTH))
    first = np.random.default_rng([SEED, 5, epoch]).integers(0, LENGTH + 1)
    starts = first + np.arange(size) * stretch + piece * LENGTH
    places = starts[:, None] + np.arange(LENGTH)
    return torch.from_numpy(data[places]), torch.from_numpy(data[places + 1]), piece > 0'''


def _digits(task: Any, _extract: Extract, _found: TaskData) -> list[str]:
    shape, read = ("8, 8", "row by row") if task.reading == "rows" else ("64, 1", "pixel by pixel")
    return [
        f'"""Training and validation part: scans (N, {shape}), read {read}, and labels (N,)."""',
        "scans = load_digits()",
        "images, labels = (scans.data / 16).astype(np.float32), scans.target.astype(np.int64)",
        f"images = images.reshape(len(images), {shape})",
        "train, rest, train_labels, rest_labels = train_test_split(",
        "    images, labels, train_size=0.6, stratify=labels, random_state=0",
        ")",
        "validation, _, validation_labels, _ = train_test_split(",
        "    rest, rest_labels, train_size=0.5, stratify=rest_labels, random_state=0",
        ")",
        "validation, validation_labels = torch.from_numpy(validation), torch.from_numpy(validation_labels)",
        "return (train, train_labels), (validation, validation_labels)",
    ]


def _series(lines: list[str], extract: Extract, found: TaskData) -> list[str]:
    """Windows of a series whose `values` the given lines make."""
    extract.need("lstm_core.tasks.series", "TRAIN")
    extract.constant("length")
    assert isinstance(found.train, Examples)
    flat = found.train.examples.inputs.max() == found.train.examples.inputs.min() == 0
    return [
        '"""Training and validation part: windows (N, LENGTH, 1) and the value that follows each of them (N, 1)."""',
        *lines,
        "first, second = int(len(values) * TRAIN), int(len(values) * (TRAIN + VALIDATION))",
        "seen = values[:first]  # scaled by the training part alone: what comes later must not shine through",
        f"scaled = ((values - seen.min()) / {'1.0' if flat else 'np.ptp(seen)'}).astype(np.float32)",
        "windows = np.lib.stride_tricks.sliding_window_view(scaled, LENGTH)[:-1, :, None].copy()",
        "targets = scaled[LENGTH:, None]",
        "train, validation = slice(0, first - LENGTH), slice(first - LENGTH, second - LENGTH)",
        "validation = torch.from_numpy(windows[validation]), torch.from_numpy(targets[validation])",
        "return (windows[train], targets[train]), validation",
    ]


def _stocks(_task: Any, extract: Extract, found: TaskData) -> list[str]:
    return _series(
        [f"values = plotly.data.stocks()[{extract.constant('ticker')}].to_numpy(np.float64)"], extract, found
    )


def _sine(task: Any, extract: Extract, found: TaskData) -> list[str]:
    waves, period = (extract.constant(name) for name in ("waves", "period"))
    lines = [
        f"t, k = np.arange(1000), np.arange(1, {waves} + 1)[:, None]",
        f"values = (np.sin(2 * np.pi * t * np.sqrt(k**3) / {period}) / k).sum(0)",
    ]
    if task.noise:
        noise = extract.constant("noise")
        lines.append(f"values += {noise} * np.random.default_rng(1).normal(size=1000)  # the same for every seed")
    return _series(lines, extract, found)


def _csv(task: Any, extract: Extract, found: TaskData) -> list[str]:
    return _series(csv_lines(task), extract, found)


def _text(task: Any, extract: Extract, found: TaskData) -> list[str]:
    extract.constant("length")
    if task.file is None:
        for name in ("PLAIN", "TYPESET", "_is_prose"):
            extract.need(TEXT_MODEL, name)
        lines, signs = BUILT_IN, "PLAIN"
    else:
        lines, signs = own_text_lines(task), "sorted(set(text))"
    many = ["starts = starts[np.linspace(0, len(starts) - 1, 256).astype(int)]  # as many, evenly spread"]
    assert isinstance(found.train, Stream)
    characters = len(task.corpus().text)
    kept = int(characters * 0.95) - len(found.train.tokens)
    return [
        '"""Training part, tokens (N,), and validation part, windows (N, LENGTH) with the next token at each place."""',
        *lines,
        f"number = {{sign: token for token, sign in enumerate({signs})}}",
        "tokens = np.array([number[sign] for sign in text], np.int64)",
        "train, validation, _ = np.split(tokens, [int(len(tokens) * share) for share in (0.9, 0.95)])",
        "starts = np.arange(0, len(validation) - LENGTH, LENGTH)",
        *(many if len(range(0, kept - task.length, task.length)) > 256 else []),
        "places = starts[:, None] + np.arange(LENGTH)",
        "return train, (torch.from_numpy(validation[places]), torch.from_numpy(validation[places + 1]))",
    ]


BUILT_IN = [
    'paragraphs = [block for name in sorted(topics) for block in re.split(r"\\n\\s*\\n", topics[name])]',
    'prose = [" ".join(block.split()) for block in paragraphs if is_prose(block)]',
    'text = "\\n".join(dict.fromkeys(prose))  # some paragraphs stand under two topics',
    'text = "".join(sign for sign in text.translate(str.maketrans(TYPESET)) if sign in PLAIN)',
]
Loader = Callable[[Any, Extract, TaskData], list[str]]
LOADERS: Mapping[str, Loader] = MappingProxyType(
    {"digits": _digits, "stocks": _stocks, "sine": _sine, "csv": _csv, "text": _text}
)
NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"digits": ("scikit-learn",), "stocks": ("plotly", "pandas"), "csv": ("pandas",)}
)
