"""Modules that say which of their suites (function bodies, branches, loops) have been entered.

One call for each suite costs a tenth of what a trace of every line does, and tells the same: what stands in a suite is
reached where the suite is.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

SAYS: Final = "__reached__"  # the name of the function that each suite calls first


class Suites:
    """The suites of some modules, by number, and those that have been entered since `reached` was cleared."""

    def __init__(self) -> None:
        self.reached: set[int] = set()
        self._lines: list[tuple[str, list[int]]] = []  # path and line numbers of each suite

    def instrument(self, path: Path, text: str) -> ast.Module:
        """A module's tree with a call of SAYS at the begin of each suite of a function."""
        tree = ast.parse(text, str(path))
        for node in list(ast.walk(tree)):
            if isinstance(node, ast.Module | ast.ClassDef):
                continue
            for name in ("body", "orelse", "finalbody"):
                suite = getattr(node, name, None)
                if not isinstance(suite, list):
                    continue
                lines = {line for statement in suite for line in _own(statement)}
                if isinstance(node, ast.FunctionDef):
                    lines.update(range(node.lineno, suite[0].lineno))  # the defaults of its arguments
                says = ast.Call(ast.Name(SAYS, ast.Load()), [ast.Constant(len(self._lines))], [])
                if suite:
                    self._lines.append((str(path), sorted(lines)))
                    suite.insert(0, ast.copy_location(ast.Expr(says), suite[0]))
        return ast.fix_missing_locations(tree)

    def lines(self) -> dict[str, list[int]]:
        """The lines that have been reached, by path."""
        found: dict[str, list[int]] = {}
        for number in sorted(self.reached):
            path, lines = self._lines[number]
            found.setdefault(path, []).extend(lines)
        return found


def _own(statement: ast.stmt) -> range:
    """The lines of a statement up to its first suite."""
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if not body:
        return range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    first = body[0]
    begin = first.pattern.lineno if isinstance(first, ast.match_case) else first.lineno
    return range(statement.lineno, max(begin, statement.lineno + 1))
