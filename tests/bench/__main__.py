"""`python -m tests.bench [--full] [name …]`: measure, print one table, keep it in tests/output/ as text and as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from tabulate import tabulate

from tests.bench.report import Row

BENCHES = ("training", "probing", "pages", "viewers", "long_runs", "racing", "fairness", "footprint")
OTHERS = ("classroom", "memory", "solving", "lessons")
OUTPUT = Path(__file__).parent.parent / "output"
HEADS = ("", "measure", "median", "spread", "unit", "aim")
READING = """
How to read it

A ratio compares two things that took turns in this very run, A B A B, so it holds on a slow or a busy machine too. The
median counts; the spread beside it, from the least to the greatest, tells how quiet the machine was. Milliseconds,
seconds and megabytes are this machine's own.

P1  Training with everything on (every scalar of every step, norms by gate, pictures, the store, one viewer) ÷ a bare
    loop of the same model with torch's fused Adam. The floor is the bare loop: 1 would mean that nothing of all this
    costs training anything. In one process, without store and pictures, the loop alone is at 0.98 to 1.01; pictures
    take 1 % and leave cold caches behind, which takes as much again; a report twenty times a second, at 2 ms with
    caches that training has emptied, takes 4 %, and the state that is kept every two seconds 1 %. A run that has learnt
    its task is another matter: a bare loop then slows down, up to six times, for its gradients become denormal numbers.
P2  The same ÷ how one looks inside today: nn.LSTMCell with a hook that keeps the gates, and TensorBoard's histograms of
    all weights and gradients, at each step (as often as the program measures norms) or as often as it takes pictures.
P3  Every gate of every step by `trace`, gradients through time by `gradient_flow`, against the usual loops. The floor
    of `trace` is torch's own LSTM kernel, one matrix product of all steps, and one multiply-add a step for c: at H 64
    these take 1.35 of its 1.65 ms, so that no more than about 4 can be reached there.
P4  From a press, or from the start of the server, to what one waits for, found out within the page. Of the time to a
    page that can be used 0.6 s pass until the server answers (imports of Streamlit, nearly all), 0.3 s until the
    browser shows that answer, 1 s for Streamlit's and the board's scripts, which come in some 150 files, and 0.5 s for
    the controls. Of the time from a press to a point the page's rerun takes a third, the browser's drawing of it and of
    the charts the rest.
P5  The age of the oldest point of each drawing when the drawing is done. A worker writes every 50 ms, the server looks
    5 ms later at most, the page draws up to every 50 ms: about 55 ms on average and 105 ms at most is what these leave.
P6  A hundred viewers that draw nothing, on the machine that trains; one update is one frame that reached one of them.
P7  The browser's main thread, with every panel open and in view at once, each as high as in a window of 1280 × 800: no
    screen shows so much. Lines and points are moved; a chart is drawn anew where an axis changes, at 15 to 35 ms each.
P8  A run of a million steps with the scalars of a real one.
P9  2 would be the most that two workers can reach; both are slowed by each other, the end of each run tests it, with
    few bits too, which takes over 0.1 s and the script does not do, and P1 counts here as well.
P10 Time of the workers that no run counts as its own: loading, keeping, the way from one slice to the next.
P11 Memory as Linux shares it out among processes that have the same pages (PSS).
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "name",
        nargs="*",
        choices=[*BENCHES, *OTHERS, []],
        metavar="name",
        help=f"which; without a name {', '.join(BENCHES)}",
    )
    parser.add_argument("--full", action="store_true", help="more turns, for figures to publish")
    options = parser.parse_args()
    rows: list[Row] = []
    for name in options.name or BENCHES:
        began = time.monotonic()
        print(f"measuring: {name} …", end=" ", flush=True)
        rows += import_module(f"tests.bench.{name}").measure(short=not options.full)
        print(f"{time.monotonic() - began:.0f} s", flush=True)
    table = tabulate([row.columns() for row in sorted(rows, key=_place)], headers=HEADS)
    about = {
        "when": time.strftime("%F %T"),
        "machine": f"{platform.platform()}, {os.cpu_count()} processors",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "streamlit")}},
    }
    print(table)
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "bench.txt").write_text(f"{table}\n\n{json.dumps(about)}\n{READING}")
    (OUTPUT / "bench.json").write_text(json.dumps({**about, "rows": [row.as_json() for row in rows]}, indent=1))
    print(f"kept in {OUTPUT}/bench.txt, with how to read it, and bench.json")


def _place(row: Row) -> tuple[int, int]:
    return (0, int(row.id[1:])) if row.id else (1, 0)


if __name__ == "__main__":
    main()
