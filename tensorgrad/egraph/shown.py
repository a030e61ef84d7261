"""Applications that are shown as factors of a tensor by the networks of its class, and the networks without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Application, Handle, Legs, Network, Ref
from tensorgrad.egraph.forms import sum_members, sum_of
from tensorgrad.egraph.graph import EGraph
from tensorgrad.sizes import ONE, Poly

Terms = Sequence[tuple[Poly, Ref]]
"""The terms of a sum and their coefficients, all with the axes of the sum."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An application that is a factor of a side.

    `at` is the member that shows it, with the side's axes; `network` is that member, `boundary` its edges at the side's
    axes. Its operand `position` is of the class of the application `factor`, whose axes are on the edges `legs`.
    """

    at: Ref
    network: Network
    boundary: Legs
    position: int
    factor: Handle
    legs: Legs

    @property
    def operand(self) -> Handle:
        """What the network has in the place of the application."""
        return self.network.operands[self.position][0]

    @property
    def whole(self) -> Ref:
        """The application, its axes in its own order."""
        return self.factor, tuple(range(len(self.legs)))

    def rest(self, graph: EGraph, boundary: Sequence[int] | None = None) -> Ref:
        """The network without the factor, with another boundary if one is given."""
        return without(graph, self.network, self.position, self.boundary if boundary is None else boundary)

    def leads_out(self, axis: int) -> bool:
        """Whether the edge at an axis of the factor leads to the boundary, once, and nowhere else."""
        edge = self.legs[axis]
        return self.boundary.count(edge) == 1 and sum(own.count(edge) for _, own in self.network.operands) == 1


def shown(graph: EGraph, side: Ref, *functions: str) -> Iterator[Shown]:
    """The applications of these functions that are factors of `side`."""
    root, _ = graph.resolve(side)
    for member in sorted([*graph.members(root).networks, *graph.members(root).applications]):
        found = [
            (k, applied)
            for k, (child, _) in enumerate(as_network(graph, member).operands)
            if child > FLAT
            for applied in graph.members(child).applications
            if application(graph, applied).function.name in functions
        ]
        if not found:
            continue
        at = seen_from(graph, side, member)
        network, boundary = as_network(graph, member), boundary_of(graph, side, member)
        for k, applied in found:
            child, legs = network.operands[k]
            own = {p: a for a, p in enumerate(graph.oriented(child))}
            on = tuple(legs[own[p]] for p in graph.oriented(applied))
            yield Shown(at, network, boundary, k, applied, on)


def application(graph: EGraph, handle: Handle) -> Application:
    """The application that a handle is known to be."""
    node = graph.nodes[handle]
    assert isinstance(node, Application)
    return node


def as_network(graph: EGraph, member: Handle) -> Network:
    """A member of a class as a network: one operand, if it is none."""
    node = graph.nodes[member]
    if isinstance(node, Network):
        return node
    axes = tuple(range(len(graph.dims[member])))
    return Network(ONE, ((member, axes),), axes, graph.dims[member])


def seen_from(graph: EGraph, side: Ref, member: Handle) -> Ref:
    """A member of the side's class, with the side's axes."""
    own = {p: a for a, p in enumerate(graph.oriented(member))}
    return member, tuple(own[p] for p in graph.resolve(side)[1])


def boundary_of(graph: EGraph, side: Ref, member: Handle) -> Legs:
    """The edges of a member of the side's class at the side's axes."""
    boundary = as_network(graph, member).boundary
    return tuple(boundary[a] for a in seen_from(graph, side, member)[1])


def sums(graph: EGraph, side: Ref) -> Iterator[list[tuple[Poly, Ref]]]:
    """The sums that `side` is, also as a number times a sum: the terms, with its axes, and their coefficients."""
    root, perm = graph.resolve(side)
    for coefficient, (child, axes) in [(ONE, (root, perm)), *_scaled(graph, side)]:
        for member in sum_members(graph, child):
            terms = sum_of(graph, child, member).terms
            yield [(coefficient * c, (h, tuple(own[p] for p in axes))) for c, h, own in terms]


def _scaled(graph: EGraph, side: Ref) -> Iterator[tuple[Poly, Ref]]:
    """The ways to read a side as a number times something."""
    for member in graph.members(graph.resolve(side)[0]).networks:
        node = as_network(graph, member)
        child, legs = node.operands[0] if len(node.operands) == 1 else (FLAT, ())
        if child > FLAT and sorted(legs) == sorted(node.boundary) and len(set(legs)) == len(legs):
            yield node.coefficient, (child, tuple(legs.index(e) for e in boundary_of(graph, side, member)))


def without(graph: EGraph, network: Network, k: int, boundary: Sequence[int]) -> Ref:
    """The network without operand k, with another boundary."""
    kept = [o for j, o in enumerate(network.operands) if j != k]
    used = {e for _, legs in kept for e in legs}.union(boundary)
    draft = Draft(network.coefficient)
    # An edge that only the operand had is gone with it: size 1, so that closing it adds no factor.
    edges = draft.edges(d if e in used else ONE for e, d in enumerate(network.dims))
    draft.operands = [(h, [edges[e] for e in legs]) for h, legs in kept]
    draft.boundary = [edges[e] for e in boundary]
    return graph.network(draft)


def replaced(graph: EGraph, network: Network, k: int, new: Ref, boundary: Sequence[int]) -> Ref:
    """The network with another operand k, its axes where those of the old one were."""
    draft = Draft(network.coefficient)
    edges = draft.edges(network.dims)
    draft.operands = [(h, [edges[e] for e in legs]) for h, legs in network.operands]
    by_axis = [0] * len(new[1])
    for a, p in enumerate(new[1]):
        by_axis[p] = draft.operands[k][1][a]
    draft.operands[k] = (new[0], by_axis)
    draft.boundary = [edges[e] for e in boundary]
    return graph.network(draft)
