"""The same training in a terminal, into the same store: `python -m lstm_core train --initializer chrono --length 80`.

Every setting of `RunConfig` is an option of its full name, `--training.learning_rate`, and of its last name where only
one setting has it, `--learning-rate`. A setting that refers to a file takes its path, `--task csv --file prices.csv`:
the file is put into the store. While the training goes on, the page shows it live under the printed link.

Other commands go on with a run, fork it, show it, write its weights or a plain PyTorch script of it to a file, let a
language model write, and tell what small hardware would cost: `python -m lstm_core --help`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code, see `lstm_core.terminal.commands.run`."""
    try:
        from lstm_core.terminal.commands import run  # here, so that Ctrl-C is understood from the first moment

        return run(arguments)
    except KeyboardInterrupt:
        print("Ended.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
