"""Whether a file of weights fits a network: asked of a process of its own, for a server never loads torch."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

from lstm_core.config import RunConfig
from lstm_core.files import FileProblem

PATIENCE = 60.0  # seconds: most go by while torch is loaded


def check(data: bytes, name: str, config: RunConfig) -> None:
    """Raise FileProblem for what is no file of weights, and for weights that do not fit, each named."""
    asked = {
        "name": name,
        "model": config.model.model_dump(),
        "init": config.init.model_dump() | {"weights": None},
        "spec": dataclasses.asdict(config.task.spec),
        "length": config.task.time_steps,
    }
    command = [sys.executable, "-W", "ignore", "-m", "app.fitting"]
    try:
        answer = subprocess.run(
            command, input=json.dumps(asked).encode() + b"\n" + data, capture_output=True, timeout=PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise FileProblem(f"{name} could not be looked at just now; try again in a moment.") from error
    if answer.stdout:
        raise FileProblem(answer.stdout.decode())


def main() -> None:
    """Read one line of JSON and the file behind it; write what is wrong with the file, nothing where it fits."""
    from lstm_core.config import InitConfig, ModelConfig
    from lstm_core.model import build
    from lstm_core.tasks.base import Spec
    from lstm_core.weights import load_any_into

    asked = json.loads(sys.stdin.buffer.readline())
    model, init = ModelConfig.model_validate(asked["model"]), InitConfig.model_validate(asked["init"])
    network = build(model, init, Spec(**asked["spec"]), length=asked["length"], seed=0)
    try:
        load_any_into(network, sys.stdin.buffer.read(), asked["name"])
    except FileProblem as error:
        sys.stdout.buffer.write(str(error).encode())


if __name__ == "__main__":
    main()
