"""What the program is compared with: the bare loop, and the ways in which people look into an LSTM today.

`python -m tests.bench.peers` is a process that works as it is told, line by line: `loop size seconds`, the size as its
place in `sizes.ALL`. It answers with the steps per second. What it has built it keeps, so that loops can take turns.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from lstm_core.config import RunConfig
from lstm_core.model import as_tensors
from lstm_core.training import TrainState
from tests.bench.sizes import ALL, Size

WARM = 5  # steps that do not count


class Bare:
    """The same model, batches, loss and optimizer, and nothing else: what PyTorch's tutorials show."""

    def __init__(self, config: RunConfig) -> None:
        self.state = TrainState(config)
        self.optimizer = torch.optim.Adam(self.state.model.parameters(), config.training.learning_rate, fused=True)
        self.step = 0

    def __call__(self) -> None:
        state, training = self.state, self.state.config.training
        inputs, targets, _ = as_tensors(state.data.train.batch(self.step, training.batch_size, training.seed))
        self.optimizer.zero_grad(set_to_none=True)
        loss = state.loss(self.predict(inputs), targets)
        loss.backward()
        self.optimizer.step()
        self.look(loss)
        self.step += 1

    def predict(self, inputs: Tensor) -> Tensor:
        return self.state.model(inputs).prediction

    def look(self, loss: Tensor) -> None:
        """What else is done with a step."""


class Histograms(Bare):
    """The bare loop with TensorBoard: of every step the loss, and a histogram of every weight and every gradient."""

    def __init__(self, config: RunConfig) -> None:
        from torch.utils.tensorboard import SummaryWriter

        super().__init__(config)
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.writer = SummaryWriter(self.folder.name)
        self.every, self.told = 0.0, float("-inf")

    def look(self, loss: Tensor) -> None:
        self.writer.add_scalar("loss", loss.item(), self.step)
        if time.monotonic() - self.told < self.every:
            return
        self.told = time.monotonic()
        for name, parameter in self.state.model.named_parameters():
            self.writer.add_histogram(name, parameter, self.step)
            self.writer.add_histogram(f"{name}.grad", parameter.grad, self.step)


class FewHistograms(Histograms):
    """The same, with histograms only four times a second: as often as the program takes a picture of the inside."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self.every = 0.25


class Hooked(Bare):
    """A loop of `nn.LSTMCell` with a forward hook that keeps the gates of every step: `nn.LSTM` shows none."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        rnn = self.state.model.rnn
        if rnn.num_layers > 1 or rnn.bidirectional:
            raise ValueError("This loop has one layer and one direction.")
        self.cell = nn.LSTMCell(rnn.input_size, rnn.hidden_size)
        self.gates: list[tuple[Tensor, ...]] = []
        self.cell.register_forward_hook(self._keep)
        others = [part for part in (self.state.model.embedding, self.state.model.head) if part is not None]
        parameters = [parameter for part in (self.cell, *others) for parameter in part.parameters()]
        self.optimizer = torch.optim.Adam(parameters, self.state.config.training.learning_rate, fused=True)

    @torch.no_grad()
    def _keep(self, cell: nn.LSTMCell, given: tuple[Tensor, tuple[Tensor, Tensor]], _out: object) -> None:
        x, (h, _) = given
        z = torch.addmm(cell.bias_ih, x, cell.weight_ih.T) + torch.addmm(cell.bias_hh, h, cell.weight_hh.T)
        i, f, g, o = z.chunk(4, dim=-1)
        self.gates.append((i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()))

    def predict(self, inputs: Tensor) -> Tensor:
        model, self.gates = self.state.model, []
        read = inputs if model.embedding is None else model.embedding(inputs)
        h = c = read.new_zeros(len(read), self.cell.hidden_size)
        for x in read.unbind(1):
            h, c = self.cell(x, (h, c))
        return model.head(h)


LOOPS: dict[str, Callable[[RunConfig], Bare]] = {
    "bare": Bare,
    "hooked": Hooked,
    "histograms": Histograms,
    "few histograms": FewHistograms,
}


def speed(loop: Bare, seconds: float) -> float:
    """Steps per second in about so many seconds."""
    for _ in range(WARM):
        loop()
    steps, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        loop()
        steps += 1
    return steps / passed


@contextmanager
def peers() -> Iterator[Callable[[str, Size, float], float]]:
    """A function (name of a loop, size, seconds) → steps per second, measured in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.peers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield partial(_ask, process)
        assert process.stdin is not None
        process.stdin.close()


def _ask(process: subprocess.Popen[str], loop: str, size: Size, seconds: float) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{loop}|{ALL.index(size)}|{seconds}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> None:
    torch.set_num_threads(1)
    built: dict[tuple[str, int], Bare] = {}
    for line in sys.stdin:
        name, place, seconds = line.split("|")
        key = name, int(place)
        if key not in built:
            built[key] = LOOPS[name](ALL[int(place)].config())
        print(speed(built[key], float(seconds)), flush=True)


if __name__ == "__main__":
    main()
