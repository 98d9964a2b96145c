"""The network of every run: embedding → recurrent layers → attention → head."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lstm_core.attention import ATTENTIONS, pool
from lstm_core.config import ModelConfig
from lstm_core.initializers import initialize, initialize_module
from lstm_core.recipes import InitConfig
from lstm_core.tasks.base import Batch, Spec

# the setting's own help says that a projection is slower; torch would say it again for every network
warnings.filterwarnings("ignore", message="LSTM with projections is not supported with oneDNN")


class Output(NamedTuple):
    prediction: Tensor  # (B, K)
    attention: Tensor | None  # (T, B) weights over time, where there is attention


def as_tensors(batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
    """(inputs, targets, lengths) that share the batch's memory."""
    lengths = None if batch.lengths is None else torch.from_numpy(batch.lengths)
    return torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets), lengths


class SequenceModel(nn.Module):
    """One answer per sequence.

    Without attention the head reads the last output of each direction; with attention it reads, next to it,
    the attention's view over all time steps, for which the last output is the query.
    """

    def __init__(self, config: ModelConfig, spec: Spec) -> None:
        super().__init__()
        self.embedding = nn.Embedding(spec.vocabulary, config.embedding_size) if spec.vocabulary else None
        self.rnn = nn.LSTM(
            input_size=config.embedding_size if spec.vocabulary else spec.features or 1,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            bias=config.bias,
            batch_first=config.batch_first,
            dropout=config.dropout,
            bidirectional=config.bidirectional,
            proj_size=config.proj_size,
        )
        width = (config.proj_size or config.hidden_size) * (2 if config.bidirectional else 1)
        self.attention = None if config.attention == "none" else ATTENTIONS[config.attention](width)
        self.head = nn.Linear(width if self.attention is None else 2 * width, spec.outputs)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None, bptt_length: int | None = None) -> Output:
        """inputs (B, T) tokens or (B, T, I) numbers → `Output`. `bptt_length` cuts the gradient every so many steps."""
        return self.answer(self.recur(self.embed(inputs), lengths, bptt_length), lengths)

    def embed(self, inputs: Tensor) -> Tensor:
        """(B, T) or (B, T, I) → what the recurrent layers read, in the layout they were made for."""
        x = inputs if self.embedding is None else self.embedding(inputs)  # (B, T, I)
        return x if self.rnn.batch_first else x.transpose(0, 1)

    def recur(self, x: Tensor, lengths: Tensor | None = None, bptt_length: int | None = None) -> Tensor:
        """The recurrent layers' outputs, always time first: (T, B, D)."""
        time = 1 if self.rnn.batch_first else 0
        if lengths is not None:
            packed = pack_padded_sequence(x, lengths, batch_first=self.rnn.batch_first, enforce_sorted=False)
            return pad_packed_sequence(self.rnn(packed)[0], total_length=x.shape[time])[0]
        if bptt_length is None or bptt_length >= x.shape[time]:
            outputs: Tensor = self.rnn(x)[0]
        else:  # the state is carried over from piece to piece, the gradient is not
            pieces, state = [], None
            for piece in x.split(bptt_length, dim=time):
                output, state = self.rnn(piece, state)
                pieces.append(output)
                state = tuple(s.detach() for s in state)
            outputs = torch.cat(pieces, dim=time)
        return outputs.transpose(0, 1) if self.rnn.batch_first else outputs

    def answer(self, outputs: Tensor, lengths: Tensor | None = None) -> Output:
        """Outputs (T, B, D) of the recurrent layers → `Output`."""
        last = outputs[-1] if lengths is None else outputs[lengths - 1, torch.arange(outputs.shape[1])]
        if self.rnn.bidirectional:  # the backward direction has read everything when it arrives at the first step
            half = outputs.shape[-1] // 2
            last = torch.cat([last[:, :half], outputs[0, :, half:]], dim=-1)
        if self.attention is None:
            return Output(self.head(last), None)
        context, weights = pool(self.attention(last, outputs), outputs, lengths)
        return Output(self.head(torch.cat([context, last], dim=-1)), weights)


def build(config: ModelConfig, init: InitConfig, spec: Spec, *, length: int, seed: int) -> SequenceModel:
    """A model with its first weights drawn: the same seed gives the same weights, torch's own stream is untouched.

    Every part draws from a stream of its own, so that two initializers that differ in one part agree in all others.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SequenceModel(config, spec)
    parts = init.parts()
    initialize(model.rnn, init, generator=torch.Generator().manual_seed(seed), length=length)
    initialize_module(model.head, parts.head, torch.Generator().manual_seed(seed + 1))
    if model.attention is not None:
        initialize_module(model.attention, parts.attention, torch.Generator().manual_seed(seed + 2))
    return model
