"""Walks through expressions, and expressions rebuilt with other children."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tensorgrad.errors import EdgeError
from tensorgrad.tensor.arithmetic import align, renamed
from tensorgrad.tensor.base import Tensor
from tensorgrad.tensor.derivative import Derivative
from tensorgrad.tensor.expectation import Expectation, Law
from tensorgrad.tensor.nodes import Apply, Product, Rename, Sum
from tensorgrad.tensor.structure import Unit
from tensorgrad.tensor.variable import Variable


def walk(t: Tensor, above: type[Tensor] | None = None) -> Iterator[Tensor]:
    """Every distinct node of the expression, children after their first parent, each once; not below nodes of the kind
    `above`, if one is given."""
    seen: set[int] = set()
    stack = [t]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if above is None or not isinstance(node, above):
            stack.extend(reversed(node.children))


def postorder(t: Tensor) -> list[Tensor]:
    """Every distinct node once, children before parents; no recursion, so nesting may be thousands deep."""
    done: set[int] = set()
    order: list[Tensor] = []
    stack: list[tuple[Tensor, bool]] = [(t, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif id(node) not in done:
            done.add(id(node))
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.children))
    return order


def rebuild(t: Tensor, replace: Any) -> Tensor:
    """The expression with `replace(node)` put for every node for which it is not None; shared parts stay shared."""
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        new = replace(node)
        done[id(node)] = with_children(node, tuple(done[id(c)] for c in node.children)) if new is None else new
    return done[id(t)]


def with_children(t: Tensor, children: tuple[Tensor, ...]) -> Tensor:
    """`t` with other children of the same edges; `t` itself if they are the same objects."""
    if all(a is b for a, b in zip(t.children, children, strict=True)):
        return t
    match t:
        case Rename():
            return renamed(align(children[0], t.tensor.edges), t.edges)
        case Sum():
            return Sum(children, t.weights)
        case Product():
            return Product(children, t.edges)
        case Apply():
            return Apply(t.function, children, t.acted, t.produced)
        case Unit():
            return Unit(children[0], t.size, t.edges)
        case Derivative():
            return Derivative(children[0], _variable(children[1], t.variable), t.names)
        case Expectation():
            # The edges of an expectation, and the axes of a law, are those of what is inside by their order.
            new = tuple(align(c, old.edges) for c, old in zip(children, t.children, strict=True))
            args, rest = new[: len(t.args)], new[len(t.args) :]
            law = Law(t.law.kind, rest[1:]) if t.law else None
            return Expectation.of(t.kind, args, _variable(rest[0], t.variable), law, t.edges, t.dims)
        case _:
            return t


def _variable(new: Tensor, old: Variable) -> Variable:
    if not isinstance(new, Variable):
        raise EdgeError(f"{old.name} is what a derivative or expectation is taken over: it cannot be replaced there")
    return new
