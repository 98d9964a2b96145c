"""The tasks by name. A new task is one new file in this folder; nothing else needs to change."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType

from lstm_core.tasks.base import TaskConfig


def _discover() -> dict[str, type[TaskConfig]]:
    for module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")
    return {task.model_fields["name"].default: task for task in TaskConfig.__subclasses__()}


TASKS: Mapping[str, type[TaskConfig]] = MappingProxyType(_discover())

__all__ = ["TASKS", "TaskConfig"]
