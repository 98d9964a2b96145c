"""The same training in a terminal, into the same store: `python -m lstm_core train --initializer chrono --length 80`.

Every setting of `RunConfig` is an option of its full name, `--training.learning_rate`, and of its last name where only
one setting has it, `--learning-rate`. A setting that refers to a file takes its path, `--task csv --file prices.csv`:
the file is put into the store. While the training goes on, the page shows it live under the printed link.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from tqdm import tqdm

from lstm_core import files
from lstm_core.config import InitConfig, ModelConfig, RunConfig, TrainingConfig, explain
from lstm_core.runs.holder import this_process
from lstm_core.runs.records import Lease, Run, StoreError
from lstm_core.runs.store import RunStore
from lstm_core.settings import Settings
from lstm_core.tasks import TASKS

if TYPE_CHECKING:
    from lstm_core.training import Step

ALIASES = {"init.preset": "initializer", "model.attention": "attention", "model.bias": "bias", "init.bias": "biases"}
RECIPES = ("weight_ih", "weight_hh", "bias", "head", "attention")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 2 for settings that cannot be, 1 for a run that failed."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        store = RunStore()
        files.look_in(store.file)
        if given.command == "list":
            return _list(store)
        if given.command == "resume":
            store.get(given.run)
            return _work(store, given.run, given.address)
        options = {name: value for name, value in vars(given).items() if "." in name}
        config = config_from(given.json, options, given.task)
        _put_files(store, config, options)
        # Paused until it is claimed, so that no engine takes it first.
        return _work(store, store.create(config, desired="paused"), given.address)
    except ValidationError as error:
        print("\n".join(explain(error)), file=sys.stderr)
        return 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except StoreError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Ended at once; what came after the last checkpoint will be trained again.", file=sys.stderr)
        return 130


def config_from(file: str | None, options: Mapping[str, str | None], task: str | None = None) -> RunConfig:
    """The settings of a JSON file with the given options in their place; raises ValidationError or ValueError.

    Files whose paths are among the options are kept in this process.
    """
    settings: dict[str, Any] = {}
    if file is not None:
        try:
            settings = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{file} cannot be read as JSON: {error}.") from error
        if not isinstance(settings, dict):
            raise ValueError(f'{file} must hold an object such as {{"task": {{"name": "recall"}}}}.')
    if task is not None and settings.get("task", {}).get("name", "recall") != task:
        settings["task"] = {"name": task}
    for path, value in options.items():
        if value is not None:
            group, name = path.split(".")
            settings.setdefault(group, {})[name] = _read(path, value)
    if options.get("task.file"):
        _check_reads_file(settings["task"].get("name", "recall"))
    return RunConfig.model_validate(settings)


def _read(path: str, text: str) -> Any:
    """What the text of an option means."""
    if path in _recipe_paths():
        return _recipe(text)
    if path in _file_settings() and not (files.is_id(text) and not Path(text).exists()):
        return files.keep_path(text) if text else None
    return text or None


def _check_reads_file(task: str) -> None:
    readers = [name for name, kind in TASKS.items() if "file" in kind.model_fields]
    if task in TASKS and task not in readers:
        raise ValueError(f"The task {task} reads no file; choose --task {' or --task '.join(readers)}.")


def _file_settings() -> dict[str, FieldInfo]:
    """The settings that refer to a file."""
    return {path: field for path, field in _settings() if _file_kind(field)}


def _file_kind(field: FieldInfo) -> Any:
    return field.json_schema_extra.get("file") if isinstance(field.json_schema_extra, dict) else None


def _put_files(store: RunStore, config: RunConfig, options: Mapping[str, str | None]) -> None:
    """Put the files given by their paths into the store; raises FileProblem where the task cannot use its file."""
    if getattr(config.task, "file", None) or config.task.needs_file:
        config.task.data(config.training.seed)
    for path in _file_settings():
        group, name = path.split(".")
        settings = getattr(config, group)
        file_id, given = getattr(settings, name, None), options.get(path)
        if given and file_id and given != file_id:
            store.keep_file(given, files.read(file_id), _file_kind(type(settings).model_fields[name]))


def _recipe(text: str) -> dict[str, str]:
    """«orthogonal,gain=1.2» as {"scheme": "orthogonal", "gain": "1.2"}."""
    scheme, *rest = text.split(",")
    pairs = (pair.partition("=") for pair in rest)
    return {"scheme": scheme, **{name: value for name, _, value in pairs}}


def _recipe_paths() -> set[str]:
    return {f"init.{name}" for name in RECIPES}


def _settings() -> Iterator[tuple[str, FieldInfo]]:
    """Every setting as (full name, field); a name that several tasks share comes once."""
    groups: list[tuple[str, type[Settings]]] = [("task", task) for task in TASKS.values()]
    groups += [("model", ModelConfig), ("init", InitConfig), ("training", TrainingConfig)]
    seen = {"task.name"}
    for group, owner in groups:
        for name, field in owner.model_fields.items():
            path = f"{group}.{name}"
            if path not in seen:
                seen.add(path)
                yield path, field


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lstm_core", description="Train small LSTMs from the terminal.")
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train with these settings", allow_abbrev=False)
    resume = commands.add_parser("resume", help="go on with a run", allow_abbrev=False)
    resume.add_argument("run", help="the run's id")
    for command in (train, resume):
        command.add_argument("--address", help="where the page is served (default: LSTM_LAB_ADDRESS)")
    commands.add_parser("list", help="show the newest runs")

    train.add_argument("--json", metavar="FILE", help="settings as JSON, - for standard input; options come on top")
    train.add_argument("--task", metavar="{" + ",".join(TASKS) + "}", help="what is to be learned")
    settings = list(_settings())
    last_names = Counter(path.split(".")[1] for path, _ in settings)
    for path, field in settings:
        name = path.split(".")[1]
        names = [f"--{path}"]
        if path in ALIASES:
            names.insert(0, f"--{ALIASES[path]}")
        elif last_names[name] == 1:
            names.insert(0, f"--{name.replace('_', '-')}")
        flag: dict[str, Any] = {"nargs": "?", "const": "true"} if field.annotation in (bool, bool | None) else {}
        train.add_argument(*names, dest=path, metavar=_metavar(path, field), help=_help(field), **flag)
    return parser


def _metavar(path: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and isinstance(choices := extra.get("choices"), dict):
        return "{" + ",".join(choices) + "}"
    if _file_kind(field):
        return "PATH"
    return "SCHEME[,NAME=VALUE…]" if path in _recipe_paths() else path.split(".")[1].upper()


def _help(field: FieldInfo) -> str:
    default = "" if field.default is None else f" (default: {field.default})"
    return f"{field.description or ''}{default}".replace("%", "%%")


def _list(store: RunStore) -> int:
    for run in store.list():
        print(f"{run.id}  {run.status:<11}  {max(run.step, 0):>7} of {run.steps:<7}  {_title(run)}")
    return 0


def _title(run: Run) -> str:
    return run.name or (run.about or {}).get("title") or str(run.config["task"]["name"])


def _work(store: RunStore, run_id: str, address: str | None) -> int:
    """Train the run in this process, with a progress bar, until it is over or paused."""
    lease = store.acquire(run_id, this_process(), claim=True)
    if lease is None:
        run = store.get(run_id)
        where = f" in another process ({run.lease_holder})" if run.lease_holder else ""
        print(f"Run {run_id} is {run.status}{where}.", file=sys.stderr)
        return 1
    print(f"{RunConfig.model_validate(lease.config).title}\nWatch it live: {_link(run_id, address)}", flush=True)
    with _Progress(store, lease) as progress:
        from lstm_core.runs.slices import work

        status = work(store, lease, seconds=math.inf, longest=math.inf, watch=progress)
    print("  ".join(f"{name} {value:.6g}" for name, value in progress.numbers.items()))
    run = store.get(run_id)
    if status == "failed":
        error = run.error or {}
        print("\n".join(str(error[part]) for part in ("what", "why", "remedy") if error.get(part)), file=sys.stderr)
        return 1
    if status == "finished":
        print(f"Finished step {run.step} in {run.train_seconds:.1f} s.")
    else:
        print(f"{status.capitalize()} at step {run.step}. Go on with: python -m lstm_core resume {run_id}")
    return 0


def _link(run_id: str, address: str | None) -> str:
    address = address or os.environ.get("LSTM_LAB_ADDRESS") or "http://127.0.0.1:8501"
    return f"{address if '://' in address else 'http://' + address}/?run={run_id}".replace("//?", "/?")


class _Progress:
    """Shows each step on a bar, and turns Ctrl-C into the wish to pause; a second Ctrl-C ends at once."""

    def __init__(self, store: RunStore, lease: Lease) -> None:
        self._store, self._lease = store, lease
        self._metric = TASKS[lease.config["task"]["name"]].metric
        self._interrupted = False
        self.numbers: dict[str, float] = {}

    def __enter__(self) -> _Progress:
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        steps = self._lease.config["training"]["steps"]
        self._bar = tqdm(total=steps + 1, initial=self._lease.step + 1, unit="step", dynamic_ncols=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        signal.signal(signal.SIGINT, self._before)

    def __call__(self, step: Step) -> None:
        names = [f"{name}/{part}" for part in ("train", "val") for name in ("loss", self._metric)]
        self.numbers |= {name: step.scalars[name] for name in names if name in step.scalars}
        shown = (
            f"{name.removesuffix('/train')} {self.numbers[name]:.4f}" for name in names[:2] if name in self.numbers
        )
        self._bar.set_postfix_str(", ".join(shown), refresh=False)
        self._bar.update(step.step + 1 - self._bar.n)
        if self._interrupted:
            self._interrupted = False
            self._store.desire(self._lease.run_id, "paused")

    def _interrupt(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        self._interrupted = True


if __name__ == "__main__":
    raise SystemExit(main())
