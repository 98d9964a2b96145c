"""What a network is and how it is trained: two groups of settings that every run has beside its task."""

from __future__ import annotations

from typing import Literal

from lstm_core.cells import CELLS
from lstm_core.settings import Settings, setting


class ModelConfig(Settings):
    """The network: embedding → recurrent layers → attention → head. The arguments of `nn.LSTM` keep their names."""

    cell: Literal["lstm", "lstm_relu", "gru", "rnn_tanh", "rnn_relu"] = setting(
        "lstm",
        "Cell",
        "What remembers: the LSTM has a cell state and four gates, the GRU three, the simple RNN none.",
        choices={name: cell.title for name, cell in CELLS.items()},
    )
    hidden_size: int = setting(
        64, "Hidden size", "Units in each layer: more can remember more and train slower.", essential=True, ge=1, le=512
    )
    num_layers: int = setting(1, "Layers", "Recurrent layers stacked on each other.", ge=1, le=4)
    bidirectional: bool = setting(
        False,
        "Both directions",
        "A second network reads from the end, so the first input is also near.",
        essential=True,
    )
    bias: bool = setting(True, "Bias", "Whether the gates have bias terms; without, no forget bias can be set.")
    batch_first: bool = setting(
        False, "Batch first", "Layout of the tensors inside; changes the speed a little and the result not at all."
    )
    dropout: float = setting(
        0.0, "Dropout", "Share of values set to 0 between layers while training.", ge=0, lt=1, step=0.05
    )
    proj_size: int = setting(
        0, "Projection", "Width the hidden state is projected to; 0 is off. Leaves the fast kernel.", ge=0, le=511
    )
    embedding_size: int = setting(32, "Embedding size", "Numbers that stand for one token.", ge=1, le=512)
    attention: Literal["none", "dot", "scaled", "general", "additive"] = setting(
        "none",
        "Attention",
        "Lets the answer look at every time step directly, not only at the last.",
        choices={
            "none": "None",
            "dot": "Dot product",
            "scaled": "Scaled dot product",
            "general": "General (Luong)",
            "additive": "Additive (Bahdanau)",
        },
    )


class TrainingConfig(Settings):
    """How the weights are learned, and from which seed."""

    optimizer: Literal["sgd", "rmsprop", "adam", "adamw"] = setting(
        "adam",
        "Optimizer",
        "The rule that turns gradients into steps.",
        choices={"sgd": "SGD", "rmsprop": "RMSprop", "adam": "Adam", "adamw": "AdamW"},
    )
    learning_rate: float = setting(0.003, "Learning rate", "Size of each step.", log=True, ge=1e-6, le=10)
    schedule: Literal["constant", "step", "cosine"] = setting(
        "constant",
        "Schedule",
        "How the learning rate goes on: the same, halved now and then, or down to 0 along a cosine.",
        choices={"constant": "Constant", "step": "Steps down", "cosine": "Cosine to 0"},
    )
    halve_every: int = setting(
        200, "Halve every", "With a schedule of steps: updates after which the rate is halved.", unit="steps", ge=1,
        le=1_000_000,
    )  # fmt: skip
    warmup: int = setting(
        0, "Warm-up", "Updates over which the learning rate rises from near 0.", unit="steps", ge=0, le=100_000
    )
    momentum: float = setting(0.0, "Momentum", "How much of the last step is kept in the next.", ge=0, lt=1, step=0.05)
    weight_decay: float = setting(0.0, "Weight decay", "Pulls every weight towards 0.", ge=0, le=1, step=0.001)
    batch_size: int = setting(64, "Batch size", "Sequences averaged in each step.", unit="sequences", ge=1, le=1024)
    steps: int = setting(600, "Steps", "Updates of the weights in the whole run.", unit="steps", ge=1, le=1_000_000)
    clip: Literal["none", "norm", "value"] = setting(
        "none",
        "Clipping",
        "Bounds the gradient before each update, so that one explosion cannot destroy the weights.",
        essential=True,
        choices={"none": "None", "norm": "By norm", "value": "By value"},
    )
    clip_threshold: float = setting(
        1.0,
        "Clipping threshold",
        "The largest norm, or value, a gradient may have.",
        beside="clip",
        log=True,
        ge=1e-6,
        le=1e6,
    )
    bptt_length: int | None = setting(
        None, "BPTT length", "Steps the gradient flows back; empty is all of them.", unit="steps", ge=1, le=10_000
    )
    validate_every: int = setting(
        50, "Validate every", "Steps between two validations.", unit="steps", ge=1, le=100_000
    )
    patience: int | None = setting(
        None,
        "Patience",
        "Ends the run early after so many validations without a new best; empty is never.",
        unit="validations",
        ge=1,
        le=1000,
    )
    device: Literal["cpu", "cuda"] = setting(
        "cpu",
        "Device",
        "Where it is computed; networks of this size are often faster on the CPU.",
        choices={"cpu": "CPU", "cuda": "CUDA, where the machine has one"},
    )
    seed: int = setting(
        1, "Seed", "Decides the data, the first weights and the order of everything.", ge=0, le=2**31 - 1
    )
