"""Hostile input for everything that takes any: what broke is shown, as small as it still breaks; 1 where any did."""

from __future__ import annotations

import argparse
import sys

from tests.fuzz.everything import everything


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Hostile input for everything that takes any."
    )
    parser.add_argument("--inputs", type=int, default=10_000, help="how many in all (default 10000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same inputs (default 1)")
    parser.add_argument("--only", default="", help="entry points whose name has this in it")
    given = parser.parse_args()
    return int(not everything(given.inputs, given.seed, given.only, print))


if __name__ == "__main__":
    sys.exit(main())
