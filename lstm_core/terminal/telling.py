"""What a run shows, told in a terminal: its findings in words, and its records as files."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from lstm_core import files
from lstm_core.config import RunConfig
from lstm_core.diagnosis import Finding, diagnose
from lstm_core.export import scalars_csv, settings_json
from lstm_core.runs.store import RunStore
from lstm_core.runs.whole import read
from lstm_core.terminal.output import tell

WHAT = {"scalars": "every scalar of every step as CSV", "settings": "the settings as JSON"}


def findings(given: Namespace) -> int:
    """Print what the run shows, what matters most first; raises StoreError and ValidationError."""
    store = RunStore()
    files.look_in(store.file)
    whole = read(store, given.run)
    found = diagnose(
        RunConfig.model_validate(whole.run.config),
        whole.run.about,
        whole.columns,
        whole.arrays,
        whole.samples,
        at=whole.at,
        status=whole.run.status,
        error=whole.run.error,
        overrides=whole.overrides,
    )
    tell("\n".join(map(_in_words, found)) or "No rule finds anything that stands out.")
    return 0


def _in_words(finding: Finding) -> str:
    """The sentence, and how to try what it proposes."""
    if finding.experiment is None:
        return finding.sentence
    return f"{finding.sentence}\n  To try next: {finding.experiment.title}."


def export(given: Namespace) -> int:
    """Write a run's records to a file; raises StoreError, and ValueError for a path that cannot be."""
    store = RunStore()
    run = store.get(given.run)
    pieces = scalars_csv(store.scalars(given.run)) if given.what == "scalars" else [settings_json(run.config)]
    try:
        with Path(given.to).open("w", encoding="utf-8") as file:
            file.writelines(pieces)
    except OSError as error:
        raise ValueError(f"{given.to} cannot be written: {error.strerror or error}.") from error
    tell(f"Of run {given.run}, {WHAT[given.what]}: {given.to}.")
    return 0
