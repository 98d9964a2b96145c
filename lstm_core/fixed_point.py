"""A network on small hardware: how large its values grow, and what rounding them to few bits costs.

Numbers are signed fixed point: an integer of so many bits times a power of two. Products and sums are exact, as in an
accumulator that is wide enough; whatever is kept or looked up (weights, inputs, what goes into a gate, the gate, c, h)
is rounded to its own format, at every step, so that errors build up through the recurrence as they would there.

Nothing here changes the module, its mode or any random stream.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lstm_core.stepwise import States, walk

FEWEST_BITS, MOST_BITS = 2, 53  # a sign and a digit; what double precision holds exactly
FINEST = -64  # values all below 2^-64 are as good as 0


@dataclass(frozen=True)
class Format:
    """Signed fixed point of `bits` bits in two's complement, the last `fraction` of them behind the binary point.

    `title` is Qm.n with the sign bit *not* counted: Q3.4 is a sign, 3 integer bits and 4 fractional ones, 8 bits in
    all. (The other convention counts it and would say Q4.4.) A negative m says that leading fractional bits are always
    0 and not kept, a negative n that the last integer bits are. Raises ValueError for fewer than 2 or more than 53
    bits.
    """

    bits: int
    fraction: int

    def __post_init__(self) -> None:
        if not FEWEST_BITS <= self.bits <= MOST_BITS:
            raise ValueError(f"A format of {self.bits} bits cannot be had; choose {FEWEST_BITS} to {MOST_BITS}.")

    @property
    def integer(self) -> int:
        return self.bits - 1 - self.fraction

    @property
    def step(self) -> float:
        """From one number to the next."""
        return 2.0**-self.fraction

    @property
    def low(self) -> float:
        return -(2.0**self.integer)

    @property
    def high(self) -> float:
        return 2.0**self.integer - self.step

    @property
    def title(self) -> str:
        return f"Q{self.integer}.{self.fraction}"


@dataclass(frozen=True)
class Range:
    """The least and the greatest value that was seen."""

    low: float
    high: float

    @property
    def integer_bits(self) -> int:
        """The fewest integer bits, sign not counted, with which nothing seen overflows; negative for small values.

        With m of them numbers from −2^m up to, but not including, 2^m can be had. Raises ValueError where the range
        is not one of finite numbers.
        """
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(f"Fixed point has no numbers for values from {self.low} to {self.high}.")
        needs = [FINEST] if self.low or self.high else [0]
        if self.high > 0:
            needs.append(math.frexp(self.high)[1])
        if self.low < 0:
            mantissa, exponent = math.frexp(-self.low)
            needs.append(exponent - 1 if mantissa == 0.5 else exponent)
        return max(needs)


def fit(low: float, high: float, bits: int) -> Format:
    """The finest format in which no value from `low` to `high` is off by more than half a step.

    Where the greatest value would round up to 2^m, which m integer bits cannot hold, it takes one more: a forget gate
    that has learnt to be 1 must not become 0.99. Raises ValueError where there are no finite numbers in between.
    """
    format = Format(bits, bits - 1 - Range(low, high).integer_bits)
    return format if high <= format.high + format.step / 2 else Format(bits, format.fraction - 1)


def quantize(tensor: Tensor, format: Format) -> Tensor:
    """Each value rounded to the nearest number of the format (halfway to the even one), cut off at its ends.

    Shape and type of the tensor stay; what is no number stays none.
    """
    end = 2 ** (format.bits - 1)
    counts = (tensor.double() * 2.0**format.fraction).round_().clamp_(-end, end - 1)
    return counts.mul_(format.step).to(tensor.dtype)


class Recorder:
    """Looks on and keeps the range of every value by name."""

    def __init__(self) -> None:
        self._ends: dict[str, tuple[Tensor, Tensor]] = {}

    def __call__(self, name: str, value: Tensor) -> Tensor:
        low, high = value.aminmax()
        before = self._ends.get(name, (low, high))
        self._ends[name] = torch.minimum(before[0], low), torch.maximum(before[1], high)  # NaN stays NaN
        return value

    @property
    def seen(self) -> dict[str, Range]:
        return {name: Range(low.item(), high.item()) for name, (low, high) in self._ends.items()}


class Rounder:
    """Looks on and rounds every value that has a format; what has none stays exact."""

    def __init__(self, formats: Mapping[str, Format]) -> None:
        self.formats, self.seen = formats, set[str]()

    def __call__(self, name: str, value: Tensor) -> Tensor:
        self.seen.add(name)
        return quantize(value, self.formats[name]) if name in self.formats else value

    def check(self) -> None:
        """Raises ValueError for a format that belongs to nothing."""
        if spare := sorted(set(self.formats) - self.seen):
            raise ValueError(
                f"There is a format for {', '.join(spare)}, but the values are {', '.join(sorted(self.seen))}."
            )


def ranges(
    rnn: nn.RNNBase, x: Tensor, lengths: Tensor | None = None, h0: Tensor | States | None = None
) -> dict[str, Range]:
    """The range of every weight and of every value at every step, by the names of `stepwise`: `l0.fwd.f`, ….

    `x`, `lengths` and `h0` are those of `stepwise.walk`; padding is left out. Raises as that does.
    """
    recorder = Recorder()
    walk(rnn, x, recorder, lengths, h0)
    return recorder.seen


def formats(measured: Mapping[str, Range], bits: int) -> dict[str, Format]:
    """A format of so many bits for each range. Two such mappings can be mixed: weights of one, values of the other.

    Raises ValueError for a range that is not one of finite numbers.
    """
    found = {}
    for name, seen in measured.items():
        try:
            found[name] = fit(seen.low, seen.high, bits)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return found


def simulate(
    rnn: nn.RNNBase,
    x: Tensor,
    formats: Mapping[str, Format],
    lengths: Tensor | None = None,
    h0: Tensor | States | None = None,
) -> Tensor:
    """The outputs (T, B, D), always time first, of a network whose values are rounded to these formats at every step.

    What has no format stays exact. `x`, `lengths` and `h0` are those of `stepwise.walk`. Raises as that does, and
    ValueError for a format that belongs to nothing.
    """
    rounder = Rounder(formats)
    outputs, _ = walk(rnn, x, rounder, lengths, h0)
    rounder.check()
    return outputs.to(x.dtype)
