"""Programs as files that run with torch alone: the helpers they call are copied in."""

from __future__ import annotations

import ast
import re
from pathlib import Path

HELPERS = "from tensorgrad.runtime import torch_functions as tf"
PREFIX = "_tf_"


def standalone(source: str) -> str:
    """The source with the helpers that it calls, renamed so that they hide nothing, instead of their import."""
    called = set(re.findall(r"\btf\.(\w+)", source))
    head = "# Written by tensorgrad; needs torch only.\n"
    if not called:
        return head + source
    helpers = _needed(called)
    body = re.sub(r"\btf\.(\w+)", rf"{PREFIX}\1", source.replace(HELPERS + "\n", ""))
    imports, _, functions = body.partition("\n\n\n")
    needed = "from __future__ import annotations\n\nfrom collections.abc import Callable, Sequence\n"
    needed += "from itertools import permutations\n\n"
    return f"{head}{needed}{imports}\n\n{helpers}\n\n{functions}"


def _needed(called: set[str]) -> str:
    """The text of the helpers called, and of those that they call, in the order of their file."""
    tree = ast.parse((Path(__file__).parent / "torch_functions.py").read_text(encoding="utf-8"))
    defined: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            defined[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            defined[node.targets[0].id] = node
    wanted: set[str] = set()
    stack = sorted(called)
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack += sorted(_names(defined[name]) & set(defined))
    renamed = _Renaming(set(defined))
    return "\n\n".join(ast.unparse(renamed.visit(node)) for name, node in defined.items() if name in wanted)


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


class _Renaming(ast.NodeTransformer):
    """Puts the prefix before the names that the helpers' file defines, unless a function has its own of that name."""

    def __init__(self, defined: set[str]) -> None:
        self.defined = defined
        self.local: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        outer = self.local
        own = {a.arg for a in node.args.args} | {
            n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        own |= {n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n is not node}
        if node.name in self.defined and node.name not in outer:
            node.name = PREFIX + node.name
        self.local = outer | own
        self.generic_visit(node)
        self.local = outer
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.defined and node.id not in self.local:
            node.id = PREFIX + node.id
        return node
