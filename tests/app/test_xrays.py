"""The page of initializers without a browser: what can be chosen, what the pictures hold, what the sentences say."""

from __future__ import annotations

import json
import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from app import calculator, theme
from app.figures import xray as figures
from app.figures.side import STYLES, Shown, decades
from app.setting.fields import controls
from app.xray import asking, pictures, sentences
from lstm_core import RunConfig
from lstm_core.tasks import TASKS
from lstm_core.wording import number
from lstm_core.xray import xray
from tests.app.test_figures import EYES, contrast, lab

CELLS = ("lstm", "lstm_relu", "gru", "rnn_tanh", "rnn_relu")


def config(**changes: Any) -> RunConfig:
    small = RunConfig.model_validate({"task": {"name": "recall", "length": 30}, "model": {"hidden_size": 16}})
    return small.replace(**{name.replace("__", "."): value for name, value in changes.items()})


def shown(*names: str, **changes: Any) -> list[Shown]:
    return [Shown(asking.title(name), STYLES[name], xray(asking.config_of(name, config(**changes)))) for name in names]


def test_an_address_names_initializers() -> None:
    assert asking.chosen("").names == asking.USUAL
    assert asking.chosen("chrono, irnn,chrono").names == ("chrono", "irnn")
    assert asking.chosen("none").names == ()
    for names in ((), ("irnn",), asking.USUAL, ("own", "chrono")):
        assert asking.chosen(asking.written(names) or "").names == names


def test_what_an_address_gets_wrong_is_said() -> None:
    choice = asking.chosen("foo,pytorch")
    assert choice.names == ("pytorch",)
    assert choice.problems[0].startswith("“foo” is no initializer; choose some of pytorch, own")
    assert asking.chosen("foo").names == asking.USUAL
    many = asking.chosen(",".join(STYLES))
    assert len(many.names) == 6
    assert many.problems == ("Of 9 initializers the first 6 are shown, without Too-large Gaussian, IRNN, All equal.",)
    both = config(model__bidirectional=True)
    assert asking.layer("l0.bwd", both) == ("l0.bwd", "")
    assert asking.layer("l0.bwd", config()) == (
        "l0.fwd",
        "There is no layer “l0.bwd” in this network; choose one of l0.fwd.",
    )


def test_a_preset_is_shown_pure_and_the_labs_settings_as_they_are() -> None:
    own = config(init__bias={"scheme": "constant", "value": 3.0}, init__preset="irnn")
    assert asking.config_of("own", own) is own
    preset = asking.config_of("keras", own)
    assert preset.init.bias is None
    assert preset.init.preset == "keras"
    assert preset.replace(init=own.init.model_dump()) == own


def test_an_initializer_that_does_not_fit_the_cell_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calculator, "ask", lambda function, *arguments: function(*arguments))
    found, problems = asking.measured(("pytorch", "chrono"), config(model__cell="rnn_tanh"), "")
    assert [one.title for one in found] == ["PyTorch default"]
    (problem,) = problems
    assert problem.startswith("Chrono is not shown.")
    assert "a simple RNN has none" in problem


def test_the_settings_that_move_the_time_are_found() -> None:
    others = {"copy": {"task.symbols", "task.delay"}, "dates": {"task.forms"}, "digits": {"task.reading"}}
    for name in TASKS:
        offered = controls(RunConfig(task=TASKS[name]()), "task")
        moving = {control.path for control in offered if asking.moves_time(control)}
        assert moving == others.get(name, {"task.length"}), name


@pytest.mark.parametrize("cell", CELLS)
def test_every_picture_of_every_cell_has_titles_and_words(cell: str) -> None:
    names = ("pytorch", "irnn", "large_gaussian", "all_equal")
    measured = shown(*names, model__cell=cell)
    charts = [pictures.hero(measured), *pictures.details(measured)]
    ids = [chart.id for chart in charts]
    assert {"gradient", "distance", "signal", "stretch", "weights"} <= set(ids)
    assert ("gates" in ids) == ("memory" in ids) == (not cell.startswith("rnn"))
    for chart in charts:
        json.loads(chart.figure.to_json())
        assert {trace.type for trace in chart.figure.data} == {"scatter"}  # all that pages load of plotly.js, but bars
        for axis in (*chart.figure.select_xaxes(), *chart.figure.select_yaxes()):
            assert axis.title.text or axis.matches, chart.id
        assert chart.help
        assert chart.number
        assert "nan" not in chart.sentence + chart.number
        assert {trace.name for trace in chart.figure.data} >= {one.title for one in measured}
        if chart.id != "gradient":
            lines = chart.sentence.split("\n")
            assert [line.split(":")[0] for line in lines] == [one.title for one in measured]


def test_the_gradient_is_drawn_in_64_bits_and_as_32_bits_have_it() -> None:
    (one,) = shown("small_gaussian", task__length=200, model__hidden_size=64)
    reach = one.xray.reach["c"]
    thick, thin = [trace for trace in figures.gradient([one]).data if trace.name == one.title and trace.xaxis == "x"]
    np.testing.assert_array_equal(thin.y, reach.exact)
    assert (np.isnan(thick.y) == (reach.single == 0)).all()
    assert np.isnan(thick.y).any()
    assert thick.line.width > thin.line.width
    assert "smallest number of 32 bits" in {trace.name for trace in figures.gradient([one]).data}


def test_sequences_that_begin_alike_have_nothing_to_tell_apart() -> None:
    digits = shown("pytorch", "irnn", task={"name": "digits", "reading": "pixels"}, model__cell="rnn_tanh")
    assert "distance" not in [chart.id for chart in pictures.details(digits)]


def test_only_what_64_bits_can_tell_apart_is_drawn_as_a_distance() -> None:
    (one,) = shown("small_gaussian", task__length=200, model__hidden_size=64)
    (cell_state, _) = figures.distance([one]).data
    drawn = np.flatnonzero(np.isfinite(cell_state.y))
    assert 0 < drawn[-1] < 199
    assert cell_state.y[drawn[-1]] > 2.0**-54 * one.xray.signal["c"][drawn[-1]]


def test_names_stand_beside_their_curves_and_not_on_each_other() -> None:
    measured = shown(*list(STYLES)[:6])
    figure = figures.gradient(measured)
    low, high = figure.layout.yaxis.range
    for pane in ("x", "x2"):
        places = sorted(note.y for note in figure.layout.annotations if note.xref == pane)
        assert len(places) == 6
        assert low < places[0]
        assert places[-1] < high
        assert min(np.diff(places)) > 0.07 * (high - low)


def test_an_axis_holds_all_that_is_on_it() -> None:
    low, high = decades([np.array([0.0, 3e-12, 0.5]), np.array([np.inf, np.nan, 7.0])])
    assert low == -15
    assert high == 1
    assert decades([np.zeros(3)]) == (-5, 1)


@pytest.mark.parametrize("eyes", EYES)
def test_the_lines_stay_apart_for_all_eyes(eyes: str) -> None:
    """From each other, in light and dark, and, for usual eyes, from every gate's colour."""
    for mode in ("light", "dark"):
        swap = {theme.TOKENS["light"][name]: theme.TOKENS[mode][name] for name in theme.TOKENS["light"]}
        colours = {style.colour: swap.get(style.colour, style.colour) for style in STYLES.values()}
        for one, other in combinations(colours.values(), 2):
            assert np.linalg.norm(lab(one, eyes) - lab(other, eyes)) > 20
        for colour in colours.values():
            assert contrast(colour, theme.TOKENS[mode]["paper"]) >= 3
            if eyes == "usual":
                assert min(np.linalg.norm(lab(colour, eyes) - lab(gate, eyes)) for gate in theme.GATES.values()) > 15
    assert len({(style.colour, style.dash) for style in STYLES.values()}) == len(STYLES)


def test_the_sentence_has_the_measured_numbers() -> None:
    default, chrono = shown("pytorch", "chrono", task__length=100)
    c, h = (number(default.xray.ratio(state)) for state in "ch")
    assert sentences.gradient(default.xray) == (
        f"at T = 100 the first step’s gradient is {c} of the last one’s through the cell state c and {h} through the "
        "hidden state h: it fades."
    )
    assert sentences.gradient(chrono.xray).endswith("it arrives.")
    told = sentences.why([default, chrono])
    assert told.startswith(
        f"PyTorch default starts with its forget gate f at {number(float(default.xray.keep.mean()))}"
    )
    assert f"{c} arrives 99 steps earlier" in told
    assert told.endswith(f"and {number(chrono.xray.ratio('c'))} arrives.")


def test_what_32_bits_lose_is_said() -> None:
    far, near = shown("small_gaussian", task__length=200), shown("pytorch", task__length=200)
    reach = far[0].xray.reach["c"]
    gone = int(np.argmax(reach.single > 0))
    assert sentences.gradient(far[0].xray).endswith(f"In 32 bits nothing of it is left before step {gone}.")
    unread = int(np.argmax(near[0].xray.reach["c"].norm > 0))
    assert sentences.gradient(near[0].xray).endswith(
        f"32 bits still hold it, but a norm taken in 32 bits reads 0 before step {unread}."
    )


def test_special_cases_have_words_of_their_own() -> None:
    (equal,) = shown("all_equal")
    assert sentences.gradient(equal.xray) == "no gradient reaches this layer: it is exactly 0 at all 30 steps."
    (large,) = shown("large_gaussian", task__length=200, model__hidden_size=64)
    assert sentences.gradient(large.xray).endswith("it explodes.")
    (grown,) = shown("large_gaussian", task__length=300, model__cell="rnn_relu")
    assert sentences.gradient(grown.xray) == "the gradient grows beyond all numbers."
    recurrent = shown("pytorch", "irnn", model__cell="rnn_tanh")
    radius = number(recurrent[0].xray.radius["h"])
    assert f"recurrent weights of the spectral radius {radius}." in sentences.why(recurrent)
    assert sentences.why(shown("chrono")) == ""
    assert sentences.opening([]) == '<p class="xray-why">Choose two to six initializers at the left.</p>'
    assert math.isnan(equal.xray.ratio("c"))
    (silent,) = shown(
        "own", model__cell="lstm_relu", init__weight_ih={"scheme": "zeros"}, init__bias={"scheme": "zeros"}
    )
    assert sentences.distance(silent.xray) == "the first step leaves no trace in c."


def test_names_are_written_as_text() -> None:
    legend = sentences.legend([Shown("<b>", STYLES["own"], shown("pytorch")[0].xray)])
    assert "<b>&lt;b&gt;</b>" in legend
    assert 'aria-hidden="true"' in legend
