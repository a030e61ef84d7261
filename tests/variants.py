"""Variants of a goal that say the same: other names, another order, the sides swapped or transposed, sizes as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from tensorgrad.notation import Claim, Condition
from tensorgrad.sizes import Poly
from tensorgrad.tensor import (
    Apply,
    Law,
    Product,
    Sum,
    Tensor,
    Variable,
    align,
    postorder,
    renamed,
    resize,
    walk,
    with_children,
)

Change = Callable[[Tensor], Tensor]


def everywhere(claim: Claim, change: Change) -> Claim:
    """The claim with both sides, and all expressions of its conditions, changed."""
    assert claim.right is not None
    conditions = tuple(_condition(c, change) for c in claim.conditions)
    return replace(claim, left=change(claim.left), right=change(claim.right), conditions=conditions)


def _condition(c: Condition, change: Change) -> Condition:
    right = change(c.right) if c.right is not None else None
    law = Law(c.law.kind, tuple(map(change, c.law.parameters))) if c.law is not None else None
    return replace(c, tensor=change(c.tensor), right=right, law=law)


def _parts(claim: Claim) -> list[Tensor]:
    assert claim.right is not None
    found = [claim.left, claim.right]
    for c in claim.conditions:
        found += [t for t in (c.tensor, c.right, *(c.law.parameters if c.law else ())) if t is not None]
    return found


def symbols(claim: Claim) -> list[str]:
    """The size symbols of a claim, in the order in which they occur."""
    return list(dict.fromkeys(s for t in _parts(claim) for node in walk(t) for s in _symbols(node)))


def _symbols(node: Tensor) -> list[str]:
    dims = [*node.dims, *(d for d in (getattr(node, n, None) for n in ("value", "size", "offset")) if d is not None)]
    if isinstance(node, Apply):
        dims += [p for p in node.function.produces if isinstance(p, Poly)]
    return [s for d in dims if isinstance(d, Poly) for s in d.symbols]


def with_other_names(claim: Claim) -> Claim:
    """Variables, unknown functions and sizes under new names, whose alphabetical order is the reverse of the old ones'."""
    variables = {n.name: n for t in _parts(claim) for n in walk(t) if isinstance(n, Variable)}
    taken = set(variables) | set(symbols(claim))
    new = {name: f"v{len(taken) - k:02}" for k, name in enumerate(sorted(taken))}
    sizes = {s: Poly.symbol(new[s]) for s in symbols(claim)}

    def change(t: Tensor) -> Tensor:
        replaced: dict[str, Tensor] = {}
        for name, v in variables.items():
            dims = {e: d.substitute(sizes) for e, d in v.sizes.items()}
            replaced[name] = Variable(new[name], edges=dims, facts=v.facts)
        return rewritten(resize(t, sizes, replaced), _unknown_renamed)

    return everywhere(claim, change)


def rewritten(t: Tensor, change: Change) -> Tensor:
    """The expression with `change` applied to every node, children first; it keeps the edges of the node."""
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        done[id(node)] = change(with_children(node, tuple(done[id(c)] for c in node.children)))
    return done[id(t)]


def _unknown_renamed(node: Tensor) -> Tensor:
    if not isinstance(node, Apply) or node.function.known:
        return node
    return Apply(replace(node.function, name=f"h{node.function.name}"), node.args, node.acted, node.produced)


def with_other_order(claim: Claim, seed: int = 1) -> Claim:
    """The terms of every sum and the factors of every product shuffled."""
    rng = Random(seed)

    def shuffle(node: Tensor) -> Tensor:
        if isinstance(node, Sum):
            order = rng.sample(range(len(node.terms)), len(node.terms))
            shuffled = Sum(tuple(node.terms[k] for k in order), tuple(node.weights[k] for k in order))
            return align(shuffled, node.edges)
        if isinstance(node, Product):
            return Product(rng.sample(node.factors, len(node.factors)), node.edges)
        return node

    return everywhere(claim, lambda t: rewritten(t, shuffle))


def with_sides_swapped(claim: Claim) -> Claim:
    """`right = left`."""
    assert claim.right is not None
    return replace(claim, left=claim.right, right=claim.left)


def transposed(claim: Claim) -> Claim:
    """Both sides with their axes in reverse."""
    assert claim.right is not None
    edges = claim.left.edges

    def change(t: Tensor) -> Tensor:
        return align(renamed(align(t, edges), edges[::-1]), edges)

    return replace(claim, left=change(claim.left), right=change(claim.right))


def with_numbers(claim: Claim) -> Claim:
    """Distinct sizes as distinct integers, from 2 on."""
    sizes = {s: Poly.constant(2 + k) for k, s in enumerate(symbols(claim))}
    return everywhere(claim, lambda t: resize(t, sizes))


VARIANTS: Mapping[str, Callable[[Claim], Claim]] = {
    "other names": with_other_names,
    "other order": with_other_order,
    "sides swapped": with_sides_swapped,
    "transposed": transposed,
    "sizes as numbers": with_numbers,
}
"""What a variant is called -> how it is made."""
