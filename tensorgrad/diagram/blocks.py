"""Blocks of an expression: a product with all products inside it, a sum with all sums inside it, or one other node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tensorgrad.diagram.draft import Draft
from tensorgrad.sizes import ONE, Poly, as_poly
from tensorgrad.tensor import Apply, Delta, Expectation, Flat, Product, Rename, Scalar, Sum, Tensor, Unit

_STRUCTURE = (Product, Rename, Delta, Scalar, Flat)


@dataclass(frozen=True, slots=True)
class Factors:
    """A product: its draft, to which its operands are still to be added, each with the edges of its legs."""

    draft: Draft
    operands: Sequence[tuple[Tensor, Sequence[int]]]

    @property
    def parts(self) -> list[Tensor]:
        """The operands."""
        return [t for t, _ in self.operands]


@dataclass(frozen=True, slots=True)
class Terms:
    """A sum: each term with its coefficient and where the sum's axes are in it."""

    terms: Sequence[tuple[Tensor, Poly, tuple[int, ...]]]

    @property
    def parts(self) -> list[Tensor]:
        """The terms."""
        return [t for t, _, _ in self.terms]


@dataclass(frozen=True, slots=True)
class Arguments:
    """Any other node: what it is made of."""

    parts: list[Tensor]


Block = Factors | Terms | Arguments


def block(t: Tensor, dim: Callable[[Poly], Poly]) -> Block:
    """The block that starts at `t`, with sizes as `dim` says."""
    if isinstance(t, _STRUCTURE):
        return _factors(t, dim)
    if isinstance(t, Sum):
        return _terms(t)
    inside = isinstance(t, Apply | Unit) or (isinstance(t, Expectation) and t.kind == "E")
    return Arguments(list(t.children) if inside else [])


def _factors(t: Tensor, dim: Callable[[Poly], Poly]) -> Factors:
    draft = Draft()
    operands: list[tuple[Tensor, list[int]]] = []
    free = draft.edges(dim(d) for d in t.dims)
    draft.boundary = list(free)
    stack: list[tuple[Tensor, list[int]]] = [(t, free)]
    while stack:
        node, legs = stack.pop()
        if isinstance(node, Rename):
            stack.append((node.tensor, legs))
        elif isinstance(node, Product):
            named = dict(zip(node.edges, legs, strict=True))
            for factor in node.factors:
                for edge, size in zip(factor.edges, factor.dims, strict=True):
                    if edge not in named:
                        named[edge] = draft.edge(dim(size))
            stack.extend((f, [named[e] for e in f.edges]) for f in reversed(node.factors))
        elif isinstance(node, Delta):
            if legs:
                for leg in legs[1:]:
                    draft.unify(legs[0], leg)
            else:
                draft.coefficient = draft.coefficient * dim(node.size)
        elif isinstance(node, Scalar):
            draft.coefficient = draft.coefficient * dim(node.value)
        elif isinstance(node, Flat):
            draft.operands.append((-len(node.parts), legs))
        else:
            operands.append((node, legs))
    return Factors(draft, operands)


def _terms(t: Sum) -> Terms:
    out: list[tuple[Tensor, Poly, tuple[int, ...]]] = []
    stack: list[tuple[Tensor, Poly, tuple[int, ...]]] = [(t, ONE, tuple(range(t.order)))]
    while stack:
        node, coefficient, perm = stack.pop()
        if isinstance(node, Sum):
            for term, weight in zip(reversed(node.terms), reversed(node.weights), strict=True):
                axis = {e: a for a, e in enumerate(term.edges)}
                inner = [axis[e] for e in node.edges]
                stack.append((term, coefficient * as_poly(weight), tuple(inner[p] for p in perm)))
        elif isinstance(node, Rename):
            stack.append((node.tensor, coefficient, perm))
        else:
            out.append((node, coefficient, perm))
    return Terms(out)
