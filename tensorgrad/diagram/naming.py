"""One name, one variable: what is told apart by its name must not be declared in two ways."""

from __future__ import annotations

from collections.abc import Iterable

from tensorgrad.errors import InputError
from tensorgrad.tensor import Tensor, Variable, walk


def check_variables(tensors: Iterable[Tensor]) -> None:
    """InputError when two variables of one name differ in their sizes or facts, within one tensor or between several.

    >>> A = Variable("A", i="n", j="n")
    >>> check_variables([A, A.rename(i="k")])
    """
    found: dict[str, Variable] = {}
    for t in tensors:
        for node in walk(t):
            if not isinstance(node, Variable):
                continue
            first = found.setdefault(node.name, node)
            if first is not node and (first.dims, frozenset(first.facts)) != (node.dims, frozenset(node.facts)):
                raise InputError(
                    f"{node.name} is two variables, {first.declarations} and {node.declarations}: give one of them "
                    "another name, or declare both alike"
                )
