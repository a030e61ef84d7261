"""Unit vectors in networks: e[i] goes through a copy tensor, so an edge that it stands on falls into pieces.

On one edge, e[i] * e[i] is e[i], e[i] * e[j] of different numbers i, j is zero, every other leg and every boundary
position gets an edge and an e[i] of its own, and an edge with nothing but e[i] is summed to 1. Fused edges whose parts
stand on unit vectors with known indices are unit vectors, and the other way round. An index is taken to be in its range:
outside it the written expression is undefined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Handle, Leaf
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Scalar, Unit

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store


def unit(store: Store, index: Poly, size: Poly) -> Handle:
    """The handle of e[index, size] with a number (or an expression in sizes) as index."""
    at = store.constant(index)[0]
    return store.leaf(Leaf(("unit", at, size), Unit(Scalar(index), size, ("i",)), at), (size,))[0]


def index_of(store: Store, handle: Handle) -> Poly | None:
    """The index of a unit vector, where it is a number or an expression in sizes; None for any other handle."""
    leaf = store.unit_of(handle) if handle > FLAT else None
    return store.constant_value(leaf.index) if leaf is not None and leaf.index is not None else None


def split_units(store: Store, draft: Draft) -> bool:
    """Bring the unit vectors of a settled draft to normal form; False if the network is zero."""
    changed = True
    while changed:
        on_edge: dict[int, list[Handle]] = {}
        for handle, legs in draft.operands:
            if handle > FLAT and len(legs) == 1 and _usable(store, handle):
                on_edge.setdefault(legs[0], []).append(handle)
        for edge, found in on_edge.items():
            handles = list(dict.fromkeys(found))
            if _differ(store, handles):
                return False
            if len(handles) == 1:
                _split_edge(draft, edge, handles[0])
        changed = bool(on_edge) and _fuse(store, draft)
    return True


def _usable(store: Store, handle: Handle) -> bool:
    """Whether the handle is a unit vector whose index is not known to be out of range."""
    if store.unit_of(handle) is None:
        return False
    index, size = index_of(store, handle), store.dims[handle][0]
    if index is None or not index.is_constant:
        return True
    whole = index.number.denominator == 1 and index.number >= 0
    return whole and not (size.is_constant and index.number >= size.number)


def _differ(store: Store, handles: Sequence[Handle]) -> bool:
    """Whether two of the unit vectors have indices that are known to be different numbers."""
    found = [index for index in (index_of(store, h) for h in handles) if index is not None]
    return any((a - b).is_constant and a is not b for k, a in enumerate(found) for b in found[:k])


def _split_edge(draft: Draft, edge: int, handle: Handle) -> None:
    """One unit vector on each end of the edge, ends being legs of other operands and boundary positions."""
    ends: list[int] = []

    def end() -> int:
        ends.append(draft.edge(draft.dims[edge]) if ends else edge)
        return ends[-1]

    kept: list[tuple[Handle, Sequence[int]]] = []
    for h, legs in draft.operands:
        if edge not in legs:
            kept.append((h, legs))
        elif h != handle:
            kept.append((h, [end() if e == edge else e for e in legs]))
    draft.boundary = [end() if e == edge else e for e in draft.boundary]
    draft.operands = [*kept, *((handle, [e]) for e in ends)]
    if not ends:
        draft.dims[edge] = ONE


def _fuse(store: Store, draft: Draft) -> bool:
    """Replace one fusion of edges that stand on unit vectors with known indices; False if there is none."""
    known: dict[int, tuple[int, Poly]] = {}
    for k, (handle, legs) in enumerate(draft.operands):
        index = index_of(store, handle) if len(legs) == 1 and handle > FLAT else None
        if index is not None:
            known[legs[0]] = (k, index)
    for k, (handle, legs) in enumerate(draft.operands):
        if handle >= FLAT:
            continue
        fused, *parts = legs
        gone = {k}
        if all(p in known for p in parts):
            gone |= {known[p][0] for p in parts}
            new = [(unit(store, _joined(draft, parts, known), draft.dims[fused]), [fused])]
        elif fused in known and known[fused][1].is_constant and all(draft.dims[p].is_constant for p in parts):
            gone.add(known[fused][0])
            new = _taken_apart(store, draft, parts, int(known[fused][1].number))
        else:
            continue
        draft.operands = [o for j, o in enumerate(draft.operands) if j not in gone] + new
        return True
    return False


def _joined(draft: Draft, parts: Sequence[int], known: dict[int, tuple[int, Poly]]) -> Poly:
    """The index of the fused edge: row-major."""
    total = Poly.constant(0)
    for p in parts:
        total = total * draft.dims[p] + known[p][1]
    return total


def _taken_apart(store: Store, draft: Draft, parts: Sequence[int], index: int) -> list[tuple[Handle, Sequence[int]]]:
    """A unit vector on each part, for a number as index of the fused edge."""
    new: list[tuple[Handle, Sequence[int]]] = []
    for p in reversed(parts):
        index, digit = divmod(index, int(draft.dims[p].number))
        new.append((unit(store, Poly.constant(digit), draft.dims[p]), [p]))
    return new
