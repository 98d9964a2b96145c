"""The tasks by name. A new task is one new file in this folder; nothing else needs to change."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from lstm_core.tasks.base import TaskConfig


def _discover(base: Any) -> Iterator[tuple[str, type[TaskConfig]]]:
    for task in base.__subclasses__():
        yield from _discover(task)
        if not inspect.isabstract(task):
            yield task.model_fields["name"].default, task


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

TASKS: Mapping[str, type[TaskConfig]] = MappingProxyType(dict(_discover(TaskConfig)))

__all__ = ["TASKS", "TaskConfig"]
