"""The words of calls and brackets, and which of them a name means in a scope."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.notation.reader import Combine, Reader
from tensorgrad.notation.syntax import Syntax

Plan = tuple[Sequence[Syntax], Combine]
"""The parts of a node to read first, and what to do with their values."""

BRACKETS = ("I", "ones", "zeros", "e", "commutation", "delta", "lc", "flat", "conv")

ALONG = ("sum", "mean", "max", "softmax", "log_softmax", "logsumexp")

EXPECTATIONS = {"E": 1, "Var": 1, "Cov": 2}

FORMS = {
    "I": "I[n]",
    "ones": "ones[n] or ones[n, m]",
    "zeros": "zeros[n] or zeros[n, m]",
    "e": "e[i, n]",
    "commutation": "commutation[n, m]",
    "delta": "delta[i, j]",
    "lc": "lc[i, j, k]",
    "flat": "flat[p, i, j]",
    "conv": "conv[i, j, k]",
    "mat": "mat[i, j](...)",
    "ten": "ten[i, j, k](...)",
    "E": "E[x](...)",
    "Var": "Var[x](...)",
    "Cov": "Cov[x](..., ...)",
}


def is_declared(reader: Reader, name: str) -> bool:
    """Whether the scope declares the name (which shadows the built-in I e E d)."""
    return name in reader.scope.variables or name in reader.scope.functions


def built_in(reader: Reader, node: Syntax) -> str:
    """The built-in name that a callee or base is, or ''."""
    name = node.value if node.kind == "name" and not node.grouped else ""
    return "" if is_declared(reader, name) else name


def count_arguments(reader: Reader, node: Syntax, name: str, arguments: Sequence[Syntax], wanted: int) -> None:
    """Raise when a call has not the wanted number of arguments."""
    if len(arguments) != wanted:
        words = {1: "one argument", 2: "two arguments", 3: "three arguments", 4: "four arguments"}[wanted]
        were = "was" if len(arguments) == 1 else "were"
        raise reader.error(node, f"{name} takes {words}, but {len(arguments)} {were} given")
