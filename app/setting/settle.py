"""From any values to a valid `RunConfig`, with what had to give way said in words. Pure: no page, no state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from lstm_core.config import LIMITS, ModelConfig, RunConfig, TrainingConfig, explain
from lstm_core.recipes import InitConfig
from lstm_core.settings import Settings
from lstm_core.tasks import TASKS

Tree = dict[str, Any]
DEEPEST = 4  # parts of a setting's name
MOST_NOTES = 12  # sentences about one link


def change(config: RunConfig, path: str, value: Any) -> tuple[RunConfig, list[str]]:
    """`config` with one dotted setting changed; what contradicts the new value gives way, and the notes say so.

    A value that is impossible by itself is refused: the old one stays.
    """
    *groups, name = path.split(".")
    tree = config.model_dump()
    place = tree
    for group in groups:
        place = place[group]
    before = place[name]
    if isinstance(value, dict) and isinstance(before, dict) and value.items() <= before.items():
        return config, []  # the same task or scheme once more keeps its own settings
    place[name] = value
    return settle(tree, config)


def in_words(error: ValidationError, link: bool = False) -> list[str]:
    """What was refused, a sentence each, with the settings called as the page calls them.

    In a link they have their written names as well, for these are what can be mended there.
    """
    return [_labelled(sentence, link) for sentence in explain(error)]


def _labelled(sentence: str, link: bool) -> str:
    written, _, rest = sentence.partition(" ")
    label = label_of(written)
    if label is None:
        return sentence
    return f"{label} ({written}) {rest}" if link else f"{label} {rest}"


def label_of(written: str) -> str | None:
    """What the page calls a setting, by its dotted name or, where it is of the training, by its own; None for others.

    Settings of tasks may mean something else in each, and settings of schemes stand under their scheme: they keep
    their names.
    """
    group, _, name = written.rpartition(".")
    kinds: dict[str, type[Settings]] = {"model": ModelConfig, "init": InitConfig, "training": TrainingConfig}
    kind = kinds.get(group or "training")
    field = kind.model_fields.get(name) if kind is not None else None
    extra = field.json_schema_extra if field is not None else None
    return str(extra["label"]) if isinstance(extra, Mapping) else None


def from_link(query: Mapping[str, str]) -> tuple[RunConfig, list[str]]:
    """The settings of a link; what cannot be read keeps its default, and the notes name field, value and remedy."""
    tree: Tree = {"task": {"name": query.get("task", RunConfig().task.name)}}
    notes = []
    for path, text in query.items():
        *groups, name = path.split(".", DEEPEST)
        place: Any = tree
        for group in groups:
            place = place.setdefault(group, {}) if isinstance(place, dict) else None
        if path == "task":
            continue
        if len(groups) < DEEPEST and isinstance(place, dict) and not isinstance(place.get(name), dict):
            place[name] = None if text == "" else text
        else:
            notes.append(f"{path[:60]} is not a setting; remove it or check its spelling.")
    config, more = settle(tree, link=True)
    return config, few(notes + more)


def few(notes: list[str]) -> list[str]:
    """The first of many sentences, and how many more there would be."""
    left = len(notes) - MOST_NOTES
    return notes if left <= 0 else [*notes[:MOST_NOTES], f"The same holds of {left} more parts of the link."]


def settle(
    values: Mapping[str, Any], usual: RunConfig | None = None, *, link: bool = False
) -> tuple[RunConfig, list[str]]:
    """The valid settings nearest to nested `values`, and a sentence for everything that differs from them.

    What is impossible by itself falls back to `usual`, what contradicts another setting to the nearest possible value.
    """
    usual = usual or RunConfig()
    tree: Tree = {group: dict(part) if isinstance(part, Mapping) else part for group, part in values.items()}
    notes: list[str] = []
    while True:
        try:
            return RunConfig.model_validate(tree), notes
        except ValidationError as error:
            places = [detail["loc"] for detail in error.errors() if detail["loc"]]
            if not places:
                tree, reasons = _within_limits(tree)
                notes += reasons
                continue
            notes += in_words(error, link)
            for place in places:
                _revert(tree, place, usual.model_dump())


def _revert(tree: Tree, place: tuple[int | str, ...], usual: Tree) -> None:
    """Put the usual value where validation failed; a name that is no setting goes away."""
    group, field = str(place[0]), str(place[1]) if len(place) > 1 else None
    if group not in usual:
        tree.pop(group, None)
    elif field is None:
        tree[group] = usual[group]
    else:
        tree[group].pop(field, None)
        same = group != "task" or tree[group].get("name", usual[group]["name"]) == usual[group]["name"]
        if same and field in usual[group]:
            tree[group][field] = usual[group][field]


def _within_limits(tree: Tree) -> tuple[Tree, list[str]]:
    """Every setting that contradicts another one moved to the nearest value that does not."""
    parts: dict[str, Any] = {name: _group(name, tree.get(name, {})) for name in RunConfig.model_fields}
    notes = []
    for limit in LIMITS:
        config = RunConfig.model_construct(None, **parts)
        if limit.broken(config) is None:
            continue
        group, field = limit.field.split(".")
        largest = limit.largest(config)
        value = limit.neutral if largest is False else largest
        parts[group] = parts[group].model_copy(update={field: value})
        extra: dict[str, Any] = type(parts[group]).model_fields[field].json_schema_extra or {}
        shown = _shown(value, extra.get("choices", {}))
        notes.append(f"{extra['label']} is now {shown}: {limit.reason.format(largest=largest)}.")
    return {name: part.model_dump() for name, part in parts.items()}, notes


def _shown(value: Any, choices: Mapping[Any, str]) -> str:
    """A value in the words of its widget."""
    if isinstance(value, str):
        return choices.get(value, value)
    return "empty" if value is None else "on" if value is True else f"{value:g}"


def _group(name: str, values: Any) -> Settings:
    if isinstance(values, Settings):
        return values
    kind: Any = TASKS[values.get("name", "recall")] if name == "task" else RunConfig.model_fields[name].annotation
    part: Settings = kind.model_validate(values)
    return part
