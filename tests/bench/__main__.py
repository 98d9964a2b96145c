"""`python -m tests.bench [--full] [name …]`: measure, print one table, keep it as JSON in tests/output/.

How to read it: every comparison is a ratio of things that were measured in turns in this very run, so it holds on a
slow or busy machine too; the median counts, and the spread beside it says how noisy the machine was. Absolute times
(milliseconds) are this machine's own.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from tabulate import tabulate

BENCHES = ("probing", "watching", "viewers", "classroom")
OUTPUT = Path(__file__).parent.parent / "output" / "bench.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "name", nargs="*", help="which benches, the quick ones by default; also memory, solving, lessons, fairness"
    )
    parser.add_argument("--full", action="store_true", help="more turns, for figures to publish")
    options = parser.parse_args()
    rows = []
    for name in options.name or BENCHES:
        print(f"measuring: {name} …", flush=True)
        rows += import_module(f"tests.bench.{name}").measure(short=not options.full)
    print(tabulate([row.columns() for row in rows], headers=["measure", "median", "spread", "unit", "aim"]))
    OUTPUT.parent.mkdir(exist_ok=True)
    machine = {"machine": platform.platform(), "python": platform.python_version(), "when": time.strftime("%F %T")}
    OUTPUT.write_text(json.dumps({**machine, "rows": [asdict(row) for row in rows]}, indent=1))
    print(f"kept in {OUTPUT}")


if __name__ == "__main__":
    main()
