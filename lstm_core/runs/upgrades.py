"""What makes a store of an earlier format one of the present format, without losing anything that it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

# What a page must know of a run, as far as it did not vary before there were other cells and other answers.
_ABOUT_1: Mapping[str, Any] = MappingProxyType(
    {
        "cell": "lstm",
        "quantities": ["i", "f", "g", "o", "c", "h"],
        "states": ["h", "c"],
        "sigmoids": ["i", "f", "o"],
        "unbounded": ["c", "h"],
        "answering": "sequence",
        "fixed": False,
        "schedule": "constant",
        "warmup": 0,
        "scale": None,  # was not kept
        "generation": None,
    }
)


def _from_1_to_2(connection: sa.Connection, tables: Mapping[str, sa.Table]) -> None:
    runs = tables["runs"]
    connection.execute(sa.text("ALTER TABLE runs ADD COLUMN fork_step INTEGER"))
    tables["files"].create(connection)
    described = sa.select(runs.c.id, runs.c.about).where(runs.c.about.is_not(None))
    for run_id, about in connection.execute(described).all():
        samples = [{"targets": None, "keys": None, **sample} for sample in about.get("samples", [])]
        values = {"about": {**_ABOUT_1, **about, "samples": samples}}
        connection.execute(sa.update(runs).where(runs.c.id == run_id).values(**values))


def _from_2_to_3(connection: sa.Connection, tables: Mapping[str, sa.Table]) -> None:
    connection.execute(sa.text("ALTER TABLE runs ADD COLUMN deleted FLOAT"))
    connection.execute(
        sa.text("CREATE TABLE races (id VARCHAR(16) PRIMARY KEY, created FLOAT NOT NULL, plan JSON NOT NULL)")
    )
    tables["race_runs"].create(connection)


def _from_3_to_4(connection: sa.Connection, _tables: Mapping[str, sa.Table]) -> None:
    connection.execute(sa.text("ALTER TABLE runs ADD COLUMN owner VARCHAR(64)"))
    connection.execute(sa.text("ALTER TABLE runs ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0"))
    connection.execute(sa.text("ALTER TABLE runs ADD COLUMN thinned FLOAT"))
    connection.execute(sa.text("ALTER TABLE races ADD COLUMN owner VARCHAR(64)"))


# the format that a store has → what makes it the next one; given the tables of the present format by name
UPGRADES: Mapping[int, Callable[[sa.Connection, Mapping[str, sa.Table]], None]] = MappingProxyType(
    {1: _from_1_to_2, 2: _from_2_to_3, 3: _from_3_to_4}
)
