from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lstm_core.config import Override, RunConfig, explain, with_overrides
from lstm_core.tasks import TASKS
from tests.core.strategies import configs


@settings(max_examples=300, deadline=None, derandomize=True)
@given(configs())
def test_both_written_forms_round_trip(config: RunConfig) -> None:
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    assert RunConfig.from_query(config.to_query()) == config


@settings(max_examples=100, deadline=None, derandomize=True)
@given(configs())
def test_the_link_names_only_what_differs(config: RunConfig) -> None:
    usual = RunConfig(task=TASKS[config.task.name]())
    query = config.to_query()
    assert set(query) >= {"task"}
    for group in ("task", "model", "training"):
        for name in type(getattr(config, group)).model_fields:
            differs = getattr(getattr(config, group), name) != getattr(getattr(usual, group), name)
            assert (f"{group}.{name}" in query) == differs


def test_the_default_link_is_one_word() -> None:
    assert RunConfig().to_query() == {"task": "recall"}


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"model": {"dropout": 0.2}}, ["model.dropout", "0.2", "two layers"]),
    ({"model": {"proj_size": 64}}, ["model.proj_size", "64", "at most 63"]),
    ({"model": {"hidden_size": 16, "proj_size": 30}}, ["model.proj_size", "30", "at most 15"]),
    ({"model": {"bias": False}, "init": {"preset": "chrono"}}, ["model.bias", "False", "switch it on"]),
    ({"training": {"bptt_length": 41}}, ["training.bptt_length", "41", "at most 40"]),
    (
        {"training": {"bptt_length": 10}, "model": {"bidirectional": True}},
        ["training.bptt_length", "10", "one direction"],
    ),
    ({"training": {"momentum": 0.9}}, ["training.momentum", "0.9", "SGD"]),
    (
        {"task": {"length": 500}, "model": {"hidden_size": 512, "num_layers": 4, "bidirectional": True}}
        | {"training": {"batch_size": 128}},
        ["training.batch_size", "128", "at most 74", "8 GiB"],
    ),
    (
        {"task": {"name": "text", "length": 1000}, "model": {"hidden_size": 8, "attention": "dot"}}
        | {"training": {"batch_size": 1024}},
        ["training.batch_size", "1024", "at most 488", "shorter"],
    ),
    ({"model": {"hidden_size": 0}}, ["model.hidden_size", "0", "at least 1"]),
    ({"model": {"hidden_size": 10**9}}, ["model.hidden_size", "1000000000", "at most 512"]),
    ({"training": {"learning_rate": -1}}, ["training.learning_rate", "-1", "at least"]),
    ({"training": {"learning_rate": float("nan")}}, ["training.learning_rate", "nan", "finite"]),
    ({"training": {"steps": 1.5}}, ["training.steps", "1.5", "whole number"]),
    ({"model": {"hiden_size": 3}}, ["model.hiden_size", "not a setting"]),
    ({"colour": "red"}, ["colour", "not a setting"]),
    ({"task": {"name": "cooking"}}, ["task.name", "cooking", "recall"]),
    ({"task": {"name": "recall", "lenght": 4}}, ["task.lenght", "not a setting"]),
    ({"task": {"name": "digits", "length": 9}}, ["task.length", "not a setting"]),
    ({"task": 5}, ["task", "recall"]),
    ({"init": {"preset": "xavier"}}, ["init.preset", "xavier", "'chrono'"]),
    ({"init": {"weight_hh": {"scheme": "magic"}}}, ["init.weight_hh", "magic", "orthogonal"]),
    ({"init": {"weight_ih": {"scheme": "uniform", "low": 3}}}, ["init.weight_ih", "3.0", "0.1", "low at most"]),
    ({"init": {"weight_hh": {"scheme": "orthogonal", "std": 1}}}, ["init.weight_hh", "std", "not a setting"]),
]


@pytest.mark.parametrize(("values", "words"), REFUSED)
def test_bad_values_are_refused_with_field_value_and_remedy(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValidationError) as refused:
        RunConfig.model_validate(values)
    message = " ".join(explain(refused.value))
    for word in words:
        assert word in message


def test_several_mistakes_are_all_named() -> None:
    with pytest.raises(ValidationError) as refused:
        RunConfig.model_validate({"model": {"dropout": 0.2, "proj_size": 64}})
    assert all(name in explain(refused.value)[0] for name in ("model.dropout", "model.proj_size"))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5))
def test_any_link_is_a_config_or_an_explained_refusal(query: dict[str, str]) -> None:
    sentences: list[str] = []
    try:
        RunConfig.from_query(query)
    except ValidationError as refused:
        sentences = explain(refused)
    assert all(isinstance(sentence, str) and sentence for sentence in sentences)
    assert bool(sentences) == bool(set(query) - {"task"} or query.get("task", "recall") not in TASKS)


@pytest.mark.parametrize(
    "query", [{"model": "x"}, {"task": "recall", "task.length.deep": "1"}, {"model": "q", "model.hidden_size.x": "1"}]
)
def test_a_link_that_mixes_groups_and_values_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        RunConfig.from_query(query)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RunConfig().training.seed = 2  # type: ignore[misc]


def test_every_setting_has_a_label_a_sentence_and_a_default() -> None:
    groups = [type(getattr(RunConfig(), name)) for name in ("model", "init", "training")] + list(TASKS.values())
    for group in groups:
        for name, field in group.model_fields.items():
            if name == "name":
                continue
            extra = field.json_schema_extra
            assert isinstance(extra, dict)
            assert extra.get("label"), f"{group.__name__}.{name}"
            assert field.description
            assert field.description.endswith(".")
            json.dumps(extra)


def test_a_changed_setting_holds_from_its_step_on() -> None:
    changes = [Override(20, "learning_rate", 0.1), Override(10, "clip", "norm"), Override(30, "learning_rate", 0.2)]
    training = RunConfig().training
    assert with_overrides(training, changes, 9) == training
    assert with_overrides(training, changes, 10).clip == "norm"
    assert with_overrides(training, changes, 25).learning_rate == 0.1
    assert with_overrides(training, changes, 30).learning_rate == 0.2


def test_a_changed_setting_is_held_to_the_same_bounds() -> None:
    with pytest.raises(ValidationError):
        with_overrides(RunConfig().training, [Override(0, "learning_rate", -1.0)], 0)


def test_replace_sets_dotted_names() -> None:
    config = RunConfig().replace(**{"training.seed": 7, "init.preset": "chrono"})
    assert (config.training.seed, config.init.preset) == (7, "chrono")
