"""Every mutant of a module, by mutmut's operators: each is the whole text with one node changed.

mutmut itself leaves out module constants and decorated functions. Here they belong to it: the core's thresholds are
constants, and much of what it says of itself is a property.
"""

from __future__ import annotations

import difflib
import random
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

NOT_BEHAVIOUR = (cst.Annotation, cst.Decorator, cst.Import, cst.ImportFrom)
NAMES_ONLY = ("__slots__", "Literal", "TypeVar", "NDArray")  # a change inside changes no result, or no import works


@dataclass(frozen=True, slots=True)
class Site:
    """A node of a module, and what to put in its place."""

    path: str  # of the module, in the checkout
    module: cst.Module
    node: cst.CSTNode
    changed: cst.CSTNode
    first: int  # lines of the node
    last: int
    module_level: bool  # outside every function: it is read where the module is imported

    def mutant(self) -> Mutant | None:
        """The changed module; None where that is the same text, or no Python."""
        mutated = self.module.deep_replace(self.node, self.changed)
        assert isinstance(mutated, cst.Module)
        text = mutated.code
        try:
            compile(text, self.path, "exec")
        except SyntaxError:
            return None
        if text == self.module.code:
            return None
        before, after = self.module.code.splitlines(), text.splitlines()
        diff = "\n".join(difflib.unified_diff(before, after, self.path, self.path, "", "", 2, ""))
        return Mutant(self.path, text, diff, self.first, self.last, self.module_level)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One module with one change; lines and level as in its Site."""

    path: str
    text: str
    diff: str  # unified
    first: int
    last: int
    module_level: bool


def sites(root: Path, path: str) -> list[Site]:
    """Where and how the module at `path` under `root` can be changed, in the order of its text."""
    wrapper = MetadataWrapper(cst.parse_module((root / path).read_text()))
    walk = _Walk(path, wrapper.module)
    wrapper.visit(walk)
    return walk.found


def sample(everywhere: list[Site], *, count: int, seed: int) -> list[Mutant]:
    """`count` different mutants, drawn with a seed."""
    drawn: dict[Mutant, None] = {}
    for site in random.Random(seed).sample(everywhere, len(everywhere)):
        if len(drawn) >= count:
            break
        mutant = site.mutant()
        if mutant is not None:
            drawn[mutant] = None
    return list(drawn)


class _Walk(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, path: str, module: cst.Module) -> None:
        super().__init__()
        self.found: list[Site] = []
        self._path = path
        self._module = module
        self._inside: list[cst.FunctionDef] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, NOT_BEHAVIOUR) or _names_only(node):
            return False
        if isinstance(node, cst.FunctionDef):
            self._inside.append(node)
        where = self.get_metadata(PositionProvider, node, None)
        if where is not None:
            for kind, operator in mutation_operators:
                if isinstance(node, kind):
                    self.found += [
                        Site(
                            self._path, self._module, node, changed, where.start.line, where.end.line, not self._inside
                        )
                        for changed in operator(node)
                    ]
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if self._inside and original_node is self._inside[-1]:
            self._inside.pop()


def _names_only(node: cst.CSTNode) -> bool:
    target: cst.CSTNode | None = None
    if isinstance(node, cst.Assign):
        target = node.targets[0].target
        value: cst.CSTNode = node.value
        value = value.value if isinstance(value, cst.Subscript) else value
        value = value.func if isinstance(value, cst.Call) else value
        if isinstance(value, cst.Name) and value.value in NAMES_ONLY:
            return True
    return isinstance(target, cst.Name) and target.value in NAMES_ONLY
