"""Ready-made settings: what the tasks bring as examples, as whole settings of a run. Pure: no page, no state."""

from __future__ import annotations

from collections.abc import Mapping

from lstm_core.config import RunConfig
from lstm_core.tasks import TASKS

OWN = "own settings"


def made(config: RunConfig) -> Mapping[str, RunConfig]:
    """The ready-made settings of the present task by title; the seed and one's own file are kept."""
    task = config.task
    of_file = {
        name: getattr(task, name)
        for name, field in type(task).model_fields.items()
        if (isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("file"))
        or task.offers(name) is not None
    }
    seed = {"training.seed": config.training.seed}
    kept = {f"task.{name}": value for name, value in of_file.items()}
    return {
        title: RunConfig.model_validate({**settings, "task": {**settings.get("task", {}), "name": task.name}}).replace(
            **seed, **kept
        )
        for title, settings in TASKS[task.name].examples.items()
    }


def chosen(config: RunConfig) -> str:
    """The title of the ready-made settings that the present ones equal, else `OWN`."""
    return next((title for title, settings in made(config).items() if settings == config), OWN)
