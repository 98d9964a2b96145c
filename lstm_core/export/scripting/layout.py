"""How a script is laid out: blank lines between definitions, and no line longer than it may be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

LINE = 120


def spaced(chunks: list[str]) -> str:
    """Chunks with two blank lines around functions and classes, none between constants."""
    text = ""
    was_block = True
    for chunk in chunks:
        block = chunk.startswith(("def ", "class ", "@"))
        text += chunk if not text else ("\n\n\n" if block or was_block else "\n") + chunk
        was_block = block
    return text


def tidy(text: str) -> str:
    """Statements that were broken over several lines and now fit into one are put into one."""
    for first, last in sorted(_broken(ast.parse(text)), reverse=True):
        lines = text.split("\n")
        piece = lines[first - 1 : last]
        if (
            last <= first
            or any("#" in line or '"""' in line for line in piece)
            or re.search(r",\n\s*[)\]}]", "\n".join(piece))
        ):
            continue
        joined = re.sub(r"([(\[{]) ", r"\1", " ".join([piece[0], *(line.strip() for line in piece[1:])]))
        joined = re.sub(r" ([)\]}])", r"\1", joined)
        if len(joined) <= LINE:
            text = "\n".join([*lines[: first - 1], joined, *lines[last:]])
    return text


def _broken(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """(first, last) line of every simple statement and every head of a block that may take several lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.end_lineno is not None:
            body = getattr(node, "body", None)
            if not isinstance(body, list):
                yield node.lineno, node.end_lineno
            elif not getattr(body[0], "decorator_list", None):
                yield node.lineno, body[0].lineno - 1


def wrapped(text: str) -> str:
    """Lines that are too long and end with a bracket are broken within it, unless that would change what they say."""
    lines, meaning = text.split("\n"), _meaning(text)
    for place, line in enumerate(lines):
        if len(line) > LINE and line.endswith(")"):
            broken = [*lines[:place], _wrapped(line), *lines[place + 1 :]]
            if _meaning("\n".join(broken)) == meaning:  # else a bracket stands in a text, such as a column's name
                lines = broken
    return "\n".join(lines)


def _meaning(text: str) -> str | None:
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return None


def _wrapped(line: str) -> str:
    depth, place = 0, len(line)
    while place == len(line) or (depth and place):
        place -= 1
        depth += {")": 1, "]": 1, "(": -1, "[": -1}.get(line[place], 0)
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    within = indent + line[place + 1 : -1]
    if len(within) > LINE:
        within = "\n".join(f"{indent}{argument}," for argument in re.split(r", (?![^(\[]*[)\]])", within.strip()))
    return f"{line[: place + 1]}\n{within}\n{indent[4:]})"
