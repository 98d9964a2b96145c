"""Whether a file of weights fits a network: asked of the calculating process, for a server never loads torch."""

from __future__ import annotations

from app import calculator
from lstm_core.config import RunConfig
from lstm_core.files import FileProblem


def check(data: bytes, name: str, config: RunConfig) -> None:
    """Raise FileProblem for what is no file of weights, and for weights that do not fit, each named."""
    try:
        problem = calculator.ask(misfit, data, name, config)
    except calculator.CalculatorError as error:
        raise FileProblem(f"{name} could not be looked at just now; try again in a moment.") from error
    if problem:
        raise FileProblem(problem)


def misfit(data: bytes, name: str, config: RunConfig) -> str:
    """What is wrong with a file of weights, in words; empty where it fits the network of these settings."""
    from lstm_core.model import build
    from lstm_core.weights import load_any_into

    task, init = config.task, config.init.model_copy(update={"weights": None})
    network = build(config.model, init, task.spec, length=task.time_steps, seed=0)
    try:
        load_any_into(network, data, name)
    except FileProblem as error:
        return str(error)
    return ""
