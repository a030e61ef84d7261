"""What the operators make: sums broadcast, powers, renamed and aligned tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from tensorgrad.errors import EdgeError
from tensorgrad.function import FUNCTIONS
from tensorgrad.sizes import Poly
from tensorgrad.tensor.base import Tensor, TensorLike
from tensorgrad.tensor.edges import check_distinct, check_same_sizes, names_of
from tensorgrad.tensor.nodes import Apply, Delta, Product, Rename, Scalar, Sum


def tensor(value: TensorLike) -> Tensor:
    """A number, a size or a tensor as a tensor of order 0 or itself."""
    return value if isinstance(value, Tensor) else Scalar(value)


def renamed(t: Tensor, edges: tuple[str, ...]) -> Tensor:
    """`t` with its edges, in order, called `edges`; chains of renamings are merged."""
    if edges == t.edges:
        return t
    check_distinct(edges, "a renamed tensor")
    if isinstance(t, Rename):
        return renamed(t.tensor, edges)
    if isinstance(t, Delta):
        return Delta(t.size, *edges)
    return Rename(t, edges)


def align(t: Tensor, edges: tuple[str, ...]) -> Tensor:
    """`t` with the same edges in the order `edges` (matters only where positions count: `Rename`, evaluation)."""
    return t if t.edges == edges else Product((t,), edges)


def broadcast(t: Tensor, sizes: Mapping[str, Poly]) -> Tensor:
    """`t` with an edge of ones for each edge of `sizes` that it lacks."""
    missing = [Delta(dim, edge) for edge, dim in sizes.items() if edge not in t.edges]
    return Product((t, *missing), (*t.edges, *(d.edges[0] for d in missing))) if missing else t


def add(terms: Sequence[Tensor], weights: Sequence[Fraction]) -> Tensor:
    """A weighted sum; where one term's edges contain another's, the other is broadcast over the missing ones.

    Raises EdgeError when no term has all the edges; names both.
    """
    widest = max(terms, key=lambda t: t.order)
    for term in terms:
        if not set(term.edges) <= set(widest.edges):
            raise EdgeError(
                f"cannot add tensors with edges {names_of(widest.edges)} and {names_of(term.edges)}: one side's edges must "
                "contain the other's; rename, or multiply by ones (Delta of order 1)"
            )
        check_same_sizes(widest, term, "+")
    return Sum(tuple(broadcast(t, widest.sizes) for t in terms), tuple(Fraction(w) for w in weights))


def power(base: Tensor, exponent: TensorLike) -> Tensor:
    """`base ** exponent`, entry by entry."""
    return Apply(FUNCTIONS["pow"], (base, tensor(exponent)))
