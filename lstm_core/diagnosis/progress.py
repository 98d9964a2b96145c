"""Findings about learning itself: solved or at chance, too fast or too slow, by heart, or a mere copy."""

from __future__ import annotations

import math
import re

import numpy as np

from lstm_core.diagnosis.evidence import SHARES, WINDOW, Array, Evidence
from lstm_core.diagnosis.finding import USUAL_RATE, Experiment, Finding, experiment, slower, written
from lstm_core.tasks import TASKS
from lstm_core.wording import count, number, percent

BROKEN = re.compile(r"^At step \d+ .* became (-?(?:nan|inf))")  # `training.NonFinite`
LOWER = 0.95  # of the quarter before: a loss that still falls
MISSED = 3  # validations after the best one
SIGNS = 4.0  # standard errors by which it must have fallen
METRICS = {"accuracy": "of the answers are right", "exact": "of the answers are right from beginning to end"}


def stopped_by_numbers(e: Evidence) -> Finding | None:
    """The run ended because the loss or a gradient was no longer a number."""
    found = BROKEN.match(str(e.error.get("what", ""))) if e.status == "failed" else None
    if found is None:
        return None
    step = e.error.get("step")
    step = step if isinstance(step, int) else max(e.step, 0)
    training = e.training
    slow = max(min(training.learning_rate / 10, USUAL_RATE[training.optimizer]), 1e-6)
    slow = float(f"{slow:.3g}")
    if step == 0:
        preset = "orthogonal" if e.config.init.preset != "orthogonal" else "small_gaussian"
        mend = experiment(e.config, "smaller first weights", {"init": {"preset": preset}})
    else:
        settings = {"training.clip": "norm", "training.clip_threshold": 1.0, "training.learning_rate": slow}
        mend = experiment(e.config, f"clipping by norm at 1, learning rate {written(slow)}", settings)
    why = "the first weights alone were too large" if step == 0 else "the updates before it had grown beyond all bounds"
    return Finding(
        "nonfinite",
        "bad",
        f"At step {count(step)} a number no longer fitted into 32 bits ({found.group(1)}) and the run stopped: {why}.",
        count(step),
        float(step),
        "the last step",
        "gradient_norms",
        step,
        mend,
    )


def solved(e: Evidence) -> Finding | None:
    """The goal of the task is reached, and how soon."""
    if e.solved_at is None or e.goal is None:
        return None
    metric, value, at_least = e.goal
    now = e.last(f"{metric}/test")
    part = "of the test" if math.isfinite(now) else "of the validation"
    now = now if math.isfinite(now) else e.last(f"{metric}/val")
    reached = f"{percent(now)} {METRICS[metric]} ({part})" if metric in SHARES else f"{metric} {number(now)} {part}"
    bound = f"at {'least' if at_least else 'most'} {percent(value) if metric in SHARES else number(value)}"
    return Finding(
        "solved",
        "good",
        f"Solved: {reached}, and from step {count(e.solved_at)} on every validation was {bound}.",
        count(e.solved_at),
        float(e.solved_at),
        "steps until solved",
        "metric",
        e.step,
        _harder(e),
    )


def _harder(e: Evidence) -> Experiment | None:
    """Twice the length, where the task has one."""
    length = getattr(e.config.task, "length", None)
    if not isinstance(length, int):
        return None
    return experiment(e.config, f"length {2 * length}", {"task.length": 2 * length})


def at_chance(e: Evidence) -> Finding | None:
    """Over many steps the loss has never left the level of guessing."""
    if not e.never_learned or e.about.get("forecast") or not 0.98 < e.level < 1.1:
        return None
    metric = str(e.about.get("metric"))
    right, chance = e.recent(f"{metric}/train"), (e.about.get("chance") or {}).get(metric)
    if metric in SHARES and chance and right > chance + 0.05:
        return None
    also = ""
    if metric in SHARES and chance and math.isfinite(right):
        also = f"; {percent(right)} {METRICS[metric]}, by chance {percent(chance)}"
    return Finding(
        "chance",
        "bad",
        f"After {count(e.updates)} steps the loss is {number(e.recent('loss/train'))}, and guessing has "
        f"{number(e.chance_loss)}{also}: nothing is learned yet.",
        number(e.recent("loss/train")),
        e.recent("loss/train"),
        f"loss, by guessing {number(e.chance_loss)}",
        "loss",
        e.step,
    )


def rate_too_high(e: Evidence) -> Finding | None:
    """The loss is well above guessing, or has lost again most of what it had won."""
    values = e.series("loss/train")[1]
    if len(values) < 2 * WINDOW or e.solved_at is not None:
        return None
    window = max(WINDOW // 2, len(values) // 10)
    means = np.convolve(values, np.ones(window) / window, mode="valid")
    now, best = float(means[-1]), float(means.min())
    chance = e.chance_loss
    guessing = math.isfinite(chance) and not e.about.get("forecast")
    if guessing and now > 1.1 * chance and e.level > 1.1 and now > 0.9 * float(means[len(means) // 2]):
        said = f"The loss is {number(now)} and guessing has {number(chance)}: the steps are so long that they do harm."
        label = f"loss, by guessing {number(chance)}"
    elif math.isfinite(chance) and best < 0.6 * chance and now > max(2 * best, best + 0.25 * chance):
        said = f"The loss had come down to {number(best)} and is {number(now)} again: the steps jump out of it."
        label = f"loss, once {number(best)}"
    else:
        return None
    return Finding(
        "too_fast",
        "bad",
        said,
        number(now),
        now,
        label,
        "loss",
        e.step,
        slower(e.config, e.training.learning_rate),
    )


def _falling(e: Evidence) -> float | None:
    """By what share the loss fell from the third quarter of the steps to the last; None where that is uncertain."""
    values = e.series("loss/train")[1]
    if len(values) < 2 * WINDOW:
        return None
    third, last = np.split(values[-2 * (len(values) // 4) :], 2)
    before, now = float(third.mean()), float(last.mean())
    error = math.sqrt(third.var() / len(third) + last.var() / len(last))
    if not 0 < now < LOWER * before or before - now < SIGNS * error:
        return None
    return 1 - now / before


def rate_too_low(e: Evidence) -> Finding | None:
    """Small steps, and at the end of the run the loss is still on its way down."""
    usual, rate = USUAL_RATE[e.training.optimizer], e.training.learning_rate
    fell = _falling(e)
    if fell is None and not e.never_learned:
        return None
    if not e.complete or rate > usual / 10 or e.solved_at is not None:
        return None
    now = e.recent("loss/train")
    still = f"is still falling, by {percent(fell)} in the last quarter" if fell is not None else "has hardly moved"
    faster = float(f"{min(10 * rate, usual):.3g}")
    return Finding(
        "too_slow",
        "warn",
        f"With steps of {number(rate)} the loss ({number(now)}) {still} after {count(e.updates)} steps; "
        f"usual for this optimizer is {number(usual)}.",
        number(rate),
        rate,
        "learning rate",
        "loss",
        e.step,
        experiment(e.config, f"learning rate {written(faster)}", {"training.learning_rate": faster}),
    )


def still_learning(e: Evidence) -> Finding | None:
    """The steps ended before the learning did."""
    fell = _falling(e)
    if fell is None or not e.complete or e.solved_at is not None or learns_by_heart(e) is not None:
        return None
    if e.training.learning_rate <= USUAL_RATE[e.training.optimizer] / 10:
        return None  # `rate_too_low` says it
    more = min(2 * e.updates, 1_000_000)
    return Finding(
        "unfinished",
        "note",
        f"The loss fell by {percent(fell)} from the third quarter of the {count(e.updates)} steps to the last: it was "
        "still learning when they ended.",
        percent(fell),
        fell,
        "less in the last quarter",
        "loss",
        e.step,
        experiment(e.config, f"{count(more)} steps", {"training.steps": more}),
    )


def _around(steps: Array, values: Array, step: int) -> float:
    """The mean of the values near a step."""
    near = values[np.abs(steps - step) <= WINDOW // 2]
    return float(near.mean()) if len(near) else math.nan


def learns_by_heart(e: Evidence) -> Finding | None:
    """The validation loss has risen again for a while, and the training loss has gone on falling."""
    steps, values = e.series("loss/val")
    trained_at, trained = e.series("loss/train")
    if len(values) < 3 or not len(trained) or e.solved_at is not None:
        return None
    best = int(steps[values.argmin()])
    since = values[steps > best]
    now = float(values[-1])
    training, then = (_around(trained_at, trained, step) for step in (int(steps[-1]), best))
    worse = now > 1.5 * training and len(since) > MISSED and since.min() > values.min() and now > 1.1 * values.min()
    if not worse or not training < 0.9 * then:
        return None
    return Finding(
        "by_heart",
        "warn",
        f"The loss is {number(now / training)} times as high in validation ({number(now)}) as in training; its best "
        f"there was {number(float(values.min()))} at step {count(best)}, and since then it learns examples by heart.",
        number(now / training),
        now / training,
        "× the training loss",
        "loss",
        int(steps[-1]),
        experiment(e.config, "an end when validation stops falling", {"training.patience": 3}),
    )


def _foretold(e: Evidence) -> Experiment | None:
    """The sibling of the same kind that can be learned, with the training that solves it."""
    ready = next(iter(TASKS["sine"].examples.values()))
    settings = {f"{group}.{name}": value for group in ("model", "training") for name, value in ready[group].items()}
    return experiment(e.config, "sine waves, which can be foretold", {"task": ready["task"], **settings})


def copies_yesterday(e: Evidence) -> Finding | None:
    """A forecast that follows the truth one or more steps behind, and is no better than repeating the last value."""
    forecast, metric = e.about.get("forecast"), str(e.about.get("metric"))
    lag, error = e.last("lag/val"), e.last(f"{metric}/val")
    copy = (e.about.get("chance") or {}).get(metric)
    if not forecast or not copy or e.updates < 2 * WINDOW or not lag >= 1 or not error > 0.98 * copy:
        return None
    behind = "1 step" if lag == 1 else f"{count(lag)} steps"
    unit = f" {forecast['unit']}" if forecast.get("unit") else ""
    return Finding(
        "lagging",
        "bad",
        f"The forecast is most like the truth of {behind} before, and off by {number(error)}{unit} where repeating the "
        f"last value is off by {number(float(copy))}: it copies what it has just seen.",
        count(lag),
        lag,
        "lag, in steps",
        "lag",
        e.step,
        _foretold(e),
    )
