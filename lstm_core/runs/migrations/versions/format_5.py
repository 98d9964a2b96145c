"""The fifth format: pieces of long runs may be packed (`packing.py`). Those that are there stay as they are."""

from __future__ import annotations

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """The tables are the same."""
