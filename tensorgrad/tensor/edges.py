"""Checks of edges, and how errors name edges and tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tensorgrad.errors import EdgeError, SizeError
from tensorgrad.sizes import ONE, Poly

if TYPE_CHECKING:
    from tensorgrad.tensor.base import Tensor

Groups = tuple[tuple[str, ...], ...]
"""Groups of edge names, in declared order."""


def names_of(edges: Sequence[str]) -> str:
    """Edges as an error lists them."""
    return ", ".join(edges) if edges else "none"


def check_distinct(edges: Sequence[str], what: str) -> None:
    """Raises EdgeError for two edges of one name."""
    for edge in edges:
        if edges.count(edge) > 1:
            raise EdgeError(f"{what} cannot have two edges named {edge!r}; rename one")


def shown(t: Tensor) -> str:
    """A tensor as an error shows it: its name, where it has one, and its edges with their sizes."""
    name = getattr(t, "name", "a tensor")
    return f"{name} ({', '.join(f'{e}={dim}' for e, dim in t.sizes.items())})"


def check_same_sizes(left: Tensor, right: Tensor, what: str) -> None:
    """Raises SizeError for an edge of both that has two sizes."""
    sizes = left.sizes
    for edge, dim in right.sizes.items():
        if edge in sizes and sizes[edge] is not dim:
            raise SizeError(
                f"{what}: the edge {edge!r} has size {sizes[edge]} on one side, {shown(left)}, and {dim} on the other, "
                f"{shown(right)}; rename it on one side, or give both one size"
            )


def volume_of(dims: Iterable[Poly]) -> Poly:
    """The product of sizes."""
    total = ONE
    for dim in dims:
        total = total * dim
    return total
