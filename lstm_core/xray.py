"""A network as its initializer has left it, measured without any training: its weights, its gates, its gradients.

Torch is loaded when something is measured, not before, so that a page can ask another process for it and hold the
answer. `xraying.py` does the measuring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lstm_core import files
from lstm_core.config import RunConfig
from lstm_core.tasks.base import Array


@dataclass(frozen=True, eq=False)
class Spread:
    """How values lie: `share` (n,) of them between neighbours among the `edges` (n + 1,), from the least on."""

    edges: Array
    share: Array


@dataclass(frozen=True, eq=False)
class Reach:
    """How much of the gradient arrives at each time step, (T,) each, the mean over sequences that have not ended.

    `exact` is followed in 64 bits. `single` is followed in the network's own 32 bits, and only its norm is taken in
    64: what training has. `norm` is that norm taken in 32 bits as well: the square of 10⁻²³ is 0 there, so it reads 0
    where there still is a gradient.
    """

    exact: Array
    single: Array
    norm: Array


@dataclass(frozen=True, eq=False)
class XRay:
    """One layer and direction before the first update, on the sequences that the Lab shows of such a run.

    `read` is the length of the longest of them. `reach`, `signal` and `distance` are by state, h or (h, c). `signal`
    (T,) is the root mean square over units and sequences. `distance` (T,) is ‖h_t − h′_t‖, in 64 bits, between two
    readings that differ in the first step alone: each sequence with its own first step, and with that of another.
    `alike` is the step, in the order of reading, from which on they are nearer than 2⁻²⁴ of their size, which 32 bits
    cannot hold; None where they never are.

    `weights` are by matrix and gate, `weight_hh.f`; `gates` and `saturation` (the share below 0.1 or above 0.9) by
    gate. `spectrum` are the singular values of each gate's recurrent block, largest first, `radius` its largest
    |eigenvalue|, without an entry where the block is not square.
    `keep` (H,) is what each unit keeps of its state in a step: the mean of f, or of a GRU's z; None for simple RNNs.
    """

    cell: str
    layer: str
    layers: tuple[str, ...]
    units: int
    read: int
    reach: Mapping[str, Reach]
    signal: Mapping[str, Array]
    distance: Mapping[str, Array]
    alike: int | None
    weights: Mapping[str, Spread]
    spectrum: Mapping[str, Array]
    radius: Mapping[str, float]
    gates: Mapping[str, Spread]
    saturation: Mapping[str, float]
    keep: Array | None

    @property
    def steps(self) -> int:
        """T."""
        return len(self.signal["h"])

    def in_order(self, values: Array) -> Array:
        """Values (T,) in the order in which the direction reads, without the padding behind the longest sequence."""
        running = values[: self.read]
        return running if self.layer.endswith(".fwd") else running[::-1]

    def ratio(self, state: str) -> float:
        """Of the gradient at the last step read, how much arrives at the first; NaN where there is none."""
        reached = self.in_order(self.reach[state].exact)
        some = np.flatnonzero(reached)
        return float(reached[0] / reached[some[-1]]) if len(some) else float("nan")

    @property
    def memory(self) -> Array | None:
        """1 / (1 − f) of each unit, in steps: how long it takes until about a third is left; ∞ where all is kept."""
        if self.keep is None:
            return None
        with np.errstate(divide="ignore"):
            steps: Array = 1 / (1 - self.keep)
        return steps


def xray(config: RunConfig, layer: str = "", brought: Sequence[bytes] = ()) -> XRay:
    """Measure the network of a run before its first update; the layer is `l0.fwd`, …, by default the first.

    A pure function: the same settings give the same numbers, those of the run's own snapshot at step 0. `brought` are
    files that the settings name, for a process that cannot find them itself. Raises ValueError for a layer that the
    network does not have, FileProblem where a file is missing.
    """
    from lstm_core.xraying import measure

    given = _Brought(brought)
    files.look_in(given.file)
    return measure(config, layer)


class _Brought:
    """Files by their id, to be found for as long as this is in use."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        self._files = {files.identify(data): data for data in contents}

    def file(self, file_id: str) -> bytes | None:
        return self._files.get(file_id)
