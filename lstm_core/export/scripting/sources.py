"""Definitions taken out of this project's own modules as source text, with the settings of one run put in.

So a script draws its data with the very code that the run draws it with. What is taken brings along whatever it uses,
from whichever module; of classes only the methods that are called. Methods of a task become functions, its settings
constants. Comments and line breaks stay as they are; nothing is imported.
"""

from __future__ import annotations

import ast
import builtins
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lstm_core.export.scripting.layout import spaced, tidy
from lstm_core.export.scripting.modules import Definition, Module, in_order, module, unused, with_comments
from lstm_core.settings import Impossible

PROJECT = "lstm_core"
INSTEAD = {"Array": "np.ndarray"}  # what an annotation is called where this project has a name of its own


@dataclass
class Extract:
    """What is to be taken, and what came of it: `text()` after `need` and `method` said what is wanted."""

    owners: list[tuple[str, str]] = field(default_factory=list)  # (module, class) of a task, the nearest first
    settings: Mapping[str, object] = field(default_factory=dict)
    used: dict[str, str] = field(default_factory=dict)  # setting → its constant
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    _wanted: dict[tuple[str, str], None] = field(default_factory=dict)
    _methods: dict[str, None] = field(default_factory=dict)
    _attributes: set[str] = field(default_factory=set)

    def need(self, module_name: str, name: str) -> None:
        """Take a top-level definition along, or what the module imports under this name."""
        source = module(module_name)
        if name in INSTEAD:
            self.imports["np"] = ("numpy", "")
        elif name in source.defined:
            self._wanted[module_name, name] = None
        elif name in source.imported:
            home, there = source.imported[name]
            if home.startswith(PROJECT):
                self.need(home, there)
            else:
                self.imports[name] = (home, there)
        elif not hasattr(builtins, name):
            raise Impossible(f"A script cannot have the name {name} of {module_name}.")

    def method(self, name: str) -> None:
        """Take a method of the task along, as a function."""
        self._methods[name] = None

    def expression(self, method: str, keyword: str) -> str:
        """What a method of the task gives as this keyword, as source text."""
        home, node = self.find(method)
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                for given in call.keywords:
                    if given.arg == keyword:
                        return self.rewritten(home, given.value, task=True)
        raise Impossible(f"The task's {method} has no {keyword} that a script could take over.")

    def find(self, method: str) -> tuple[Module, ast.FunctionDef]:
        """A method of the task, wherever it is inherited from."""
        for module_name, owner in self.owners:
            home = module(module_name)
            node = home.defined[owner]
            assert isinstance(node, ast.ClassDef)
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name == method:
                    return home, part
        raise Impossible(f"The task has no {method} that a script could take over.")

    def text(self) -> str:
        """All that is wanted, with all that it uses, in an order in which Python can read it."""
        chunks: dict[tuple[str, int], str] = {}
        before: tuple[int, int, int] | None = None
        while (now := (len(self._wanted), len(self._methods), len(self._attributes))) != before:
            before, chunks = now, {}
            for name in list(self._methods):
                home, node = self.find(name)
                chunks[home.name, node.lineno] = self._function(home, node, task=True)
            for module_name, name in list(self._wanted):
                home = module(module_name)
                definition = home.defined[name]
                chunks[module_name, definition.lineno] = self._definition(home, definition)
        order = in_order({name for name, _ in chunks})
        ordered = sorted(chunks, key=lambda place: (order.index(place[0]), place[1]))
        return spaced([tidy(chunks[place]) for place in ordered if chunks[place]])

    def _definition(self, home: Module, node: Definition) -> str:
        if isinstance(node, ast.ClassDef):
            return self._class(home, node)
        if isinstance(node, ast.FunctionDef):
            return self._function(home, node)
        return self.rewritten(home, node)

    def _class(self, home: Module, node: ast.ClassDef) -> str:
        """A class with those of its methods that are called."""
        left_out = [
            part
            for part in node.body
            if isinstance(part, ast.FunctionDef)
            and not part.name.startswith("__")
            and part.name not in self._attributes
            and part.name != "forward"
        ]
        return self.rewritten(home, node, left_out)

    def _function(self, home: Module, node: ast.FunctionDef, task: bool = False) -> str:
        return self.rewritten(home, node, unused(node), task=task)

    def rewritten(self, home: Module, node: ast.AST, without: Sequence[ast.stmt] = (), task: bool = False) -> str:
        """The text of a node with everything put in its place, without some of its statements."""
        rewriting = _Rewriting(self, home, task, without)
        rewriting.visit(node)
        start, end = home.span(node)
        if isinstance(node, ast.stmt):
            start, end = with_comments(home.text, start, end)
        text = bytearray(home.text[start:end])
        done = len(home.text)
        for first, last, new in sorted(rewriting.edits, reverse=True):
            if last <= done and first >= start:
                text[first - start : last - start] = new.encode()
                done = first
        lines = text.decode().split("\n")
        indent = getattr(node, "col_offset", 0) if isinstance(node, ast.stmt) else 0
        lines = [line.removeprefix(" " * indent).rstrip() for line in lines]
        found = re.sub(r"  # (type: ignore|noqa).*", "", "\n".join(lines)).strip("\n")
        # a slice has spaces around its colon only where its ends are more than a name
        return re.sub(r"(-?[A-Z_]+) :\]", r"\1:]", re.sub(r"(\[|, ): (-?[A-Z_]+)\]", r"\1:\2]", found))

    def constant(self, name: str, home: Module | None = None) -> str:
        """How a setting is called in the script; by its value where that name means something else already."""
        if home is not None and name.upper() in home.defined:
            return json.dumps(self.settings[name])
        self.used[name] = name.upper()
        return name.upper()


class _Rewriting(ast.NodeVisitor):
    """Collects what has to change in a piece of text: (first byte, byte after the last, new text)."""

    def __init__(self, extract: Extract, home: Module, task: bool, without: Sequence[ast.stmt]) -> None:
        self.extract, self.home, self.task, self.without = extract, home, task, without
        self.edits: list[tuple[int, int, str]] = []
        self.alone: set[ast.AST] = set()  # what needs no brackets around it

    def visit(self, node: ast.AST) -> None:
        self.alone |= (
            {*getattr(node, "elts", []), *getattr(node, "args", [])}
            if isinstance(node, ast.Tuple | ast.Call)
            else set()
        )
        if node in self.without or isinstance(node, ast.Assert):
            self._leave_out(node)
        else:
            super().visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if self.task or self.home.defined.get(node.name) is node:
            start, _ = self.home.span(node)
            named = self.home.text.index(b"def ", start) + 4
            self._replace(named, named + len(node.name), self._public(node.name))
        for decorator in node.decorator_list:
            if self.task:
                raise Impossible(f"A script cannot have a method of the kind of {node.name}.")
            self.visit(decorator)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for number, argument in enumerate(arguments):
            first, last = self.home.span(argument)
            if self.task and number == 0:
                self._replace(first, self.home.span(arguments[1])[0] if len(arguments) > 1 else last, "")
            elif argument.annotation is not None:
                self._replace(first + len(argument.arg.encode()), last, "")
        for default, argument in zip(reversed(node.args.defaults), reversed(node.args.args), strict=False):
            if argument.annotation is not None:  # PEP 8 has no spaces around = where there is no annotation
                self._replace(self.home.span(argument)[1], self.home.span(default)[0], "=")
            self.visit(default)
        if node.returns is not None:
            first, last = self.home.span(node.returns)
            self._replace(self.home.text.rindex(b"->", 0, first) - 1, last, "")
        for statement in node.body:
            self.visit(statement)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is None:
            self.generic_visit(node)
            return
        self.visit(node.target)
        self._replace(self.home.span(node.target)[1], self.home.span(node.annotation)[1], "")
        self.visit(node.value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not (self.task and isinstance(node.value, ast.Name) and node.value.id == "self"):
            self.extract._attributes.add(node.attr)
            self.generic_visit(node)
            return
        first, last = self.home.span(node)
        self._replace(first, last, self._own(node.attr, alone=node in self.alone))

    def _own(self, name: str, alone: bool) -> str:
        """What a task's own setting, property or method is called in the script."""
        if name in self.extract.settings:
            return self.extract.constant(name, self.home)
        home, method = self.extract.find(name)
        if any(isinstance(mark, ast.Name) and mark.id == "property" for mark in method.decorator_list):
            *_, given = method.body
            if not isinstance(given, ast.Return) or given.value is None or len(method.body) > 2:
                raise Impossible(f"A script cannot have the property {name}.")
            text = self.extract.rewritten(home, given.value, task=True)
            return text if alone or isinstance(given.value, ast.Attribute | ast.Subscript) else f"({text})"
        self.extract.method(name)
        return self._public(name)

    def visit_Name(self, node: ast.Name) -> None:
        first, last = self.home.span(node)
        if self.task and node.id == "seed":
            self._replace(first, last, "SEED")
        elif node.id in INSTEAD:
            self._replace(first, last, INSTEAD[node.id])
            self.extract.need(self.home.name, node.id)
        elif node.id in self.home.defined or (isinstance(node.ctx, ast.Load) and node.id in self.home.imported):
            self.extract.need(self.home.name, node.id)
            self._replace(first, last, self._public(node.id))

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "Batch":
            self._tuple(node)
        elif isinstance(node.func, ast.Name) and node.func.id == "MappingProxyType":
            self._plain(node)
        else:
            self.generic_visit(node)

    def _tuple(self, node: ast.Call) -> None:
        """Inputs, targets and, where there are any, lengths; which of the inputs decide is of no use here."""
        first, last = self.home.span(node)
        kept = node.args[:3]
        self._replace(first, self.home.span(kept[0])[0], "")
        self._replace(self.home.span(kept[-1])[1], last, "")
        for part in kept:
            self.visit(part)

    def _plain(self, node: ast.Call) -> None:
        """The mapping itself, one level further out."""
        (mapping,) = node.args
        first, last = self.home.span(node)
        inner, outer = self.home.span(mapping)
        self._replace(first, inner, "")
        self._replace(outer, last, "")
        for match in re.finditer(rb"\n    ", self.home.text[inner:outer]):
            self._replace(inner + match.start() + 1, inner + match.end(), "")
        self.visit(mapping)

    def _leave_out(self, node: ast.AST) -> None:
        first, last = self.home.span(node)
        line = self.home.text.rindex(b"\n", 0, first)
        while self.home.text[:line].endswith(b"\n"):  # the blank lines before it go with it
            line -= 1
        self._replace(line, last, "")

    def _public(self, name: str) -> str:
        free = name.lstrip("_")
        return name if free in self.home.taken else free

    def _replace(self, first: int, last: int, text: str) -> None:
        self.edits.append((first, last, text))
