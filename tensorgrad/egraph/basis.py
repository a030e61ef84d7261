"""Edges of a small fixed size taken apart: I[2] = e[0, 2] e[0, 2]' + e[1, 2] e[1, 2]', where the goal names unit vectors."""

from __future__ import annotations

from itertools import product
from math import prod

from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Handle, Leaf, Network, Ref
from tensorgrad.diagram.units import index_of, unit
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.reasons import Applied
from tensorgrad.sizes import ONE, Poly

MOST_TERMS = 64
"""A node is taken apart along as many of its edges as give at most this many terms."""


SMALL = (2, 3)
"""Sizes that are taken apart as a last resort though no unit vector is named."""


class Basis:
    """The move on one e-graph: a node is the sum of itself with e[k] e[k]' on an edge, over all k."""

    def __init__(self, graph: EGraph) -> None:
        self.graph = graph
        self.small = False
        self._sizes: set[Poly] = set()
        self._seen = 1
        self._done: set[Handle] = set()

    @property
    def sizes(self) -> set[Poly]:
        """The fixed sizes of which the e-graph has a unit vector with a number as index."""
        graph = self.graph
        if graph.has_units or self.small:
            for handle in range(self._seen, len(graph.nodes)):
                node = graph.nodes[handle]
                if self.small:
                    self._sizes.update(d for d in graph.dims[handle] if d.is_constant and d.number in SMALL)
                if isinstance(node, Leaf) and node.index is not None and index_of(graph, handle) is not None:
                    self._sizes.update(d for d in graph.dims[handle] if d.is_constant)
            self._seen = len(graph.nodes)
        return self._sizes

    def take_small_sizes(self) -> bool:
        """From now on take edges of the sizes `SMALL` apart too; whether there are any."""
        self.small, self._seen = True, 1
        self._done.clear()
        return bool(self.sizes)

    @property
    def waiting(self) -> bool:
        """Whether nodes may have to be taken apart."""
        return self.small or self.graph.has_units

    def expand(self, handle: Handle) -> bool:
        """Take a node apart along its edges of such sizes that no unit vector stands on."""
        graph = self.graph
        if handle in graph.dead or handle in self._done or not self.sizes:
            return False
        self._done.add(handle)
        network = self._as_network(handle)
        held = {legs[0] for h, legs in network.operands if h > FLAT and len(legs) == 1 and graph.unit_of(h) is not None}
        edges: list[int] = []
        for e, d in enumerate(network.dims):
            if (
                d in self._sizes
                and e not in held
                and prod(int(network.dims[f].number) for f in [*edges, e]) <= MOST_TERMS
            ):
                edges.append(e)
        if not edges:
            return False
        choices = product(*(range(int(network.dims[e].number)) for e in edges))
        terms = [self._term(network, dict(zip(edges, choice, strict=True))) for choice in choices]
        dims = graph.dims[handle]
        axes = tuple(range(len(dims)))
        changed = graph.union((handle, axes), graph.total(terms, dims), Applied("basis", "built in"))
        graph.rebuild()
        return changed

    def _as_network(self, handle: Handle) -> Network:
        node = self.graph.nodes[handle]
        if isinstance(node, Network):
            return node
        axes = tuple(range(len(self.graph.dims[handle])))
        return Network(ONE, ((handle, axes),), axes, self.graph.dims[handle])

    def _term(self, network: Network, chosen: dict[int, int]) -> tuple[Poly, Ref]:
        draft = Draft(network.coefficient)
        edges = draft.edges(network.dims)
        draft.operands = [(h, [edges[e] for e in legs]) for h, legs in network.operands]
        for e, k in chosen.items():
            draft.operands.append((unit(self.graph, Poly.constant(k), network.dims[e]), [edges[e]]))
        draft.boundary = [edges[e] for e in network.boundary]
        return ONE, self.graph.network(draft)
