from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lstm_core.attention import ATTENTIONS, AdditiveAttention, GeneralAttention, attend
from lstm_core.config import ModelConfig
from lstm_core.gradients import Gradients
from lstm_core.model import SequenceModel, build
from lstm_core.naming import blocks, layer_names
from lstm_core.recipes import InitConfig
from lstm_core.tasks.base import Spec

TOKENS, NUMBERS = Spec(outputs=3, loss="cross_entropy", vocabulary=7), Spec(outputs=1, loss="mse", features=4)


def lstm_by_hand(rnn: nn.LSTM, x: Tensor) -> Tensor:
    """(T, B, I) → (T, B, D) with one `nn.LSTMCell` per layer and direction."""
    for layer in range(rnn.num_layers):
        outputs = []
        for suffix in ("", "_reverse") if rnn.bidirectional else ("",):
            cell = nn.LSTMCell(x.shape[-1], rnn.hidden_size).to(x.dtype)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                setattr(cell, name, nn.Parameter(getattr(rnn, f"{name}_l{layer}{suffix}").detach().clone()))
            state, steps = None, []
            for step in x.flip(0) if suffix else x:
                state = cell(step, state)
                steps.append(state[0])
            outputs.append(torch.stack(steps[::-1] if suffix else steps))
        x = torch.cat(outputs, -1)
    return x


def score(module: nn.Module | None, kind: str, query: Tensor, key: Tensor) -> Tensor:
    """One number for one query and one key, (D,) each, as the papers write it."""
    if kind == "general":
        assert isinstance(module, GeneralAttention)
        return query @ (module.key.weight @ key)
    if kind == "additive":
        assert isinstance(module, AdditiveAttention)
        inside = module.query.weight @ query + module.query.bias + module.key.weight @ key
        return module.score.weight[0] @ torch.tanh(inside)
    return query @ key / (math.sqrt(len(key)) if kind == "scaled" else 1)


@pytest.mark.parametrize("attention", ["none", *ATTENTIONS])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_the_prediction_equals_one_written_by_hand(attention: str, bidirectional: bool, batch_first: bool) -> None:
    torch.manual_seed(0)
    config = ModelConfig.model_validate(
        {"hidden_size": 5, "num_layers": 2, "bidirectional": bidirectional, "batch_first": batch_first}
        | {"attention": attention}
    )
    model = SequenceModel(config, TOKENS).double()
    tokens = torch.randint(0, 7, (4, 9))
    assert model.embedding is not None
    outputs = lstm_by_hand(model.rnn, model.embedding(tokens).transpose(0, 1))
    query = torch.cat([outputs[-1, :, :5], outputs[0, :, 5:]], -1)
    features = query
    if attention != "none":
        contexts = []
        for b in range(4):
            scores = torch.stack([score(model.attention, attention, query[b], key) for key in outputs[:, b]])
            weights = scores.exp() / scores.exp().sum()
            contexts.append((weights[:, None] * outputs[:, b]).sum(0))
        features = torch.cat([torch.stack(contexts), query], -1)
    expected = features @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model(tokens).prediction, expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    attention=st.sampled_from(["none", *ATTENTIONS]),
    bidirectional=st.booleans(),
    layers=st.integers(1, 2),
    batch_first=st.booleans(),
)
def test_a_padded_batch_equals_its_sequences_one_by_one(
    lengths: list[int], attention: str, bidirectional: bool, layers: int, batch_first: bool
) -> None:
    torch.manual_seed(1)
    config = ModelConfig.model_validate(
        {"hidden_size": 4, "num_layers": layers, "bidirectional": bidirectional, "batch_first": batch_first}
        | {"attention": attention}
    )
    model = SequenceModel(config, NUMBERS).double()
    x = torch.randn(len(lengths), max(lengths), 4, dtype=torch.float64)
    together = model(x, torch.tensor(lengths))
    for b, length in enumerate(lengths):
        alone = model(x[b : b + 1, :length])
        torch.testing.assert_close(together.prediction[b : b + 1], alone.prediction, rtol=1e-9, atol=1e-12)
        if together.attention is not None:
            assert (together.attention[b, length:] == 0).all()
            assert together.attention[b].sum().item() == pytest.approx(1)


@pytest.mark.parametrize("queries", [1, 7])
def test_additive_attention_over_many_pairs_takes_them_in_turns(monkeypatch: pytest.MonkeyPatch, queries: int) -> None:
    torch.manual_seed(0)
    scores = AdditiveAttention(4)
    asked, seen = torch.randn(queries, 3, 4, requires_grad=True), torch.randn(9, 3, 4, requires_grad=True)
    given = [asked, seen, *scores.parameters()]
    whole = scores(asked, seen)
    expected = torch.autograd.grad(whole.square().sum(), given)

    held: list[int] = []
    tanh = torch.tanh
    monkeypatch.setattr("lstm_core.attention.PAIRS", 2 * asked.numel() + 1)
    monkeypatch.setattr("lstm_core.attention.torch.tanh", lambda x: held.append(x.numel()) or tanh(x))
    found = scores(asked, seen)
    torch.testing.assert_close(found, whole)
    torch.testing.assert_close(torch.autograd.grad(found.square().sum(), given), expected)
    assert max(held) <= 2 * asked.numel()


def test_weights_of_attention_sum_to_one_and_large_scores_do_no_harm() -> None:
    scores = torch.tensor([[[1e4, 0.0, 1e4]], [[-1e4, 0.0, 3.0]]])  # (B, S, T) = (2, 1, 3)
    _, weights = attend(scores, torch.randn(3, 2, 5))
    assert torch.isfinite(weights).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 1))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(bptt=st.integers(1, 12), layers=st.integers(1, 2), attention=st.sampled_from(["none", "dot"]))
def test_truncated_bptt_is_autograd_on_the_detached_graph(bptt: int, layers: int, attention: str) -> None:
    torch.manual_seed(2)
    config = ModelConfig.model_validate({"hidden_size": 4, "num_layers": layers, "attention": attention})
    model = SequenceModel(config, NUMBERS).double()
    x = torch.randn(3, 12, 4, dtype=torch.float64)
    model(x, None, bptt).prediction.square().sum().backward()
    truncated = [p.grad.clone() for p in model.parameters() if p.grad is not None]

    model.zero_grad()
    h, c = (torch.zeros(layers, 3, 4, dtype=torch.float64) for _ in "hc")
    steps = []
    for t in range(12):  # one step at a time; the state is cut off wherever a piece begins
        if t % bptt == 0:
            h, c = h.detach(), c.detach()
        output, (h, c) = model.rnn(x[:, t : t + 1].transpose(0, 1), (h, c))
        steps.append(output)
    model.answer(torch.cat(steps)).prediction.square().sum().backward()
    for got, parameter in zip(truncated, model.parameters(), strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(got, parameter.grad, rtol=1e-9, atol=1e-12)


def test_every_argument_reaches_the_layer() -> None:
    config = ModelConfig(
        hidden_size=6, num_layers=3, bias=False, batch_first=True, dropout=0.25, bidirectional=True, proj_size=2
    )
    rnn = SequenceModel(config, NUMBERS).rnn
    asked = nn.LSTM(4, 6, num_layers=3, bias=False, batch_first=True, dropout=0.25, bidirectional=True, proj_size=2)
    assert repr(rnn) == repr(asked)


def test_the_first_weights_depend_on_the_seed_alone() -> None:
    def weights(seed: int) -> Tensor:
        model = build(ModelConfig(attention="additive"), InitConfig(), TOKENS, length=9, seed=seed)
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    before = torch.get_rng_state()
    first = weights(1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(first, weights(1))
    assert not torch.equal(first, weights(2))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("proj_size", [0, 2])
def test_gradient_norms_equal_those_of_the_single_parameters(bidirectional: bool, proj_size: int) -> None:
    torch.manual_seed(0)
    config = ModelConfig(
        hidden_size=5, num_layers=2, bidirectional=bidirectional, proj_size=proj_size, attention="additive"
    )
    model = SequenceModel(config, TOKENS)
    gradients = Gradients(model)
    gradients.zero()
    model(torch.randint(0, 7, (4, 9))).prediction.square().sum().backward()
    norms = gradients.norms()

    grads = {name: p.grad.double().numpy() for name, p in model.named_parameters() if p.grad is not None}
    norm = np.linalg.norm
    for suffix, layer in [("l0", "l0.fwd"), ("l1", "l1.fwd")] + [("l1_reverse", "l1.bwd")] * bidirectional:
        for k, gate in enumerate("ifgo"):
            rows = slice(5 * k, 5 * (k + 1))
            for kind in ("weight_ih", "weight_hh"):
                expected = norm(grads[f"rnn.{kind}_{suffix}"][rows])
                assert norms[f"grad_norm/{layer}.{kind}.{gate}"] == pytest.approx(expected, rel=1e-6)
            both = [norm(grads[f"rnn.{kind}_{suffix}"][rows]) for kind in ("bias_ih", "bias_hh")]
            assert norms[f"grad_norm/{layer}.bias.{gate}"] == pytest.approx(math.hypot(*both), rel=1e-6)
    for part in ("embedding", "attention", "head"):
        expected = math.hypot(*(norm(g) for name, g in grads.items() if name.startswith(part)))
        assert norms[f"grad_norm/{part}"] == pytest.approx(expected, rel=1e-6)
    assert norms["grad_norm/total"] == pytest.approx(math.hypot(*(norm(g) for g in grads.values())), rel=1e-6)


@pytest.mark.parametrize("threshold", [1e-3, 0.5, 1e5])
def test_clipping_equals_torchs(threshold: float) -> None:
    for mode, reference in [("norm", nn.utils.clip_grad_norm_), ("value", nn.utils.clip_grad_value_)]:
        torch.manual_seed(0)
        model = SequenceModel(ModelConfig(hidden_size=5), TOKENS)
        gradients = Gradients(model)
        model(torch.randint(0, 7, (4, 9))).prediction.square().sum().backward()
        twin = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        for parameter, gradient in zip(twin, list(twin), strict=True):
            parameter.grad = gradient.clone()
        after = gradients.clip(mode, threshold, gradients.norms()["grad_norm/total"])  # type: ignore[arg-type]
        reference(twin, threshold)
        for parameter, expected in zip(model.parameters(), twin, strict=True):
            torch.testing.assert_close(parameter.grad, expected.grad, rtol=1e-5, atol=1e-9)
        flat = torch.cat([t.grad.flatten().double() for t in twin if t.grad is not None])
        assert after == pytest.approx(flat.norm().item(), rel=1e-5)


def test_names_follow_torchs_order() -> None:
    model = SequenceModel(ModelConfig(hidden_size=3, num_layers=2, bidirectional=True), TOKENS)
    assert layer_names(model.rnn) == ["l0.fwd", "l0.bwd", "l1.fwd", "l1.bwd"]
    assert sum(size for _, size in blocks(model)) == sum(p.numel() for p in model.parameters())
