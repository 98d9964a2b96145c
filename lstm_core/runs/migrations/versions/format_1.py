"""The first format: runs with their telemetry, checkpoints and changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def _of_run() -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    key = sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE")
    return sa.Column("run_id", sa.String(16), nullable=False), key


def upgrade() -> None:
    op.create_table(
        "about_database",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("schema_version", sa.Integer, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("state_version", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("desired", sa.String(16), nullable=False),
        sa.Column("target", sa.Integer),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("lease_holder", sa.String(128)),
        sa.Column("lease_until", sa.Float),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_ran", sa.Float, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("started", sa.Float),
        sa.Column("finished", sa.Float),
        sa.Column("train_seconds", sa.Float, nullable=False),
        sa.Column("speed", sa.Float, nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("parent", sa.String(16)),
        sa.Column("error", sa.JSON),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("about", sa.JSON),
    )
    op.create_index("runs_by_age", "runs", ["created"])
    op.create_index("runs_waiting", "runs", ["desired", "status", "last_ran"])
    op.create_table(
        "overrides",
        sa.Column("id", sa.Integer, primary_key=True),
        *_of_run(),
        sa.Column("field", sa.String(32), nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("step", sa.Integer),
    )
    op.create_index("overrides_of_run", "overrides", ["run_id"])
    op.create_table(
        "frames",
        *_of_run(),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("sample", sa.Integer),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("last", sa.Integer, nullable=False),
        sa.Column("tier", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("overview", sa.LargeBinary),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "seq"),
    )
    op.create_index("frames_by_kind", "frames", ["run_id", "kind", "tier", "last"])
    op.create_table(
        "checkpoints",
        *_of_run(),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "name"),
    )
