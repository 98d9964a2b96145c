"""Weights that a user brings: a state dict as `.safetensors` or `.pt`, read without running anything that is in it.

https://docs.pytorch.org/docs/stable/notes/serialization.html#torch-load-with-weights-only-true
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from lstm_core.files import LARGEST, FileProblem, check_size

WRAPPERS = ("model.", "module.", "_orig_mod.")  # what training programs put before the names of a model
SHOWN = 8  # names that a sentence lists

_RECURRENT = re.compile(r"(?P<prefix>.*?)(?P<name>(?:weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)_l\d+(?:_reverse)?)")


class WeightsProblem(FileProblem):
    """The weights cannot be used; `mismatches` names every parameter that does not fit, a sentence each."""

    def __init__(self, what: str, mismatches: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join([what, *mismatches]))
        self.mismatches = mismatches


def read(data: bytes, name: str) -> dict[str, Tensor]:
    """The tensors of a state dict by name, as they were saved; raises FileProblem for anything else."""
    check_size(len(data), name)
    if not data:
        raise WeightsProblem(f"{name} is empty: it has 0 bytes. Choose another file.")
    found = _state_dict(_unpacked(data, name), name)
    if sum(tensor.numel() for tensor in found.values()) > LARGEST:
        raise WeightsProblem(f"{name} unfolds to more than {LARGEST:,} numbers, the most that can be read.")
    return found


def recurrent(state: Mapping[str, Tensor], name: str, prefix: str | None = None) -> dict[str, Tensor]:
    """The parameters of the only recurrent module in a state dict, or of the one at `prefix`, by torch's names."""
    modules: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        if (match := _RECURRENT.fullmatch(key)) is not None:
            modules.setdefault(match["prefix"], {})[match["name"]] = tensor
    if prefix is not None:
        modules = {found: tensors for found, tensors in modules.items() if found.rstrip(".") == prefix.rstrip(".")}
    if len(modules) == 1:
        return next(iter(modules.values()))
    if modules:
        names = _listed(found.rstrip(".") or "one without a name" for found in sorted(modules))
        raise WeightsProblem(
            f"{name} holds {len(modules)} recurrent modules: {names}. Save the state dict of the one that is meant."
        )
    where, names = f" called {prefix}" if prefix else "", _listed(sorted(state))
    raise WeightsProblem(
        f"{name} holds no recurrent module{where}: none of its names ({names}) ends like weight_ih_l0. "
        "Save the state dict of an nn.LSTM, nn.GRU or nn.RNN."
    )


def load_into(rnn: nn.RNNBase, data: bytes, name: str, prefix: str | None = None) -> list[str]:
    """Fill the parameters of a recurrent module from a file and return their names.

    Raises FileProblem; where single parameters do not fit, it names each of them, and nothing is changed.
    """
    return _fill(dict(rnn.named_parameters()), recurrent(read(data, name), name, prefix), name)


def load_model_into(model: nn.Module, data: bytes, name: str) -> list[str]:
    """Fill all parameters of a whole model from a file and return their names; raises as `load_into` does."""
    return _fill(model.state_dict(keep_vars=True), _unwrapped(read(data, name)), name)


def load_any_into(model: nn.Module, data: bytes, name: str) -> list[str]:
    """Fill a whole `SequenceModel` where the file holds one, else its recurrent layers; raises as `load_into` does."""
    if is_whole(model, data, name):
        return load_model_into(model, data, name)
    assert isinstance(model.rnn, nn.RNNBase)
    return load_into(model.rnn, data, name)


def is_whole(model: nn.Module, data: bytes, name: str) -> bool:
    """Whether a file has every parameter of the model by its name, not only those of its recurrent layers."""
    return set(model.state_dict()) <= set(_unwrapped(read(data, name)))


def _unpacked(data: bytes, name: str) -> Any:
    """What the file holds, by the reader that its first bytes ask for."""
    try:
        if data[8:9] == b"{":
            return load_safetensors(data)
        if data[:2] == b"PK":
            _check_archive(data, name)
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except WeightsProblem:
        raise
    except Exception as error:
        # A damaged file makes the readers stumble in any way; torch refuses, unread, whatever is more than tensors.
        raise WeightsProblem(
            f"{name} cannot be read as weights ({type(error).__name__}). It must be a state dict, saved by "
            "safetensors.torch.save_file(model.state_dict(), …) or torch.save(model.state_dict(), …); "
            "anything else in it, such as a whole model, is never opened."
        ) from error


def _check_archive(data: bytes, name: str) -> None:
    """Raise WeightsProblem for a packed file that would become much larger than it is."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(part.file_size for part in archive.infolist()) > LARGEST + len(data):
            raise WeightsProblem(f"{name} unpacks to more than {LARGEST // 2**20} MiB, the most that can be read.")


def _state_dict(found: Any, name: str) -> dict[str, Tensor]:
    """The tensors by name, at the top of what was saved or one level below it, as checkpoints have them."""
    if isinstance(found, Mapping):
        nested = [part for part in found.values() if _is_state_dict(part)]
        if not _is_state_dict(found) and len(nested) == 1:
            found = nested[0]
    if not _is_state_dict(found):
        raise WeightsProblem(
            f"{name} holds {_described(found)}, not one state dict; save model.state_dict() alone and choose that file."
        )
    return dict(found)


def _is_state_dict(part: Any) -> bool:
    return (
        isinstance(part, Mapping)
        and len(part) > 0
        and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in part.items())
    )


def _described(found: Any) -> str:
    if isinstance(found, Mapping):
        return f"a mapping of {_listed(str(key)[:40] for key in found)}" if found else "an empty mapping"
    return f"a {type(found).__name__}"


def _usable(tensor: Tensor, like: Tensor, key: str, name: str) -> Tensor:
    """The tensor with the dtype of its parameter; raises WeightsProblem for what is no finite float number."""
    if type(tensor) not in (Tensor, nn.Parameter) or tensor.layout != torch.strided or tensor.device.type != "cpu":
        raise WeightsProblem(f"{key} in {name} is no ordinary matrix of numbers; save it as a dense float32 tensor.")
    if not tensor.is_floating_point():
        kind = str(tensor.dtype).removeprefix("torch.")
        raise WeightsProblem(f"{key} in {name} has numbers of the type {kind}; weights must be float numbers.")
    converted = tensor.detach().to(like.dtype)
    bad = int((~converted.isfinite()).sum())
    if bad:
        raise WeightsProblem(
            f"{key} in {name} has {bad} of {math.prod(tensor.shape)} numbers that are not finite in float32; "
            "choose weights from before the training broke."
        )
    return converted


def _unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict without what a training program put before every name."""
    for wrapper in WRAPPERS:
        if all(key.startswith(wrapper) for key in state):
            return _unwrapped({key.removeprefix(wrapper): tensor for key, tensor in state.items()})
    return dict(state)


def _fill(parameters: Mapping[str, Tensor], found: Mapping[str, Tensor], name: str) -> list[str]:
    """Copy every tensor into the parameter of its name; raises WeightsProblem, and copies none, unless all fit."""
    mismatches = []
    for key in dict.fromkeys([*parameters, *found]):
        if key not in found:
            mismatches.append(f"{key} is missing; expected is {_shape(parameters[key])}.")
        elif key not in parameters:
            mismatches.append(f"{key} {_shape(found[key])} is not expected.")
        elif found[key].shape != parameters[key].shape:
            mismatches.append(f"{key} is {_shape(found[key])}; expected is {_shape(parameters[key])}.")
    if mismatches:
        hint = _cell_hint(parameters, found)
        raise WeightsProblem(f"The weights in {name} do not fit this model.{hint}", tuple(mismatches))
    usable = {key: _usable(found[key], parameter, key, name) for key, parameter in parameters.items()}
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(usable[key])
    return list(parameters)


def _cell_hint(parameters: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """The reason behind all wrong shapes, where it is that the file is of another kind of cell."""
    cells = {4: "LSTM", 3: "GRU", 1: "RNN"}
    kinds = [cells.get(_gates(state) or 0) for state in (found, parameters)]
    if None in kinds or kinds[0] == kinds[1]:
        return ""
    return f" They are those of an nn.{kinds[0]}, the model has an nn.{kinds[1]}."


def _gates(state: Mapping[str, Tensor]) -> int | None:
    """How many blocks the recurrent matrix has; None where it cannot be told."""
    first = next((tensor for key, tensor in state.items() if key.endswith("weight_hh_l0")), None)
    projected = any(key.endswith("weight_hr_l0") for key in state)
    if first is None or projected or first.dim() != 2 or not first.shape[1]:
        return None
    return first.shape[0] // first.shape[1] if first.shape[0] % first.shape[1] == 0 else None


def _shape(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "a single number"


def _listed(names: Any) -> str:
    shown = [str(name) for name in names]
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more
