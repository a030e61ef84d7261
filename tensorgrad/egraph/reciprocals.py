"""Reciprocals, entry by entry, that are factors of a tensor, and tensors multiplied by what cancels them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tensorgrad.diagram.applications import make_power
from tensorgrad.diagram.draft import Draft
from tensorgrad.diagram.nodes import Application, Ref
from tensorgrad.egraph.facts import Facts
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.shown import Shown, Terms, application, shown, sums
from tensorgrad.sizes import Poly


@dataclass(frozen=True, slots=True)
class Reciprocal:
    """A factor base ** -p that base ** p cancels: the base, p, and the axes of the whole where the base's axes are."""

    base: Ref
    power: Poly
    places: tuple[int, ...]


def reciprocal(graph: EGraph, facts: Facts, at: Shown) -> Reciprocal | None:
    """A negative power, entry by entry, on edges of the boundary, if it is known that it can be cancelled."""
    found = _power(graph, at)
    if found is None or found.power.number <= 0:
        return None
    whole = found.power.number.denominator == 1
    return found if facts.holds(found.base, "nonzero" if whole else "positive") else None


def reciprocals(graph: EGraph, facts: Facts, terms: Terms) -> Iterator[tuple[Shown, Reciprocal]]:
    """The reciprocals that are factors of terms of a sum, on its axes; roots stay, which multiplying out does not undo."""
    for _, term in terms:
        for at in shown(graph, term, "pow"):
            taken = reciprocal(graph, facts, at)
            if taken is not None and not _has_roots(graph, taken.base):
                yield at, taken


def is_power(node: Application) -> bool:
    """Whether an application is a power, entry by entry."""
    return node.function.name == "pow" and node.function.known and not node.function.derivative


def _has_roots(graph: EGraph, base: Ref) -> bool:
    """Whether there are powers of a base that are not whole."""
    for user in graph.members(base[0]).users:
        node = graph.nodes[user]
        if not isinstance(node, Application) or not is_power(node):
            continue
        value = graph.constant_value(graph.root(node.args[1][0]))
        if value is not None and value.is_constant and value.number.denominator != 1:
            return True
    return False


def _power(graph: EGraph, at: Shown) -> Reciprocal | None:
    """An application that is a power with a number, entry by entry, on edges of the boundary."""
    node = application(graph, at.factor)
    if not is_power(node) or not set(at.legs) <= set(at.boundary):
        return None
    (base, labels), (exponent, _) = node.args
    value = graph.constant_value(graph.root(exponent))
    if value is None or not value.is_constant:
        return None
    axis = {label: a for a, label in enumerate(labels)}
    ref: Ref = (base, tuple(axis[b] for b in range(len(labels))))
    return Reciprocal(graph.resolve(ref), -value, tuple(at.boundary.index(e) for e in at.legs))


def times(graph: EGraph, side: Ref, taken: Reciprocal) -> Ref:
    """A side times what cancels a factor; of a sum, each term."""
    terms = next(sums(graph, side), None)
    if terms is not None:
        return sum_times(graph, terms, graph.ref_dims(side), taken)
    return _term_times(graph, side, taken)


def sum_times(graph: EGraph, terms: Terms, dims: Sequence[Poly], taken: Reciprocal) -> Ref:
    """The sum of the terms, each times what cancels a factor."""
    return graph.total([(c, _term_times(graph, t, taken)) for c, t in terms], dims)


def _term_times(graph: EGraph, term: Ref, taken: Reciprocal) -> Ref:
    """A term times base ** p: what it has of the base's powers is merged, so that nothing is left to cancel."""
    for at in shown(graph, term, "pow"):
        here = _power(graph, at)
        if here is not None and here.base == taken.base and here.places == taken.places:
            left = taken.power - here.power
            rest = at.rest(graph)
            return rest if not left else _product(graph, rest, make_power(graph, taken.base, left), taken.places)
    return _product(graph, term, make_power(graph, taken.base, taken.power), taken.places)


def _product(graph: EGraph, side: Ref, factor: Ref, places: Sequence[int]) -> Ref:
    """A side times a factor, entry by entry on the axes `places`."""
    draft = Draft()
    handle, perm = graph.resolve(side)
    legs = draft.edges(graph.dims[handle])
    own = [0] * len(places)
    for a, q in enumerate(places):
        own[factor[1][a]] = legs[perm[q]]
    draft.operands = [(handle, legs), (factor[0], own)]
    draft.boundary = [legs[p] for p in perm]
    return graph.network(draft)
