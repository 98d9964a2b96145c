"""Findings about the gradient: on its way back through time, how long it is, and what clipping does to it."""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np

from lstm_core.diagnosis.evidence import WINDOW, Array, Evidence
from lstm_core.diagnosis.finding import Finding, experiment, fresh_weights, remember, written
from lstm_core.wording import count, number, percent, power

FAINT = 1e-3  # first ÷ last: below it the first input hardly counts
GROWING = 1e3
JUMP = 10.0  # times the longest of all gradients before
BEFORE = 10  # steps that tell how long gradients usually are
PEAKS = 20  # longest gradients that are looked at
CLIPPED = 100  # steps
CLIPPING = MappingProxyType({"training.clip": "norm", "training.clip_threshold": 1.0})


def vanishing(e: Evidence) -> Finding | None:
    """The gradient fades on its way back, through h and through c, and the task is not learned."""
    if not e.carried or not e.only_through_time or e.cut is not None or not e.unlearned:
        return None
    if not all(first > 0 and ratio < FAINT for ratio, first in e.carried.values()):
        return None
    ratio = e.carried["h"][0]
    rest = ": training hardly sees what came first."
    if e.never_learned:
        rest = f", and after {count(e.updates)} steps the loss is where guessing would be: training cannot see what it "
        rest += "would have to remember."
    return Finding(
        "vanishing",
        "bad" if e.never_learned else "warn",
        f"The first input's gradient is {power(ratio)} of the last one's{rest}",
        power(ratio),
        ratio,
        "first ÷ last gradient",
        "gradient_time",
        e.seen,
        remember(e.config),
    )


def growing_through_time(e: Evidence) -> Finding | None:
    """The gradient grows on its way back, and nothing bounds it."""
    ratio = e.carried["h"][0] if e.carried else math.nan
    if not ratio > GROWING or not e.unlearned or e.training.clip != "none":
        return None
    return Finding(
        "growing",
        "warn",
        f"The gradient grows {power(ratio)} times on its way back to the first input, and nothing bounds it.",
        power(ratio),
        ratio,
        "first ÷ last gradient",
        "gradient_time",
        e.seen,
        fresh_weights(e.config) or experiment(e.config, "clipping by norm at 1", CLIPPING),
    )


def truncated_too_short(e: Evidence) -> Finding | None:
    """Backpropagation ends before the inputs that an answer at the end may depend on."""
    if e.cut is None or not e.only_through_time or not e.unlearned:
        return None
    if not e.carried or any(first > 0 for _, first in e.carried.values()):
        return None
    blind = _without_gradient(e)
    if not blind:
        return None
    return Finding(
        "truncated",
        "bad" if e.never_learned else "warn",
        f"Backpropagation is cut every {count(e.cut)} time steps: the first {count(blind)} of {count(e.steps)} get no "
        "gradient at all, so how to read and keep them cannot be learned.",
        count(blind),
        float(blind),
        "time steps without gradient",
        "gradient_time",
        e.seen,
        experiment(e.config, "BPTT over all time steps", {"training.bptt_length": None}),
    )


def _without_gradient(e: Evidence) -> int:
    """How many time steps at the beginning get exactly no gradient, by any state."""
    norms = [np.asarray(e.arrays.get(f"gradient/{e.layer}.{state}", ())) for state in e.cell.states]
    reached = [np.flatnonzero(one) for one in norms if len(one)]
    return min((int(places[0]) if len(places) else 0 for places in reached), default=0)


def exploding(e: Evidence) -> Finding | None:
    """A gradient many times as long as any before it, which nothing shortened."""
    steps, total = e.series("grad_norm/total")
    kept = dict(zip(*e.series("grad_norm/clipped"), strict=True))
    if len(total) < WINDOW:
        return None
    found = []
    for place in np.argsort(total)[-PEAKS:]:
        before = float(total[:place].max()) if place >= BEFORE else math.inf
        shortened = kept.get(steps[place], math.inf) < total[place] * 0.9999
        if total[place] >= max(1.0, JUMP * before) and before > 0 and not shortened:
            found.append((float(total[place]), before, int(steps[place])))
    if not found:
        return None
    size, before, step = max(found)
    threshold = _round(before)
    return Finding(
        "exploding",
        "bad" if e.unlearned else "warn",
        f"At step {count(step)} the gradient was {number(size)} long, where the longest before had been "
        f"{number(before)}: one such step can undo what many have learned.",
        number(size),
        size,
        "longest gradient",
        "gradient_norms",
        step,
        experiment(
            e.config,
            f"clipping by norm at {written(threshold)}",
            {"training.clip": "norm", "training.clip_threshold": threshold},
        ),
    )


def clipped_mostly(e: Evidence) -> Finding | None:
    """Nearly every step is shortened, so the threshold sets the length of the steps."""
    share, before = _clipped(e)
    if e.training.clip == "none" or len(before) < WINDOW or not share > 0.8 or e.solved_at is not None:
        return None
    wider = 10 * e.training.clip_threshold
    if e.training.clip == "norm":
        wider = _round(float(np.quantile(before, 0.9)))
    return Finding(
        "clipped",
        "warn",
        f"{percent(share)} of the last {count(len(before))} gradients were shortened: the threshold "
        f"{number(e.training.clip_threshold)}, more than the gradient, sets the length of the steps.",
        percent(share),
        share,
        "of the last steps clipped",
        "gradient_norms",
        e.step,
        experiment(e.config, f"clipping at {written(wider)}", {"training.clip_threshold": wider}),
    )


def never_clipped(e: Evidence) -> Finding | None:
    """Clipping is on, and no gradient was ever long enough for it."""
    since = max([o.step for o in e.overrides if o.field in ("clip", "clip_threshold") and o.step <= e.step], default=0)
    share, before = _clipped(e, since)
    if e.training.clip == "none" or len(before) < CLIPPED or share > 0:
        return None
    threshold = _round(float(np.median(before)))
    settings = {"training.clip_threshold": threshold}
    acts = experiment(e.config, f"clipping at {written(threshold)}, the usual length", settings)
    return Finding(
        "unclipped",
        "note",
        f"Clipping at {number(e.training.clip_threshold)} has shortened none of {count(len(before))} gradients, the "
        f"longest of which was {number(float(before.max()))}: without it the run would be the same.",
        "0\u202f%",
        0.0,
        "of the steps clipped",
        "gradient_norms",
        e.step,
        acts if e.training.clip == "norm" else None,
    )


def _clipped(e: Evidence, since: int | None = None) -> tuple[float, Array]:
    """(share of shortened gradients, their norms before) of the last steps, or of all from `since` on."""
    steps, before = e.series("grad_norm/total")
    kept_steps, after = e.series("grad_norm/clipped")
    common, a, b = np.intersect1d(steps, kept_steps, return_indices=True)
    chosen = slice(-CLIPPED, None) if since is None else common >= since
    before, after = before[a][chosen], after[b][chosen]
    return (float(np.mean(after < before * 0.9999)), before) if len(before) else (math.nan, before)


def _round(value: float) -> float:
    """Two significant digits, for a person who reads or changes it, within what a threshold may be."""
    return float(f"{min(max(value, 1e-6), 1e6):.2g}")
