"""Why a run ended without finishing, in words for the person who watches it."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from lstm_core.files import FileProblem
from lstm_core.settings import Impossible, explain
from lstm_core.training import NonFinite

GREW = {
    "why": "The updates grew until a number no longer fitted into 32 bits: the gradients exploded.",
    "remedy": "Train a new run with a smaller learning rate, clipping by norm or smaller first weights.",
}
TOO_LARGE = {
    "why": "Nothing is learned yet: with the first weights alone a number no longer fitted into 32 bits.",
    "remedy": "Train a new run with smaller first weights or fewer time steps.",
}


def in_words(error: Exception, step: int) -> dict[str, Any]:
    """{"what" happened, "why", the "remedy", at which "step"}; "again" where to go on may help."""
    if isinstance(error, NonFinite):
        return {
            "what": str(error),
            **(GREW if error.step else TOO_LARGE),
            "step": error.step,
        }
    if isinstance(error, ValidationError):
        return {
            "what": "The settings of this run do not hold.",
            "why": " ".join(explain(error)),
            "remedy": "Change these settings and start a new run.",
            "step": step,
        }
    if isinstance(error, FileProblem):
        return {
            "what": "The file that this run needs cannot be used.",
            "why": str(error),
            "remedy": "Choose another file, or other settings for it, and start a new run.",
            "step": step,
        }
    if isinstance(error, Impossible):
        return {
            "what": "This run cannot be carried out here.",
            "why": str(error),
            "remedy": "Change these settings and start a new run.",
            "step": step,
        }
    if isinstance(error, MemoryError) or "not enough memory" in str(error):
        return {
            "what": "The memory of this machine is used up.",
            "why": str(error) or "The model, the batch or the sequence is too large.",
            "remedy": "Train a new run with a smaller hidden size, batch size or sequence length.",
            "step": step,
        }
    return {
        "what": f"The training stopped with an error: {type(error).__name__}.",
        "why": str(error) or "The error gave no reason.",
        "remedy": "Check the data and the settings of the task. Everything up to the last checkpoint is kept.",
        "step": step,
    }


def keeps_dying(times: int, step: int) -> dict[str, Any]:
    """The reason given for a run whose worker ended again and again in the middle of a slice; it can be resumed."""
    return {
        "what": f"The process that trained this run died {times} times in a row.",
        "why": "Most often the machine has too little memory for the run, or somebody ended the process.",
        "remedy": "Press Resume to try again from the last checkpoint, or train a new run with a smaller hidden size, "
        "batch size or sequence length.",
        "step": step,
        "again": True,
    }
