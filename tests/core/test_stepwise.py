"""The step-by-step walk against torch's own kernels, for every cell, layer, direction, layout and length."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lstm_core.cells import CELLS
from lstm_core.probes import trace
from lstm_core.recurrent import make
from lstm_core.stepwise import STEPS, States, walk

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore:.*projections.*")


def seen(
    rnn: nn.RNNBase, x: Tensor, lengths: Tensor | None = None, h0: States | None = None
) -> dict[str, list[Tensor]]:
    """Everything that is shown, by name."""
    shown: dict[str, list[Tensor]] = {}

    def keep(name: str, value: Tensor) -> Tensor:
        shown.setdefault(name, []).append(value)
        return value

    walk(rnn, x, keep, lengths, h0)
    return shown


def unchanged(_name: str, value: Tensor) -> Tensor:
    return value


@settings(deadline=None)
@given(st.data(), st.sampled_from(list(CELLS)), st.integers(0, 2**31))
def test_a_walk_without_interference_is_the_module(data: st.DataObject, cell: str, seed: int) -> None:
    hidden, layers, bidirectional = data.draw(st.integers(2, 5)), data.draw(st.integers(1, 3)), data.draw(st.booleans())
    steps, batch, inputs = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    batch_first, proj_size = data.draw(st.booleans()), data.draw(st.integers(0, 1)) if "lstm" in cell else 0
    lengths = data.draw(st.none() | st.lists(st.integers(1, steps), min_size=batch, max_size=batch).map(torch.tensor))
    torch.manual_seed(seed)
    rnn = make(
        cell, inputs, hidden, layers, data.draw(st.booleans()), batch_first, 0.0, bidirectional, proj_size
    ).double()
    x = torch.randn(*((batch, steps) if batch_first else (steps, batch)), inputs, dtype=torch.double)
    places = layers * (2 if bidirectional else 1)
    h0: States = tuple(
        torch.randn(places, batch, width, dtype=torch.double)
        for width in (proj_size or hidden, hidden)[: len(CELLS[cell].states)]
    )
    given_state = h0 if data.draw(st.booleans()) else None

    hx = None if given_state is None else given_state if len(h0) == 2 else h0[0]
    if lengths is None:
        expected, final = rnn(x, hx)
        expected = expected.transpose(0, 1) if batch_first else expected
    else:
        packed, final = rnn(pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False), hx)
        expected, _ = pad_packed_sequence(packed, total_length=steps)
    outputs, state = walk(rnn, x, unchanged, lengths, given_state)
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(state, final if isinstance(final, tuple) else (final,), rtol=0, atol=1e-12)


def test_the_gates_shown_are_those_of_a_trace() -> None:
    torch.manual_seed(0)
    rnn = nn.LSTM(3, 4, 2, bidirectional=True).double()
    x = torch.randn(6, 5, 3, dtype=torch.double)
    shown, traces = seen(rnn, x), trace(rnn, x)
    for name, layer in traces.items():
        for quantity in CELLS["lstm"].quantities:
            steps = shown[f"{name}.{quantity}"]
            values = torch.stack(steps[::-1] if name.endswith("bwd") else steps)
            torch.testing.assert_close(values, getattr(layer, quantity), rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_every_quantity_of_the_cell_and_every_weight_is_shown(cell: str) -> None:
    torch.manual_seed(0)
    rnn = make(cell, 3, 4, 2)
    shown = seen(rnn, torch.randn(2, 5, 3))
    for layer in ("l0.fwd", "l1.fwd"):
        gates = {f"{layer}.pre_{gate}" for gate in CELLS[cell].gates}
        weights = {f"{layer}.{kind}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        assert gates | weights | {f"{layer}.{q}" for q in CELLS[cell].quantities} <= set(shown)
    assert len(shown["l1.fwd.h"]) == 2
    assert len(shown["l1.fwd.weight_hh"]) == 1


def test_padding_is_not_shown() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 3, 2)
    lengths = torch.tensor([4, 1, 3])
    x[4:, 0], x[1:, 1], x[3:, 2] = 1e6, float("nan"), 1e6
    shown = seen(make("gru", 2, 3, bidirectional=True), x, lengths)
    assert [len(h) for h in shown["l0.fwd.h"]] == [3, 2, 2, 1]
    assert shown["x"][0].abs().max() < 10
    assert all(value.isfinite().all() for values in shown.values() for value in values)


@pytest.mark.parametrize(
    "quantity", ["x", "l0.fwd.weight_hh", "l0.fwd.bias_ih", "l0.fwd.f", "l0.fwd.c", "l0.fwd.pre_o"]
)
def test_what_the_onlooker_hands_back_goes_on(quantity: str) -> None:
    torch.manual_seed(0)
    rnn, x = nn.LSTM(2, 3), torch.randn(4, 2, 2)
    outputs, _ = walk(rnn, x, unchanged)
    changed, _ = walk(rnn, x, lambda name, value: value * 1.1 if name == quantity else value)
    assert (changed - outputs).abs().max() > 1e-4


def test_dropout_the_mode_and_the_random_stream_play_no_part() -> None:
    rnn = nn.LSTM(2, 3, 2, dropout=0.5)
    before, stream = {k: v.clone() for k, v in rnn.state_dict().items()}, torch.get_rng_state()
    x = torch.ones(4, 2, 2, requires_grad=True)
    outputs, _ = walk(rnn, x, unchanged)
    assert rnn.training
    assert not outputs.requires_grad
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(torch.equal(v, before[k]) for k, v in rnn.state_dict().items())
    torch.testing.assert_close(outputs.float(), rnn.eval()(x)[0], rtol=0, atol=1e-6)


def test_every_cell_has_its_step() -> None:
    assert set(STEPS) == set(CELLS)


def test_what_does_not_fit_is_refused_in_words() -> None:
    rnn = nn.GRU(2, 3)
    with pytest.raises(ValueError, match=r"shape \(4, 2, 5\); expected \(T, B, I\) with I = 2"):
        walk(rnn, torch.zeros(4, 2, 5), unchanged)
    with pytest.raises(ValueError, match="lengths must be 2 numbers from 1 to 4"):
        walk(rnn, torch.zeros(4, 2, 2), unchanged, torch.tensor([5, 1]))
    with pytest.raises(ValueError, match=r"expected \[\(1, 2, 3\)\]"):
        walk(rnn, torch.zeros(4, 2, 2), unchanged, h0=torch.zeros(1, 3, 3))
    with pytest.raises(TypeError):
        walk(nn.Linear(2, 3), torch.zeros(4, 2, 2), unchanged)  # type: ignore[arg-type]
