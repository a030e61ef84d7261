"""Equations that a goal states as facts, as rules of their own: `A @ v = lam * v` turns A @ A @ v to lam * A @ v."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Handle, Network, Ref, Total
from tensorgrad.diagram.symmetry import fact_generators
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.occurrences import Occurrences
from tensorgrad.egraph.pattern import EQUATED
from tensorgrad.egraph.reasons import Applied
from tensorgrad.sizes import MINUS_ONE, ONE, Poly
from tensorgrad.tensor import Fact


@dataclass(frozen=True, slots=True)
class Direction:
    """One way to read an equation: where `left` (boundary in the order of `right`'s axes) stands, `factor * right` may."""

    left: Network
    right: Ref
    reason: str
    factor: Poly = ONE


class Equations:
    """The stated equations of one e-graph, applied to its networks."""

    def __init__(self, graph: EGraph) -> None:
        self.graph = graph
        self.directions: list[Direction] = []
        self._done: set[tuple[Handle, int]] = set()

    def state(self, left: Ref, right: Ref, text: str) -> None:
        """State left = right, and remember the ways to use it inside diagrams."""
        self.directions += [
            *self._ways(left, right, text),
            *self._ways(right, left, text),
            *self._isolated(left, right, text),
            *self._isolated(right, left, text),
        ]
        self.graph.fact_names.add(EQUATED)
        self.graph.union(left, right, Applied("assumption", text))
        self.graph.rebuild()

    def state_exchange(self, ref: Ref, fact: Fact, text: str) -> None:
        """State that the axes of a product may be exchanged, as a fact of it says, where its factors stand in others."""
        handle, perm = ref
        for permutation, sign in fact_generators(len(perm), [fact]):
            self.state_way(ref, (handle, tuple(perm[a] for a in permutation)), text, Poly.constant(sign))

    def state_way(self, left: Ref, right: Ref, text: str, factor: Poly = ONE) -> None:
        """State that where the factors of `left` stand in a product, `factor * right` may stand."""
        self.directions += [replace(way, factor=factor) for way in self._ways(left, right, text)]
        self.graph.fact_names.add(EQUATED)

    def apply(self, handle: Handle) -> bool:
        """Use each equation wherever it fits into a network; whether anything new came of it."""
        graph, node = self.graph, self.graph.nodes[handle]
        changed = False
        if handle in graph.dead or not isinstance(node, Network):
            return False
        for number, way in enumerate(self.directions):
            if (handle, number) in self._done:
                continue
            self._done.add((handle, number))
            for edges, taken in Occurrences(graph, node).embed(
                way.left, way.left.boundary, [None] * len(way.left.boundary), frozenset()
            ):
                new = self._replaced(node, way, [edges[e] for e in way.left.boundary], taken)
                own = (handle, tuple(range(len(graph.dims[handle]))))
                if way.factor is MINUS_ONE and graph.same(graph.scaled(MINUS_ONE, new), own):
                    new = graph.zero(graph.dims[handle])
                changed = graph.union(own, new, Applied("assumption", way.reason)) or changed
                graph.rebuild()
        return changed

    def _replaced(self, node: Network, way: Direction, legs: Sequence[int], taken: frozenset[int]) -> Ref:
        graph = self.graph
        kept = [o for k, o in enumerate(node.operands) if k not in taken]
        used = {e for _, own in kept for e in own}.union(legs, node.boundary)
        draft = Draft(node.coefficient * way.left.coefficient.inverse() * way.factor)
        edges = draft.edges(d if e in used else ONE for e, d in enumerate(node.dims))
        handle, perm = way.right
        by_axis = [0] * len(perm)
        for leg, p in zip(legs, perm, strict=True):
            by_axis[p] = edges[leg]
        # The right side as it was written: its class has the left side's form too.
        right = graph.nodes[handle]
        inner = graph.place(draft, right, by_axis) if isinstance(right, Network) else [(handle, by_axis)]
        if isinstance(right, Network):
            draft.coefficient = draft.coefficient * right.coefficient
        draft.operands = [*((h, [edges[e] for e in own]) for h, own in kept), *inner]
        draft.boundary = [edges[e] for e in node.boundary]
        return graph.network(draft)

    def _ways(self, left: Ref, right: Ref, text: str) -> Iterator[Direction]:
        """left to right, unless that makes diagrams grow."""
        found = self._as_pattern(left)
        node = self.graph.nodes[right[0]]
        size = len(node.operands) if isinstance(node, Network) else 1
        if found is not None and len(found.operands) >= size and not (isinstance(node, Total) and node.terms):
            yield Direction(found, right, text)

    def _isolated(self, left: Ref, right: Ref, text: str) -> Iterator[Direction]:
        """Each product among the terms of a side that is a sum: equal to the other side less the other terms."""
        graph = self.graph
        handle, perm = left
        total = graph.nodes[handle]
        if not isinstance(total, Total):
            return
        dims = graph.ref_dims(left)
        terms = [(c, (h, tuple(p[a] for a in perm))) for c, h, p in total.terms]
        for k, (c, term) in enumerate(terms):
            found = self._as_pattern(term)
            if found is None or not c.is_monomial:
                continue
            inverse = c.inverse()
            rest = [(d * MINUS_ONE * inverse, ref) for j, (d, ref) in enumerate(terms) if j != k]
            other = graph.total([(inverse, right), *rest], dims)
            graph.union(term, other, Applied("assumption", text))
            yield Direction(found, other, text)

    def _as_pattern(self, ref: Ref) -> Network | None:
        """A network of at least two operands that can be looked for, its boundary in the order of the reference."""
        handle, perm = ref
        node = self.graph.nodes[handle]
        if not isinstance(node, Network) or len(node.operands) < 2 or not node.coefficient.is_monomial:
            return None
        touched = {e for _, legs in node.operands for e in legs}
        if any(h < FLAT for h, _ in node.operands) or not touched.issuperset(node.boundary):
            return None
        return Network(node.coefficient, node.operands, tuple(node.boundary[p] for p in perm), node.dims)
