"""A run as a plain PyTorch script: one file that trains the same network on the same batches, loss for loss.

The script uses nothing of this project. It is written for the one run: what the run does not use does not occur in it.
The functions that draw the data are the task's own, taken over as source text (`scripting/sources.py`); model, first
weights and loop are written plainly, with the same operations in the same order as in training.
"""

from __future__ import annotations

import ast
import inspect
import platform
import re
import textwrap
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from lstm_core import files
from lstm_core.config import Override, RunConfig
from lstm_core.export.scripting.data import DataPart, data_part
from lstm_core.export.scripting.first import first_weights
from lstm_core.export.scripting.history import NOW, Stage, history, literal, settings_lines
from lstm_core.export.scripting.imports import imports
from lstm_core.export.scripting.layout import wrapped
from lstm_core.export.scripting.loop import MAIN, Loop
from lstm_core.export.scripting.network import Network
from lstm_core.export.scripting.weights import load_weights
from lstm_core.groups import ModelConfig, TrainingConfig
from lstm_core.runs.records import RunNotFound
from lstm_core.settings import Impossible

if TYPE_CHECKING:
    from lstm_core.runs.store import RunStore

__all__ = ["Stage", "script", "script_of"]


def script(
    config: RunConfig, overrides: Sequence[Override] = (), *, before: Sequence[Stage] = (), begin: int = 0
) -> str:
    """The text of a Python file that reproduces the loss of every step of a run, to the last bit.

    `overrides` are the changes that were made while it went on. Of a fork, `before` are the runs that it goes on from,
    the first one first, and `begin` is the step at which it does. Raises Impossible, with a sentence, for a run that a
    script cannot reproduce, and FileProblem where the run's own file is not at hand.
    """
    course = history(config, overrides, before, begin)
    task = config.task
    first = course.stages[0].config
    data = data_part(task, course)
    network = Network(config.model, task.spec, "lengths" in data.gives, "continues" in data.gives, course)
    model = network.text()
    arguments = ["path"] * bool(getattr(task, "file", None)) + ["weights"] * bool(first.init.weights)
    loading = load_weights(first) if first.init.weights else None
    drawn = loading is None or loading.draws
    loop = Loop(task.spec, data, network, course, arguments, drawn)
    training = loop.text()
    main = MAIN.format(
        files="".join(_argument(name) for name in arguments),
        given=", ".join(f"given.{name}" for name in arguments),
    )
    weights = [*([first_weights(first)] if drawn else []), *([loading.text] if loading else [])]
    sections = [
        ("Settings", _settings(config, course.used, data, network, loading.settings if loading else [])),
        ("Data", data.text),
        ("Model", model),
        ("First weights", "\n\n\n".join(weights)),
        ("Training", "\n\n\n".join([*([NOW] if re.search(r"\bnow\(", training + data.text) else []), training, main])),
    ]
    body = (
        "torch.set_num_threads(1)  # the same sums in the same order, and faster for a network of this size\n"
        "torch.set_flush_denormal(True)  # what is too small to be a normal number is 0: processors are slow at those"
    )
    for title, text in sections:
        start_of_block = text.startswith(("def ", "class ", "@"))
        body += f"\n\n\n# {title}\n" + ("\n\n" if start_of_block else "\n") + text
    body = wrapped(body.replace("\n\n\n# Settings", "\n\n# Settings"))
    _check(body)
    known = {**data.imports, **network.extract.imports}
    needs = ["torch", "numpy", *data.needs, *(loading.needs if loading else [])]
    return f'"""{_head(config, first, needs, arguments)}\n"""\n\n{imports(body, known)}\n\n{body}'


def script_of(store: RunStore, run_id: str) -> str:
    """The script of a recorded run, from the first step of the run that it began with; raises also StoreError."""
    files.look_in(store.file)
    run = store.get(run_id)
    before: list[Stage] = []
    parent, begin = run.parent, run.fork_step
    while parent is not None and begin is not None:
        try:
            other = store.get(parent)
        except RunNotFound as error:
            raise Impossible(
                f"This run goes on from the run {parent}, which was deleted, so that a script cannot begin at its "
                "beginning. Save the weights, begin a run from them, and export that one."
            ) from error
        config = RunConfig.model_validate(other.config)
        before.insert(0, Stage(config, tuple(store.overrides(parent)), other.fork_step or 0))
        parent, begin = other.parent, other.fork_step
    config = RunConfig.model_validate(run.config)
    return script(config, store.overrides(run_id), before=before, begin=run.fork_step or 0)


def _settings(config: RunConfig, training: dict[str, str], data: DataPart, network: Network, more: list[str]) -> str:
    """Everything that can be changed, the task's first; then what follows from the task."""
    order = [name.upper() for name in (*ModelConfig.model_fields, *TrainingConfig.model_fields)]
    file = getattr(config.task, "file", None)
    seed = TrainingConfig.model_fields["seed"].description
    used = {**network.settings, **training, "SEED": f"SEED = {config.training.seed}  # {seed}"}
    given = [used[name] for name in order if name in used]
    rest = [text for name, text in used.items() if name not in order]
    files_ = [f"FILE = {literal(file)}  # How the SHA-256 of the data file begins."] if file else []
    return "\n".join(settings_lines([*data.settings.values(), *given, *rest, *files_, *more]))


def _argument(name: str) -> str:
    says = {"path": "the file that is learned from", "weights": "the file with the first weights"}[name]
    return f'    parser.add_argument("{name}", type=Path, help="{says}")\n'


def _head(config: RunConfig, first: RunConfig, needs: Sequence[str], arguments: Sequence[str]) -> str:
    """What is trained, by what law, with which versions, and how to call it."""
    kind = type(config.task)
    law = inspect.cleandoc(kind.__doc__ or "")
    paragraphs = [
        re.sub(r",?\s*https?://[^\s),]+", "", paragraph)
        for paragraph in law.split("\n\n")
        if not paragraph.startswith(("Measured", "There is no goal", "The settings hold", "The built-in text"))
    ]
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in needs)])
    call = " ".join(["python script.py", *(name.upper() for name in arguments), "--csv losses.csv"])
    lines = [
        first.title,
        "",
        kind.summary,
        "",
        *(line for paragraph in paragraphs for line in [*_filled(paragraph), ""]),
        *_filled(
            "Plain PyTorch, one file. It gives the loss of every step exactly as the run in LSTM Lab gave it, float "
            f"for float, on the same machine with the same versions: {versions}."
        ),
        "",
        f"    {call}",
    ]
    # a title may hold the name of somebody's column: nothing in it may end the text
    return "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")


def _filled(paragraph: str) -> list[str]:
    """A paragraph in lines of even length; a table as it is."""
    return paragraph.split("\n") if paragraph.startswith("|") else textwrap.wrap(paragraph, 116)


def _check(body: str) -> None:
    """Raise Impossible where two things would have the same name."""
    names: list[str] = []
    for node in ast.parse(body).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Impossible(f"A script cannot have two things of the name {twice[0]}.")
