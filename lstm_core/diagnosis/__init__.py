"""What a run shows, in words: findings, each with its number, the panel that proves it and a next experiment.

A rule is one small function from the evidence to a finding, or to None where the evidence is not there; `RULES` is
the list of them. No torch: a page asks for findings in its own process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lstm_core.config import Override, RunConfig
from lstm_core.diagnosis import flow, inside, progress
from lstm_core.diagnosis.evidence import Array, Evidence
from lstm_core.diagnosis.finding import TONES, Experiment, Finding, Rule

__all__ = ["RULES", "Experiment", "Finding", "diagnose"]

# In the order of causes: of findings of one tone the first is the one to mend first.
RULES: tuple[Rule, ...] = (
    progress.stopped_by_numbers,
    inside.symmetric_units,
    progress.rate_too_high,
    flow.truncated_too_short,
    flow.vanishing,
    inside.dead_units,
    inside.saturated_gates,
    flow.exploding,
    flow.growing_through_time,
    inside.forgets_too_soon,
    progress.copies_yesterday,
    progress.learns_by_heart,
    flow.clipped_mostly,
    inside.looks_elsewhere,
    progress.rate_too_low,
    progress.still_learning,
    progress.at_chance,
    progress.solved,
    flow.never_clipped,
)


def diagnose(
    config: RunConfig,
    about: Mapping[str, Any] | None,
    scalars: Mapping[str, Array],
    arrays: Mapping[str, Array] | None = None,
    samples: Sequence[Mapping[str, Array]] = (),
    *,
    at: int | None = None,
    status: str = "finished",
    error: Mapping[str, Any] | None = None,
    overrides: Sequence[Override] = (),
) -> list[Finding]:
    """The findings about a run, what matters most first; none where nothing is known.

    `about` describes the run (None: it has not begun), `scalars` are the columns of all its steps, `arrays` those of
    its newest snapshot, taken at step `at`, and `samples` those of each shown sample; `error` is why it failed, as
    `Run.error` has it.
    """
    evidence = Evidence(config, about or {}, scalars, arrays or {}, samples, at, status, error or {}, overrides)
    found = [finding for rule in RULES if (finding := rule(evidence)) is not None]
    return sorted(found, key=lambda finding: TONES.index(finding.tone))
