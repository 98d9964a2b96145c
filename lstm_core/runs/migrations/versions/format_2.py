"""The second format: forks, files, and more that a page must know of a run."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"

# What a page must know of a run, as far as it did not vary before there were other cells and other answers.
ABOUT: Mapping[str, Any] = MappingProxyType(
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


def upgrade() -> None:
    op.add_column("runs", sa.Column("fork_step", sa.Integer))
    op.create_table(
        "files",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    runs = sa.table("runs", sa.column("id", sa.String), sa.column("about", sa.JSON(none_as_null=True)))
    connection = op.get_bind()
    described = sa.select(runs.c.id, runs.c.about).where(runs.c.about.is_not(None))
    for run_id, about in connection.execute(described).all():
        samples = [{"targets": None, "keys": None, **sample} for sample in about.get("samples", [])]
        values = {"about": {**ABOUT, **about, "samples": samples}}
        connection.execute(sa.update(runs).where(runs.c.id == run_id).values(**values))
