"""Factoring: terms of a sum that share an operand become the operand times a sum; what is left may nest in it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import permutations

from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Handle, Legs, Network, Ref, Total
from tensorgrad.diagram.symmetry import inverse
from tensorgrad.egraph.forms import Reading, readings, sum_members, sum_of
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.reasons import Applied
from tensorgrad.sizes import ONE, Poly

Weighted = list[tuple[Poly, Ref]]
"""Terms of a sum with their coefficients."""

Group = dict[int, tuple[Reading, int]]
"""Terms that share an operand: term -> how it is read, and where in that the operand stands."""

_MOST_GROUPS = 8
"""Groups of one sum that are tried; of what moves since made of it fewer, else all orders of all groups would be."""

_MOST_READINGS = 3
_FEW_TERMS = 24
"""In a longer sum each term is read in one way only."""


class Factoring:
    """The move on one e-graph; a sum is moved again when its terms can be read in new ways."""

    def __init__(self, graph: EGraph) -> None:
        self.graph = graph
        self._waves: list[Handle] = []
        self._done: set[tuple[Handle, tuple[tuple[Handle, ...], ...]]] = set()

    def begin(self) -> None:
        """A wave of factoring begins: sums that are new from here on are what the moves made of each other's results."""
        self._waves.append(len(self.graph.nodes))

    def factor(self, handle: Handle) -> bool:
        """A sum in which several terms share an operand on the same axes: the operand times the sum of the rests."""
        graph, node = self.graph, self.graph.nodes[handle]
        if handle in graph.dead or not isinstance(node, Total):
            return False
        key = (handle, tuple(tuple(graph.members(h).networks) for _, h, _ in node.terms))
        if key in self._done:
            return False
        self._done.add(key)
        changed = False
        for axis in range(len(node.dims)):
            changed = self._unfuse(handle, node, axis) or changed
        for group in self._shared(node)[: max(1, _MOST_GROUPS >> 2 * bisect_right(self._waves, handle))]:
            changed = self._factor(handle, node, group) or changed
        return changed

    def _shared(self, node: Total) -> list[Group]:
        """Groups of terms with an equal operand that meets the axes in the same way, the most promising first."""
        graph = self.graph
        most = _MOST_READINGS if len(node.terms) <= _FEW_TERMS else 1
        found: dict[tuple[Handle, Legs], Group] = {}
        for t, (_, h, perm) in enumerate(node.terms):
            for reading in readings(graph, h, perm, most):
                for k, (o, _) in enumerate(reading.operands):
                    if o < FLAT:
                        continue
                    key = (o, graph.group_of(o).arrange(reading.on_axes(k))[0])
                    found.setdefault(key, {}).setdefault(t, (reading, k))
        groups = [(_grows(key[1], len(node.dims)), g) for key, g in found.items() if len(g) > 1]
        groups.sort(key=lambda group: (group[0], -len(group[1])))
        unique: dict[tuple[tuple[int, Reading, int], ...], Group] = {}
        for _, g in groups:
            unique.setdefault(tuple((t, *place) for t, place in g.items()), g)
        return list(unique.values())

    def _factor(self, handle: Handle, node: Total, group: Group) -> bool:
        graph = self.graph
        reading, position = next(iter(group.values()))
        operand = reading.operands[position][0]
        reference = reading.on_axes(position)
        inner_axes = [a for a in range(len(node.dims)) if a not in reference]
        rests: Weighted = []
        for t, place in group.items():
            rest = self._rest(place, reference, inner_axes)
            if rest is None:
                return False
            rests.append((node.terms[t][0], rest))
        inner = graph.total(rests, [*graph.dims[operand], *(node.dims[a] for a in inner_axes)])
        factored = self._product(node.dims, operand, reference, inner, inner_axes)
        others: Weighted = [(c, (h, p)) for t, (c, h, p) in enumerate(node.terms) if t not in group]
        if others:
            graph.keep_whole(factored)
        axes = tuple(range(len(node.dims)))
        results = [graph.total([*others, (ONE, factored)], node.dims), self._nested(others, factored, node.dims)]
        changed = False
        for result in results:
            if result is not None:
                changed = graph.union((handle, axes), result, Applied("factor", "built in")) or changed
        graph.rebuild()
        return changed

    def _unfuse(self, handle: Handle, node: Total, axis: int) -> bool:
        """vec(A) + vec(B) as vec(A + B): a sum all of whose terms have the same parts fused along an axis."""
        graph = self.graph
        fused = [self._fused(h, perm, axis) for _, h, perm in node.terms]
        sizes = {tuple(r.dims[e] for e in r.operands[k][1]) for r, k in (f for f in fused if f is not None)}
        if None in fused or len(sizes) != 1:
            return False
        ((_, *parts),) = sizes
        dims = [*parts, *(d for a, d in enumerate(node.dims) if a != axis)]
        inner: Weighted = []
        for (c, _, _), found in zip(node.terms, fused, strict=True):
            assert found is not None
            reading, position = found
            draft = Draft(reading.coefficient)
            # The fused edge is gone: size 1, so that closing it adds no factor.
            gone = reading.boundary[axis]
            edges = draft.edges(ONE if e == gone else d for e, d in enumerate(reading.dims))
            draft.operands = [
                (o, [edges[e] for e in ls]) for k, (o, ls) in enumerate(reading.operands) if k != position
            ]
            own = [*reading.operands[position][1][1:], *(e for a, e in enumerate(reading.boundary) if a != axis)]
            draft.boundary = [edges[e] for e in own]
            inner.append((c, graph.network(draft)))
        total = graph.total(inner, dims)
        draft = Draft()
        outer, edges = draft.edge(node.dims[axis]), draft.edges(dims)
        by_axis = [0] * len(dims)
        for a, p in enumerate(total[1]):
            by_axis[p] = edges[a]
        reading, position = next(f for f in fused if f is not None)
        draft.operands = [(reading.operands[position][0], [outer, *edges[: len(parts)]]), (total[0], by_axis)]
        rest = edges[len(parts) :]
        draft.boundary = [*rest[:axis], outer, *rest[axis:]]
        axes = tuple(range(len(node.dims)))
        changed = graph.union((handle, axes), graph.network(draft), Applied("factor", "built in"))
        graph.rebuild()
        return changed

    def _fused(self, handle: Handle, perm: Sequence[int], axis: int) -> tuple[Reading, int] | None:
        """How a term is read with an axis of the sum fused of parts that nothing else is fused of, and by what."""
        for reading in readings(self.graph, handle, perm, _MOST_READINGS):
            for k, (o, legs) in enumerate(reading.operands):
                if o < FLAT and legs[0] == reading.boundary[axis] and reading.boundary.count(legs[0]) == 1:
                    touching = [ls for j, (_, ls) in enumerate(reading.operands) if j != k and legs[0] in ls]
                    if not touching and len(set(legs)) == len(legs):
                        return reading, k
        return None

    def _product(
        self, dims: Sequence[Poly], operand: Handle, reference: Legs, inner: Ref, inner_axes: Sequence[int]
    ) -> Ref:
        """The operand, on the axes `reference`, times the sum of the rests, with the axes of the whole sum."""
        draft = Draft()
        axis_edges = draft.edges(dims)
        operand_dims = self.graph.dims[operand]
        own = [axis_edges[a] if a >= 0 else draft.edge(operand_dims[p]) for p, a in enumerate(reference)]
        legs = [*own, *(axis_edges[a] for a in inner_axes)]
        by_axis = [0] * len(legs)
        for a, p in enumerate(inner[1]):
            by_axis[p] = legs[a]
        draft.operands = [(operand, own), (inner[0], by_axis)]
        draft.boundary = list(axis_edges)
        return self.graph.network(draft)

    def _rest(self, place: tuple[Reading, int], reference: Legs, inner_axes: Sequence[int]) -> Ref | None:
        """The term without the operand, with the operand's axes (in the reference's arrangement) and the inner axes free."""
        reading, position = place
        operand, legs = reading.operands[position]
        aligned = self._align(operand, reading.on_axes(position), legs, reference)
        if aligned is None:
            return None
        draft = Draft(reading.coefficient)
        edges = draft.edges(reading.dims)
        draft.operands = [(o, [edges[e] for e in ls]) for k, (o, ls) in enumerate(reading.operands) if k != position]
        draft.boundary = [edges[e] for e in aligned] + [edges[reading.boundary[a]] for a in inner_axes]
        return self.graph.network(draft)

    def _align(self, operand: Handle, mine: Legs, legs: Legs, reference: Legs) -> Legs | None:
        """The operand's legs in an arrangement in which they meet the axes as the reference does."""
        if mine == reference:
            return legs
        group = self.graph.group_of(operand)
        for permutation, sign in group.all_elements() if not group.trivial else ():
            if sign > 0 and tuple(mine[p] for p in permutation) == reference:
                return tuple(legs[p] for p in permutation)
        return None

    # Nesting.

    def _nested(self, others: Weighted, factored: Ref, dims: Sequence[Poly]) -> Ref | None:
        """S + J @ S for the other terms S and factored = J @ S, as in Horner's scheme: S is kept whole, computed once."""
        rest = {self._term_key(ref): c for c, ref in others}
        for member in self.graph.members(factored[0]).networks:
            network = self.graph.nodes[member]
            assert isinstance(network, Network)
            for h, _ in network.operands:
                found = self._inside(h, rest, dims) if h >= FLAT and len(rest) > 1 else None
                if found is not None:
                    ratio, ref, parts = found
                    self.graph.keep_whole(ref)
                    left = [(c, ref) for c, ref in others if self._term_key(ref) not in parts]
                    return self.graph.total([*left, (ratio, ref), (ONE, factored)], dims)
        return None

    def _inside(
        self, handle: Handle, rest: Mapping[tuple[Handle, Legs, int], Poly], dims: Sequence[Poly]
    ) -> tuple[Poly, Ref, Mapping[tuple[Handle, Legs, int], Poly]] | None:
        """A sum all of whose terms are among `rest`, scaled by one factor: the factor, the sum on these axes, its terms."""
        own = self.graph.dims[handle]
        members = sum_members(self.graph, handle) if len(own) == len(dims) else []
        if not members:
            return None
        total = sum_of(self.graph, handle, members[0])
        if not 1 < len(total.terms) <= len(rest):
            return None
        for axes in permutations(range(len(dims))) if len(dims) <= 3 else [tuple(range(len(dims)))]:
            if any(own[p] is not d for p, d in zip(axes, dims, strict=True)):
                continue
            parts = {self._term_key((g, tuple(q[p] for p in axes))): c for c, g, q in total.terms}
            ratio = next((rest[k].divide(c) for k, c in parts.items() if k in rest), None)
            if ratio is not None and all(k in rest and rest[k] is c * ratio for k, c in parts.items()):
                return ratio, (handle, axes), parts
        return None

    def _term_key(self, ref: Ref) -> tuple[Handle, Legs, int]:
        """What two equal terms have equal."""
        root, perm = self.graph.resolve(ref)
        return (root, *self.graph.group_of(root).arrange(inverse(perm)))


def _grows(reference: Legs, order: int) -> bool:
    """Whether what is left beside an operand on these axes has more axes than the sum: as x @ A + x, written (A + I) @ x."""
    inside = sum(a < 0 for a in reference)
    return order - len({a for a in reference if a >= 0}) + inside > order
