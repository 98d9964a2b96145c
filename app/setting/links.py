"""Links: what a teacher's link locks or hides, and the addresses that are given to others. Pure: no page, no state.

`lock=model.attention,training` shows these settings and lets nobody change them; `hide=init.weight_hh` does not show
them. A name is that of a setting, of a group of settings, or `ready`: the list of ready-made settings.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from app.setting import settle
from app.setting.fields import Control, settings_in
from lstm_core.config import RunConfig
from lstm_core.tasks import TASKS

NAMES = ("lock", "hide")  # in the address
MOST = 200  # names in each that are looked at
READY = "ready"
GROUPS: Mapping[str, str] = {"task": "Task", "model": "Model", "init": "Initialization", "training": "Training"}
REASON = "Locked by the link."
_MISSING = object()


@dataclass(frozen=True)
class Locks:
    """What a link allows: settings that cannot be changed, and settings that are not shown, by their names."""

    lock: frozenset[str] = frozenset()
    hide: frozenset[str] = frozenset()

    def locked(self, path: str) -> bool:
        """Whether a setting, by itself or with what it is a part of, cannot be changed."""
        return _covers(self.lock, path)

    def hidden(self, path: str) -> bool:
        """Whether a setting, by itself or with what it is a part of, is not shown."""
        return _covers(self.hide, path)

    def to_query(self) -> dict[str, str]:
        """As the address has it; what is empty is not there."""
        return {name: ",".join(sorted(getattr(self, name))) for name in NAMES if getattr(self, name)}


def from_query(query: Mapping[str, str]) -> tuple[Locks, list[str]]:
    """What an address locks and hides, and a sentence for every name in it that is none."""
    given = {name: list(dict.fromkeys(islice(_split(query.get(name, "")), MOST))) for name in NAMES}
    notes = [_unknown(part, name) for name, parts in given.items() for part in parts if part not in titles()]
    lock, hide = (frozenset(part for part in given[name] if part in titles()) for name in NAMES)
    return Locks(lock, hide), settle.few(notes)


def keep(locks: Locks, before: RunConfig, after: RunConfig) -> tuple[RunConfig, list[str]]:
    """`after` with every locked setting as it is in `before`, and what was kept in words.

    Where the rest of `after` cannot be had with them, all stays as it is `before`.
    """
    changed = [name for name in sorted(locks.lock) if _differs(name, before, after)]
    if not changed:
        return after, []
    tree = after.model_dump()
    for name in changed:
        whole = "task" if name == "task.name" else name  # the settings of another task are none of this one
        _put(tree, whole, _at(whole, before))
    kept, more = settle.settle(tree, before)
    said, many = listed(titles()[name] for name in changed), len(changed) > 1
    if any(_differs(name, before, kept) for name in locks.lock):
        would = f"{said} would change with it, and {'are' if many else 'is'} locked by the link"
        return before, [f"Nothing was changed: {would}."]
    return kept, [f"{said} {'stay' if many else 'stays'} as before: locked by the link.", *more]


@cache
def titles() -> Mapping[str, str]:
    """Everything that can be locked or hidden by its name, with what the page calls it."""
    found = {READY: "Ready-made settings", "task.name": "Task", **GROUPS}
    for control in _controls():
        found.setdefault(control.path, control.label)
    return found


def listed(names: Iterable[str]) -> str:
    """Names in a row: a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def address(page: str, query: Mapping[str, str], name: str = "") -> str:
    """A link to the page `name` ("" is the Lab) on the server whose page is open at the address `page`."""
    scheme, host, *_ = urlsplit(page)
    return urlunsplit((scheme, host, f"/{name}", urlencode(query, safe=",:/"), ""))


def _covers(names: frozenset[str], path: str) -> bool:
    parts = ("task", "name") if path == "task" else path.split(".")
    return any(".".join(parts[: length + 1]) in names for length in range(len(parts)))


def _split(text: str) -> Iterator[str]:
    return (part for part in (piece.strip() for piece in text.split(",")) if part)


def _unknown(part: str, name: str) -> str:
    near = difflib.get_close_matches(part, titles(), 1) if len(part) < 80 else []
    remedy = f"did you mean {near[0]}?" if near else "take a setting such as model.attention, or a group such as model."
    return f"“{part[:40]}” in {name} is not a setting; {remedy}"


def _controls() -> Iterator[Control]:
    """Every setting of every task."""
    for config in (RunConfig(task=task()) for task in TASKS.values()):
        for group in GROUPS:
            yield from settings_in(getattr(config, group), group, config)


def _at(name: str, config: RunConfig) -> Any:
    place: Any = config.model_dump()
    for part in name.split("."):
        if not isinstance(place, dict) or part not in place:
            return _MISSING
        place = place[part]
    return place


def _differs(name: str, one: RunConfig, other: RunConfig) -> bool:
    """Whether both have the setting, with different values."""
    values = _at(name, one), _at(name, other)
    return _MISSING not in values and values[0] != values[1]


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *groups, last = name.split(".")
    place = tree
    for group in groups:
        place = place[group]
    place[last] = value
