"""Every setting has its widget, and no widget offers what would be refused."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from app.setting import ready
from app.setting.fields import Control, controls, ladder, schemes, settings_in, words
from lstm_core import files
from lstm_core.cells import CELLS
from lstm_core.config import APPLIES, RunConfig, applies
from lstm_core.settings import Settings, setting
from lstm_core.tasks import TASKS
from tests.core.strategies import configs

KINDS = ("selectbox", "toggle", "slider", "select_slider", "number_input", "text_input", "file_uploader")
IDLE = {"csv": {"task.column", "task.date_column", "task.missing"}}  # by task: what means nothing without a file


pytestmark = pytest.mark.usefixtures("store")


def page() -> None:
    from app import controls, session

    controls.draw(session.current().config)


def opened(config: RunConfig) -> AppTest:
    from app.session import Session

    test = AppTest.from_function(page, default_timeout=30)
    test.session_state["lab"] = Session(config=config)
    test.run()
    assert not test.exception
    return test


def drawn(test: AppTest) -> dict[str, list[Any]]:
    """Widgets by the setting they stand for."""
    found: dict[str, list[Any]] = {}
    for kind in KINDS:
        for element in test.get(kind):
            found.setdefault(element.key.split(":")[1], []).append(element)
    return found


def paths(config: RunConfig) -> set[str]:
    """Every setting that the config has, schemes' own settings included; names of tasks and schemes are choices."""
    found = {"task"}
    for group in RunConfig.model_fields:
        for control in controls(config, group):
            found.add(control.path)
            if isinstance(control.value, Settings):
                found |= {inner.path for inner in settings_in(control.value, control.path, config)}
    return found


def now(test: AppTest) -> RunConfig:
    return test.session_state["lab"].config  # type: ignore[no-any-return]


def test_every_field_of_every_task_has_a_widget() -> None:
    for name, task in TASKS.items():
        config = RunConfig(task=task())
        fields = {f"{g}.{f}" for g in RunConfig.model_fields for f in type(getattr(config, g)).model_fields}
        expected = {path for path in fields - {"task.name"} if applies(path, config)} - IDLE.get(name, set())
        assert set(drawn(opened(config))) - {"ready"} == expected | {"task"}


@pytest.mark.parametrize(
    ("path", "without", "changes"),
    [
        ("training.clip_threshold", {}, {"training.clip": "norm"}),
        ("training.halve_every", {"training.schedule": "cosine"}, {"training.schedule": "step"}),
        ("model.embedding_size", {"task": {"name": "stocks"}}, {"task": {"name": "recall"}}),
        ("init.attention", {"model.attention": "dot"}, {"model.attention": "additive"}),
        ("init.bias", {"model.bias": False}, {"model.bias": True}),
        ("init.per_gate", {"model.cell": "rnn_tanh"}, {"model.cell": "gru"}),
    ],
)
def test_a_setting_without_effect_is_not_offered(path: str, without: dict[str, Any], changes: dict[str, Any]) -> None:
    config = RunConfig().replace(**without)
    group = path.split(".")[0]
    assert path not in {control.path for control in controls(config, group)}
    assert path in {control.path for control in controls(config.replace(**changes), group)}


@pytest.mark.parametrize("path", APPLIES)
def test_whether_a_setting_applies_is_known_of_real_settings_only(path: str) -> None:
    group, name = path.split(".")
    assert name in RunConfig.model_fields[group].annotation.model_fields  # type: ignore[union-attr]


@pytest.mark.parametrize("part", ["weight_ih", "bias"])
def test_every_scheme_brings_its_own_settings(part: str) -> None:
    (control,) = [c for c in controls(RunConfig(), "init") if c.path == f"init.{part}"]
    for name in schemes(control):
        config = RunConfig().replace(**{f"init.{part}": {"scheme": name}})
        shown = drawn(opened(config))
        own = {f"init.{part}.{field}" for field in type(getattr(config.init, part)).model_fields if field != "scheme"}
        assert {path for path in shown if path.startswith(f"init.{part}.")} == own


def test_a_new_setting_needs_no_new_code() -> None:
    class Bigger(Settings):
        zoneout: float = setting(0.1, "Zoneout", "Keeps the old state now and then.", ge=0, le=1, step=0.05)
        merge: Literal["sum", "concat"] = setting("sum", "Merge", "How the directions meet.")
        peephole: bool = setting(False, "Peepholes", "Lets the gates see the cell.")
        window: int | None = setting(None, "Window", "How far it sees.", unit="steps", ge=1, le=9)

    made = settings_in(Bigger(), "model", RunConfig())
    assert [control.label for control in made] == ["Zoneout", "Merge", "Peepholes", "Window (steps)"]
    assert [control.help for control in made][2] == "Lets the gates see the cell."
    assert made[0].look == "slider"
    assert made[0].range == (0, 1)


def test_an_essential_setting_stands_above_the_folded_ones() -> None:
    test = opened(RunConfig())
    folded = {element.key.split(":")[1] for group in test.expander for kind in KINDS for element in group.get(kind)}
    assert set(drawn(test)) - folded - {"ready"} == {
        "task", "init.preset", "model.hidden_size", "model.bidirectional", "training.clip",
    }  # fmt: skip
    assert [group.label for group in test.expander] == [
        "Look at the data",
        "Task",
        "Model",
        "Initialization",
        "Training",
    ]


def test_the_threshold_is_asked_for_only_when_it_counts() -> None:
    test = opened(RunConfig())
    assert "training.clip_threshold" not in drawn(test)
    drawn(test)["training.clip"][0].set_value("norm").run()
    assert "training.clip_threshold" in drawn(test)
    assert now(test).training.clip == "norm"


def test_slider_and_box_move_together() -> None:
    test = opened(RunConfig())
    slider, box = drawn(test)["model.hidden_size"]
    box.set_value(33).run()
    slider, box = drawn(test)["model.hidden_size"]
    assert (slider.value, box.value, now(test).model.hidden_size) == (33, 33, 33)
    slider.set_value(128).run()
    assert (drawn(test)["model.hidden_size"][1].value, now(test).model.hidden_size) == (128, 128)


def test_what_is_impossible_cannot_be_picked_and_says_why() -> None:
    test = opened(RunConfig())
    assert drawn(test)["model.dropout"][0].disabled
    assert any("Dropout acts between layers" in caption.value for caption in test.caption)
    drawn(test)["model.num_layers"][0].set_value(2).run()
    assert not drawn(test)["model.dropout"][0].disabled
    drawn(test)["model.hidden_size"][1].set_value(20).run()
    assert drawn(test)["model.proj_size"][1].max == 19


def test_a_scheme_can_be_chosen_and_given_back_to_the_preset() -> None:
    test = opened(RunConfig())
    drawn(test)["init.weight_hh"][0].set_value("orthogonal").run()
    drawn(test)["init.weight_hh.gain"][0].set_value(2.0).run()
    assert now(test).init.parts().weight_hh.gain == 2.0  # type: ignore[union-attr]
    drawn(test)["init.weight_hh"][0].set_value("").run()
    assert now(test) == RunConfig()
    drawn(test)["init.per_gate"][0].set_value(True).run()
    assert now(test).init.per_gate is True


def test_another_task_shows_its_own_settings() -> None:
    test = opened(RunConfig())
    drawn(test)["task"][0].set_value("digits").run()
    assert now(test).task.name == "digits"
    assert "task.reading" in drawn(test)
    assert "task.length" not in drawn(test)


@given(configs())
def test_the_present_value_is_always_on_offer(config: RunConfig) -> None:
    for control in (c for group in RunConfig.model_fields for c in controls(config, group)):
        assert control.label
        if int in control.options or float in control.options:
            low, high = control.range
            assert control.value is None or low <= control.value <= high


@given(st.floats(1e-9, 1), st.floats(1.5, 1e9))
def test_a_ladder_spans_its_range_in_even_steps(low: float, high: float) -> None:
    stops = ladder(low, high)
    assert (stops[0], stops[-1]) == (low, high)
    assert all(a < b <= 10 * a for a, b in pairwise(stops))


def test_widths_offer_powers_of_two_and_round_numbers() -> None:
    assert ladder(1, 130) == [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 130]


def test_names_become_words() -> None:
    assert [words(name) for name in ("truncated_normal", "pytorch", "fan_in")] == [
        "Truncated normal",
        "PyTorch default",
        "Fan in",
    ]


def test_forbidden_means_only_the_neutral_value_is_left() -> None:
    def at(config: RunConfig, path: str) -> Control:
        return next(c for c in controls(config, path.split(".")[0]) if c.path == path)

    assert at(RunConfig(), "training.momentum").forbidden
    assert not at(RunConfig().replace(**{"training.optimizer": "sgd"}), "training.momentum").forbidden
    assert at(RunConfig().replace(**{"model.bidirectional": True}), "training.bptt_length").forbidden
    assert at(RunConfig().replace(**{"model.hidden_size": 1}), "model.proj_size").forbidden


def csv(rows: str = "day,open,close,word\n2024-01-01,1,9,a\n2024-01-02,3,7,b\n2024-01-03,2,8,c\n") -> str:
    return files.keep(rows.encode(), "table.csv")


def test_the_columns_to_choose_are_those_of_the_file() -> None:
    test = opened(RunConfig.model_validate({"task": {"name": "csv", "file": csv()}}))
    (column,), (date,) = drawn(test)["task.column"], drawn(test)["task.date_column"]
    assert column.options == ["The first that changes: open", "open", "close"]
    assert date.options == ["The first with dates: day", "day", "open", "close"]
    column.set_value("close").run()
    assert now(test).task.model_dump()["column"] == "close"
    drawn(test)["task.column"][0].set_value("").run()
    assert now(test).task.model_dump()["column"] is None


def test_missing_values_are_asked_about_where_there_are_some() -> None:
    assert "task.missing" not in drawn(opened(RunConfig.model_validate({"task": {"name": "csv", "file": csv()}})))
    gaps = csv("open\n1\n2\nnan\n4\n5\n")
    assert "task.missing" in drawn(opened(RunConfig.model_validate({"task": {"name": "csv", "file": gaps}})))


def test_a_column_of_another_file_stays_on_offer_and_is_called_so() -> None:
    config = RunConfig.model_validate({"task": {"name": "csv", "file": csv(), "column": "volume"}})
    assert drawn(opened(config))["task.column"][0].options[0] == "volume (not in this file)"


def test_a_ready_made_setting_sets_everything_but_the_seed() -> None:
    test = opened(RunConfig.model_validate({"task": {"name": "text"}, "training": {"seed": 9, "momentum": 0}}))
    (ready,) = drawn(test)["ready"]
    assert ready.value == "own settings"
    title = next(iter(TASKS["text"].examples))
    ready.set_value(title).run()
    wanted = RunConfig.model_validate(TASKS["text"].examples[title])
    assert now(test) == wanted.replace(**{"training.seed": 9})
    assert drawn(test)["ready"][0].value == title
    drawn(test)["model.hidden_size"][1].set_value(33).run()
    assert drawn(test)["ready"][0].value == "own settings"


def test_a_ready_made_setting_keeps_the_file_that_was_brought() -> None:
    text = files.keep(("A text of one's own. " * 200).encode(), "own.txt")
    config = RunConfig.model_validate({"task": {"name": "text", "file": text}})
    for made in ready.made(config).values():
        assert made.task.model_dump()["file"] == text
        assert ready.chosen(made) != ready.OWN


@pytest.mark.parametrize("name", TASKS)
def test_every_ready_made_setting_is_one(name: str) -> None:
    made = ready.made(RunConfig(task=TASKS[name]()))
    assert list(made) == list(TASKS[name].examples)
    for title, config in made.items():
        assert ready.chosen(config) == title


def test_a_note_stands_under_the_choice_that_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    def captions(**values: Any) -> str:
        return " ".join(caption.value for caption in opened(RunConfig().replace(**values)).caption)

    assert CELLS["lstm_relu"].note not in captions()
    assert CELLS["lstm_relu"].note in captions(**{"model.cell": "lstm_relu"})
    monkeypatch.setattr("app.controls.shutil.which", lambda _: None)
    monkeypatch.setattr("app.controls.Path.exists", lambda _: False)
    assert "No CUDA device can be seen" in captions(**{"training.device": "cuda"})
    monkeypatch.setattr("app.controls.shutil.which", lambda name: f"/usr/bin/{name}")
    assert "No CUDA device can be seen" not in captions(**{"training.device": "cuda"})
