"""First weights from a file, as source text: which tensors are read, and where they go."""

from __future__ import annotations

from dataclasses import dataclass

from lstm_core import files
from lstm_core.config import RunConfig
from lstm_core.export.scripting.history import literal


@dataclass(frozen=True)
class Loading:
    """`text` defines `load_weights`; `draws` says whether the file lacks some weights, which are drawn before."""

    text: str
    draws: bool
    settings: list[str]
    needs: tuple[str, ...]


def load_weights(config: RunConfig) -> Loading:
    """How a script loads the first weights of a run; raises FileProblem where the file cannot be used."""
    from lstm_core import weights
    from lstm_core.model import build

    assert config.init.weights is not None
    data = files.read(config.init.weights)
    task = config.task
    model = build(config.model, config.init, task.spec, length=task.time_steps, seed=config.training.seed)
    weights.load_any_into(model, data, "The file of first weights")
    whole = weights.is_whole(model, data, "The file of first weights")
    names = list(weights.read(data, "The file of first weights"))
    target = "model" if whole else "model.rnn"
    ending = "embedding.weight" if whole and task.spec.vocabulary else "rnn.weight_ih_l0" if whole else "weight_ih_l0"
    prefix = next(name for name in names if name.endswith(ending)).removesuffix(ending)
    packed = data[8:9] == b"{"
    reading = "state = load_safetensors(content)" if packed else _torch_reading(data, names)
    # The names come out of somebody's file: they are written as the texts they are.
    starts = [f"name.startswith({literal(prefix + kind)})" for kind in ("weight_", "bias_")]
    chosen = "" if whole else f" if {' or '.join(starts)}"
    tensors = f"{{name.removeprefix({literal(prefix)}): tensor for name, tensor in state.items(){chosen}}}"
    lines = [
        "def load_weights(model, path):",
        '    """The first weights, from the file that the run began with."""',
        "    content = path.read_bytes()",
        "    if not hashlib.sha256(content).hexdigest().startswith(WEIGHTS):",
        '        raise SystemExit(f"{path} is not the file of the run: the SHA-256 of that begins with {WEIGHTS}.")',
        f"    {reading}",
        f"    {target}.load_state_dict({tensors})",
    ]
    setting = f'WEIGHTS = "{config.init.weights}"  # How the SHA-256 of the file with the first weights begins.'
    return Loading("\n".join(lines), not whole, [setting], ("safetensors",) if packed else ())


def _torch_reading(data: bytes, names: list[str]) -> str:
    """How `torch.load` gives the tensors, at the top of what was saved or one level below it."""
    import io

    import torch

    found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    keys = [key for key, part in found.items() if isinstance(part, dict) and names[0] in part]
    inside = "" if names[0] in found else f"[{literal(keys[0])}]"
    return f'state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True){inside}'
