"""Findings about the inside of the network: gates, units and attention, on the shown samples."""

from __future__ import annotations

import numpy as np

from lstm_core.diagnosis.evidence import Array, Evidence
from lstm_core.diagnosis.finding import Experiment, Finding, experiment, fresh_weights, remember, slower
from lstm_core.wording import count, number, percent

NAMES = {"o": "output gate", "r": "reset gate"}
KEEPS = {"f": "forget gate", "z": "update gate"}
MOST = 254.5 / 255  # a gate's byte tells no more than this from 1
LIVELY = 8  # bytes by which a quantity must move before equal rows say anything
FINE = 16.0  # the largest scale on which a byte for 0 still means about 0


def saturated_gates(e: Evidence) -> Finding | None:
    """A gate that neither keeps nor writes memory is nearly always shut or open, and the task is not learned."""
    gate = next((name for name in e.cell.sigmoids if name in NAMES), None)
    if gate is None or not e.unlearned:
        return None
    shares = [_single(e, f"saturation/{layer}.{gate}") for layer in e.about.get("layers") or []]
    share = max((one for one in shares if np.isfinite(one)), default=0.0)
    if share <= 0.5:
        return None
    begun = e.config.init.preset in ("large_gaussian",) or e.config.init.weight_hh is not None
    mend = fresh_weights(e.config) if begun or e.seen == 0 else slower(e.config, e.training.learning_rate)
    return Finding(
        "saturated",
        "warn",
        f"{percent(share)} of the values of the {NAMES[gate]} {gate} are below 0.1 or above 0.9, where the sigmoid is "
        "so flat that its weights get little gradient.",
        percent(share),
        share,
        f"of {gate} saturated",
        "gates",
        e.seen,
        mend,
    )


def _single(e: Evidence, name: str) -> float:
    found = np.ravel(np.asarray(e.arrays.get(name, ()), np.float64))
    return float(found[0]) if len(found) else float("nan")


def symmetric_units(e: Evidence) -> Finding | None:
    """All units of a layer do the same at every time step of every shown sample."""
    for layer in e.about.get("layers") or []:
        rows = {name: list(e.bytes(layer, name)) for name in e.cell.quantities}
        units = max((len(one) for maps in rows.values() for one in maps), default=0)
        lively = any(np.ptp(one.astype(int)) >= LIVELY for maps in rows.values() for one in maps)
        if units < 2 or not lively or not all(_alike(one) for maps in rows.values() for one in maps):
            continue
        return Finding(
            "symmetric",
            "warn" if e.solved_at is not None else "bad",
            f"All {count(units)} units do exactly the same at every time step: equal weights get equal gradients, so "
            "the layer can do no more than a single unit.",
            count(units),
            float(units),
            "equal units",
            "gates",
            e.seen,
            fresh_weights(e.config),
        )
    return None


def _alike(rows: Array) -> bool:
    """Whether all rows of bytes are the same."""
    return bool((rows == rows[:1]).all())


def dead_units(e: Evidence) -> Finding | None:
    """Units behind a ReLU that are 0 at every time step of every shown sample: no gradient reaches them any more."""
    name = {"rnn_relu": "h", "lstm_relu": "g"}.get(e.config.model.cell)
    if name is None or e.config.model.proj_size:
        return None
    dead, units = 0, 0
    for layer in e.about.get("layers") or []:
        scales = [np.ravel(one.get(f"range/{layer}.{name}", (np.inf,)))[0] for one in e.samples]
        maps = list(e.bytes(layer, name))
        if not maps or max(scales) > FINE:
            return None
        silent = np.all([(one == 128).all(1) for one in maps], axis=0)
        dead, units = dead + int(silent.sum()), units + len(silent)
    if not units or dead / units <= 0.3 or e.solved_at is not None:
        return None
    return Finding(
        "dead",
        "bad" if e.never_learned else "warn",
        f"{count(dead)} of {count(units)} units are 0 at every time step of every shown sample: behind a ReLU at 0 "
        "comes no gradient, so they learn nothing.",
        count(dead),
        float(dead),
        f"silent units, of {count(units)}",
        "gates",
        e.seen,
        _alive(e),
    )


def _alive(e: Evidence) -> Experiment | None:
    """First weights under which a ReLU is not silent; where it was silenced by training, smaller steps."""
    preset, title = ("irnn", "IRNN") if e.config.model.cell == "rnn_relu" else ("orthogonal", "orthogonal")
    begun = experiment(e.config, f"first weights: {title}", {"init": {"preset": preset}})
    return begun or slower(e.config, e.training.learning_rate)


def forgets_too_soon(e: Evidence) -> Finding | None:
    """Even the unit that keeps longest forgets long before the sequence ends, and the task is not learned."""
    gate = e.cell.keep
    if gate is None or e.layer is None or not e.only_through_time or not e.unlearned:
        return None
    maps = [one / 255 for one in e.bytes(e.layer, gate)]
    if not maps:
        return None
    kept = np.minimum(np.concatenate(maps, axis=1).mean(1), MOST)
    longest, usual = float(1 / (1 - kept.max())), float(1 / (1 - kept.mean()))
    if longest >= e.steps / 4:
        return None
    return Finding(
        "forgets",
        "warn",
        f"The {KEEPS[gate]} {gate} is {number(float(kept.mean()))} on average, which keeps a value for about "
        f"{number(usual)} time steps, in the longest unit {number(longest)}; a sequence has {count(e.steps)}.",
        number(longest),
        longest,
        f"steps of memory, of {count(e.steps)}",
        "gates",
        e.seen,
        remember(e.config),
    )


def looks_elsewhere(e: Evidence) -> Finding | None:
    """Attention that lies no more on the inputs that decide than an even glance would."""
    share = e.last("attention_on_keys/val")
    told = [one for one in e.about.get("samples") or [] if one.get("keys")]
    if e.config.model.attention == "none" or not told or not np.isfinite(share) or e.updates < 100:
        return None
    even = float(np.mean([len(one["keys"]) / max(sum(map(bool, one["marks"])), 1) for one in told]))
    if share >= 1.5 * even or even >= 0.5:
        return None
    solved = e.solved_at is not None
    rest = " The answers are right all the same: the state carries what was read." if solved else ""
    other = "additive" if e.config.model.attention != "additive" else "general"
    return Finding(
        "elsewhere",
        "note" if solved else "warn",
        f"{percent(share)} of the attention lies on the inputs that decide; an even glance would give them "
        f"{percent(even)}.{rest}",
        percent(share),
        share,
        "on what decides",
        "attention",
        e.step,
        experiment(e.config, f"{other} attention", {"model.attention": other}),
    )
