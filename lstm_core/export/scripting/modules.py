"""This project's own modules as text: what each defines at its top level, and what it imports."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Module:
    """A module of this project as text: its top-level definitions, and what it imports, by name."""

    name: str
    text: bytes
    defined: Mapping[str, Definition]
    imported: Mapping[str, tuple[str, str]]  # name → (module, name there), ("numpy", "") for a whole module
    taken: frozenset[str]  # every name that anything has within

    def span(self, node: ast.AST) -> tuple[int, int]:
        """The bytes of a node, its decorators included."""
        assert isinstance(node, ast.stmt | ast.expr | ast.arg)
        marks: list[ast.expr] = getattr(node, "decorator_list", [])
        line = min([node.lineno, *(mark.lineno for mark in marks)])
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._lines[line - 1] + node.col_offset, self._lines[node.end_lineno - 1] + node.end_col_offset

    @property
    def _lines(self) -> list[int]:
        return _line_starts(self.text)


@lru_cache(maxsize=64)
def _line_starts(text: bytes) -> list[int]:
    return [0, *(match.end() for match in re.finditer(b"\n", text))]


@lru_cache(maxsize=64)
def module(name: str) -> Module:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).read_bytes()
    defined: dict[str, Definition] = {}
    imported: dict[str, tuple[str, str]] = {}
    tree = ast.parse(text)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                defined |= {part.id: node for part in ast.walk(target) if isinstance(part, ast.Name)}
        elif isinstance(node, ast.Import):
            imported |= {one.asname or one.name: (one.name, "") for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {one.asname or one.name: (node.module or "", one.name) for one in node.names}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return Module(name, text, defined, imported, frozenset(names | set(defined) | set(imported) | set(dir(builtins))))


def in_order(names: set[str]) -> list[str]:
    """Modules so that each comes after those that it imports."""
    order: list[str] = []

    def add(name: str) -> None:
        for home, _ in module(name).imported.values():
            if home in names and home not in order and home != name:
                add(home)
        if name not in order:
            order.append(name)

    for name in sorted(names):
        add(name)
    return order


def with_comments(text: bytes, start: int, end: int) -> tuple[int, int]:
    """The bytes of a statement, the comment behind it and those right above it."""
    after = re.compile(rb"[ ]*#[^\n]*").match(text, end)
    lines = text[:start].split(b"\n")
    above = 0
    while lines[-2 - above].strip().startswith(b"#"):
        above += 1
    before = sum(len(line) + 1 for line in lines[-1 - above : -1])
    return start - before - (len(lines[-1]) if above else 0), after.end() if after else end


def unused(node: ast.FunctionDef) -> list[ast.stmt]:
    """Statements that only fill what nobody reads once it is left out which inputs decide an answer."""
    unread: list[ast.stmt] = []
    while True:
        read = {part.id for part in _read(node, unread)}
        more = [
            part
            for part in node.body
            if part not in unread and isinstance(part, ast.Assign) and not _filled(part.targets) & read
        ]
        if not more:
            return unread
        unread += more


def _read(node: ast.AST, without: Sequence[ast.stmt]) -> Iterator[ast.Name]:
    """The names that are read, not counting where a part of them is set, nor the fourth thing that a batch is of."""
    if node in without:
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
        yield from _read(node.slice, without)
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Batch":
        for part in node.args[:3]:
            yield from _read(part, without)
        return
    for child in ast.iter_child_nodes(node):
        yield from _read(child, without)


def _filled(targets: list[ast.expr]) -> set[str]:
    """The names that a statement sets, in whole or in part."""
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
