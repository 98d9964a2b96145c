"""The fourth format: runs and races have owners, and a run can be pinned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"


def upgrade() -> None:
    op.add_column("runs", sa.Column("owner", sa.String(64)))
    op.add_column("runs", sa.Column("pinned", sa.Integer, nullable=False, server_default="0"))
    op.add_column("runs", sa.Column("thinned", sa.Float))
    op.add_column("races", sa.Column("owner", sa.String(64)))
