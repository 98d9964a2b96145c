"""The imports of a script: those that its text uses, in the usual order."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from types import MappingProxyType

# name → (module, name there); "" for a whole module
KNOWN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "argparse": ("argparse", ""),
        "csv": ("csv", ""),
        "hashlib": ("hashlib", ""),
        "io": ("io", ""),
        "math": ("math", ""),
        "re": ("re", ""),
        "unicodedata": ("unicodedata", ""),
        "Counter": ("collections", "Counter"),
        "Path": ("pathlib", "Path"),
        "topics": ("pydoc_data.topics", "topics"),
        "np": ("numpy", ""),
        "pd": ("pandas", ""),
        "plotly": ("plotly.data", ""),
        "torch": ("torch", ""),
        "nn": ("torch", "nn"),
        "F": ("torch.nn", "functional"),
        "init": ("torch.nn", "init"),
        "pack_padded_sequence": ("torch.nn.utils.rnn", "pack_padded_sequence"),
        "pad_packed_sequence": ("torch.nn.utils.rnn", "pad_packed_sequence"),
        "checkpoint": ("torch.utils.checkpoint", "checkpoint"),
        "load_digits": ("sklearn.datasets", "load_digits"),
        "train_test_split": ("sklearn.model_selection", "train_test_split"),
        "load_safetensors": ("safetensors.torch", "load"),
    }
)


def imports(text: str, more: Mapping[str, tuple[str, str]]) -> str:
    """The import statements for a text, the standard library's first."""
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    modules: set[str] = set()
    parts: dict[str, set[str]] = {}
    for name, (home, there) in {**more, **KNOWN}.items():
        if name not in names:
            continue
        if there:
            parts.setdefault(home, set()).add(there if name == there else f"{there} as {name}")
        else:
            modules.add(home if home.split(".")[0] == name else f"{home} as {name}")
    lines: tuple[list[str], list[str]] = ([], [])
    for home in sorted(modules):
        lines[_foreign(home)].append(f"import {home}")
    for home in sorted(parts):
        renamed = sorted(one for one in parts[home] if " as " in one)
        plain = sorted(parts[home].difference(renamed), key=lambda one: (not one[0].isupper(), one))
        several = [*renamed, *([", ".join(plain)] * bool(plain))]
        lines[_foreign(home)].extend(f"from {home} import {one}" for one in several)
    return "\n\n".join("\n".join(group) for group in lines if group)


def _foreign(home: str) -> bool:
    return home.split(" ")[0].split(".")[0] not in sys.stdlib_module_names
