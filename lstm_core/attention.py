"""Attention: an answer may look at every time step directly. One score for each pair of a query and a key.

A new kind is one module and one line in `ATTENTIONS`. The same four kinds serve three places: one query per sequence
(pooled), one for each time step (causal: over the past only), one for each step of a decoder (over the encoder).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

PAIRS = 2**26  # numbers that are held at once for pairs of a query and a key: 256 MiB
AGAIN: Mapping[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}  # nothing here is random


class DotAttention(nn.Module):
    """score = q · k (Luong et al., 2015, https://arxiv.org/abs/1508.04025); nothing to learn."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """queries (S, B, D), keys (T, B, D) → scores (B, S, T); so for every kind of attention."""
        return torch.einsum("sbd,tbd->bst", queries, keys)


class ScaledAttention(DotAttention):
    """score = q · k / √D (Vaswani et al., 2017, https://arxiv.org/abs/1706.03762); nothing to learn."""

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        return super().forward(queries / math.sqrt(queries.shape[-1]), keys)


class GeneralAttention(DotAttention):
    """score = q · W k (Luong et al., 2015)."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.key = nn.Linear(width, width, bias=False)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        return super().forward(queries, self.key(keys))


class AdditiveAttention(nn.Module):
    """score = v · tanh(W_q q + W_k k) (Bahdanau et al., 2015, https://arxiv.org/abs/1409.0473).

    It holds a vector for every pair of a query and a key. Where these would be more than `PAIRS` numbers, as in a
    whole validation part with an answer per step, the keys are taken in turns, and computed again on the way back.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        query, key = self.query(queries), self.key(keys)
        turns = key.split(max(1, PAIRS // query.numel()))
        if len(turns) == 1:
            return self._scores(query, key)
        return torch.cat([checkpoint(self._scores, query, turn, **AGAIN) for turn in turns], dim=-1)

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        pairs = torch.tanh(query[:, None] + key[None])  # (S, T, B, D)
        scores: Tensor = self.score(pairs).squeeze(-1).permute(2, 0, 1)
        return scores


ATTENTIONS: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType(
    {"dot": DotAttention, "scaled": ScaledAttention, "general": GeneralAttention, "additive": AdditiveAttention}
)


def attend(scores: Tensor, keys: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Scores (B, S, T) and keys (T, B, D) → context (S, B, D) and weights (B, S, T), which sum to 1 over T.

    `mask`, true where a query may not look, gives a weight of exactly 0 there; every query must see something.
    """
    if mask is not None:
        scores = scores.masked_fill(mask, float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    return torch.einsum("bst,tbd->sbd", weights, keys), weights


def padded(lengths: Tensor, steps: int) -> Tensor:
    """(B, 1, T): true at and beyond each sequence's end."""
    return (torch.arange(steps, device=lengths.device) >= lengths[:, None])[:, None]


def future(steps: int, device: torch.device | None = None) -> Tensor:
    """(1, T, T): true where the key comes after the query."""
    return torch.ones(steps, steps, dtype=torch.bool, device=device).triu(1)[None]
