"""Attention pooled over time: the answer may look at every time step directly.

A new kind is one function or module and one line in `ATTENTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn


class DotAttention(nn.Module):
    """score_t = q · k_t (Luong et al., 2015); nothing to learn."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """query (B, D), keys (T, B, D) → scores (T, B)."""
        return torch.einsum("bd,tbd->tb", query, keys)


class AdditiveAttention(nn.Module):
    """score_t = v · tanh(W_q q + W_k k_t) (Bahdanau et al., 2015)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """query (B, D), keys (T, B, D) → scores (T, B)."""
        scores: Tensor = self.score(torch.tanh(self.query(query) + self.key(keys)))
        return scores.squeeze(-1)


ATTENTIONS: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType(
    {"dot": DotAttention, "additive": AdditiveAttention}
)


def pool(scores: Tensor, keys: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Scores (T, B) and keys (T, B, D) → context (B, D) and weights (T, B), which sum to 1 over time.

    A padded position, at or beyond its sequence's length, gets a weight of exactly 0.
    """
    if lengths is not None:
        padded = torch.arange(len(scores))[:, None] >= lengths[None, :]
        scores = scores.masked_fill(padded, float("-inf"))
    weights = torch.softmax(scores, dim=0)
    return torch.einsum("tb,tbd->bd", weights, keys), weights
