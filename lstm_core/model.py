"""The network of every run: embedding → recurrent layers → attention → head, and a decoder where a sequence answers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lstm_core.attention import ATTENTIONS, attend, future, padded
from lstm_core.cells import CELLS
from lstm_core.config import ModelConfig
from lstm_core.initializers import initialize, initialize_module
from lstm_core.recipes import InitConfig
from lstm_core.recurrent import make
from lstm_core.tasks.base import Batch, Spec

# the setting's own help says that a projection is slower; torch would say it again for every network
warnings.filterwarnings("ignore", message="LSTM with projections is not supported with oneDNN")

State = Tensor | tuple[Tensor, ...]  # h, or (h, c), each (layers · directions, B, ·)


class Output(NamedTuple):
    prediction: Tensor  # (B, K), one per step (B, T, K), or of another sequence (B, S, K)
    attention: Tensor | None = None  # weights over the inputs, (B, T), (B, T, T) or (B, S, T)
    state: State | None = None  # of the recurrent layers after the last step


class Tensors(NamedTuple):
    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None


def as_tensors(batch: Batch, device: torch.device | str = "cpu") -> Tensors:
    """A batch on a device; on the CPU the tensors share its memory. `lengths` stay on the CPU, where torch packs."""
    lengths = None if batch.lengths is None else torch.from_numpy(batch.lengths)
    return Tensors(torch.from_numpy(batch.inputs).to(device), torch.from_numpy(batch.targets).to(device), lengths)


class SequenceModel(nn.Module):
    """What the head reads depends on what is asked for.

    One answer per sequence: the last output of each direction and, with attention, the view over all time steps for
    which that output is the query. One answer per step: the output of the step and, with attention, its view over
    itself and what came before. Another sequence: the outputs of a decoder, which begins with the encoder's last state
    and reads, step by step, the answer so far; with attention also their views over the encoder's outputs.
    """

    def __init__(self, config: ModelConfig, spec: Spec) -> None:
        super().__init__()
        self.answers, self.decoded_steps = spec.answers, spec.decoded_steps
        directions = 2 if config.bidirectional else 1
        width = (config.proj_size or config.hidden_size) * directions
        self.embedding = nn.Embedding(spec.vocabulary, config.embedding_size) if spec.vocabulary else None
        same: dict[str, Any] = {"num_layers": config.num_layers, "bias": config.bias, "dropout": config.dropout}
        self.rnn = make(
            config.cell,
            config.embedding_size if spec.vocabulary else spec.features or 1,
            config.hidden_size,
            batch_first=config.batch_first,
            bidirectional=config.bidirectional,
            proj_size=config.proj_size,
            **same,
        )
        self.attention = None if config.attention == "none" else ATTENTIONS[config.attention](width)
        self.head = nn.Linear(width if self.attention is None else 2 * width, spec.outputs)
        self.target_embedding: nn.Embedding | None = None
        self.decoder: nn.RNNBase | None = None
        if spec.answers == "decoded":
            # as wide as both directions of the encoder together, whose last state is its first
            hidden, projected = config.hidden_size * directions, config.proj_size * directions
            self.target_embedding = nn.Embedding(spec.outputs + 1, config.embedding_size)  # one more: «begin»
            self.decoder = make(config.cell, config.embedding_size, hidden, proj_size=projected, **same)

    def forward(
        self,
        inputs: Tensor,
        lengths: Tensor | None = None,
        bptt_length: int | None = None,
        state: State | None = None,
        targets: Tensor | None = None,
    ) -> Output:
        """inputs (B, T) tokens or (B, T, I) numbers → `Output`.

        `bptt_length` cuts the gradient every so many steps, `state` is what the recurrent layers begin with. A decoder
        is given the true answers (B, S) before each step where there are `targets`, else its own.
        """
        outputs, final = self.recur(self.embed(inputs), lengths, bptt_length, state)
        return self.answer(outputs, lengths, final, targets)

    def embed(self, inputs: Tensor) -> Tensor:
        """(B, T) or (B, T, I) → what the recurrent layers read, in the layout they were made for."""
        x = inputs if self.embedding is None else self.embedding(inputs)  # (B, T, I)
        return x if self.rnn.batch_first else x.transpose(0, 1)

    def recur(
        self, x: Tensor, lengths: Tensor | None = None, bptt_length: int | None = None, state: State | None = None
    ) -> tuple[Tensor, State]:
        """The recurrent layers' outputs, always time first, (T, B, D), and their last state."""
        time = 1 if self.rnn.batch_first else 0
        steps = x.shape[time]
        if bptt_length is not None and bptt_length < steps:
            return self._recur_in_pieces(x if time == 0 else x.transpose(0, 1), lengths, bptt_length, state)
        if lengths is None:
            outputs, final = self.rnn(x, state)
            return outputs.transpose(0, 1) if time else outputs, final
        packed = pack_padded_sequence(x, lengths, batch_first=bool(time), enforce_sorted=False)
        outputs, final = self.rnn(packed, state)
        return pad_packed_sequence(outputs, total_length=steps)[0], final

    def _recur_in_pieces(
        self, x: Tensor, lengths: Tensor | None, bptt_length: int, state: State | None
    ) -> tuple[Tensor, State]:
        """As `recur`, x (T, B, I): the state is carried over from piece to piece, the gradient is not.

        A sequence that has ended takes no part in later pieces and keeps its last state.
        """
        outputs = []
        longest = len(x) if lengths is None else int(lengths.max())
        for start in range(0, longest, bptt_length):
            piece = x[start : start + bptt_length]
            before = None if state is None else detached(state)
            if lengths is None or bool((lengths >= start + len(piece)).all()):
                output, state = self.rnn(piece.transpose(0, 1) if self.rnn.batch_first else piece, before)
                output = output.transpose(0, 1) if self.rnn.batch_first else output
            else:
                output, state = self._recur_where_left(piece, lengths - start, before, state)
            outputs.append(output)
        assert state is not None
        ended = x.new_zeros(len(x) - sum(map(len, outputs)), *outputs[0].shape[1:])  # padding in every sequence
        return torch.cat([*outputs, ended]), state

    def _recur_where_left(
        self, piece: Tensor, left: Tensor, before: State | None, state: State | None
    ) -> tuple[Tensor, State]:
        """One piece for those sequences of which something is `left` (B,); the others keep their `state`."""
        rows = torch.nonzero(left > 0).squeeze(1)
        here = rows.to(piece.device)
        packed = pack_padded_sequence(piece[:, here], left[rows].clamp(max=len(piece)), enforce_sorted=False)
        given, after = self.rnn(packed, None if before is None else _map(before, lambda s: s[:, here]))
        output = pad_packed_sequence(given, total_length=len(piece))[0]
        outputs = output.new_zeros(len(piece), len(left), output.shape[-1]).index_copy(1, here, output)
        return outputs, after if state is None else _merge(state, after, here)

    def answer(
        self,
        outputs: Tensor,
        lengths: Tensor | None = None,
        final: State | None = None,
        targets: Tensor | None = None,
    ) -> Output:
        """Outputs (T, B, D) and last state of the recurrent layers → `Output`; the other arguments as in `forward`."""
        if self.answers == "sequence":
            return self._one(outputs, lengths, final)
        mask = None if lengths is None else padded(lengths.to(outputs.device), len(outputs))
        if self.answers == "steps":
            causal = future(len(outputs), outputs.device)
            return self._each(outputs, outputs, causal if mask is None else causal | mask, final)
        assert final is not None, "a decoder begins with the encoder's last state"
        if targets is None:
            return self._decode(outputs, mask, final)
        assert self.decoder is not None
        decoded, _ = self.decoder(self._given(targets), self._first(final))
        return self._each(decoded, outputs, mask, final)

    def latest(self, outputs: Tensor) -> Tensor:
        """The answer (B, K) of the last of the outputs (T, B, D), which may look at all of them."""
        return self._each(outputs[-1:], outputs, None, None).prediction[:, 0]

    def _one(self, outputs: Tensor, lengths: Tensor | None, final: State | None) -> Output:
        """One answer for the whole sequence."""
        last = outputs[-1]
        mask = None
        if lengths is not None:
            lengths = lengths.to(outputs.device)
            last = outputs[lengths - 1, torch.arange(len(lengths), device=outputs.device)]
            mask = padded(lengths, len(outputs))
        if self.rnn.bidirectional:  # the backward direction has read everything when it arrives at the first step
            half = outputs.shape[-1] // 2
            last = torch.cat([last[:, :half], outputs[0, :, half:]], dim=-1)
        if self.attention is None:
            return Output(self.head(last), None, final)
        prediction, weights, _ = self._each(last[None], outputs, mask, final)
        return Output(prediction[:, 0], None if weights is None else weights[:, 0], final)

    def _each(self, queries: Tensor, keys: Tensor, mask: Tensor | None, final: State | None) -> Output:
        """One answer for each of the queries (S, B, D), with attention over the keys (T, B, D)."""
        if self.attention is None:
            return Output(self.head(queries).transpose(0, 1), None, final)
        context, weights = attend(self.attention(queries, keys), keys, mask)
        return Output(self.head(torch.cat([context, queries], dim=-1)).transpose(0, 1), weights, final)

    def _decode(self, outputs: Tensor, mask: Tensor | None, final: State) -> Output:
        """Greedy: at each step the decoder is given the likeliest of its last answers."""
        assert self.decoder is not None
        assert self.target_embedding is not None
        state = self._first(final)
        begin = self.target_embedding.num_embeddings - 1
        token = torch.full((outputs.shape[1],), begin, device=outputs.device)
        steps = []
        for _ in range(self.decoded_steps):
            decoded, state = self.decoder(self.target_embedding(token)[None], state)
            steps.append(self._each(decoded, outputs, mask, final))
            token = steps[-1].prediction[:, 0].argmax(-1)
        weights = [step.attention for step in steps if step.attention is not None]
        prediction = torch.cat([step.prediction for step in steps], dim=1)
        return Output(prediction, torch.cat(weights, dim=1) if weights else None, final)

    def _given(self, targets: Tensor) -> Tensor:
        """What a decoder reads when it is given the true answers (B, S): «begin», then all but the last; (S, B, ·)."""
        assert self.target_embedding is not None
        begin = torch.full_like(targets[:, :1], self.target_embedding.num_embeddings - 1)
        # where no answer is asked for any more it does not matter what is given
        embedded: Tensor = self.target_embedding(torch.cat([begin, targets[:, :-1].clamp(min=0)], dim=1))
        return embedded.transpose(0, 1)

    def _first(self, final: State) -> State:
        """The decoder's first state: the encoder's last, its two directions side by side."""
        if not self.rnn.bidirectional:
            return final
        return _map(final, lambda s: s.unflatten(0, (-1, 2)).transpose(1, 2).flatten(2).contiguous())


def _map(state: State, change: Callable[[Tensor], Tensor]) -> State:
    return tuple(change(part) for part in state) if isinstance(state, tuple) else change(state)


def _merge(old: State, new: State, rows: Tensor) -> State:
    """The state in which some of the sequences have moved on."""
    if isinstance(old, Tensor) or isinstance(new, Tensor):
        assert isinstance(old, Tensor) and isinstance(new, Tensor)  # noqa: PT018
        return old.index_copy(1, rows, new)
    return tuple(part.index_copy(1, rows, moved) for part, moved in zip(old, new, strict=True))


@contextmanager
def without_dropout(model: nn.Module) -> Iterator[None]:
    """Nothing is dropped, and so nothing drawn; the mode stays, since cuDNN has gradients only while it trains."""
    layers = [(layer, layer.dropout) for layer in model.modules() if isinstance(layer, nn.RNNBase)]
    for layer, _ in layers:
        layer.dropout = 0.0
    try:
        yield
    finally:
        for layer, dropout in layers:
            layer.dropout = dropout


def detached(state: State) -> State:
    """A state that is carried on without its history."""
    return _map(state, lambda part: part.detach())


def moved(state: State, device: torch.device) -> State:
    """A state on another device."""
    return _map(state, lambda part: part.to(device))


def build(config: ModelConfig, init: InitConfig, spec: Spec, *, length: int, seed: int) -> SequenceModel:
    """A model with its first weights drawn: the same seed gives the same weights, torch's own stream is untouched.

    Every part draws from a stream of its own, so that two initializers that differ in one part agree in all others.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SequenceModel(config, spec)
    parts = init.parts(CELLS[config.cell].kernel)
    initialize(model.rnn, init, generator=torch.Generator().manual_seed(seed), length=length)
    initialize_module(model.head, parts.head, torch.Generator().manual_seed(seed + 1))
    if model.attention is not None:
        initialize_module(model.attention, parts.attention, torch.Generator().manual_seed(seed + 2))
    if model.decoder is not None:
        initialize(model.decoder, init, generator=torch.Generator().manual_seed(seed + 3), length=length)
    return model
