"""Findings: each speaks where its evidence is, is silent where it is not, and proposes what really mends it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_core.cells import CELLS
from lstm_core.config import RunConfig
from lstm_core.diagnosis import RULES, Finding, diagnose
from lstm_core.diagnosis.finding import TONES
from lstm_core.runs import telemetry
from lstm_core.tasks import TASKS
from lstm_core.training import NonFinite, Snapshot, Step, TrainState, train
from tests.core.own_files import ready
from tests.core.strategies import configs

RECALL = {
    "task.length": 20, "model.hidden_size": 32, "model.embedding_size": 16,
    "training.steps": 120, "training.batch_size": 32, "training.validate_every": 25,
}  # fmt: skip
STOCKS = {"task": {"name": "stocks"}, "model.hidden_size": 16, "training.validate_every": 25}
TAGGING = {"task": {"name": "tagging"}, "model.hidden_size": 16, "model.embedding_size": 8, "training.batch_size": 16}
PANELS = {"loss", "metric", "gradient_norms", "gradient_time", "gates", "attention", "lag"}


def settings_of(**values: Any) -> RunConfig:
    """The recall of these tests with other values, by their dotted names with __ for each dot."""
    return RunConfig().replace(**{**RECALL, **{name.replace("__", "."): value for name, value in values.items()}})


@cache
def findings(config: RunConfig) -> list[Finding]:
    """The findings about a run that is trained here and now."""
    state, rows, seen, error = TrainState(config), [], None, None
    about = json.loads(json.dumps(state.about))
    try:
        for item in train(config, state, snapshot_seconds=1000):
            if isinstance(item, Step):
                rows.append((item.step, item.scalars))
            else:
                seen = item
    except NonFinite as broken:
        error = {"what": str(broken), "step": broken.step}
    assert isinstance(seen, Snapshot)
    columns, status = telemetry.table(rows), "finished" if error is None else "failed"
    return diagnose(config, about, columns, seen.arrays, seen.samples, at=seen.step, status=status, error=error)


def ids(found: list[Finding]) -> list[str]:
    return [finding.id for finding in found]


# what is done wrong, the finding that it must give, and what its experiment must give instead (None: not this one)
MENDED: dict[str, tuple[RunConfig, str | None]] = {
    "vanishing": (settings_of(), "solved"),
    "symmetric": (settings_of(init__preset="all_equal"), "solved"),
    "saturated": (settings_of(init__preset="large_gaussian"), "solved"),
    "dead": (
        settings_of(**{"model.cell": "rnn_relu", "init.bias": {"scheme": "constant", "value": -2.0}}), "solved",
    ),
    "too_fast": (settings_of(init__preset="chrono", training__learning_rate=0.3), "solved"),
    "too_slow": (settings_of(init__preset="chrono", training__learning_rate=1e-4), "solved"),
    "nonfinite": (
        settings_of(model__cell="rnn_relu", init__preset="irnn", training__learning_rate=10.0,
                    training__optimizer="sgd"), "solved",
    ),
    "truncated": (settings_of(training__bptt_length=5), None),
    "growing": (settings_of(model__cell="rnn_tanh", init__preset="large_gaussian", training__steps=200), None),
    "exploding": (settings_of(model__cell="rnn_relu", init__preset="irnn", training__steps=120), "solved"),
    "clipped": (
        settings_of(init__preset="chrono", training__optimizer="sgd", training__learning_rate=0.1,
                    training__clip="norm", training__clip_threshold=1e-3), None,
    ),
    "unclipped": (
        settings_of(init__preset="chrono", training__clip="norm", training__clip_threshold=1e3), None,
    ),
    "by_heart": (RunConfig().replace(**{**STOCKS, "training.steps": 400, "training.learning_rate": 0.01}), None),
}  # fmt: skip


@pytest.mark.parametrize("name", MENDED)
def test_what_is_wrong_is_found_and_the_experiment_mends_it(name: str) -> None:
    config, then = MENDED[name]
    found = {finding.id: finding for finding in findings(config)}
    assert name in found
    proposed = found[name].experiment
    assert proposed is not None
    after = ids(findings(config.replace(**proposed.settings)))
    assert name not in after
    assert then is None or then in after


def test_a_copy_of_yesterday_is_sent_to_a_series_that_can_be_foretold() -> None:
    found = {finding.id: finding for finding in findings(RunConfig().replace(**{**STOCKS, "training.steps": 110}))}
    assert found["lagging"].value >= 1
    assert found["lagging"].experiment is not None
    config = RunConfig().replace(**found["lagging"].experiment.settings)
    assert config == RunConfig.model_validate(next(iter(TASKS["sine"].examples.values())))  # which solves it


def test_more_steps_lower_the_loss_of_a_run_that_was_still_learning() -> None:
    config = RunConfig().replace(**{**TAGGING, "training.steps": 100})
    (found,) = [finding for finding in findings(config) if finding.id == "unfinished"]
    assert found.experiment is not None
    assert found.experiment.settings == {"training.steps": 200}
    steps = [step for step in train(config.replace(**found.experiment.settings)) if isinstance(step, Step)]
    early, late = (np.mean([step.scalars["loss/train"] for step in steps[k - 30 : k]]) for k in (100, 200))
    assert late < 0.95 * early


def test_the_default_forgets_the_first_token_and_says_so_first() -> None:
    found = findings(settings_of())
    first = found[0]
    assert (first.id, first.tone, first.panel) == ("vanishing", "bad", "gradient_time")
    assert first.experiment is not None
    assert first.experiment.settings["init"] == {"preset": "chrono"}
    assert {"chance", "forgets"} <= set(ids(found))
    assert "guessing" in first.sentence


def test_a_solved_run_hears_nothing_of_what_did_not_keep_it() -> None:
    found = findings(settings_of(init__preset="chrono"))
    assert ids(found) == ["solved"]
    assert found[0].experiment is not None
    assert found[0].experiment.settings == {"task.length": 40}


# Constructed runs: what is seen in them is known.


def column(values: Any) -> np.ndarray[Any, Any]:
    return np.asarray(values, np.float32)


ABOUT = {
    "layers": ["l0.fwd"], "metric": "accuracy", "chance": {"loss": float(np.log(2)), "accuracy": 0.5},
    "samples": [{"marks": list("abcdefgh"), "keys": [0], "target": "A"}],
}  # fmt: skip


def made(config: RunConfig | None = None, *, arrays: Any = None, samples: Any = (), about: Any = None,
         status: str = "finished", **curves: Any) -> list[Finding]:  # fmt: skip
    """The findings about curves over steps 0, 1, …; `loss__train` is `loss/train`."""
    columns = {name.replace("__", "/"): column(values) for name, values in curves.items()}
    size = max((len(values) for values in columns.values()), default=0)
    config = config or settings_of(training__steps=max(size - 1, 1))
    scalars = {"step": np.arange(size, dtype=np.int32), **columns}
    return diagnose(config, {**ABOUT, **(about or {})}, scalars, arrays, samples, status=status)


def gradient(first: float, steps: int = 20) -> Mapping[str, Any]:
    """A gradient through time that is 1 at the last step and `first` at the first."""
    slope = np.geomspace(first, 1, steps)
    return {"gradient/l0.fwd.h": slope, "gradient/l0.fwd.c": slope}


def test_vanishing_needs_a_faint_gradient_in_every_state_and_a_loss_at_chance() -> None:
    stuck = np.full(300, 0.693)
    assert "vanishing" in ids(made(arrays=gradient(1e-6), loss__train=stuck))
    assert "vanishing" not in ids(made(arrays=gradient(1e-2), loss__train=stuck))
    assert "vanishing" not in ids(made(arrays=gradient(1e-6), loss__train=np.linspace(0.69, 0.1, 300)))
    carried = {**gradient(1e-6), "gradient/l0.fwd.c": np.ones(20)}
    assert "vanishing" not in ids(made(arrays=carried, loss__train=stuck))
    for other in ({"model.attention": "dot"}, {"model.bidirectional": True}, {"training.bptt_length": 5}):
        assert "vanishing" not in ids(made(settings_of().replace(**other), arrays=gradient(1e-6), loss__train=stuck))


def test_a_jump_counts_against_all_gradients_before_it_and_only_where_it_was_not_shortened() -> None:
    total = np.full(200, 0.5)
    total[120] = 40
    kept = total.copy()
    found = {finding.id: finding for finding in made(grad_norm__total=total, grad_norm__clipped=kept)}
    assert (found["exploding"].step, found["exploding"].value) == (120, 40)
    kept[120] = 1
    assert "exploding" not in ids(made(grad_norm__total=total, grad_norm__clipped=kept))
    total[5] = kept[5] = 20  # it had been as long before, almost
    assert "exploding" not in ids(made(grad_norm__total=total, grad_norm__clipped=total))


def test_equal_bytes_of_units_that_hardly_move_prove_nothing() -> None:
    names = CELLS["lstm"].quantities
    moving = np.tile(np.linspace(0, 255, 8).astype(np.uint8), (6, 1))
    resting = np.full((6, 8), 128, np.uint8)
    other = moving.copy()
    other[3, 4] += 1
    for rows, said in ((moving, True), (resting, False), (other, False)):
        assert ("symmetric" in ids(made(samples=[{f"gate/l0.fwd.{name}": rows for name in names}]))) == said


def test_a_forget_gate_is_judged_by_its_longest_unit() -> None:
    low, high = np.full((6, 8), 128, np.uint8), np.full((6, 8), 128, np.uint8)
    high[2] = 250
    stuck = np.full(200, 0.693)
    found = {one.id: one for one in made(samples=[{"gate/l0.fwd.f": low}], loss__train=stuck)}
    assert found["forgets"].value == pytest.approx(1 / (1 - 128 / 255))
    assert "forgets" not in ids(made(samples=[{"gate/l0.fwd.f": high}], loss__train=stuck))


def test_attention_is_measured_against_an_even_glance() -> None:
    config = settings_of(model__attention="dot")
    for share, said in ((0.15, True), (0.4, False)):  # one key of eight inputs: evenly 0.125
        values = np.full(201, np.nan)
        values[::50] = share
        assert ("elsewhere" in ids(made(config, attention_on_keys__val=values))) == said
    assert "elsewhere" not in ids(made(attention_on_keys__val=np.full(201, 0.1)))


def test_by_heart_means_that_validation_rises_while_training_falls() -> None:
    steps, validation = np.arange(401), np.full(401, np.nan)
    training = 0.7 * np.exp(-steps / 100)
    validation[::50] = 0.3 + np.abs(steps[::50] - 150) / 400
    found = {one.id: one for one in made(loss__train=training, loss__val=validation)}
    assert found["by_heart"].step == 400
    assert "step 150" in found["by_heart"].sentence
    both = 0.3 + np.abs(steps - 150) / 400  # a loss that rises as well is no learning by heart
    assert "by_heart" not in ids(made(loss__train=both / 2, loss__val=validation))


def test_solved_says_from_which_validation_on() -> None:
    accuracy = np.full(201, np.nan)
    accuracy[::25] = [0.5, 0.6, 1.0, 0.9, 1.0, 1.0, 1.0, 1.0, 1.0]
    found = {one.id: one for one in made(accuracy__val=accuracy)}
    assert found["solved"].value == 100
    accuracy[-1] = 0.8
    assert "solved" not in ids(made(accuracy__val=accuracy))


def test_a_run_that_goes_on_or_ended_early_is_not_told_to_take_more_steps() -> None:
    falling = np.linspace(0.69, 0.2, 300)
    assert "unfinished" in ids(made(loss__train=falling))
    assert "unfinished" not in ids(made(loss__train=falling, status="running"))
    assert "unfinished" not in ids(made(settings_of(training__steps=900), loss__train=falling))


def test_an_ordinary_run_in_its_first_steps_is_told_nothing() -> None:
    assert made(loss__train=[0.7, 0.69, 0.7], grad_norm__total=[0.1, 0.2, 0.1], status="running") == []
    assert diagnose(RunConfig(), None, {}) == []


# Any run at all.

CELL_OF = dict(zip(TASKS, [*CELLS] * len(TASKS), strict=False))


@pytest.mark.parametrize("task", TASKS)
def test_every_task_and_cell_can_be_diagnosed(task: str) -> None:
    small = {"model.hidden_size": 3, "model.embedding_size": 2, "training.batch_size": 4, "training.steps": 1}
    config = RunConfig(task=ready(task)).replace(**small, **{"model.cell": CELL_OF[task]})
    for finding in findings(config):
        check(config, finding)


def check(config: RunConfig, finding: Finding) -> None:
    """What holds of any finding: words, evidence, a number in its sentence, an experiment that can be carried out."""
    assert finding.tone in TONES
    assert finding.panel in PANELS
    assert finding.number in finding.sentence
    assert finding.sentence.endswith(".")
    assert "nan" not in finding.sentence.split() or finding.id == "nonfinite"
    json.dumps(finding.as_json(), allow_nan=False)
    if finding.experiment is not None:
        assert config.replace(**finding.experiment.settings) != config


odd = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1e-30, 1e30, -1.0])
value = st.one_of(odd, st.floats(0, 2, width=32))
NAMES = ("loss/train", "loss/val", "accuracy/train", "accuracy/val", "mae/val", "lag/val", "grad_norm/total",
         "grad_norm/clipped", "attention_on_keys/val", "accuracy/test")  # fmt: skip


@st.composite
def runs(draw: st.DrawFn) -> dict[str, Any]:
    """Any settings with any curves and any arrays, some of them missing."""
    config = draw(configs())
    size = draw(st.sampled_from([0, 1, 3, 120, 260]))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    few = [draw(st.lists(value, min_size=1, max_size=6)) for _ in names]
    curves = {name: column(np.resize(part, size)) for name, part in zip(names, few, strict=True)}
    layers = draw(st.sampled_from([[], ["l0.fwd"], ["l0.fwd", "l0.bwd"]]))
    arrays, sample = {}, {}
    for layer in layers:
        for state in CELLS[config.model.cell].states:
            arrays[f"gradient/{layer}.{state}"] = np.array(draw(st.lists(value, max_size=8)))
        for name in CELLS[config.model.cell].quantities:
            arrays[f"saturation/{layer}.{name}"] = column([draw(value)])
            units = draw(st.integers(1, 3))
            sample[f"gate/{layer}.{name}"] = np.array(
                draw(st.lists(st.lists(st.integers(0, 255), min_size=5, max_size=5), min_size=units, max_size=units)),
                np.uint8,
            )
            sample[f"range/{layer}.{name}"] = column([draw(st.sampled_from([1.0, 4.0, 1e6]))])
    marks = draw(st.sampled_from([[], ["a", "b", "", ""], ["a"] * 5]))
    about = {
        "layers": layers, "metric": config.task.metric, "samples": [{"marks": marks, "keys": [0] if marks else []}],
        "chance": draw(st.sampled_from([{}, {"loss": 0.7}, {"loss": 0.7, config.task.metric: 0.5}])),
        "forecast": draw(st.sampled_from([None, {"unit": "m"}])),
    }  # fmt: skip
    broken = {"what": "At step 7 the loss became nan.", "step": 7}
    return {
        "config": config,
        "about": draw(st.sampled_from([None, {}, about])),
        "scalars": {"step": np.arange(size, dtype=np.int32), **curves} if size or names else {},
        "arrays": arrays,
        "samples": [sample] if draw(st.booleans()) else [],
        "status": draw(st.sampled_from(["running", "finished", "failed"])),
        "error": draw(st.sampled_from([None, {}, broken, {"what": "The memory of this machine is used up."}])),
    }


@settings(deadline=None, max_examples=100)
@given(runs())
def test_no_run_is_beyond_diagnosis(run: dict[str, Any]) -> None:
    found = diagnose(**run)
    assert len(found) <= len(RULES)
    assert [TONES.index(one.tone) for one in found] == sorted(TONES.index(one.tone) for one in found)
    for finding in found:
        check(run["config"], finding)
