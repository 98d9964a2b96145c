"""The promises about names and imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import lstm_core

ROOT = Path(lstm_core.__file__).parent.parent
# who may import whom: a module may import from its own rank or a lower one
RANKS = [
    ["lstm_core.settings", "lstm_core.cells", "lstm_core.scratch", "lstm_core.agreement"],
    ["lstm_core.files"],
    ["lstm_core.texts", "lstm_core.weights"],
    ["lstm_core.tables"],
    ["lstm_core.recipes", "lstm_core.groups", "lstm_core.tasks"],
    ["lstm_core.config"],
    ["lstm_core.diagnosis", "lstm_core.shapes"],
    ["lstm_core.schedules", "lstm_core.initializers", "lstm_core.attention", "lstm_core.recurrent"],
    ["lstm_core.mechanics"],
    ["lstm_core.naming"],
    ["lstm_core.probes", "lstm_core.model", "lstm_core.gradients", "lstm_core.stepwise"],
    ["lstm_core.fixed_point"],
    ["lstm_core.generation", "lstm_core.inside", "lstm_core.precision"],
    ["lstm_core.snapshots"],
    ["lstm_core.state"],
    ["lstm_core.xray", "lstm_core.xraying", "lstm_core.walk"],
    ["lstm_core.training", "lstm_core.export"],
    ["lstm_core.runs.forking"],
    ["lstm_core.runs.slices"],
    ["lstm_core.runs.engine"],
    ["lstm_core.terminal"],
    ["lstm_core.__main__"],
]
WORKING = (
    "slices",
    "kept",
    "preload",
    "forking",
    "heartbeat",
    "failures",
    "engine",
    "cluster",
)  # what of runs/ may train; all else only stores


def imports(path: Path) -> set[str]:
    """Every module that a file imports, names that are modules of the project spelled out."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_all_names_what_the_package_gives() -> None:
    assert set(lstm_core.__all__) == set(lstm_core._HOME)
    for name in lstm_core.__all__:
        assert getattr(lstm_core, name) is not None
        assert find_spec(f"lstm_core.{name}") is None, "once imported, the module would take the name's place"
    with pytest.raises(AttributeError, match="nothing"):
        _ = lstm_core.nothing


@pytest.mark.parametrize("path", sorted((ROOT / "lstm_core").rglob("*.py")), ids=module)
def test_the_core_never_imports_the_page(path: Path) -> None:
    forbidden = ("streamlit", "plotly", "app")
    assert not [name for name in imports(path) if name.split(".")[0] in forbidden]


@pytest.mark.parametrize("path", sorted((ROOT / "lstm_core").rglob("*.py")), ids=module)
def test_imports_point_one_way(path: Path) -> None:
    ranks = {name: rank for rank, names in enumerate(RANKS) for name in names}

    def rank(name: str) -> int | None:
        return next((r for n, r in ranks.items() if name == n or name.startswith(n + ".")), None)

    own = rank(module(path))
    if own is None:
        return
    higher = [name for name in imports(path) if (r := rank(name)) is not None and r > own]
    assert not higher


@pytest.mark.parametrize("path", sorted((ROOT / "lstm_core" / "runs").glob("*.py")), ids=module)
def test_the_store_knows_nothing_of_training(path: Path) -> None:
    if path.stem in WORKING:
        return
    arithmetic = ("lstm_core.cells", "lstm_core.shapes")
    words = ("lstm_core.cleaning", "lstm_core.wording")
    settings = ("lstm_core.config", "lstm_core.files", "lstm_core.race_plan", "lstm_core.settings")
    known = ("lstm_core.runs", *settings, *words, *arithmetic)
    found = imports(path)
    assert not [name for name in found if name.startswith("lstm_core.") and not name.startswith(known)]
    assert "torch" not in {name.split(".")[0] for name in found}


VIEWS_ONLY_LOOK_DOWN = {"figures": ("streamlit", "torch"), "board": ("torch",), "views": ("torch",)}


@pytest.mark.parametrize("folder", VIEWS_ONLY_LOOK_DOWN)
def test_pages_never_compute(folder: str) -> None:
    for path in (ROOT / "app" / folder).rglob("*.py"):
        found = {name.split(".")[0] for name in imports(path)}
        assert not found & set(VIEWS_ONLY_LOOK_DOWN[folder]), path


def test_settings_and_stored_runs_load_without_torch() -> None:
    code = (
        "import sys; from lstm_core import RunConfig, RunStore, TASKS; RunConfig();"
        "from tests.core.own_files import ready;"
        "[ready(name).data(1) for name in TASKS];"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
