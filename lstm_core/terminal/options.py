"""Every setting as an option, and what a person wrote as settings: JSON, ready-made ones, options on top."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from lstm_core import files
from lstm_core.config import InitConfig, ModelConfig, RunConfig, TrainingConfig
from lstm_core.runs.store import RunStore
from lstm_core.settings import Settings
from lstm_core.tasks import TASKS

Nested = dict[str, Any]
Options = Mapping[str, str | None]  # full name → what was written, None where nothing was

ALIASES = {"init.preset": "initializer", "model.attention": "attention", "model.bias": "bias", "init.bias": "biases"}
RECIPES = ("weight_ih", "weight_hh", "bias", "head", "attention")
GROUPS = ("task", "model", "init", "training")


def config_from(file: str | None, options: Options, task: str | None = None, example: str | None = None) -> RunConfig:
    """The settings of a JSON file, or ready-made ones, with the given options in their place.

    Files whose paths are among the options are kept in this process. Raises ValidationError or ValueError.
    """
    if example is not None:
        return on_top(_ready_made(example, task), options, task)
    return on_top({} if file is None else _from_json(file), options, task)


def on_top(settings: Nested, options: Options, task: str | None = None) -> RunConfig:
    """Settings with a task and options in their place; raises ValidationError or ValueError."""
    settings = {group: dict(values) for group, values in settings.items()}
    if task is not None and settings.get("task", {}).get("name", "recall") != task:
        settings["task"] = {"name": task}
    for path, value in options.items():
        if value is not None:
            group, name = path.split(".")
            settings.setdefault(group, {})[name] = _read(path, value)
    if options.get("task.file"):
        _check_reads_file(str(settings["task"].get("name", "recall")))
    return RunConfig.model_validate(settings)


def given_options(given: argparse.Namespace) -> Options:
    """The settings among what was given."""
    return {name: value for name, value in vars(given).items() if "." in name}


def put_files(store: RunStore, config: RunConfig, options: Options) -> None:
    """Put the files given by their paths into the store; raises FileProblem where the task cannot use its file."""
    if getattr(config.task, "file", None) or config.task.needs_file:
        config.task.data(config.training.seed)
    for path in _file_settings():
        group, name = path.split(".")
        settings = getattr(config, group)
        file_id, given = getattr(settings, name, None), options.get(path)
        if given and file_id and given != file_id:
            store.keep_file(given, files.read(file_id), _file_kind(type(settings).model_fields[name]))


def every_setting() -> Iterator[tuple[str, FieldInfo]]:
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


def add_settings(parser: argparse.ArgumentParser) -> None:
    """An option for the task and for every setting: by its full name, and by its last where only one has it."""
    parser.add_argument("--task", metavar="{" + ",".join(TASKS) + "}", help="what is to be learned")
    settings = list(every_setting())
    last_names = Counter(path.split(".")[1] for path, _ in settings)
    for path, field in settings:
        name = path.split(".")[1]
        names = [f"--{path}"]
        if path in ALIASES:
            names.insert(0, f"--{ALIASES[path]}")
        elif last_names[name] == 1:
            names.insert(0, f"--{name.replace('_', '-')}")
        flag: Nested = {"nargs": "?", "const": "true"} if field.annotation in (bool, bool | None) else {}
        parser.add_argument(*names, dest=path, metavar=_metavar(path, field), help=_help(field), **flag)


def _from_json(file: str) -> Nested:
    try:
        settings = json.loads(_standard_input() if file == "-" else Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} cannot be read as JSON: {error}.") from error
    if not isinstance(settings, dict):
        raise ValueError(f'{file} must hold an object such as {{"task": {{"name": "recall"}}}}.')
    for group, values in settings.items():
        if group in GROUPS and not isinstance(values, dict):
            raise ValueError(f'{group} in {file} must be an object such as {{"task": {{"name": "recall"}}}} has.')
        if group not in GROUPS:
            raise ValueError(f"{group[:60]} is not a setting; remove it or check its spelling.")
    return settings


def _standard_input() -> str:
    if sys.stdin is None:
        raise ValueError("standard input is closed")
    return sys.stdin.read()


def _ready_made(title: str, task: str | None) -> Nested:
    """The ready-made settings of that title, of the task if one is given; capitals do not matter."""
    if task is not None and task not in TASKS:
        return {"task": {"name": task}}  # refused in words, as without a title
    among = {name: kind.examples for name, kind in TASKS.items() if task in (None, name)}
    found = {
        name: settings
        for name, examples in among.items()
        for known, settings in examples.items()
        if known.casefold() == title.casefold()
    }
    if len(found) == 1:
        return dict(next(iter(found.values())))
    if found:
        raise ValueError(f"Several tasks have ready-made settings “{title}”; add --task {' or --task '.join(found)}.")
    whose = "There are" if task is None else f"The task {task} has"
    titles = [f"“{known}”" for examples in among.values() for known in examples]
    choice = f"choose {', '.join(titles)}" if titles else "choose another task"
    raise ValueError(f"{whose} no ready-made settings “{title}”; {choice}.")


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
    return {path: field for path, field in every_setting() if _file_kind(field)}


def _file_kind(field: FieldInfo) -> Any:
    return field.json_schema_extra.get("file") if isinstance(field.json_schema_extra, dict) else None


def _recipe(text: str) -> dict[str, str]:
    """«orthogonal,gain=1.2» as {"scheme": "orthogonal", "gain": "1.2"}."""
    scheme, *rest = text.split(",")
    pairs = (pair.partition("=") for pair in rest)
    return {"scheme": scheme, **{name: value for name, _, value in pairs}}


def _recipe_paths() -> set[str]:
    return {f"init.{name}" for name in RECIPES}


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
