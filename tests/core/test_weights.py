"""Weights from a file: what torch and safetensors wrote is read as it is, everything else is refused in words."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import Tensor, nn

from lstm_core.config import RunConfig
from lstm_core.files import LARGEST, FileProblem
from lstm_core.state import TrainState
from lstm_core.weights import WeightsProblem, is_whole, load_into, load_model_into, read

SHAPES: list[dict[str, Any]] = [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}]
MODULES = [(kind, shape) for kind in (nn.LSTM, nn.GRU, nn.RNN) for shape in SHAPES] + [(nn.LSTM, {"proj_size": 3})]


def saved(state: Any) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def old_format(state: Any) -> bytes:
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


WRITERS: dict[str, Callable[[dict[str, Tensor]], bytes]] = {"safetensors": save, "pt": saved, "old pt": old_format}


def values(module: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("kind", "shape"), MODULES)
def test_what_torch_wrote_is_what_is_read(kind: type[nn.RNNBase], shape: dict[str, Any], writer: str) -> None:
    theirs, ours = kind(4, 6, **shape), kind(4, 6, **shape)
    names = load_into(ours, WRITERS[writer](dict(theirs.state_dict())), "w")
    assert names == list(theirs.state_dict())
    assert same(values(ours), values(theirs))


@pytest.mark.parametrize("prefix", ["rnn.", "encoder.lstm.", "model.rnn."])
def test_a_recurrent_module_is_found_inside_a_larger_model(prefix: str) -> None:
    theirs, ours = nn.LSTM(4, 6), nn.LSTM(4, 6)
    state = {f"{prefix}{key}": tensor for key, tensor in theirs.state_dict().items()}
    others = {"head.weight": torch.full((2, 6), torch.nan), "norm.num_batches_tracked": torch.tensor(3)}
    load_into(ours, saved({"epoch": 3, "state_dict": {**state, **others}}), "w.pt")
    assert same(values(ours), values(theirs))


def test_of_several_recurrent_modules_one_must_be_chosen() -> None:
    a, b, ours = nn.LSTM(4, 6), nn.LSTM(4, 6), nn.LSTM(4, 6)
    state = {f"{name}.{key}": t for name, m in (("first", a), ("second", b)) for key, t in m.state_dict().items()}
    with pytest.raises(WeightsProblem, match="holds 2 recurrent modules: first, second"):
        load_into(ours, save(state), "w")
    load_into(ours, save(state), "w", prefix="second")
    assert same(values(ours), values(b))
    with pytest.raises(WeightsProblem, match="no recurrent module called third"):
        load_into(ours, save(state), "w", prefix="third")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_converted(dtype: torch.dtype) -> None:
    theirs, ours = nn.GRU(4, 6), nn.GRU(4, 6)
    load_into(ours, save({key: tensor.to(dtype) for key, tensor in theirs.state_dict().items()}), "w")
    assert {parameter.dtype for parameter in ours.parameters()} == {torch.float32}
    assert same(values(ours), [tensor.to(dtype).float() for tensor in values(theirs)])


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (torch.full((24, 4), torch.inf), "has 96 of 96 numbers that are not finite"),
        (torch.full((24, 4), 1e300, dtype=torch.float64), "not finite in float32"),
        (torch.zeros((24, 4), dtype=torch.int64), "numbers of the type int64"),
        (torch.zeros((24, 4)).to_sparse(), "no ordinary matrix"),
    ],
)
def test_what_is_no_finite_float_changes_nothing(value: Tensor, sentence: str) -> None:
    ours = nn.LSTM(4, 6)
    before = values(ours)
    with pytest.raises(WeightsProblem, match=sentence):
        load_into(ours, saved({**ours.state_dict(), "weight_ih_l0": value}), "w")
    assert same(values(ours), before)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_every_mismatch_is_named_and_nothing_is_changed(data: st.DataObject) -> None:
    ours = nn.LSTM(3, 5, num_layers=2)
    before = values(ours)
    state = {key: torch.zeros_like(tensor) for key, tensor in ours.state_dict().items()}
    wrong = data.draw(st.dictionaries(st.sampled_from(sorted(state)), st.sampled_from(["missing", "shape"])))
    more = data.draw(st.lists(st.sampled_from(["weight_ih_l2", "bias_hh_l0_reverse"]), unique=True))
    for key in wrong:
        state[key] = torch.zeros(7, *state[key].shape[1:])
    state |= {key: torch.zeros(20, 3) for key in more}
    kept = {key: tensor for key, tensor in state.items() if wrong.get(key) != "missing"}
    if not any(key.startswith(("weight", "bias")) for key in kept):
        return
    if not wrong and not more:
        assert len(load_into(ours, save(kept), "w")) == 8
        return
    with pytest.raises(WeightsProblem) as refused:
        load_into(ours, save(kept), "w")
    said = {sentence.split(" ")[0]: sentence for sentence in refused.value.mismatches}
    assert set(said) == set(wrong) | set(more)
    for key, what in wrong.items():
        expected = " × ".join(map(str, before[list(ours.state_dict()).index(key)].shape))
        assert f"expected is {expected}." in said[key]
        assert ("is missing" in said[key]) == (what == "missing")
    assert all("is not expected" in said[key] for key in more)
    assert same(values(ours), before)


def test_another_kind_of_cell_is_named() -> None:
    with pytest.raises(WeightsProblem, match=r"those of an nn\.GRU, the model has an nn\.LSTM"):
        load_into(nn.LSTM(4, 6), save(dict(nn.GRU(4, 6).state_dict())), "w")


@pytest.mark.parametrize("wrapper", ["", "model.", "module.model."])
def test_a_whole_model_is_filled(wrapper: str) -> None:
    settings = {"model": {"hidden_size": 5, "attention": "additive"}, "task": {"length": 6}}
    theirs, ours = (
        TrainState(RunConfig.model_validate({**settings, "training": {"seed": seed}})).model for seed in (1, 2)
    )
    data = save({f"{wrapper}{key}": tensor for key, tensor in theirs.state_dict().items()})
    assert is_whole(ours, data, "w")
    assert load_model_into(ours, data, "w") == list(ours.state_dict())
    assert same(values(ours), values(theirs))


def test_recurrent_weights_alone_are_no_whole_model() -> None:
    ours = TrainState(RunConfig.model_validate({"model": {"hidden_size": 5}})).model
    data = save({f"rnn.{key}": tensor for key, tensor in ours.rnn.state_dict().items()})
    before = values(ours)
    assert not is_whole(ours, data, "w")
    with pytest.raises(WeightsProblem, match=r"head\.weight is missing"):
        load_model_into(ours, data, "w")
    assert same(values(ours), before)


class Malicious:
    """What would create a file as soon as a careless reader opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    state = {"weight_ih_l0": Malicious(trap)}
    for data in (saved(state), old_format(state), pickle.dumps(state)):
        with pytest.raises(WeightsProblem, match="never opened"):
            read(data, "w.pt")
    assert not trap.exists()
    pickle.loads(pickle.dumps(state))
    assert trap.exists()  # the trap is one


def test_a_whole_pickled_module_is_refused() -> None:
    with pytest.raises(WeightsProblem, match="such as a whole model, is never opened"):
        read(saved(nn.LSTM(2, 2)), "w.pt")


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (torch.zeros(3), "holds a Tensor"),
        ({"epoch": 3}, "holds a mapping of epoch"),
        ({}, "an empty mapping"),
        ({"a": {"x": torch.zeros(1)}, "b": {"x": torch.zeros(1)}}, "a mapping of a, b"),
        ([1, 2], "holds a list"),
    ],
)
def test_what_is_no_state_dict_is_described(state: Any, sentence: str) -> None:
    with pytest.raises(WeightsProblem, match=sentence):
        read(saved(state), "w.pt")


def test_a_file_that_unfolds_is_refused() -> None:
    huge = torch.zeros(1).expand(100_000, 100_000)
    with pytest.raises(WeightsProblem, match="unfolds to more than"):
        read(saved({"weight_ih_l0": huge}), "w.pt")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(4 * LARGEST))
    assert len(packed.getvalue()) < 100_000
    with pytest.raises(WeightsProblem, match="unpacks to more than 10 MiB"):
        read(packed.getvalue(), "w.pt")
    with pytest.raises(FileProblem, match="larger than 10 MiB"):
        read(bytes(LARGEST + 1), "w.pt")


GOOD = {name: writer(dict(nn.LSTM(2, 3).state_dict())) for name, writer in WRITERS.items()}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    start=st.sampled_from([*GOOD.values(), b"", b"PK\x03\x04", b"\x80\x02"]),
    cut=st.integers(0, 4000),
    changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=6),
    end=st.binary(max_size=30),
)
def test_damaged_bytes_are_weights_or_one_kind_of_refusal(
    start: bytes, cut: int, changes: list[tuple[int, int]], end: bytes
) -> None:
    data = bytearray(start[:cut])
    for place, value in changes:
        if place < len(data):
            data[place] = value
    ours = nn.LSTM(2, 3)
    before = values(ours)
    changed = True
    try:
        load_into(ours, bytes(data) + end, "w")
    except FileProblem:
        changed = False
    assert changed or same(values(ours), before)
    assert all(parameter.isfinite().all() for parameter in ours.parameters())
