"""Figures as pure functions: every binding names telemetry that a worker writes, axes are titled, filling is exact."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from app import figures, theme
from app.figures import filling, through_time
from lstm_core import RunConfig
from lstm_core.cells import CELLS
from lstm_core.training import Snapshot, Step, TrainState, train

RUNS = {
    "recall": {
        "task": {"name": "recall", "length": 12},
        "model": {"hidden_size": 6, "num_layers": 2, "bidirectional": True, "attention": "additive"},
        "training": {"steps": 4, "validate_every": 2, "clip": "norm"},
    },
    "digits": {
        "task": {"name": "digits"},
        "model": {"cell": "gru", "hidden_size": 5},
        "training": {"steps": 2, "schedule": "cosine"},
    },
    "reversing": {
        "task": {"name": "reversing", "length": 6, "letters": 4},
        "model": {"cell": "rnn_tanh", "hidden_size": 5, "attention": "general"},
        "training": {"steps": 2},
    },
    "stocks": {"task": {"name": "stocks"}, "model": {"hidden_size": 5}, "training": {"steps": 2, "validate_every": 1}},
}


class Played:
    """A short run with everything that it measured: scalars as columns, the last snapshot with its first sample."""

    def __init__(self, settings: dict[str, Any]) -> None:
        config = RunConfig.model_validate(settings)
        state = TrainState(config)
        self.about = json.loads(json.dumps(state.about))
        rows: list[Step] = []
        self.steps: list[int] = []
        kept = []
        for item in train(config, state, snapshot_seconds=0):
            if isinstance(item, Snapshot):
                kept.append({**item.arrays, **item.samples[0]})
                self.steps.append(item.step)
            else:
                rows.append(item)
        self.first, self.pictures = kept[0], kept[-1]
        self.histories = {
            name: (self.steps, np.stack([arrays[name] for arrays in kept]))
            for name, array in self.first.items()
            if array.ndim == 1 and all(arrays.get(name, array[:0]).shape == array.shape for arrays in kept)
        }
        names = {name for row in rows for name in row.scalars}
        self.columns: dict[str, Any] = {name: np.array([r.scalars.get(name, np.nan) for r in rows]) for name in names}
        self.columns["step"] = np.array([row.step for row in rows])


@pytest.fixture(scope="module", params=RUNS)
def played(request: pytest.FixtureRequest) -> Played:
    return Played(RUNS[request.param])


FILLED: dict[str, Callable[[Any], Any]] = {
    "heatmap": lambda trace: trace.z,
    "scatter": lambda trace: trace.y,
    "bar": lambda trace: np.flatnonzero(trace.x),
    "table": lambda trace: trace.cells.values[-1],
}


def drawings(about: dict[str, Any]) -> Iterator[tuple[str, go.Figure]]:
    for panel in figures.PANELS:
        if panel.fits(about):
            yield panel.id, panel.draw(about)


def test_every_binding_names_something_that_the_run_measures(played: Played) -> None:
    known = set(played.columns) | set(played.pictures)
    for panel, figure in drawings(played.about):
        for trace in figure.data:
            for role in ("x", "y", "z", "range", "words", "confidence"):
                name = trace.meta.get(role)
                assert name is None or name in known, f"{panel}: {trace.name} is bound to {name}"


def test_filling_puts_the_measured_values_on_every_visible_trace(played: Played) -> None:
    for panel, figure in drawings(played.about):
        figures.fill(figure, {**played.columns, **played.pictures}, 0, played.first, played.histories)
        for trace in figure.data:
            filled = FILLED[trace.type](trace)
            assert filled is not None, f"{panel}: {trace.name} is empty"
            assert len(filled) > 0, f"{panel}: {trace.name} is empty"
            if trace.meta.get("x") == "step" and "smooth" not in trace.meta:
                measured = played.columns[trace.meta["y"]]
                np.testing.assert_array_equal(trace.y, measured[np.isfinite(measured)])


def test_an_alignment_is_filled_from_zero_to_its_largest_weight() -> None:
    weights = {"z": "attention", "low": 0, "high": 1, "range": "range/attention"}
    arrays = {"attention": np.array([[0, 51, 255]], np.uint8), "range/attention": np.array([0.5])}
    np.testing.assert_allclose(filling.values_of(weights, arrays), [[0, 0.1, 0.5]], atol=1e-6)


def words(about: dict[str, Any], arrays: dict[str, Any], panel: str = "answers") -> Any:
    """The filled trace of the panel for these facts."""
    draw = next(one.draw for one in figures.PANELS if one.id == panel)
    return figures.fill(draw(about), arrays).data[0]


def test_answers_are_written_out() -> None:
    one = {"marks": ["a", "b"], "target": "3.0", "targets": ["x", ""]}
    sequence = {"answering": "sequence", "samples": [one], "answers": ["A", "B"]}
    np.testing.assert_allclose(words(sequence, {"prediction": np.array([1.0, 1.0])}).x, [0.5, 0.5])
    number = sequence | {"answers": None, "scale": [1.0, 3.0], "metric_unit": "m"}
    assert words(number, {"prediction": np.array([0.5])}).cells.values == (["3.0"], ["2.000 m"])
    steps = sequence | {"answering": "steps", "answers": ["x", "y"]}
    arrays = {"answer": np.array([1, 0], np.int32), "confidence": np.array([0.75, 1], np.float32)}
    assert words(steps, arrays).cells.values == ([0], ["a"], ["x"], ["y"], ["0.75"])
    text = {"generation": {"temperatures": [0.5, 1.0], "prompt": "in ", "signs": ["o", "n"]}}
    written = words(text, {"generated": np.array([[0, 1], [1, 1]], np.int32)}, "text")
    assert written.cells.values == (["in on"], ["in nn"])
    assert written.header.values == ("temperature 0.5", "temperature 1")


def test_maps_are_filled_with_values_and_not_with_bytes() -> None:
    gate = np.array([[0, 51, 255]], np.uint8)
    arrays = {"gate/l0.fwd.f": gate, "gate/l0.fwd.c": gate, "range/l0.fwd.c": np.array([4.0])}
    forget = {"z": "gate/l0.fwd.f", "low": 0, "high": 1}
    cell = {"z": "gate/l0.fwd.c", "low": -1, "high": 1, "range": "range/l0.fwd.c"}
    np.testing.assert_allclose(filling.values_of(forget, arrays), [[0, 0.2, 1]], atol=1e-6)
    np.testing.assert_allclose(filling.values_of(cell, arrays), [[-4, -2.4, 4]], atol=1e-6)


def test_every_axis_has_a_title(played: Played) -> None:
    for panel, figure in drawings(played.about):
        for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
            shared = axis.showticklabels is False or axis.matches
            assert axis.title.text or axis.visible is False or shared, f"{panel}: an axis without a title"


def test_what_plotly_draws_in_a_page_is_scatters(played: Played) -> None:
    # The file of plotly.js that pages load has these and bars; all else the board draws itself.
    kinds = {panel.id: panel.kind for panel in figures.PANELS}
    drawn = [(id, trace.type) for id, figure in drawings(played.about) if kinds[id] == "lines" for trace in figure.data]
    assert len(drawn) > 10
    assert {kind for _, kind in drawn} == {"scatter"}


def test_specs_are_json_with_the_panels_that_fit(played: Played) -> None:
    specs = json.loads(figures.specs(played.about), parse_constant=pytest.fail)  # as for NaN, which is no JSON
    ids = [panel["id"] for panel in specs["panels"]]
    assert ("attention" in ids) == (played.about["attention"] != "none")
    assert ("forecast" in ids) == bool(played.about["forecast"])
    assert {"loss", "gradient_norms", "metric", "gradient_time", "gates", "answers"} <= set(ids)
    assert all(panel["help"].startswith("Notice") for panel in specs["panels"])


def test_the_outline_has_the_panels_of_a_run_without_extras() -> None:
    assert [panel["id"] for panel in figures.outline()] == [
        "loss", "gradient_norms", "metric", "gradient_time", "gates",
        "gate_histograms", "stuck", "gradient_past", "weights", "spectrum", "updates", "gallery", "answers", "findings",
    ]  # fmt: skip


def test_each_group_has_panels_and_old_runs_have_those_that_they_can_fill(played: Played) -> None:
    assert {panel.group for panel in figures.PANELS} == {"main", *figures.GROUPS}
    old = {name: value for name, value in played.about.items() if name not in ("measures", "gallery")}
    ids = {panel["id"] for panel in json.loads(figures.specs(old))["panels"]}
    assert {"gradient_past", "gate_histograms", "answers"} <= ids
    assert not ids & {"weights", "spectrum", "updates", "stuck", "gallery", "confusion"}


def test_histograms_have_the_density_that_numpy_finds(played: Played) -> None:
    """Of weights that were counted, and of the bytes of a gate up to the end of the sample."""
    layer, gate = played.about["layers"][0], played.about["gates"][0]
    spread = dict(drawings(played.about))["weights"]
    figures.fill(spread, played.pictures, 0, played.first)
    (now, then) = spread.data[:2]
    reach = float(played.pictures[f"range/weights/{layer}.weight_ih"][0])
    counts = played.pictures[f"weights/{layer}.weight_ih.{gate}"]
    edges = np.linspace(-reach, reach, len(counts) + 1)
    np.testing.assert_allclose(now.x, (edges[1:] + edges[:-1]) / 2)
    np.testing.assert_allclose(now.y, counts / counts.sum() / np.diff(edges))
    assert then.meta["first"]
    assert len(then.y) == len(counts)

    values = dict(drawings(played.about))["gate_histograms"]
    figures.fill(values, played.pictures, 0, played.first)
    state = next(trace for trace in values.data if trace.meta["name"] == "h" and not trace.meta.get("first"))
    end = through_time.read_steps(played.about["samples"][0]["marks"]) or played.about["T"]
    stored = played.pictures[f"gate/{layer}.h"][:, :end]
    high = float(played.pictures[f"range/{layer}.h"][0]) if "h" in played.about["unbounded"] else 1.0
    expected, edges = np.histogram(stored, bins=32, range=(0, 256), density=True)
    np.testing.assert_allclose(state.y, expected * 256 / (2 * high))
    np.testing.assert_allclose(state.x, ((edges[1:] + edges[:-1]) / 256 - 1) * high, atol=1e-9)


def test_maps_over_training_have_a_row_for_each_kept_step(played: Played) -> None:
    drawing = dict(drawings(played.about))["gradient_past"]
    figures.fill(drawing, played.pictures, 0, None, played.histories)
    name = drawing.data[0].meta["z"]
    assert list(drawing.data[0].y) == played.steps
    positive = played.histories[name][1] > 0
    np.testing.assert_allclose(10 ** np.array(drawing.data[0].z)[positive], played.histories[name][1][positive])
    assert np.isnan(np.array(drawing.data[0].z)[~positive]).all()


def test_chance_is_drawn_across_all_steps() -> None:
    about = Played(RUNS["digits"]).about
    figure = figures.fill(dict(drawings(about))["loss"], {"step": np.arange(50), "loss/train": np.ones(50)})
    (chance,) = [trace for trace in figure.data if trace.name == "chance"]
    assert list(chance.x) == [0, 49]
    assert list(chance.y) == pytest.approx([np.log(10)] * 2)


def test_the_horizon_of_truncated_backpropagation_is_drawn() -> None:
    """It stands where the measured gradient begins: of pieces of five steps, the last of twelve has only two."""
    cut = Played(
        {
            "task": {"name": "recall", "length": 12},
            "training": {"steps": 1, "bptt_length": 5},
            "model": {"hidden_size": 4},
        }
    )
    (line,) = dict(drawings(cut.about))["gradient_time"].layout.shapes
    reached = np.flatnonzero(cut.pictures["gradient/l0.fwd.h"])
    assert line.x0 == reached[0] - 0.5 == 9.5


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ({"name": "sentiment", "length": 14}, {"cell": "gru"}),
        ({"name": "recall", "length": 12}, {"attention": "scaled"}),
        ({"name": "tagging", "length": 12}, {"cell": "rnn_tanh"}),
        ({"name": "reversing", "length": 12}, {}),
    ],
)
def test_horizons_stand_where_the_recurrence_is_cut(task: dict[str, Any], model: dict[str, Any]) -> None:
    """Against the gradient that a run measures: none before the first cut, or one at every multiple of the length."""
    cut = Played(
        {
            "task": task,
            "training": {"steps": 1, "bptt_length": 5},
            "model": {"hidden_size": 4, "batch_first": True} | model,
        }
    )
    places = through_time.horizons(cut.about)
    drawn = [line.x0 for line in dict(drawings(cut.about))["gradient_time"].layout.shapes]
    assert drawn == places
    reached = np.flatnonzero(cut.pictures["gradient/l0.fwd.h"])
    if cut.about["answering"] == "steps" or cut.about["attention"] != "none":
        assert places == [step - 0.5 for step in range(5, cut.about["T"], 5)]
        assert reached[0] == 0
    else:
        assert places == ([reached[0] - 0.5] if reached[0] else [])


def test_a_text_is_cut_where_its_window_begins() -> None:
    assert through_time.horizons({"generation": {"prompt": "in "}, "bptt_length": None, "T": 64}) == [-0.5]


@pytest.mark.parametrize("count", [1, 2, 7, 300, 5000])
def test_smoothing_is_centred(count: int) -> None:
    """A straight line stays itself, and a constant keeps its mean: nothing lags."""
    line = np.arange(count, dtype=float)
    np.testing.assert_allclose(filling.smooth(line, 150), line, atol=1e-9)
    noise = np.random.default_rng(0).normal(size=count)
    width = filling.half_width(count, 150)
    if count > 2 * width:
        middle = count // 2
        expected = noise[middle - width : middle + width + 1].mean()
        assert filling.smooth(noise, 150)[middle] == pytest.approx(expected)


def lightness(colour: str) -> float:
    """CIE L* of "#rrggbb" (IEC 61966-2-1, CIE 15)."""
    channels = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    y = float(linear @ [0.2126, 0.7152, 0.0722])
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def contrast(one: str, other: str) -> float:
    """WCAG 2.1 contrast ratio."""
    luminances = sorted(((lightness(colour) + 16) / 116) ** 3 for colour in (one, other))
    return (luminances[1] + 0.05) / (luminances[0] + 0.05)


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
EYES = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour: str, eyes: str) -> Any:
    """CIE L*a*b* (D65) of "#rrggbb" as these eyes see it."""
    channels = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(xyz @ np.clip(np.array(EYES[eyes]) @ linear, 0, 1) / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("cell", CELLS)
def test_the_colours_of_a_cell_stay_apart_for_all_eyes(cell: str, eyes: str) -> None:
    for one, other in combinations(CELLS[cell].quantities, 2):
        distance = np.linalg.norm(lab(theme.GATES[one], eyes) - lab(theme.GATES[other], eyes))
        assert distance > 15, f"{one} and {other} look alike"


def test_no_two_quantities_share_a_colour() -> None:
    """Also of different cells: z keeps the state as f does, and is yet another colour."""
    for one, other in combinations(theme.GATES, 2):
        assert np.linalg.norm(lab(theme.GATES[one], "usual") - lab(theme.GATES[other], "usual")) > 20
    assert set(theme.GATES) == set(theme.GATE_NAMES) == {name for cell in CELLS.values() for name in cell.quantities}


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", "rzn")
def test_the_lines_of_a_gru_can_be_seen(name: str, mode: theme.Mode) -> None:
    assert contrast(theme.GATES[name], theme.TOKENS[mode]["paper"]) > 2.75


def test_the_sequential_map_grows_evenly_lighter() -> None:
    steps = np.diff([lightness(colour) for colour in theme.palette("sequential")][::15])
    assert steps.min() > 0.5 * steps.mean()
    assert steps.max() < 1.6 * steps.mean()


def test_the_diverging_map_is_lightest_at_zero_and_equally_dark_at_both_ends() -> None:
    values = [lightness(colour) for colour in theme.palette("diverging")]
    assert 120 <= int(np.argmax(values)) <= 135
    assert abs(values[0] - values[-1]) < 6


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "quiet"])
def test_text_can_be_read(mode: theme.Mode, name: str) -> None:
    assert contrast(theme.TOKENS[mode][name], theme.TOKENS[mode]["paper"]) >= 4.5


def test_recolouring_leaves_no_light_token_behind() -> None:
    document = json.loads(figures.specs(Played(RUNS["digits"]).about))
    dark = json.dumps(theme.recolour(document, "dark"))
    assert not [token for token in set(theme.TOKENS["light"].values()) if f'"{token}"' in dark]
    assert json.dumps(theme.recolour(document, "light")) == json.dumps(document)


@pytest.mark.parametrize(
    ("labels", "at", "title"),
    [
        (["2020-01-31", "2020-02-07 12:00"], ["2020-01-31", "2020-02-07 12:00"], "date"),
        (["600", "601", "602"], [600, 601, 602], "time"),
        (["1999", "2001", "2004.5"], [1999, 2001, 2004.5], "time"),
    ],
)
def test_a_series_is_drawn_over_dates_or_over_numbers(labels: list[str], at: list[Any], title: str) -> None:
    """Numbers given as text would be taken for years by the axis."""
    assert through_time.places(labels) == (at, title)


def test_a_series_without_dates_is_drawn_to_its_ends() -> None:
    sine = Played({"task": {"name": "sine"}, "model": {"hidden_size": 4}, "training": {"steps": 1}})
    axis = dict(drawings(sine.about))["forecast"].layout.xaxis
    assert list(axis.range) == [float(sine.about["forecast"]["labels"][end]) for end in (0, -1)]
