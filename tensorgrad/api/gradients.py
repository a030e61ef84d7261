"""Gradients of one expression in several variables, along a structure, and times a vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

from tensorgrad.calculus import gradients
from tensorgrad.calculus.structured import STRUCTURES, along_structure
from tensorgrad.errors import EdgeError, FactError
from tensorgrad.tensor import Derivative, Fact, Product, Tensor, Variable

Names = Mapping[str, str] | Sequence[str] | None
Structured = bool | str


@overload
def grad(t: Tensor, variables: Variable, new_names: Names = None, *, structured: Structured = False) -> Tensor: ...


@overload
def grad(t: Tensor, variables: Sequence[Variable], *, structured: Structured = False) -> tuple[Tensor, ...]: ...


def grad(
    t: Tensor, variables: Variable | Sequence[Variable], new_names: Names = None, *, structured: Structured = False
) -> Tensor | tuple[Tensor, ...]:
    """The derivative of `t` in a variable, or in each of several: the edges of t, then the variable's, primed if taken.

    Several share their cotangents: one pass backwards. The entries of a variable are independent; with
    `structured=True` those that its facts tie together (symmetric, skew, diagonal, upper, lower) move together, and
    with a text ("toeplitz", "symmetric toeplitz") those that the named structures tie.

    >>> X, W = Variable("X", "b", "x"), Variable("W", "x", "y")
    >>> [g.edges for g in grad((X @ W) @ (X @ W), [X, W])]
    [('b', 'x'), ('x', 'y')]
    """
    if isinstance(variables, Variable):
        node = Derivative(t, variables, new_names)
        (found,) = gradients(t, [(variables, node.names)])
        return _along(found, variables, node.names, structured)
    pairs = [(v, Derivative(t, v).names) for v in variables]
    return tuple(_along(g, *pair, structured) for g, pair in zip(gradients(t, pairs), pairs, strict=True))


def _along(gradient: Tensor, variable: Variable, names: Sequence[str], structured: Structured) -> Tensor:
    if not structured:
        return gradient
    facts = [Fact(word) for word in structured.split()] if isinstance(structured, str) else variable.facts
    for fact in facts:
        if isinstance(structured, str) and fact.name not in STRUCTURES:
            raise FactError(f"structured={structured!r}: structures are {', '.join(STRUCTURES)}")
    return along_structure(gradient, variable, names, facts)


def hvp(t: Tensor, variable: Variable, direction: Tensor) -> Tensor:
    """The Hessian of a scalar times a direction, which has the edges of the variable: no Hessian is formed.

    >>> x, v, A = Variable("x", i="n"), Variable("v", i="n"), Variable("A", i="n", j="n")
    >>> print(hvp(x @ A @ x.rename(i="j"), x, v).simplify())
    (A + A.T) @ v
    """
    if t.order:
        raise EdgeError(f"hvp is of a scalar; the tensor has the edges {', '.join(t.edges)}")
    if set(direction.edges) != set(variable.edges):
        raise EdgeError(
            f"the direction of hvp has the edges {', '.join(direction.edges) or 'none'}, "
            f"{variable.name} has {', '.join(variable.edges) or 'none'}"
        )
    slope = Product((grad(t, variable), direction), ())
    return grad(slope, variable)
