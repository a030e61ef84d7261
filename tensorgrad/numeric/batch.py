"""An expression evaluated at many values of one variable at once: the variable gets one edge more, and so does all above."""

from __future__ import annotations

from typing import TypeGuard

from tensorgrad.sizes import Poly
from tensorgrad.tensor import (
    Apply,
    Derivative,
    Expectation,
    Product,
    Rename,
    Sum,
    Tensor,
    Unit,
    Variable,
    broadcast,
    postorder,
    renamed,
)


def batched(t: Tensor, name: str, many: str, edge: str, dim: Poly) -> Tensor | None:
    """`t` with the variable `name` replaced by `many`, which has the edge `edge` too; so has the result.

    An expectation over `name` binds it and stays as it is. None where another expectation, a derivative by the
    variable or the position of a unit vector depends on it.
    """
    done: dict[int, Tensor] = {}
    moved: set[int] = set()
    for node in postorder(t):
        if isinstance(node, Variable) and node.name == name:
            done[id(node)] = Variable(many, edges={edge: dim, **node.sizes})
            moved.add(id(node))
            continue
        inside = node.children[len(node.args) + 1 :] if _binds(node, name) else node.children
        if not any(id(c) in moved for c in inside):
            done[id(node)] = node
            continue
        new = _with_edge(node, [done[id(c)] for c in node.children], edge, dim)
        if new is None:
            return None
        done[id(node)] = new
        moved.add(id(node))
    return broadcast(done[id(t)], {edge: dim})


def _binds(node: Tensor, name: str) -> TypeGuard[Expectation]:
    return isinstance(node, Expectation) and node.variable.name == name


def _with_edge(node: Tensor, children: list[Tensor], edge: str, dim: Poly) -> Tensor | None:
    match node:
        case Rename():
            names = dict(zip(node.tensor.edges, node.edges, strict=True))
            return renamed(children[0], tuple(names.get(e, e) for e in children[0].edges))
        case Sum():
            return Sum(tuple(broadcast(c, {edge: dim}) for c in children), node.weights)
        case Product():
            return Product(children, (edge, *node.edges))
        case Apply():
            return Apply(node.function, children, node.acted, node.produced)
        case Derivative() if edge in children[0].edges and edge not in children[1].edges:
            return Derivative(children[0], node.variable, node.names)
        case Derivative() | Expectation() | Unit() | _:
            return None
