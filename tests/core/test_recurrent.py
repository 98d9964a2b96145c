"""Every cell by its name, packed sequences against single ones, and the LSTM with ReLU against its equations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lstm_core.cells import CELLS
from lstm_core.recurrent import ReluLSTM, cell_of, make

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore:.*projections.*")

State = tuple[Tensor, ...]


def filled(cell: str, seed: int = 0, **arguments: Any) -> nn.RNNBase:
    rnn = make(cell, 3, 5, **arguments).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.uniform_(-0.8, 0.8, generator=generator)
    return rnn


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def states(end: Tensor | State) -> State:
    return end if isinstance(end, tuple) else (end,)


# ---- names


def test_every_cell_is_made_and_known_again() -> None:
    class Own(ReluLSTM):
        pass

    class OwnGRU(nn.GRU):
        pass

    assert [cell_of(make(name, 3, 5)) for name in CELLS] == list(CELLS)
    assert [cell_of(rnn) for rnn in (Own(2, 3), OwnGRU(2, 3), nn.RNN(2, 3), nn.RNN(2, 3, 1, "relu"))] == [
        "lstm_relu",
        "gru",
        "rnn_tanh",
        "rnn_relu",
    ]
    with pytest.raises(TypeError, match="Linear"):
        cell_of(nn.Linear(2, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", CELLS)
def test_the_facts_about_a_cell_are_those_of_what_is_made(cell: str) -> None:
    facts, rnn = CELLS[cell], make(cell, 3, 5)
    assert isinstance(rnn, {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}[facts.kernel])
    assert rnn.weight_hh_l0.shape == (5 * len(facts.gates), 5)
    assert len(facts.states) == len(states(rnn(torch.zeros(1, 1, 3))[1]))
    assert set(facts.gates) | set(facts.states) == set(facts.quantities)
    assert facts.keep is None or facts.keep in facts.gates


@pytest.mark.parametrize("cell", CELLS)
def test_all_arguments_arrive(cell: str) -> None:
    projection = {"proj_size": 2} if CELLS[cell].kernel == "LSTM" else {}
    arguments = {"num_layers": 2, "bias": False, "batch_first": True, "dropout": 0.3, "bidirectional": True}
    rnn = make(cell, 3, 5, **arguments, **projection)
    assert all(getattr(rnn, name) == value for name, value in {**arguments, **projection}.items())
    assert rnn(torch.zeros(4, 7, 3))[0].shape == (4, 7, 4 if projection else 10)


def test_what_torch_does_not_have_is_refused_in_words() -> None:
    for cell in ("gru", "rnn_tanh", "rnn_relu"):
        with pytest.raises(ValueError, match=f"Only an LSTM can project.*{cell}.*proj_size 0 instead of 2"):
            make(cell, 3, 5, proj_size=2)
    with pytest.raises(ValueError, match="no cell 'mgu'; choose one of lstm, lstm_relu, gru"):
        make("mgu", 3, 5)
    with pytest.raises(ValueError, match=r"\(6, 3\); expected three dimensions"):
        make("lstm_relu", 3, 5)(torch.zeros(6, 3))


# ---- packed sequences


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_packed_sequences_are_those_read_one_by_one(cell: str, bidirectional: bool, batch_first: bool) -> None:
    """Outputs, final states and the gradients of all parameters, of the input and of the initial states."""
    rnn = filled(cell, num_layers=2, bidirectional=bidirectional, batch_first=batch_first)
    width, lengths = 2 if bidirectional else 1, torch.tensor([3, 7, 1, 7, 4])
    x, weight = normal(7, 5, 3, seed=2), normal(7, 5, 5 * width, seed=3)
    starts = [normal(2 * width, 5, 5, seed=4 + n) for n in range(len(CELLS[cell].states))]
    end_weight = normal(2 * width, 5, 5, seed=6)

    def run(one_by_one: bool) -> tuple[list[Tensor], list[Tensor]]:
        leaves = [v.clone().requires_grad_() for v in (x, *starts)]
        found, loss = [], torch.zeros((), dtype=torch.double)
        groups = [[b] for b in range(5)] if one_by_one else [list(range(5))]
        for group in groups:
            part, *start = leaves[0][:, group], *(leaf[:, group] for leaf in leaves[1:])
            h0 = tuple(start) if len(start) == 2 else start[0]
            if one_by_one:
                part = part[: lengths[group[0]]]
                output, end = rnn(part.transpose(0, 1) if batch_first else part, h0)
                output = output.transpose(0, 1) if batch_first else output
            else:
                part = part.transpose(0, 1) if batch_first else part
                packed = pack_padded_sequence(part, lengths, batch_first=batch_first, enforce_sorted=False)
                output, end = rnn(packed, h0)
                output = pad_packed_sequence(output)[0]
            for column, b in enumerate(group):
                kept = output[: lengths[b], column]
                found += [kept, *(state[:, column] for state in states(end))]
                loss = loss + (kept * weight[: lengths[b], b]).sum()
                loss = loss + sum((state[:, column] * end_weight[:, b]).sum() for state in states(end))
        gradients = torch.autograd.grad(loss, [*rnn.parameters(), *leaves])
        return found, list(gradients)

    for packed, single in zip(run(False), run(True), strict=True):
        for a, b in zip(packed, single, strict=True):
            assert bool(b.any())
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


# ---- the LSTM with ReLU


def relu_lstm_by_hand(rnn: nn.LSTM, row: list[Tensor], h_0: Tensor, c_0: Tensor) -> tuple[Tensor, list[State]]:
    """One sequence: outputs (T, D) and the final states of every layer and direction, straight from the equations."""
    parameters, hidden, ends = dict(rnn.named_parameters()), rnn.hidden_size, []
    for layer in range(rnn.num_layers):
        halves = []
        for direction in ("", "_reverse")[: 2 if rnn.bidirectional else 1]:
            p = {
                k.removesuffix(f"_l{layer}{direction}"): v for k, v in parameters.items() if _ends(k, layer, direction)
            }
            h, c, outputs = h_0[len(ends)], c_0[len(ends)], {}
            for t in reversed(range(len(row))) if direction else range(len(row)):
                gate = {}
                for place, name in enumerate("ifgo"):
                    rows = slice(place * hidden, (place + 1) * hidden)
                    gate[name] = p["weight_ih"][rows] @ row[t] + p["weight_hh"][rows] @ h
                    if rnn.bias:
                        gate[name] = gate[name] + p["bias_ih"][rows] + p["bias_hh"][rows]
                i, f, o = (1 / (1 + torch.exp(-gate[name])) for name in "ifo")
                c = f * c + i * gate["g"].clamp(min=0)
                h = o * c.clamp(min=0)
                if rnn.proj_size:
                    h = p["weight_hr"] @ h
                outputs[t] = h
            halves.append(outputs)
            ends.append((h, c))
        row = [torch.cat([half[t] for half in halves]) for t in range(len(row))]
    return torch.stack(row), ends


def _ends(name: str, layer: int, direction: str) -> bool:
    return name.endswith(f"_l{layer}{direction}")


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_an_lstm_with_relu_follows_its_equations(data: st.DataObject) -> None:
    steps, batch = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    layers, bidirectional, batch_first = (
        data.draw(st.integers(1, 2)),
        data.draw(st.booleans()),
        data.draw(st.booleans()),
    )
    projection = data.draw(st.sampled_from([0, 0, 2]))
    lengths = data.draw(st.none() | st.lists(st.integers(1, steps), min_size=batch, max_size=batch))
    rnn = filled(
        "lstm_relu",
        data.draw(st.integers(0, 1000)),
        num_layers=layers,
        bias=data.draw(st.booleans()),
        bidirectional=bidirectional,
        batch_first=batch_first,
        proj_size=projection,
    )
    assert isinstance(rnn, ReluLSTM)
    places = layers * (2 if bidirectional else 1)
    x = normal(steps, batch, 3, seed=2).requires_grad_()
    h_0, c_0 = normal(places, batch, projection or 5, seed=3), normal(places, batch, 5, seed=4)
    given_state = data.draw(st.booleans())
    if not given_state:
        h_0, c_0 = torch.zeros_like(h_0), torch.zeros_like(c_0)
    longest = max(lengths or [steps])

    ready = x.transpose(0, 1) if batch_first else x
    if lengths:
        ready = pack_padded_sequence(ready, torch.tensor(lengths), batch_first=batch_first, enforce_sorted=False)
    output, (h_n, c_n) = rnn(ready, (h_0, c_0) if given_state else None)
    if lengths:
        output = pad_packed_sequence(output)[0]
    elif batch_first:
        output = output.transpose(0, 1)
    assert output.shape == (longest, batch, (projection or 5) * (2 if bidirectional else 1))

    expected, weight = torch.zeros_like(output), normal(*output.shape, seed=5)
    ends = []
    for b in range(batch):
        length = lengths[b] if lengths else steps
        values, end = relu_lstm_by_hand(rnn, list(x[:length, b]), h_0[:, b], c_0[:, b])
        expected = expected.index_put((torch.arange(length), torch.tensor(b)), values)
        ends.append(end)
    torch.testing.assert_close(output, expected)
    by_hand = [torch.stack([torch.stack([s[n] for s in end]) for end in ends], dim=1) for n in (0, 1)]
    torch.testing.assert_close([h_n, c_n], by_hand)
    leaves = [x, *rnn.parameters()]
    found = torch.autograd.grad((output * weight).sum() + (c_n**2).sum(), leaves)
    truth = torch.autograd.grad((expected * weight).sum() + (by_hand[1] ** 2).sum(), leaves)
    torch.testing.assert_close(found, truth)


def test_its_parameters_are_those_of_an_lstm() -> None:
    for arguments in ({}, {"num_layers": 2, "bidirectional": True, "proj_size": 2}, {"bias": False}):
        torch.manual_seed(3)
        lstm = nn.LSTM(3, 5, **arguments)
        torch.manual_seed(3)
        relu = make("lstm_relu", 3, 5, **arguments)
        assert list(relu.state_dict()) == list(lstm.state_dict())
        assert all(torch.equal(a, b) for a, b in zip(relu.parameters(), lstm.parameters(), strict=True))
        x = normal(4, 2, 3).float()
        for a, b in zip((relu(x)[0], *relu(x)[1]), (lstm(x)[0], *lstm(x)[1]), strict=True):
            assert a.shape == b.shape
            assert not torch.allclose(a, b)


@pytest.mark.parametrize("cell", ["lstm", "lstm_relu"])
@pytest.mark.parametrize("lengths", [None, [7, 3]])
def test_dropout_lies_between_the_layers_and_draws_as_torch_does(cell: str, lengths: list[int] | None) -> None:
    """The very same units drop out in both, next to one call of torch's own dropout between two single layers."""
    whole = filled(cell, num_layers=2, bidirectional=True, batch_first=True, dropout=0.5)
    first, second = make(cell, 3, 5, bidirectional=True), make(cell, 10, 5, bidirectional=True)
    for layer, part in enumerate((first, second)):
        part.double().load_state_dict(
            {name.replace(f"_l{layer}", "_l0"): v for name, v in whole.state_dict().items() if f"_l{layer}" in name}
        )
    x = normal(7, 2, 3)

    def packed(values: Tensor) -> Any:
        return values if lengths is None else pack_padded_sequence(values, torch.tensor(lengths))

    def data(values: Any) -> Tensor:
        return values if lengths is None else values.data

    middle = first(packed(x))[0]
    for training in (True, False):
        whole.train(training)
        torch.manual_seed(5)
        read = x.transpose(0, 1) if lengths is None else packed(x)
        output = whole(read)[0]
        torch.manual_seed(5)
        dropped = torch.dropout(data(middle), 0.5, training)
        expected = data(second(dropped if lengths is None else middle._replace(data=dropped))[0])
        torch.testing.assert_close(data(output.transpose(0, 1) if lengths is None else output), expected)
