"""The files that a person brings: looked at before they are kept, found again by their id, said in words when gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from app import services
from app.setting import fitting
from app.setting.fields import Control, settings_in
from lstm_core import files, tables, texts
from lstm_core.config import RunConfig
from lstm_core.files import FileProblem, Kind
from lstm_core.runs.records import KeptFile
from lstm_core.tasks.base import TaskConfig, TaskData


@dataclass(frozen=True)
class Sort:
    """One kind of file: how such files end, the most bytes, and what refuses those that cannot be used."""

    endings: tuple[str, ...]
    largest: int
    look: Callable[[bytes, str, RunConfig], object]


SORTS: Mapping[Kind, Sort] = {
    "csv": Sort(("csv", "tsv", "txt"), files.LARGEST, lambda data, name, _: tables.read(data, name)),
    "text": Sort(("txt", "md"), texts.LARGEST, lambda data, name, _: texts.read(data, name)),
    "weights": Sort(("safetensors", "pt", "pth"), files.LARGEST, fitting.check),
}


def keep(kind: Kind, data: bytes, name: str, config: RunConfig) -> str:
    """Keep a file for every server and worker of the store, and return its id; raises FileProblem for a useless one."""
    sort = SORTS[kind]
    files.check_size(len(data), name)
    sort.look(data, name, config)
    return services.store().keep_file(name, data, kind)


def kept(file_id: str) -> KeptFile | None:
    """What is known of a file that the store has."""
    return next((file for file in services.store().files() if file.id == file_id), None)


def settings(config: RunConfig) -> list[Control]:
    """The settings that refer to files."""
    found = (
        control for group in RunConfig.model_fields for control in settings_in(getattr(config, group), group, config)
    )
    return [control for control in found if control.extra.get("file")]


def missing(config: RunConfig) -> list[str]:
    """A sentence for every file that the settings refer to and that is not here."""
    given = [control for control in settings(config) if control.value is not None]
    return [f"{control.label}: {why}" for control in given if (why := missing_file(control.value)) is not None]


def missing_file(file_id: str) -> str | None:
    """Why a file cannot be read, in words; None where it can."""
    try:
        files.read(file_id)
    except FileProblem as error:
        return str(error)
    return None


def problem(config: RunConfig) -> str | None:
    """Why the task has no data, where they come from a file; None where it has."""
    if not (config.task.needs_file or any(control.path.startswith("task.") for control in settings(config))):
        return None
    try:
        data(config.task, config.training.seed)
    except FileProblem as error:
        return str(error)
    return None


def check(config: RunConfig) -> None:
    """Raise FileProblem where a run with these settings could only fail for want of a file."""
    for sentence in (*missing(config), problem(config)):
        if sentence is not None:
            raise FileProblem(sentence)


def choices_that_fit(config: RunConfig) -> RunConfig:
    """The settings without what was chosen of another file, such as a column that this one does not have."""
    stale = [
        name
        for name, field in type(config.task).model_fields.items()
        if (offered := config.task.offers(name)) is not None
        and (value := getattr(config.task, name)) != field.default
        and value not in offered
    ]
    usual = {f"task.{name}": type(config.task).model_fields[name].default for name in stale}
    return config.replace(**usual) if stale else config


@lru_cache(maxsize=4)
def data(task: TaskConfig, seed: int) -> TaskData:
    """The data of a task; raises FileProblem where they come from a file that cannot be used."""
    return task.data(seed)
