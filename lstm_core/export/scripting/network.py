"""The network of a run as source text: an ordinary `nn.Module` with what this run uses and nothing else."""

from __future__ import annotations

from lstm_core.cells import CELLS
from lstm_core.config import ModelConfig
from lstm_core.export.scripting.attention import BEYOND_END, attention
from lstm_core.export.scripting.history import History
from lstm_core.export.scripting.sources import Extract
from lstm_core.groups import ModelConfig as _Model
from lstm_core.tasks.base import Spec

AT_ONCE = 256  # sequences of the validation part that are looked at together
PAIRS = 2**26  # as in the attention of a run
RNNS = {"lstm": "nn.LSTM", "lstm_relu": "ReluLSTM", "gru": "nn.GRU", "rnn_tanh": "nn.RNN", "rnn_relu": "nn.RNN"}


class Network:
    """Writes the model of one run; `settings` are the constants that it uses."""

    def __init__(self, config: ModelConfig, spec: Spec, lengths: bool, stream: bool, history: History) -> None:
        self.config, self.spec, self.lengths, self.stream = config, spec, lengths, stream
        self.steps = history.config.task.time_steps
        self.batch = max(AT_ONCE, *history.values("batch_size").values())
        self.cut = history.ever("bptt_length", lambda length: length is not None and length < self.steps)
        self.settings: dict[str, str] = {}
        self.extract = Extract()
        self.decoded = spec.answers == "decoded"
        self.both = config.bidirectional
        self.attention = config.attention != "none"

    def text(self) -> str:
        parts = []
        if self.config.cell == "lstm_relu":
            self.extract.need("lstm_core.recurrent", "ReluLSTM")
            parts.append(self.extract.text())
        if self.cut and self.lengths:
            parts.append(WHERE_LEFT)
        if self.attention:
            masked = self.lengths or self.spec.answers == "steps"
            parts.append(attention(self.config.attention, self.width, masked, self._in_turns))
            if self.lengths:
                parts.insert(-1, BEYOND_END)
        parts.append("\n".join(self._model()))
        return "\n\n\n".join(parts)

    def use(self, name: str) -> str:
        """The constant of a setting of the model."""
        about = _Model.model_fields[name].description or ""
        self.settings[name.upper()] = f"{name.upper()} = {getattr(self.config, name)}  # {about}"
        return name.upper()

    @property
    def width(self) -> str:
        """How wide the outputs of the recurrent layers are."""
        one = self.use("proj_size" if self.config.proj_size else "hidden_size")
        return f"2 * {one}" if self.both else one

    @property
    def arguments(self) -> list[str]:
        """What the model is called with after its inputs, in training."""
        return [*(["lengths"] if self.lengths else []), *(["targets"] if self.decoded else [])]

    @property
    def detached(self) -> str:
        """The state without its history."""
        lstm = CELLS[self.config.cell].kernel == "LSTM"
        return "tuple(part.detach() for part in state)" if lstm else "state.detach()"

    # The model.

    def _model(self) -> list[str]:
        answers = {
            "sequence": "One answer for each sequence",
            "steps": "One answer for each step",
            "decoded": "Another sequence as the answer: an encoder and a decoder, which reads the true answer so far",
        }[self.spec.answers]
        return [
            "class Model(nn.Module):",
            f'    """{answers}.',
            "",
            f"    Shapes: T steps, B sequences, D numbers from the recurrent layers{', S answers' * self.decoded}.",
            '    """',
            "",
            "    def __init__(self):",
            *(f"        {line}" for line in self._parts()),
            "",
            *(f"    {line}" if line else "" for line in self._forward()),
            *(f"    {line}" if line else "" for line in self._in_pieces()),
        ]

    def _parts(self) -> list[str]:
        lines = ["super().__init__()"]
        if self.spec.vocabulary:
            self.settings["TOKENS"] = f"TOKENS = {self.spec.vocabulary}  # Different tokens that are read."
            lines.append(f"self.embedding = nn.Embedding(TOKENS, {self.use('embedding_size')})")
            reads = "EMBEDDING_SIZE"
        else:
            reads = "FEATURES"
            self.settings["FEATURES"] = f"FEATURES = {self.spec.features or 1}  # Numbers that are read at each step."
        self.settings["OUTPUTS"] = f"OUTPUTS = {self.spec.outputs}  # Numbers that make up an answer."
        lines.append(f"self.rnn = {self._rnn(reads, self.use('hidden_size'), encoder=True)}")
        if self.attention:
            lines.append("self.attention = Attention()")
        width = self.width
        double = f"2 * {width}" if not self.both else f"4 * {width[4:]}"
        lines.append(f"self.head = nn.Linear({double if self.attention else width}, OUTPUTS)")
        if self.decoded:
            lines.append(
                f"self.target_embedding = nn.Embedding(OUTPUTS + 1, {self.use('embedding_size')})  # one more: «begin»"
            )
            hidden = f"{'2 * ' if self.both else ''}HIDDEN_SIZE"
            lines.append(f"self.decoder = {self._rnn('EMBEDDING_SIZE', hidden, encoder=False)}")
        return lines

    def _rnn(self, reads: str, hidden: str, encoder: bool) -> str:
        config = self.config
        options = [reads, hidden]
        if config.num_layers > 1:
            options.append(f"num_layers={self.use('num_layers')}")
        if config.cell == "rnn_relu":
            options.append('nonlinearity="relu"')
        if not config.bias:
            options.append("bias=False")
        if encoder and config.batch_first:
            options.append("batch_first=True")
        if config.dropout:
            options.append(f"dropout={self.use('dropout')}")
        if encoder and self.both:
            options.append("bidirectional=True")
        if config.proj_size:
            options.append(f"proj_size={'2 * ' if self.both and not encoder else ''}{self.use('proj_size')}")
        return f"{RNNS[config.cell]}({', '.join(options)})"

    def _forward(self) -> list[str]:
        given = ["inputs", *self.arguments]
        if self.cut:
            given.append("bptt_length=None" if self.lengths else "bptt_length")
        if self.stream:
            given.append("state=None")
        shape = "(B, T)" if self.spec.vocabulary else "(B, T, I)"
        return [
            f"def forward(self, {', '.join(given)}):",
            f'    """inputs {shape} → {self._gives()}"""',
            *(f"    {line}" for line in [*self._read(), *self._answer()]),
        ]

    def _gives(self) -> str:
        shape = {"sequence": "(B, OUTPUTS)", "steps": "(B, T, OUTPUTS)", "decoded": "(B, S, OUTPUTS)"}
        return shape[self.spec.answers] + (" and the state after the last step." if self.stream else ".")

    @property
    def _final(self) -> str:
        return "state" if self.stream or self.decoded else "_"

    def _read(self) -> list[str]:
        """Lines that make `outputs` (T, B, D) of the inputs."""
        x = "self.embedding(inputs)" if self.spec.vocabulary else "inputs"
        first = self.config.batch_first
        state = ", state" if self.stream else ""
        if self.cut:
            return self._read_in_pieces(f"{x}.transpose(0, 1)")
        if self.lengths:
            layout = ", batch_first=True" if first else ""
            x = x if first else f"{x}.transpose(0, 1)"
            return [
                f"packed = pack_padded_sequence({x}, lengths{layout}, enforce_sorted=False)",
                f"outputs, {self._final} = self.rnn(packed{state})",
                "outputs, _ = pad_packed_sequence(outputs, total_length=inputs.shape[1])  # (T, B, D)",
            ]
        if first:
            return [f"outputs, {self._final} = self.rnn({x}{state})", "outputs = outputs.transpose(0, 1)  # (T, B, D)"]
        return [f"outputs, {self._final} = self.rnn({x}.transpose(0, 1){state})  # (T, B, D)"]

    def _read_in_pieces(self, x: str) -> list[str]:
        """The state goes on from piece to piece, the gradient does not."""
        first = self.config.batch_first
        begin = [] if self.stream else ["state = None"]
        turned = ".transpose(0, 1)" if first else ""
        if self.lengths:
            return [
                f"x = {x}  # (T, B, I)",
                "if bptt_length is None:",
                "    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)",
                f"    outputs, {self._final} = self.rnn(packed)",
                "    outputs, _ = pad_packed_sequence(outputs, total_length=len(x))  # (T, B, D)",
                "else:",
                f"    outputs, {self._final} = self.in_pieces(x, lengths, bptt_length)",
            ]
        return [
            *begin,
            "pieces = []",
            f"for piece in {x}.split(bptt_length):",
            f"    state = None if state is None else {self.detached}",
            f"    output, state = self.rnn(piece{turned}, state)",
            f"    pieces.append(output{turned})",
            "outputs = torch.cat(pieces)  # (T, B, D)",
        ]

    def _in_pieces(self) -> list[str]:
        """As `_read_in_pieces`, for sequences of different lengths."""
        if not (self.cut and self.lengths):
            return []
        turned = ".transpose(0, 1)" if self.config.batch_first else ""
        return [
            "",
            "def in_pieces(self, x, lengths, bptt_length):",
            '    """Outputs (T, B, D) and last state; the state goes on from piece to piece, the gradient does not."""',
            "    pieces, state, longest = [], None, int(lengths.max())",
            "    for start in range(0, longest, bptt_length):",
            "        piece = x[start : start + bptt_length]",
            f"        before = None if state is None else {self.detached}",
            "        if bool((lengths >= start + len(piece)).all()):",
            f"            output, state = self.rnn(piece{turned}, before)",
            *(["            output = output.transpose(0, 1)"] if turned else []),
            "        else:",
            "            output, state = where_left(self.rnn, piece, lengths - start, before, state)",
            "        pieces.append(output)",
            "    ended = x.new_zeros(len(x) - sum(map(len, pieces)), *pieces[0].shape[1:])  # padding in all",
            "    return torch.cat([*pieces, ended]), state",
        ]

    def _answer(self) -> list[str]:
        also = ", state" if self.stream else ""
        if self.spec.answers == "sequence":
            return self._one(also)
        if self.decoded:
            return self._decoded()
        if not self.attention:
            return [f"return self.head(outputs).transpose(0, 1){also}"]
        mask = "hidden = torch.ones(len(outputs), len(outputs), dtype=torch.bool).triu(1)  # what comes later"
        beyond = ["hidden = hidden | beyond_end(lengths, len(outputs))"] if self.lengths else []
        return [
            mask,
            *beyond,
            "context = self.attention(outputs, outputs, hidden)",
            f"return self.head(torch.cat([context, outputs], dim=-1)).transpose(0, 1){also}",
        ]

    def _one(self, also: str) -> list[str]:
        lines = ["last = outputs[lengths - 1, torch.arange(len(lengths))]" if self.lengths else "last = outputs[-1]"]
        if self.both:
            half = self.width[4:]
            lines += [
                "# the backward direction has read everything when it arrives at the first step",
                f"last = torch.cat([last[:, :{half}], outputs[0, :, {half}:]], dim=-1)",
            ]
        if not self.attention:
            return [*lines, f"return self.head(last){also}"]
        hidden = ", beyond_end(lengths, len(outputs))" if self.lengths else ""
        return [
            *lines,
            f"context = self.attention(last[None], outputs{hidden})",
            f"return self.head(torch.cat([context, last[None]], dim=-1))[0]{also}",
        ]

    def _decoded(self) -> list[str]:
        lines = []
        if self.both:
            lines.append("# the decoder begins where both directions of the encoder ended, side by side")
            side = "{}.unflatten(0, (-1, 2)).transpose(1, 2).flatten(2).contiguous()"
            if CELLS[self.config.cell].kernel == "LSTM":
                lines.append(f"state = tuple({side.format('part')} for part in state)")
            else:
                lines.append(f"state = {side.format('state')}")
        lines += [
            "begin = torch.full_like(targets[:, :1], OUTPUTS)",
            "given = self.target_embedding(torch.cat([begin, targets[:, :-1].clamp(min=0)], dim=1))",
            "decoded, _ = self.decoder(given.transpose(0, 1), state)  # (S, B, D)",
        ]
        if not self.attention:
            return [*lines, "return self.head(decoded).transpose(0, 1)"]
        hidden = ", beyond_end(lengths, len(outputs))" if self.lengths else ""
        return [
            *lines,
            f"context = self.attention(decoded, outputs{hidden})",
            "return self.head(torch.cat([context, decoded], dim=-1)).transpose(0, 1)",
        ]

    @property
    def _in_turns(self) -> bool:
        """Whether there are so many pairs of a query and a key that the keys are taken in turns."""
        if self.config.attention != "additive":
            return False
        width = (self.config.proj_size or self.config.hidden_size) * (2 if self.both else 1)
        asked = {"sequence": 1, "steps": self.steps, "decoded": self.spec.decoded_steps}[self.spec.answers]
        return bool(self.steps > max(1, PAIRS // (asked * self.batch * width)))


WHERE_LEFT = '''\
def where_left(rnn, piece, left, before, state):
    """One piece (t, B, I) for those sequences of which something is left, (B,); the others keep their state."""
    rows = torch.nonzero(left > 0).squeeze(1)
    packed = pack_padded_sequence(piece[:, rows], left[rows].clamp(max=len(piece)), enforce_sorted=False)
    given, after = rnn(packed, None if before is None else changed(lambda part: part[:, rows], before))
    output = pad_packed_sequence(given, total_length=len(piece))[0]
    outputs = output.new_zeros(len(piece), len(left), output.shape[-1]).index_copy(1, rows, output)
    if state is None:
        return outputs, after
    return outputs, changed(lambda old, new: old.index_copy(1, rows, new), state, after)


def changed(change, *states):
    """A state, h or (h, c), of which each part is made of those of the given states."""
    if isinstance(states[0], tuple):
        return tuple(change(*parts) for parts in zip(*states, strict=True))
    return change(*states)'''
