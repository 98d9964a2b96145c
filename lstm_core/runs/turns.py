"""What a worker does with a task of the engine: a slice of the run it was given, then slices of whoever is next.

While runs wait the worker looks for the next one by itself: that takes a millisecond, where the way over the engine
and the cluster takes ten and more, and slices are short when many wait.
"""

from __future__ import annotations

import time

from lstm_core.runs.slices import SliceResult, opened, run_slice

TURN = 2.0  # seconds after which the worker is given back to the engine
TRIES = 4  # runs of the line that other workers may take at the same moment


def turns(url: str, run_id: str, most: float) -> list[SliceResult]:
    """Work on a run and then, for about `TURN` seconds, on those next in line; returns what became of each slice.

    `most` are the seconds for which a run may be trained in all.
    The first is that of `run_id`, without a status where that run was not there to be taken; then there are no others.
    """
    until = time.monotonic() + TURN
    done = [run_slice(url, run_id, most=most)]
    while done[-1].status is not None and time.monotonic() < until:
        tried = (run_slice(url, other, most=most) for other in opened(url).waiting()[:TRIES])
        had = next((result for result in tried if result.status is not None), None)
        if had is None:
            break
        done.append(had)
    return done
