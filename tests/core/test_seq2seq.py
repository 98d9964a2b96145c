"""Encoder, decoder, attention and truncated gradients against loops of plain cells written out here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from lstm_core.attention import ATTENTIONS
from lstm_core.cells import CELLS
from lstm_core.config import ModelConfig
from lstm_core.model import SequenceModel, detached
from lstm_core.state import LOSSES
from lstm_core.tasks.base import IGNORED, Spec
from lstm_core.tasks.reversing import Reversing

SIGNS, STEPS = 5, 6
DECODED = Spec(outputs=SIGNS, loss="cross_entropy", vocabulary=7, answers="decoded", decoded_steps=STEPS)
EACH = Spec(outputs=SIGNS, loss="cross_entropy", vocabulary=7, answers="steps")
LENGTHS = torch.tensor([4, 7, 1, 5])
TIGHT: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-12}


def model_of(spec: Spec, seed: int = 0, **chosen: Any) -> SequenceModel:
    torch.manual_seed(seed)
    model = SequenceModel(ModelConfig.model_validate({"hidden_size": 4, "embedding_size": 3, **chosen}), spec).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)  # so that nothing that matters is hidden by small numbers
    return model


def some_tokens(seed: int = 1) -> tuple[Tensor, Tensor]:
    """Inputs (4, 7) and targets (4, STEPS) which end with IGNORED at different places."""
    torch.manual_seed(seed)
    targets = torch.randint(0, SIGNS, (4, STEPS))
    for row, asked in enumerate([6, 3, 1, 5]):
        targets[row, asked:] = IGNORED
    return torch.randint(0, 7, (4, 7)), targets


# ---- the same network once more, one sequence and one step at a time


def step_by_hand(cell: str, weights: dict[str, Tensor], x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """One step of one sequence: x (I,) and (h,) or (h, c), each (H,) → the next state, with torch's own cells."""
    given, before = x[None], tuple(part[None] for part in state)
    ordered = [weights[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    if cell == "lstm_relu":
        z = given @ ordered[0].T + ordered[2] + before[0] @ ordered[1].T + ordered[3]
        i, f, g, o = z.chunk(4, dim=1)
        c = f.sigmoid() * before[1] + i.sigmoid() * g.relu()
        return (o.sigmoid() * c.relu())[0], c[0]
    made = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn_tanh": nn.RNNCell, "rnn_relu": nn.RNNCell}[cell]
    how = {"nonlinearity": cell[4:]} if cell.startswith("rnn") else {}
    of = made(len(x), len(state[0]), dtype=x.dtype, **how)
    named = dict(zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), ordered, strict=True))
    after = torch.func.functional_call(of, named, (given, before if cell == "lstm" else before[0]))
    return tuple(part[0] for part in after) if isinstance(after, tuple) else (after[0],)


def weights_of(rnn: nn.RNNBase, suffix: str) -> dict[str, Tensor]:
    return {kind: getattr(rnn, f"{kind}_{suffix}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}


def layers_by_hand(
    cell: str, rnn: nn.RNNBase, x: list[Tensor], start: list[tuple[Tensor, ...]] | None, cut: int | None = None
) -> tuple[list[Tensor], list[tuple[Tensor, ...]]]:
    """One sequence through all layers: x of T (I,) → T outputs and the last state of each layer and direction."""
    finals = []
    for layer in range(rnn.num_layers):
        read = []
        for backward in range(2 if rnn.bidirectional else 1):
            weights = weights_of(rnn, f"l{layer}" + "_reverse" * backward)
            zeros = (x[0].new_zeros(rnn.hidden_size),) * len(CELLS[cell].states)
            state = zeros if start is None else start[len(finals)]
            outputs = []
            for t, at in enumerate(reversed(x) if backward else x):
                if cut and t % cut == 0:
                    state = tuple(part.detach() for part in state)
                state = step_by_hand(cell, weights, at, state)
                outputs.append(state[0])
            finals.append(state)
            read.append(outputs[::-1] if backward else outputs)
        x = [torch.cat(at) for at in zip(*read, strict=True)]
    return x, finals


def score_by_hand(kind: str, attention: nn.Module, query: Tensor, key: Tensor) -> Tensor:
    named = dict(attention.named_parameters())
    if kind == "dot":
        return query @ key
    if kind == "scaled":
        return query @ key / math.sqrt(len(key))
    if kind == "general":
        return query @ (named["key.weight"] @ key)
    inner = named["query.weight"] @ query + named["query.bias"] + named["key.weight"] @ key
    return named["score.weight"][0] @ torch.tanh(inner)


def answer_by_hand(kind: str, model: SequenceModel, query: Tensor, keys: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The logits (K,) and the weights over the keys."""
    if kind == "none":
        return model.head.weight @ query + model.head.bias, query.new_zeros(0)
    assert model.attention is not None
    scores = torch.stack([score_by_hand(kind, model.attention, query, key) for key in keys])
    weights = scores.exp() / scores.exp().sum()
    context = sum(weight * key for weight, key in zip(weights, keys, strict=True))
    assert isinstance(context, Tensor)
    return model.head.weight @ torch.cat([context, query]) + model.head.bias, weights


def decode_by_hand(
    cell: str, kind: str, model: SequenceModel, tokens: Tensor, truth: Tensor | None
) -> tuple[Tensor, Tensor]:
    """One sequence, without padding: logits (S, K) and weights (S, T); greedy where there is no truth (S,)."""
    assert model.embedding is not None
    assert model.decoder is not None
    assert model.target_embedding is not None
    keys, finals = layers_by_hand(cell, model.rnn, [model.embedding.weight[token] for token in tokens], None)
    if model.rnn.bidirectional:  # both directions side by side
        pairs = zip(finals[::2], finals[1::2], strict=True)
        finals = [tuple(torch.cat(both) for both in zip(forward, backward)) for forward, backward in pairs]
    token, logits, weights = SIGNS, [], []  # the number after the signs is «begin»
    for step in range(STEPS):
        outputs, finals = layers_by_hand(cell, model.decoder, [model.target_embedding.weight[token]], finals)
        answer, seen = answer_by_hand(kind, model, outputs[0], keys)
        logits.append(answer)
        weights.append(seen)
        token = int(answer.argmax()) if truth is None else max(0, int(truth[step]))
    return torch.stack(logits), torch.stack(weights)


# ---- a: teacher forcing, its loss and its gradients; b: greedy decoding


KINDS = [(cell, attention, both) for cell in ("lstm", "gru") for attention in ("none", *ATTENTIONS) for both in (0, 1)]
KINDS += [(cell, *how) for cell in CELLS if cell not in ("lstm", "gru") for how in (("none", 0), ("general", 1))]


@pytest.mark.parametrize(("cell", "attention", "bidirectional"), KINDS)
def test_decoding_equals_loops_of_cells(cell: str, attention: str, bidirectional: int) -> None:
    layers = 2 if cell in ("lstm", "gru") else 1
    model = model_of(DECODED, cell=cell, attention=attention, bidirectional=bool(bidirectional), num_layers=layers)
    tokens, targets = some_tokens()
    for truth in (targets, None):
        model.zero_grad()
        output = model(tokens, LENGTHS, targets=truth)
        assert output.prediction.shape == (4, STEPS, SIGNS)
        logits = []
        for row, length in enumerate(LENGTHS.tolist()):
            alone = None if truth is None else truth[row]
            expected, weights = decode_by_hand(cell, attention, model, tokens[row, :length], alone)
            torch.testing.assert_close(output.prediction[row], expected, **TIGHT)
            if attention != "none":
                torch.testing.assert_close(output.attention[row, :, :length], weights, **TIGHT)
                assert (output.attention[row, :, length:] == 0).all()
            logits.append(expected)
        if truth is None:
            continue
        loss = LOSSES["cross_entropy"](output.prediction, targets)
        loss.backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        model.zero_grad()
        chosen = torch.stack(logits).log_softmax(-1)
        terms = [chosen[b, s, t] for b, row in enumerate(targets.tolist()) for s, t in enumerate(row) if t != IGNORED]
        by_hand = -torch.stack(terms).mean()
        torch.testing.assert_close(loss, by_hand, **TIGHT)
        by_hand.backward()
        for got, parameter in zip(gradients, model.parameters(), strict=True):
            assert parameter.grad is not None
            torch.testing.assert_close(got, parameter.grad, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("spec", [DECODED, EACH], ids=["decoded", "steps"])
@pytest.mark.parametrize(("cell", "attention", "bidirectional"), KINDS)
def test_padding_has_no_influence(spec: Spec, cell: str, attention: str, bidirectional: int) -> None:
    model = model_of(spec, cell=cell, attention=attention, bidirectional=bool(bidirectional))
    tokens, _ = some_tokens()
    other = torch.where(torch.arange(7) < LENGTHS[:, None], tokens, (tokens + 3) % 7)
    assert not torch.equal(tokens, other)
    one, two = model(tokens, LENGTHS), model(other, LENGTHS)
    if spec is DECODED:
        assert torch.equal(one.prediction, two.prediction)
    for row, length in enumerate(LENGTHS):
        assert torch.equal(one.prediction[row, :length], two.prediction[row, :length])
        if one.attention is not None:
            assert (one.attention[row, :, length:] == 0).all()
            assert torch.equal(one.attention[row, :length], two.attention[row, :length])


# ---- c: one figure for both ways of decoding


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    cell=st.sampled_from(list(CELLS)),
    attention=st.sampled_from(["none", *ATTENTIONS]),
    sharp=st.sampled_from([1.0, 5.0]),
)
def test_exact_is_the_same_with_the_truth_given_and_without(seed: int, cell: str, attention: str, sharp: float) -> None:
    task = Reversing(length=2, letters=2)
    model = SequenceModel(
        ModelConfig.model_validate({"hidden_size": 4, "cell": cell, "attention": attention}), task.spec
    )
    batch = task.generate(np.random.default_rng(seed), 60)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, sharp)
        inputs, targets, lengths = (torch.from_numpy(part) for part in (batch.inputs, batch.targets, batch.lengths))
        forced, free = model(inputs, lengths, targets=targets).prediction, model(inputs, lengths).prediction
        # some of the answers that this model gives by itself are made the truth, so that many are exact
        said = free.argmax(-1)
        targets = torch.where((torch.arange(60) % 2 == 0)[:, None] & (targets != IGNORED), said, targets)
        forced = model(inputs, lengths, targets=targets).prediction
    measured = [task.metrics(prediction.numpy(), targets.numpy())["exact"] for prediction in (forced, free)]
    assert measured[0] == measured[1] >= 0.5


# ---- d: attention over the past alone


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_causal_attention_equals_its_definition_and_never_sees_the_future(attention: str, cell: str) -> None:
    model = model_of(EACH, cell=cell, attention=attention)
    tokens, _ = some_tokens()
    output = model(tokens, LENGTHS)
    assert model.embedding is not None
    for row, length in enumerate(LENGTHS.tolist()):
        keys, _ = layers_by_hand(cell, model.rnn, [model.embedding.weight[t] for t in tokens[row, :length]], None)
        for t in range(length):
            expected, weights = answer_by_hand(attention, model, keys[t], keys[: t + 1])
            torch.testing.assert_close(output.prediction[row, t], expected, **TIGHT)
            torch.testing.assert_close(output.attention[row, t, : t + 1], weights, **TIGHT)
            assert (output.attention[row, t, t + 1 :] == 0).all()
    sums = output.attention.sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums), **TIGHT)
    whole = model(tokens)
    for t in range(1, 7):
        changed = tokens.clone()
        changed[:, t:] = (changed[:, t:] + 1) % 7
        after = model(changed)
        assert torch.equal(after.prediction[:, :t], whole.prediction[:, :t])
        assert torch.equal(after.attention[:, :t], whole.attention[:, :t])
        assert not torch.equal(after.prediction[:, t], whole.prediction[:, t])


# ---- e: truncated gradients


def gradients_of(model: SequenceModel, loss: Tensor) -> list[Tensor]:
    model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    cell=st.sampled_from(list(CELLS)),
    cut=st.integers(1, 7),
    lengths=st.none() | st.lists(st.integers(1, 7), min_size=4, max_size=4),
    spec=st.sampled_from([DECODED, EACH, Spec(outputs=SIGNS, loss="cross_entropy", vocabulary=7)]),
    attention=st.sampled_from(["none", "general"]),
    layers=st.integers(1, 2),
    batch_first=st.booleans(),
)
def test_a_truncated_gradient_is_autograds_on_a_graph_that_is_cut(
    cell: str, cut: int, lengths: list[int] | None, spec: Spec, attention: str, layers: int, batch_first: bool
) -> None:
    model = model_of(spec, cell=cell, attention=attention, num_layers=layers, batch_first=batch_first)
    tokens, targets = some_tokens()
    answers = {"decoded": targets, "steps": targets.repeat(1, 2)[:, :7].clamp(min=0), "sequence": tokens[:, 0] % SIGNS}
    truth = answers[spec.answers]
    told = None if lengths is None else torch.tensor(lengths)
    if spec.answers == "steps" and told is not None:
        truth = truth.masked_fill(torch.arange(7) >= told[:, None], IGNORED)
    output = model(tokens, told, cut, targets=truth)
    truncated = gradients_of(model, functional.cross_entropy(output.prediction.flatten(0, -2), truth.flatten()))

    assert model.embedding is not None
    rows, finals = [], []
    for row, length in enumerate(lengths or [7] * 4):
        x = [model.embedding.weight[token] for token in tokens[row, :length]]
        outputs, final = layers_by_hand(cell, model.rnn, x, None, cut)
        rows.append(torch.stack(outputs + [outputs[0].new_zeros(model.rnn.hidden_size)] * (7 - length)))
        finals.append(final)
    final = tuple(
        torch.stack([torch.stack([of[layer][part] for of in finals]) for layer in range(layers)])
        for part in range(len(CELLS[cell].states))
    )
    answer = model.answer(torch.stack(rows, dim=1), told, final if len(final) > 1 else final[0], truth)
    torch.testing.assert_close(output.prediction, answer.prediction, **TIGHT)
    loss = functional.cross_entropy(answer.prediction.flatten(0, -2), truth.flatten())
    expected = gradients_of(model, loss)
    assert len(truncated) == len(expected) == len(list(model.parameters()))
    for got, wanted in zip(truncated, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["equal", "different"])
def test_a_horizon_of_the_whole_sequence_cuts_nothing(cell: str, lengths: Tensor | None) -> None:
    model = model_of(DECODED, cell=cell, attention="dot")
    tokens, targets = some_tokens()
    whole, full, short = (
        gradients_of(model, LOSSES["cross_entropy"](model(tokens, lengths, cut, targets=targets).prediction, targets))
        for cut in (None, 7, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(whole, full, strict=True))
    assert not all(torch.allclose(a, b) for a, b in zip(whole, short, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_pieces_of_a_text_with_the_state_carried_are_the_text_in_one_go(cell: str) -> None:
    model = model_of(EACH, cell=cell, num_layers=2)
    tokens = torch.randint(0, 7, (3, 20))
    whole = model(tokens)
    state, pieces = None, []
    for start in range(0, 20, 5):
        output = model(tokens[:, start : start + 5], state=state)
        state = detached(output.state)
        pieces.append(output.prediction)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole.prediction, **TIGHT)
