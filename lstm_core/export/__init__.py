"""A run as files that other programs read: every scalar as CSV, the settings as JSON."""

from __future__ import annotations

from lstm_core.export.plain import scalars_csv, settings_json
from lstm_core.export.script import Stage, script, script_of

__all__ = ["Stage", "scalars_csv", "script", "script_of", "settings_json"]
