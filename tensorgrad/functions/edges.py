"""Reading the `dim=` and `dims=` arguments: names of edges, one, several or all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tensorgrad.errors import EdgeError
from tensorgrad.tensor import Tensor

Dim = Any
"""One edge (a name, or the symbol it is called after), several, or None for all."""


def _require_tensor(t: object) -> None:
    if not isinstance(t, Tensor):
        raise EdgeError(f"{t!r} is no tensor, so it has no edges: make a Variable, and give its value to evaluate")


def chosen(t: Tensor, dim: Dim) -> tuple[str, ...]:
    """The edges of `t` that `dim` names, in the order given; EdgeError for one that is not there."""
    _require_tensor(t)
    if dim is None:
        return t.edges
    listed = [dim] if isinstance(dim, str) or not isinstance(dim, Iterable) else list(dim)
    names = tuple(str(name) for name in listed)
    for name in names:
        if name not in t.edges:
            raise EdgeError(f"there is no edge {name!r}: the tensor has {', '.join(t.edges) or 'no edges'}")
        if names.count(name) > 1:
            raise EdgeError(f"the edge {name!r} is named twice")
    return names


def along(t: Tensor, dim: Dim, what: str) -> tuple[str, ...]:
    """The edges that `what` acts along: those of `dim`, which only a vector can do without."""
    if dim is None and t.order != 1:
        if not t.edges:
            raise EdgeError(f"{what} acts along an edge, and the tensor has none")
        listed = ", ".join(t.edges)
        raise EdgeError(
            f"{what} needs dim=, the edge along which it acts, since the tensor has several: {listed}; "
            f"dim={t.edges[-1]!r}, or dim={t.edges!r} for all of them as one"
        )
    return chosen(t, dim)


def shared(edges: Iterable[str], t: Tensor, what: str) -> None:
    """EdgeError where `t` lacks one of the edges over which `what` sums."""
    for edge in edges:
        if edge not in t.edges:
            raise EdgeError(
                f"{what} sums over {edge!r}, which an argument lacks: it has {', '.join(t.edges) or 'no edges'}; "
                "rename its edge, or name another"
            )


def rows_and_columns(t: Tensor, dims: Sequence[Dim] | None, what: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The row group and the column group of `t`: those of `dims=(rows, columns)`, else its two edges."""
    _require_tensor(t)
    if dims is None:
        if t.order != 2:
            found = ", ".join(t.edges) or "none"
            raise EdgeError(f"{what} needs a matrix, or dims=(rows, columns); the tensor has the edges {found}")
        return (t.edges[0],), (t.edges[1],)
    if len(dims) != 2:
        raise EdgeError(f"{what} takes two groups of edges, dims=(rows, columns), not {len(dims)}")
    rows, columns = chosen(t, dims[0]), chosen(t, dims[1])
    for edge in rows:
        if edge in columns:
            raise EdgeError(f"the edge {edge!r} cannot be row and column of {what} at once")
    return rows, columns


def fresh(names: Iterable[str], taken: Iterable[str]) -> tuple[str, ...]:
    """The names, each primed with `_` until it is none of `taken` nor an earlier one."""
    used = set(taken)
    found: list[str] = []
    for name in names:
        while name in used:
            name += "_"
        used.add(name)
        found.append(name)
    return tuple(found)
