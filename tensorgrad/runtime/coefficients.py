"""Where coefficients of sums are multiplied in: onto the smallest factor of a term, never onto a sum for its sign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tensorgrad.cost import total_cost
from tensorgrad.diagram import Network, Store, Total
from tensorgrad.diagram.draft import FLAT
from tensorgrad.runtime.program import volume
from tensorgrad.runtime.task import Task
from tensorgrad.sizes import MINUS_ONE, ONE, Poly

Term = tuple[Poly, int, tuple[int, ...]]
"""Coefficient, handle, and for each axis of the sum the term's axis."""


def settled(
    store: Store, order: Iterable[int], uses: Mapping[int, int], tasks: Mapping[int, Task], sizes: Mapping[str, int]
) -> dict[int, tuple[Term, ...]]:
    """The terms of each sum among the handles `order`, and of each multiple of a sum that is best computed as a sum.

    What is used elsewhere too (`uses`) stays as it is.
    """
    found: dict[int, tuple[Term, ...]] = {}
    for handle in order:
        node = store.nodes[handle] if handle > FLAT else None
        terms = None
        if isinstance(node, Total):
            terms = node.terms
        elif isinstance(node, Network):
            terms = _multiple(store, node, uses, sizes)
        if terms is not None:
            entries = volume(store.dims[handle], sizes)
            found[handle] = tuple(_inside(store, t, uses, tasks, entries, sizes) for t in terms)
    return found


def _multiple(
    store: Store, node: Network, uses: Mapping[int, int], sizes: Mapping[str, int]
) -> tuple[Term, ...] | None:
    """The terms of a coefficient times one sum, if these are no dearer than the multiplication; else None."""
    if len(node.operands) != 1 or node.operands[0][0] < FLAT:
        return None
    handle, legs = node.operands[0]
    total = store.nodes[handle]
    if not isinstance(total, Total) or uses[handle] > 1 or sorted(legs) != sorted(node.boundary):
        return None
    if len(set(legs)) < len(legs):
        return None
    axes = [legs.index(e) for e in node.boundary]
    terms = tuple((c * node.coefficient, h, tuple(perm[a] for a in axes)) for c, h, perm in total.terms)
    entries = volume(total.dims, sizes)
    before = total_cost(entries, [c for c, _, _ in total.terms]) + entries
    return terms if total_cost(entries, [c for c, _, _ in terms]) < before else None


def _inside(
    store: Store, term: Term, uses: Mapping[int, int], tasks: Mapping[int, Task], entries: int, sizes: Mapping[str, int]
) -> Term:
    """A term whose coefficient has moved onto its smallest factor, where that is smaller than the sum."""
    coefficient, handle, perm = term
    task = tasks.get(handle)
    if task is None or uses[handle] > 1 or not task.pieces:
        return term
    sign = MINUS_ONE if coefficient.is_constant and coefficient.number < 0 else ONE
    factor = coefficient * sign
    smallest = min(volume((task.dims[e] for e in piece.legs), sizes) for piece in task.pieces)
    if factor is ONE or smallest >= entries:
        return term
    new, moved = store.scaled(factor, (handle, perm))
    return sign, new, moved
