"""Whatever is typed, clicked or linked, what comes out is a valid setting, and every difference is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.setting.fields import controls, schemes
from app.setting.settle import change, from_link, settle
from lstm_core.config import RunConfig
from tests.core.strategies import configs, values


@given(configs())
def test_a_link_brings_back_every_setting(config: RunConfig) -> None:
    assert from_link(config.to_query()) == (config, [])


@given(configs(), st.data())
def test_any_sequence_of_changes_leaves_valid_settings(config: RunConfig, data: st.DataObject) -> None:
    for _ in range(4):
        group = data.draw(st.sampled_from(list(RunConfig.model_fields)))
        offered = controls(config, group)
        if not offered:
            continue
        control = data.draw(st.sampled_from(offered))
        value = data.draw(values(control.field))
        before, (config, notes) = config, change(config, control.path, value)
        assert RunConfig.model_validate_json(config.model_dump_json()) == config
        group, name = control.path.split(".")
        assert notes or getattr(getattr(config, group), name) == value
        for other in RunConfig.model_fields:
            assert notes or other == group or getattr(config, other) == getattr(before, other)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20)))
def test_no_link_is_too_strange(query: dict[str, str]) -> None:
    config, notes = from_link(query)
    assert notes or config == RunConfig.from_query(query)


PATHS = ["task", "task.length", "model", "model.hidden_size", "init.bias", "init.bias.value", "training.clip", "x.y"]


@given(st.dictionaries(st.sampled_from([*PATHS, "model.a.b", "init.bias.scheme"]), st.text(max_size=5)))
def test_no_link_to_real_settings_is_too_strange(query: dict[str, str]) -> None:
    config, _ = from_link(query)
    assert RunConfig.model_validate(config.model_dump()) == config


@pytest.mark.parametrize(
    ("query", "field", "value", "remedy"),
    [
        ({"model.hidden_size": "5000"}, "model.hidden_size", "5000", "at most 512"),
        ({"training.learning_rate": "fast"}, "training.learning_rate", "'fast'", "number"),
        ({"task": "chess"}, "task.name", "'chess'", "recall"),
        ({"model.attention": "much"}, "model.attention", "'much'", "'additive'"),
        ({"model.hiden": "3"}, "model.hiden", "", "spelling"),
        ({"model": "5"}, "model", "5", ""),
    ],
)
def test_a_bad_link_names_field_value_and_remedy(query: dict[str, str], field: str, value: str, remedy: str) -> None:
    config, notes = from_link({"training.seed": "7", **query})
    assert config == RunConfig().replace(**{"training.seed": 7})
    assert len(notes) == 1
    assert field in notes[0]
    assert value in notes[0]
    assert remedy in notes[0]


def test_a_smaller_hidden_size_takes_the_projection_along() -> None:
    config = RunConfig().replace(**{"model.proj_size": 40})
    config, notes = change(config, "model.hidden_size", 32)
    assert config.model.proj_size == 31
    assert notes == ["Projection is now 31: the projection must be smaller than hidden_size."]


def test_one_layer_has_no_dropout() -> None:
    config = RunConfig().replace(**{"model.num_layers": 2, "model.dropout": 0.5})
    config, notes = change(config, "model.num_layers", 1)
    assert config.model.dropout == 0
    assert "Dropout is now 0" in notes[0]


def test_an_initializer_with_a_bias_switches_biases_on() -> None:
    config, _ = change(RunConfig(), "model.bias", False)
    config, notes = change(config, "init.preset", "chrono")
    assert config.model.bias
    assert notes == ["Bias is now on: the initializer sets a bias of its own."]


def test_a_cell_without_gates_takes_the_initializer_for_gates_along() -> None:
    config, _ = change(RunConfig(), "init.preset", "chrono")
    config, notes = change(config, "model.cell", "rnn_tanh")
    assert (config.model.cell, config.init.preset) == ("rnn_tanh", "pytorch")
    assert notes[0].startswith("Initializer is now PyTorch default:")


def test_an_impossible_value_leaves_the_old_one() -> None:
    config, _ = change(RunConfig(), "model.hidden_size", 32)
    refused, notes = change(config, "model.hidden_size", 0)
    assert refused == config
    assert "at least 1" in notes[0]


def test_another_task_keeps_model_and_training() -> None:
    config, _ = change(RunConfig(), "model.hidden_size", 32)
    config, _ = change(config, "task.length", 80)
    config, notes = change(config, "task", {"name": "digits"})
    assert (config.task.name, config.model.hidden_size, notes) == ("digits", 32, [])
    config, _ = change(config, "task", {"name": "recall"})
    assert config.task == RunConfig().task


def test_low_above_high_is_refused_and_said() -> None:
    config, _ = change(RunConfig(), "init.weight_ih", {"scheme": "uniform"})
    refused, notes = change(config, "init.weight_ih.low", 5.0)
    assert refused == config
    assert "low" in notes[0]


def test_settings_of_an_older_version_are_settled() -> None:
    config, notes = settle({"task": {"name": "recall"}, "model": {"wings": 2, "hidden_size": 32}})
    assert config.model.hidden_size == 32
    assert "wings" in notes[0]


def test_every_scheme_can_be_chosen_for_its_part() -> None:
    for control in controls(RunConfig(), "init"):
        for name in schemes(control):
            config, notes = change(RunConfig(), control.path, {"scheme": name})
            chosen = getattr(config.init, control.path.split(".")[1])
            assert notes == []
            if name:
                assert chosen.scheme == name
