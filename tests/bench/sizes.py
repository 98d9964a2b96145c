"""The networks that are measured, by the sizes of what `nn.LSTM` is given."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lstm_core.config import RunConfig


@dataclass(frozen=True)
class Size:
    """Time steps, sequences in a batch, inputs and units; layers and directions."""

    time_steps: int
    batch: int
    inputs: int
    units: int
    layers: int = 1
    directions: int = 1

    @property
    def name(self) -> str:
        layers = "" if self.layers == 1 else f", {self.layers} layers"
        directions = "" if self.directions == 1 else ", both directions"
        return f"T {self.time_steps} B {self.batch} I {self.inputs} H {self.units}{layers}{directions}"

    def config(self) -> RunConfig:
        """A run that does not end, and that is hardly ever validated, as a bare loop never is.

        Two inputs are those of the adding problem; else tokens are recalled, embedded in so many numbers.
        """
        task = {"task": {"name": "adding", "length": self.time_steps}}
        if self.inputs != 2:
            task = {"task": {"name": "recall", "length": self.time_steps}}
        model = {
            "hidden_size": self.units,
            "num_layers": self.layers,
            "bidirectional": self.directions == 2,
            **({"embedding_size": self.inputs} if self.inputs != 2 else {}),
        }
        training = {"batch_size": self.batch, "steps": 1_000_000, "validate_every": 100_000}
        return RunConfig.model_validate({**task, "model": model, "training": training})


SMALL, MIDDLE, LARGE = Size(50, 32, 1, 32), Size(50, 64, 8, 64), Size(100, 32, 2, 128)
FEW = (SMALL, MIDDLE, LARGE, replace(SMALL, layers=2, directions=2))
ALL = tuple(
    replace(size, layers=layers, directions=directions)
    for size in (SMALL, MIDDLE, LARGE)
    for layers in (1, 2)
    for directions in (1, 2)
)
