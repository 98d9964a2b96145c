"""The commands, and how each is called."""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from lstm_core import files
from lstm_core.config import RunConfig, explain, with_overrides
from lstm_core.runs.records import Run, StoreError
from lstm_core.runs.store import RunStore
from lstm_core.tasks import TASKS, TaskConfig
from lstm_core.terminal import machines, telling, trained
from lstm_core.terminal.options import add_settings, config_from, given_options, on_top, put_files
from lstm_core.terminal.output import complain, figures, flush, prepare, tell
from lstm_core.terminal.working import in_words, train_here

PROMPT = "python -m lstm_core"
TEMPERATURE = "0 takes the likeliest sign, higher values dare more (default: %(default)s)"
SEQUENCES = "of the test part, as many as there are (default: %(default)s)"
RECORDS = "; ".join(f"{name}: {words}" for name, words in telling.WHAT.items()) + " (default: %(default)s)"
BITS = "for each number (default: %(default)s)"


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    2 for settings, files and numbers that cannot be, 1 for what the store refuses and a run that failed, 130 where
    Ctrl-C ended it.
    """
    prepare()
    try:
        given = _parser().parse_args(arguments)
        command: Callable[[Namespace], int] = given.command
        return command(given)
    except ValidationError as error:
        complain("\n".join(explain(error)))
        return 2
    except ValueError as error:
        complain(str(error))
        return 2
    except StoreError as error:
        complain(str(error))
        return 1
    except OSError as error:
        complain(f"{error.filename or 'The output'} cannot be used: {error.strerror or error}.")
        return 1
    finally:
        flush()


def train(given: Namespace) -> int:
    """Make a run of the given settings and train it."""
    store = _store()
    options = given_options(given)
    config = config_from(given.json, options, given.task, given.example)
    put_files(store, config, options)
    # Paused until it is claimed, so that no engine takes it first; so are the others.
    return train_here(store, store.create(config, desired="paused"), given.address)


def resume(given: Namespace) -> int:
    """Go on with a run, to more steps if wanted."""
    store = _store()
    store.get(given.run)
    if given.steps is not None:
        store.extend(given.run, given.steps, desired="paused")
    return train_here(store, given.run, given.address)


def fork(given: Namespace) -> int:
    """Go on from a step of a run with the settings that it had there, and others in their place."""
    store = _store()
    parent = store.get(given.run)
    config = RunConfig.model_validate(parent.config)
    there = with_overrides(config.training, store.overrides(given.run), given.step)
    settings = {**config.model_dump(), "training": {**there.model_dump(), "steps": parent.steps}}
    options = given_options(given)
    config = on_top(settings, options, given.task)
    put_files(store, config, options)
    run_id = store.fork(given.run, given.step, config, desired="paused")
    return train_here(store, run_id, given.address)


def show(given: Namespace) -> int:
    """Print what a run is, how far it came and what was measured; or its settings alone, as JSON."""
    store = _store()
    run = store.get(given.run)
    settings = json.dumps(run.config, indent=2, ensure_ascii=False)
    if given.json:
        tell(settings)
        return 0
    lines = [_title(run), f"Run {run.id}, {run.status}: step {max(run.step, 0)} of {run.steps}"]
    if run.fork_step is not None:
        lines.append(f"Fork of run {run.parent} at step {run.fork_step}")
    lines += [f"From step {o.step} on {o.field} {o.value}" for o in store.overrides(run.id)]
    lines += [said for said in (in_words(run), figures(_newest(store, run.id))) if said]
    tell("\n".join([*lines, settings]))
    return 0


def script(given: Namespace) -> int:
    """Print, or write to a file, the plain PyTorch script of a run or of given settings."""
    from lstm_core.export import script as script_text
    from lstm_core.export import script_of

    store = _store()
    options = given_options(given)
    chosen = [given.json, given.example, given.task, *options.values()]
    if given.run is not None and any(value is not None for value in chosen):
        raise ValueError("Give either a run or settings: the script of a run has the settings of that run.")
    if given.run is not None:
        text = script_of(store, given.run)
    else:
        text = script_text(config_from(given.json, options, given.task, given.example))
    if given.to is None:
        tell(text, end="")
        return 0
    Path(given.to).write_text(text, encoding="utf-8")
    tell(f"The script is in {given.to}; python {given.to} trains and writes the losses to losses.csv.")
    return 0


def list_runs(_given: Namespace) -> int:
    """Print the newest runs, a line each."""
    for run in _store().list():
        tell(f"{run.id}  {run.status:<11}  {max(run.step, 0):>7} of {run.steps:<7}  {_title(run)}")
    return 0


def list_tasks(_given: Namespace) -> int:
    """Print what can be learned: each task with its chance level, its goal and its ready-made settings."""
    tell("\n\n".join(_described(name, kind) for name, kind in TASKS.items()))
    return 0


def _described(name: str, kind: type[TaskConfig]) -> str:
    settings = next(iter(kind.examples.values()), {"task": {"name": name}})
    try:
        config = RunConfig.model_validate(settings)
        chance = config.task.data(config.training.seed).chance
        by_chance = ", ".join(f"{what} {value:.4g}" for what, value in chance.items() if what != "loss")
    except files.FileProblem:
        by_chance = "depends on the file"
    lines = [f"{name}: {kind.title}", f"  {kind.summary}", f"  by chance: {by_chance}"]
    if kind.goal is not None:
        lines.append(f"  goal: {kind.goal.metric} {'≥' if kind.goal.at_least else '≤'} {kind.goal.value:g}")
    lines += [f"  --example {title!r}" for title in kind.examples]
    return "\n".join(lines)


def _newest(store: RunStore, run_id: str) -> dict[str, float]:
    """The last value of every scalar of a run that was measured at all."""
    columns = {name: column[~np.isnan(column)] for name, column in store.scalars(run_id).items() if name != "step"}
    return {name: float(column[-1]) for name, column in columns.items() if len(column)}


def _title(run: Run) -> str:
    return run.name or (run.about or {}).get("title") or str(run.config["task"]["name"])


def _store() -> RunStore:
    store = RunStore()
    files.look_in(store.file)
    return store


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog=PROMPT, description="Train small recurrent networks from the terminal.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[Namespace], int], help: str, *, of_run: bool = True) -> ArgumentParser:
        added: ArgumentParser = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        added.set_defaults(command=command)
        if of_run:
            added.add_argument("run", metavar="RUN", help="the run's id")
        return added

    begin = add("train", train, "train with these settings", of_run=False)
    source = begin.add_mutually_exclusive_group()
    source.add_argument("--json", metavar="FILE", help="settings as JSON, - for standard input; options come on top")
    source.add_argument("--example", metavar="TITLE", help="ready-made settings of the task; options come on top")
    further = add("resume", resume, "go on with a run")
    further.add_argument("--steps", type=_whole(1), metavar="N", help="so many steps in all; more than it has now")
    branch = add("fork", fork, "go on from a step of a run with its settings there; options come on top")
    branch.add_argument("step", metavar="STEP", type=_whole(0), help="the first step that is the fork's own")
    plain = add("script", script, "write a plain PyTorch script of a run, or of these settings", of_run=False)
    plain.add_argument("run", metavar="RUN", nargs="?", help="the run's id; without, the settings are those given")
    plain.add_argument("--to", metavar="FILE.py", help="where to (default: standard output)")
    whose = plain.add_mutually_exclusive_group()
    whose.add_argument("--json", metavar="FILE", help="settings as JSON, - for standard input; options come on top")
    whose.add_argument("--example", metavar="TITLE", help="ready-made settings of the task; options come on top")
    for trains in (begin, further, branch):
        trains.add_argument("--address", help="where the page is served (default: LSTM_LAB_ADDRESS)")
    for chooses, needs in ((begin, ""), (branch, " RUN STEP"), (plain, " [RUN]")):
        chooses.usage = f"{chooses.prog}{needs} [OPTIONS]; --help shows all"
        add_settings(chooses)

    saving = add("weights", trained.weights, "write the weights of a run to a file")
    saving.add_argument("file", metavar="FILE.safetensors", help="where to")
    writing = add("write", trained.write, "let a language model go on after a prompt")
    writing.add_argument("--prompt", metavar="TEXT", help="how it begins (default: a line that it did not learn from)")
    writing.add_argument("--temperature", type=_number, default=0.8, metavar="X", help=TEMPERATURE)
    writing.add_argument("--length", type=_whole(1), default=400, metavar="N", help="signs (default: %(default)s)")
    writing.add_argument("--seed", type=_whole(0), default=1, metavar="N", help="of the draws (default: %(default)s)")
    rounding = add("precision", trained.precision, "what small hardware would cost: number formats, metric by bits")
    rounding.add_argument("--sequences", type=_whole(1), default=100, metavar="N", help=SEQUENCES)
    rounding.add_argument("--bits", type=_bits, default="16,8,4", metavar="N,N,…", help=BITS)
    for looks in (saving, writing, rounding):
        looks.add_argument("--best", action="store_true", help="the weights with the smallest validation loss")
    add("findings", telling.findings, "tell in words what a run shows, and what to try next")
    taking = add("export", telling.export, "write the records of a run to a file (a report is made by the page)")
    taking.add_argument("--what", choices=telling.WHAT, default="scalars", help=RECORDS)
    taking.add_argument("--to", metavar="FILE", required=True, help="where to")
    showing = add("show", show, "show a run: settings, status, figures")
    showing.add_argument("--json", action="store_true", help="the settings alone, as train --json reads them")
    add("list", list_runs, "show the newest runs", of_run=False)
    add(
        "tasks", list_tasks, "show what can be learned, with chance levels, goals and ready-made settings", of_run=False
    )
    making = add(
        "keys", machines.keys, "make the keys with which the machines of a cluster know each other", of_run=False
    )
    making.add_argument("folder", metavar="FOLDER", help="where to; LSTM_LAB_TLS names it on every machine")
    giving = add("scheduler", machines.scheduler, "give the work of servers to workers, on one machine", of_run=False)
    giving.add_argument("--host", metavar="ADDRESS", help="of this machine, to listen at (default: all it has)")
    giving.add_argument("--port", type=_whole(0), default=machines.PORT, metavar="N", help="(default: %(default)s)")
    training = add("worker", machines.worker, "train what a scheduler gives, on any machine", of_run=False)
    training.add_argument("scheduler", metavar="tls://HOST:PORT", help="the scheduler, as LSTM_LAB_SCHEDULER names it")
    training.add_argument("--workers", type=_whole(1), metavar="N", help="processes (default: LSTM_LAB_WORKERS)")
    return parser


def _whole(least: int) -> Callable[[str], int]:
    """A reader of whole numbers of at least `least`; raises ArgumentTypeError, as all of these do."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise ArgumentTypeError(f"{text!r} is not possible; choose a whole number of at least {least}")
        return number

    return read


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ArgumentTypeError(f"{text!r} is not possible; choose 0 or a number above it")
    return number


def _bits(text: str) -> tuple[int, ...]:
    from lstm_core.fixed_point import FEWEST_BITS, MOST_BITS

    try:
        counts = tuple(int(part) for part in text.split(","))
    except ValueError:
        counts = (0,)
    if not all(FEWEST_BITS <= count <= MOST_BITS for count in counts):
        raise ArgumentTypeError(
            f"{text!r} is not possible; choose numbers from {FEWEST_BITS} to {MOST_BITS} with commas between them"
        )
    return counts
