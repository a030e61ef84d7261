"""Reading a class as one of its members: its sum, its networks, with axes in the order of a handle of the class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tensorgrad.diagram.nodes import Handle, Legs, Network, Total
from tensorgrad.egraph.graph import EGraph
from tensorgrad.sizes import ONE, Poly


@dataclass(frozen=True, slots=True)
class Reading:
    """A term of a sum read as a network: `boundary[a]` is its edge at axis a of the sum."""

    coefficient: Poly
    operands: tuple[tuple[Handle, Legs], ...]
    boundary: Legs
    dims: tuple[Poly, ...]

    def on_axes(self, position: int) -> Legs:
        """For each axis of an operand the sum's axis it stands on (the first of several), or -1."""
        axis_of_edge: dict[int, int] = {}
        for a, e in enumerate(self.boundary):
            axis_of_edge.setdefault(e, a)
        return tuple(axis_of_edge.get(e, -1) for e in self.operands[position][1])


def readings(graph: EGraph, handle: Handle, perm: Sequence[int], most: int) -> list[Reading]:
    """The term `handle`, its axis perm[a] being the sum's axis a, as at most so many networks, the smallest first.

    An atom is read as a network with one operand.
    """
    found = graph.members(handle)
    own = tuple(range(len(graph.dims[handle])))
    alone = [Reading(ONE, ((handle, own),), tuple(perm), graph.dims[handle])] if found.is_atom else []
    members = [m for m in found.networks if not _contains(graph, m, graph.root(handle))]
    for member in sorted(members, key=lambda m: (len(_network(graph, m).operands), m))[: most - len(alone)]:
        node = _network(graph, member)
        own_axis = {axis: a for a, axis in enumerate(member_axes(graph, handle, member))}
        boundary = tuple(node.boundary[own_axis[p]] for p in perm)
        alone.append(Reading(node.coefficient, node.operands, boundary, node.dims))
    return alone or [Reading(ONE, ((handle, own),), tuple(perm), graph.dims[handle])]


def _network(graph: EGraph, member: Handle) -> Network:
    node = graph.nodes[member]
    assert isinstance(node, Network)
    return node


def _contains(graph: EGraph, member: Handle, root: Handle) -> bool:
    return any(h > 0 and graph.root(h) == root for h, _ in _network(graph, member).operands)


def member_axes(graph: EGraph, handle: Handle, member: Handle) -> list[int]:
    """For each axis of the member, the axis of `handle` (of the same class) that it is."""
    root_to_own = {p: a for a, p in enumerate(graph.oriented(handle))}
    return [root_to_own[p] for p in graph.oriented(member)]


def sum_members(graph: EGraph, handle: Handle) -> list[Handle]:
    """The sums among the members of a class, first those that are not made of the class itself, short ones first."""
    root = graph.root(handle)
    found: list[Handle] = []
    for member in graph.members(root).totals:
        node = graph.nodes[member]
        if isinstance(node, Total) and node.terms and all(graph.root(h) != root for _, h, _ in node.terms):
            found.append(member)
    return found if len(found) < 2 else sorted(found, key=lambda m: (graph.reaches(m, root), _length(graph, m), m))


def _length(graph: EGraph, member: Handle) -> int:
    node = graph.nodes[member]
    assert isinstance(node, Total)
    return len(node.terms)


def sum_of(graph: EGraph, handle: Handle, member: Handle) -> Total:
    """A sum of a class with its axes in the handle's order."""
    node = graph.nodes[member]
    assert isinstance(node, Total)
    position = {own: a for a, own in enumerate(member_axes(graph, handle, member))}
    order = [position[a] for a in range(len(position))]
    return Total(
        tuple((c, h, tuple(q[a] for a in order)) for c, h, q in node.terms), tuple(node.dims[a] for a in order)
    )
