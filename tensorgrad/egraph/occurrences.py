"""Where a known tensor stands in a network: as an operand, or as a sub-diagram that one of its forms is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.nodes import Handle, Network, Ref
from tensorgrad.egraph.graph import EGraph
from tensorgrad.sizes import ONE, Poly


@dataclass(frozen=True, slots=True)
class Occurrences:
    """The places in one network of an e-graph."""

    graph: EGraph
    node: Network

    def of(
        self, ref: Ref, wanted: Sequence[int | None], used: frozenset[int]
    ) -> Iterator[tuple[tuple[int, ...], frozenset[int], Poly]]:
        """Where a bound tensor stands in the network: (edge of each axis, operands, factor to divide by)."""
        yield from self._direct(ref, wanted, used)
        graph = self.graph
        root, perm = graph.resolve(ref)
        for member in graph.members(root).networks:
            network = graph.nodes[member]
            assert isinstance(network, Network)
            touched = {e for _, legs in network.operands for e in legs}
            if not network.coefficient.is_monomial or all(h < FLAT for h, _ in network.operands):
                continue
            if not network.operands or not touched.issuperset(network.boundary):
                continue
            inverse = {p: a for a, p in enumerate(graph.oriented(member))}
            boundary = [network.boundary[inverse[p]] for p in perm]
            for edges, taken in self.embed(network, boundary, wanted, used):
                yield tuple(edges[e] for e in boundary), taken, network.coefficient.inverse()

    def embed(
        self, network: Network, boundary: Sequence[int], wanted: Sequence[int | None], used: frozenset[int]
    ) -> Iterator[tuple[dict[int, int], frozenset[int]]]:
        """Places of a concrete network as a sub-diagram; inner edges must have no legs elsewhere."""
        start: dict[int, int] = {}
        for e, f in zip(boundary, wanted, strict=True):
            if f is not None and start.setdefault(e, f) != f:
                return
        states: list[tuple[dict[int, int], frozenset[int], tuple[int, ...]]] = [
            (start, frozenset(), tuple(range(len(network.operands))))
        ]
        while states:
            edges, taken, rest = states.pop()
            if not rest:
                if self._inner_sealed(network, edges, taken):
                    yield edges, taken
                continue
            position = max(rest, key=lambda k: (sum(e in edges for e in network.operands[k][1]), -k))
            child, legs = network.operands[position]
            others = tuple(k for k in rest if k != position)
            for placed, more in self._placed(child, [edges.get(e) for e in legs], used | taken):
                new = dict(edges)
                if all(new.setdefault(e, f) == f for e, f in zip(legs, placed, strict=True)):
                    states.append((new, taken | more, others))

    def _placed(
        self, child: Handle, wanted: Sequence[int | None], used: frozenset[int]
    ) -> Iterator[tuple[Sequence[int], frozenset[int]]]:
        """Where an operand of the concrete network stands: a tensor in its class, a fusion of edges as itself."""
        if child > FLAT:
            axes = tuple(range(len(wanted)))
            yield from ((legs, taken) for legs, taken, _ in self._direct((child, axes), wanted, used))
            return
        for k, (handle, legs) in enumerate(self.node.operands):
            if handle == child and k not in used and _agrees(legs, wanted):
                yield legs, frozenset({k})

    def _direct(
        self, ref: Ref, wanted: Sequence[int | None], used: frozenset[int]
    ) -> Iterator[tuple[tuple[int, ...], frozenset[int], Poly]]:
        graph = self.graph
        root, perm = graph.resolve(ref)
        group = graph.group_of(root)
        elements = [tuple(range(len(perm)))] if group.trivial else [p for p, sign in group.all_elements() if sign > 0]
        for k, (child, legs) in enumerate(self.node.operands):
            if k not in used and child > FLAT and graph.root(child) == root:
                at_root = [0] * len(legs)
                for a, p in enumerate(graph.oriented(child)):
                    at_root[p] = legs[a]
                for axes in dict.fromkeys(tuple(at_root[element[p]] for p in perm) for element in elements):
                    if _agrees(axes, wanted):
                        yield axes, frozenset({k}), ONE

    def _inner_sealed(self, network: Network, edges: Mapping[int, int], taken: frozenset[int]) -> bool:
        inner = [e for e in range(len(network.dims)) if e not in network.boundary]
        images = [edges[e] for e in inner]
        if len(set(images)) < len(images) or any(edges[e] in images for e in network.boundary):
            return False
        return all(self.only(f, taken) for f in images)

    def only(self, edge: int, taken: frozenset[int]) -> bool:
        """Whether an edge has legs of the taken operands only, and is not in the boundary."""
        outside = any(edge in legs for k, (_, legs) in enumerate(self.node.operands) if k not in taken)
        return not outside and edge not in self.node.boundary


def _agrees(axes: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return all(w is None or w == e for e, w in zip(axes, wanted, strict=True))
