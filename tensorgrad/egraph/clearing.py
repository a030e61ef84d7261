"""Denominators cleared: L = inv(K) @ X equals R if X = K @ R, and L = X / s equals R if X = s * R."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from tensorgrad.diagram.applications import make_power
from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.nodes import Handle, Leaf, Network, Ref
from tensorgrad.egraph.divisors import contracted, divided, divides
from tensorgrad.egraph.facts import Facts
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.reasons import Applied, Lemma
from tensorgrad.egraph.reciprocals import Reciprocal, reciprocal, reciprocals, sum_times, times
from tensorgrad.egraph.shown import (
    Shown,
    Terms,
    application,
    as_network,
    boundary_of,
    replaced,
    seen_from,
    shown,
    sums,
    without,
)
from tensorgrad.sizes import MINUS_ONE, ONE

MOST_STEPS = 6
"""Factors cleared one after the other."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """One factor taken from one side: `member` (the side as the node that shows the factor) is `factor` times `rest`.

    `axes[a]` says where axis a of the factor is: q >= 0 is axis q of the side, -1 - q the axis of the rest that stands
    in the place of the side's axis q and is summed. `other` is the other side times what cancels the factor. `descents`
    are the pairs (child, application) where the factor is another member of its class than the node shows.
    """

    member: Ref
    rest: Ref
    factor: Ref
    axes: tuple[int, ...]
    other: Ref
    rule: str = "factor-cancels"
    descents: tuple[tuple[Handle, Handle], ...] = ()

    def step(self) -> Applied:
        """The reason why the two sides are equal when `rest` and `other` are."""
        lemma = Lemma("factor", self.rest, self.other, self.factor, self.axes)
        return Applied(self.rule, "built in", self.descents, lemma)


@dataclass(frozen=True, slots=True)
class Way:
    """A factor that can be cleared; the sides without it are formed when the way is taken, for there may be thousands."""

    factor: Handle
    take: Callable[[], Cleared]


def clear(graph: EGraph, facts: Facts, side: Ref, other: Ref) -> Iterator[Way]:
    """The ways to take an inverse or a reciprocal off `side`, or off a term of it, by multiplying both sides."""
    for at in shown(graph, side, "pow", "inv"):
        way = _way(graph, facts, at, other)
        if way is not None:
            own = at.operand == at.factor or not isinstance(graph.nodes[at.at[0]], Network)
            yield way if own else Way(at.factor, partial(_seen_below, way, at.operand))
    for terms in sums(graph, side):
        for at, taken in reciprocals(graph, facts, terms):
            yield Way(at.factor, partial(_off_sum, graph, side, other, terms, at, taken))
    yield from _inside(graph, facts, side, other)


def _way(graph: EGraph, facts: Facts, at: Shown, other: Ref) -> Way | None:
    taken = reciprocal(graph, facts, at)
    if taken is not None:
        return Way(at.factor, partial(_off_product, graph, at, other, taken))
    return Way(at.factor, partial(_off_matrix, graph, at, other)) if divides(graph, facts, at) else None


def _seen_below(way: Way, child: Handle) -> Cleared:
    return replace(way.take(), descents=((child, way.factor),))


def _off_product(graph: EGraph, at: Shown, other: Ref, taken: Reciprocal) -> Cleared:
    return Cleared(at.at, at.rest(graph), at.whole, taken.places, times(graph, other, taken))


def _off_matrix(graph: EGraph, at: Shown, other: Ref) -> Cleared:
    rest, divisor = divided(graph, at)
    return Cleared(at.at, rest, at.whole, divisor.axes, contracted(graph, other, divisor))


def _off_sum(graph: EGraph, side: Ref, other: Ref, terms: Terms, at: Shown, taken: Reciprocal) -> Cleared:
    rest = sum_times(graph, terms, graph.ref_dims(side), taken)
    return Cleared(side, rest, at.whole, taken.places, times(graph, other, taken))


@dataclass(frozen=True, slots=True)
class Part:
    """A sum, as its terms, that is a factor of a side: operand `position` of a network with the side's axes `boundary`."""

    network: Network
    boundary: Sequence[int]
    position: int
    terms: Terms


def _inside(graph: EGraph, facts: Facts, side: Ref, other: Ref) -> Iterator[Way]:
    """The ways to take a reciprocal off a term of a sum that is a factor of `side`: (x / c + y) * z is (x + c * y) * z / c."""
    for part in _parts(graph, side):
        legs = part.network.operands[part.position][1]
        for at, taken in reciprocals(graph, facts, part.terms):
            if all(legs[q] in part.boundary for q in taken.places):
                yield Way(at.factor, partial(_off_part, graph, side, other, part, at, taken))


def _parts(graph: EGraph, side: Ref) -> Iterator[Part]:
    for member in graph.members(graph.resolve(side)[0]).networks:
        network, boundary = as_network(graph, member), boundary_of(graph, side, member)
        for k, (child, legs) in enumerate(network.operands):
            whole: Ref = (child, tuple(range(len(legs))))
            for terms in sums(graph, whole) if child > FLAT and len(network.operands) > 1 else ():
                yield Part(network, boundary, k, terms)


def _off_part(graph: EGraph, side: Ref, other: Ref, part: Part, at: Shown, taken: Reciprocal) -> Cleared:
    child, legs = part.network.operands[part.position]
    new = sum_times(graph, part.terms, graph.dims[child], taken)
    rest = replaced(graph, part.network, part.position, new, part.boundary)
    outer = replace(taken, places=tuple(part.boundary.index(legs[q]) for q in taken.places))
    return Cleared(side, rest, at.whole, outer.places, times(graph, other, outer))


def clear_term(graph: EGraph, facts: Facts, side: Ref, other: Ref) -> Cleared | None:
    """A way to take the inverse of a sum off a term: inv(K) @ X + Y is inv(K) @ (X + K @ Y)."""
    for terms in sums(graph, side):
        for number, (_, term) in enumerate(terms):
            for at in shown(graph, term, "inv"):
                node = application(graph, at.factor)
                of_sum = node.groups == (1, 1) and bool(graph.members(node.args[0][0]).totals)
                if of_sum and divides(graph, facts, at):
                    left, divisor = divided(graph, at)
                    rest = [
                        (c, left if j == number else contracted(graph, t, divisor)) for j, (c, t) in enumerate(terms)
                    ]
                    whole = graph.total(rest, graph.ref_dims(side))
                    return Cleared(side, whole, at.whole, divisor.axes, contracted(graph, other, divisor))
    return None


def multiply(graph: EGraph, side: Ref, other: Ref) -> Iterator[Cleared]:
    """Both sides times a number that is stated not to be zero, as s - t is of two eigenvalues."""
    for ref, fact, _ in graph.sayings:
        base = _unscaled(graph, graph.resolve(ref))
        if fact in ("nonzero", "positive") and not base[1] and graph.members(base[0]).totals:
            taken = Reciprocal(base, ONE, ())
            factor = make_power(graph, base, MINUS_ONE)
            yield Cleared(side, times(graph, side, taken), factor, (), times(graph, other, taken))


def _unscaled(graph: EGraph, ref: Ref) -> Ref:
    """K where the reference is a number times K, of order 0: which of s - t and t - s is a sum is a matter of order."""
    network = graph.network_of(ref[0])
    if ref[1] or network is None or len(network.operands) != 1 or network.operands[0][1]:
        return ref
    return graph.resolve((network.operands[0][0], ()))


def strip(graph: EGraph, side: Ref, other: Ref) -> Iterator[Cleared]:
    """The ways to take a name that both sides are summed with, as y in A @ y = B @ y, off both."""
    others = [(as_network(graph, at), boundary_of(graph, other, at)) for at in graph.members(other[0]).networks]
    order = len(side[1])
    for member in graph.members(side[0]).networks:
        network, boundary = as_network(graph, member), boundary_of(graph, side, member)
        for k, handle in _summed_names(graph, network):
            legs = network.operands[k][1]
            for second, ends in others:
                place = next((j for j, h in _summed_names(graph, second) if h == handle), None)
                if place is None:
                    continue
                rest = without(graph, network, k, [*boundary, *legs])
                right = without(graph, second, place, [*ends, *second.operands[place][1]])
                own = tuple(range(len(legs)))
                axes = tuple(-1 - order - a for a in own)
                yield Cleared(seen_from(graph, side, member), rest, (handle, own), axes, right, "same-factor")


def _summed_names(graph: EGraph, network: Network) -> Iterator[tuple[int, Handle]]:
    """The operands that are names, stand once in the network, and have no leg in the boundary."""
    handles = [h for h, _ in network.operands]
    for k, (handle, legs) in enumerate(network.operands):
        named = handle > FLAT and isinstance(graph.nodes[handle], Leaf) and graph.group_of(handle).trivial
        once = handles.count(handle) == 1 and len(set(legs)) == len(legs)
        if named and once and legs and not set(legs) & set(network.boundary):
            yield k, handle
