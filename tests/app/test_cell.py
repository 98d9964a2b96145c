"""What the page inside the cell is made of, without a browser."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load

from app.board.cell import component_data
from app.cell.by_hand import SIZES, Wish
from app.cell.walk import of_state
from lstm_core.agreement import MISTAKES
from lstm_core.config import RunConfig
from lstm_core.training import TrainState, train
from lstm_core.walk import Walk

SMALL = RunConfig.model_validate(
    {"task": {"name": "recall", "length": 6}, "model": {"hidden_size": 4}, "training": {"steps": 3}}
)


@pytest.mark.parametrize(("until", "updates"), [(0, 1), (1, 2), (3, 3)])
def test_a_kept_state_gives_its_weights_and_how_many_updates_they_have_seen(until: int, updates: int) -> None:
    state = TrainState(SMALL)
    for _ in train(SMALL, state, until=until):
        pass
    step, weights = of_state(state.dump())
    assert step == updates
    found = load(weights)
    assert set(found) == set(state.model.state_dict())
    for name, tensor in state.model.state_dict().items():
        assert torch.equal(found[name], tensor)


@given(
    st.tuples(*(st.integers(size.low, size.high) for size in SIZES.values())),
    st.sampled_from([*MISTAKES]),
    st.booleans(),
)
def test_a_wish_is_read_as_it_was_written(numbers: tuple[int, ...], mistake: str, asked: bool) -> None:
    wish = Wish(numbers, mistake, asked)
    assert Wish.read(wish.written()) == wish


@given(st.text(max_size=30) | st.from_regex(r"(\d{0,9}\.){5}[a-z]{0,6}\.[01]", fullmatch=True))
def test_any_address_gives_a_wish_that_can_be_carried_out(said: str) -> None:
    wish = Wish.read(said)
    for number, size in zip(wish.numbers, SIZES.values(), strict=True):
        assert size.low <= number <= size.high
    assert wish.mistake in MISTAKES


def test_numbers_beyond_all_bounds_can_be_sent() -> None:
    values = {"h": np.array([0.5, math.inf, math.nan])}
    walk = Walk(
        cell="rnn_relu", layers=("l0.fwd",), layer="l0.fwd", unit=0, units=1, bias=True, projected=False, sample=0,
        samples=("one",), marks=("a", "b", "c"), reads=("a", "b", "c"), target="", values=values,
    )  # fmt: skip
    sent = json.loads(json.dumps(component_data(walk, 0, ""), allow_nan=False))
    assert sent["walk"]["values"]["h"] == [0.5, None, None]
