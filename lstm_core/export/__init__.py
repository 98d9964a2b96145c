"""A run as files that other programs read: every scalar as CSV, the settings as JSON."""

from __future__ import annotations

from lstm_core.export.plain import scalars_csv, settings_json

__all__ = ["scalars_csv", "settings_json"]
