"""The attention of a run as source text: one class, of the one kind that the run has."""

from __future__ import annotations

BEYOND_END = '''\
def beyond_end(lengths, steps):
    """(B, 1, T): true at and beyond the end of each sequence."""
    return (torch.arange(steps) >= lengths[:, None])[:, None]'''
PAIRS = [
    "    def pairs(self, query, key):",
    "        pairs = torch.tanh(query[:, None] + key[None])  # (S, T, B, D)",
    "        return self.score(pairs).squeeze(-1).permute(2, 0, 1)  # (B, S, T)",
]


def attention(kind: str, width: str, masked: bool, in_turns: bool) -> str:
    """The class `Attention` of a kind, for outputs of that width.

    `masked` says whether there is anything that a query may not see, `in_turns` whether there are so many pairs of a
    query and a key that the keys are taken in turns.
    """
    made = {
        "general": [f"self.key = nn.Linear({width}, {width}, bias=False)"],
        "additive": [
            f"self.query = nn.Linear({width}, {width})",
            f"self.key = nn.Linear({width}, {width}, bias=False)",
            f"self.score = nn.Linear({width}, 1, bias=False)",
        ],
    }.get(kind, [])
    says = {
        "dot": "score = q · k (Luong et al., 2015)",
        "scaled": "score = q · k / √D (Vaswani et al., 2017)",
        "general": "score = q · W k (Luong et al., 2015)",
        "additive": "score = v · tanh(W_q q + W_k k) (Bahdanau et al., 2015)",
    }[kind]
    init = ["    def __init__(self):", "        super().__init__()", *(f"        {line}" for line in made), ""]
    shapes = '        """queries (S, B, D), keys (T, B, D) → what the queries see of the keys, (S, B, D)."""'
    lines = [
        "class Attention(nn.Module):",
        f'    """{says}."""',
        "",
        *(init if made else []),
        f"    def forward(self, queries, keys{', hidden' if masked else ''}):",
        shapes,
        *(f"        {line}" for line in _scores(kind, in_turns)),
    ]
    if masked:
        lines.append('        scores = scores.masked_fill(hidden, float("-inf"))')
    lines += [
        "        weights = torch.softmax(scores, dim=-1)  # (B, S, T)",
        '        return torch.einsum("bst,tbd->sbd", weights, keys)',
    ]
    if in_turns:
        lines += ["", *PAIRS]
    return "\n".join(lines)


def _scores(kind: str, in_turns: bool) -> list[str]:
    """Lines that make `scores` (B, S, T) of the queries and keys."""
    product = 'scores = torch.einsum("sbd,tbd->bst", {}, {})'
    if kind == "additive":
        if in_turns:
            return [
                "query, key = self.query(queries), self.key(keys)",
                "turns = key.split(max(1, 2**26 // query.numel()))  # in turns, for the sake of memory",
                "scores = [checkpoint(self.pairs, query, turn, use_reentrant=False) for turn in turns]",
                "scores = torch.cat(scores, dim=-1)",
            ]
        return [
            "pairs = torch.tanh(self.query(queries)[:, None] + self.key(keys)[None])  # (S, T, B, D)",
            "scores = self.score(pairs).squeeze(-1).permute(2, 0, 1)  # (B, S, T)",
        ]
    queries = "queries / math.sqrt(queries.shape[-1])" if kind == "scaled" else "queries"
    return [product.format(queries, "self.key(keys)" if kind == "general" else "keys")]
