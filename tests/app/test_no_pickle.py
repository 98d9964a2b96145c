"""No bytes that somebody brings are ever unpickled: what could be, is refused in words, and nothing in it happens."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
import lstm_core
from app import calculator
from app.setting import own_data
from lstm_core.config import RunConfig
from lstm_core.files import FileProblem
from lstm_core.runs.store import RunStore
from tests.fuzz.uploads import MARKER, Harm, with_pickle

SOURCES = [file for package in (app, lstm_core) for file in sorted(Path(str(package.__path__[0])).rglob("*.py"))]
UNPICKLING = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
ALLOWED = {"calculator.py": {"pickle"}}  # over pipes, with a child that the server itself has started


def named(tree: ast.AST) -> Iterator[str]:
    """Every module that a file imports, at its top or within a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: "/".join(file.parts[-2:]))
def test_only_the_pipes_to_our_own_process_are_unpickled(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    assert set(named(tree)) & UNPICKLING <= ALLOWED.get(file.name, set())
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        words = {word.arg: word.value for word in call.keywords}
        what = ast.unparse(call.func)
        assert what not in ("eval", "compile", "pd.read_pickle", "torch.package.PackageImporter")
        assert "allow_pickle" not in words
        if what == "torch.load":
            safe = words["weights_only"]
            assert isinstance(safe, ast.Constant)
            assert safe.value is True


@pytest.mark.parametrize("how", ["system", "popen", "exec", "getattr"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_pickle_that_does_something_is_refused_and_does_nothing(store: RunStore, how: str, packed: bool) -> None:
    """Through the same door as a file that is dropped on the page; the reader is the calculating process."""
    data = pickle.dumps({"weight_ih_l0": Harm(how)}, 2)
    with pytest.raises(FileProblem, match=r"^nice\.pt cannot be read as weights .* is never opened\.$"):
        own_data.keep("weights", with_pickle(data) if packed else data, "nice.pt", RunConfig())
    assert not MARKER.exists()
    assert store.files() == []
    assert calculator.ask(len, "still there") == 11


def test_the_file_would_do_something_if_it_were_unpickled() -> None:
    """Else the test above could not fail."""
    try:
        pickle.loads(pickle.dumps(Harm("exec")))
        assert MARKER.exists()
    finally:
        MARKER.unlink(missing_ok=True)
