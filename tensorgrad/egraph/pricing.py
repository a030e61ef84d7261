"""What members of classes cost: the size of their text, operations, or time; and what may not be chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeGuard

from tensorgrad.cost import (
    QUADRATURE,
    NetworkPlan,
    Rates,
    SlidingPlan,
    application_cost,
    integral_cost,
    network_cost,
    network_traffic,
    sliding_plan,
    total_cost,
    without_flats,
)
from tensorgrad.diagram import Application, Handle, Leaf, Network, Node, Total
from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.embeddings import span_of
from tensorgrad.diagram.nodes import Legs
from tensorgrad.diagram.slides import slide_of
from tensorgrad.egraph.graph import EGraph
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Expectation, walk

Price = tuple[int, int]
"""What is minimised, then what decides ties."""

_AVOIDED = 10**30
"""The price of what is chosen only where nothing else is there, as an application that overflows where the input does
not."""

_TRIES = 4
"""Random greedy orders tried for a large contraction while forms are compared; what is chosen is planned with more."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What is minimised where sizes are known: operations, or with `rates` time; `limit` is the most entries of a tensor.

    A member with a larger tensor in it is chosen only where nothing else is there.
    """

    rates: Rates | None = None
    limit: int | None = None


class Pricing:
    """The own cost of a node: with sizes (operations or time, size of the expression), without sizes the size alone."""

    def __init__(self, graph: EGraph, dims: Mapping[str, int] | None, objective: Objective | None = None) -> None:
        self.graph = graph
        self.dims = dims
        self.objective = objective or Objective()
        self._numbers: dict[Poly, int] = {}
        self._prices: dict[Handle, Price] = {}

    def own(self, member: Handle) -> Price:
        """The cost of a member without its children."""
        found = self._prices.get(member)
        if found is None:
            node = self.graph.nodes[member]
            size = max(1, _size(node) + _opaque_size(node) + self._embedded_size(node))
            found = (size, _signs(node)) if self.dims is None else (self._sized(node, member), size)
            self._prices[member] = found
        if member in self.graph.unstable and isinstance(self.graph.nodes[member], Application):
            return found[0] + _AVOIDED, found[1]
        return found

    def _embedded_size(self, node: Node) -> int:
        """What embeddings count more or less: a block's place takes no symbol, the matrix of an embedding `concat(I[n],
        zeros[m, n])`."""
        graph = self.graph
        if not graph.has_embeddings:
            return 0
        if isinstance(node, Total):
            return sum(span_of(graph, h) is not None for _, h, _ in node.terms)
        if not isinstance(node, Network) or len(node.operands) < 2:
            return 0
        places = [legs[0] in node.boundary for h, legs in node.operands if span_of(graph, h) is not None]
        return sum(-1 if outside else 2 for outside in places)

    def _sized(self, node: Node, member: Handle) -> int:
        rates, limit = self.objective.rates, self.objective.limit
        price = self._operations(node, member) if rates is None else self._time(node, member, rates)
        return price if limit is None or self._largest(node, member) <= limit else price + _AVOIDED

    def _number(self, dim: Poly) -> int:
        if dim not in self._numbers:
            assert self.dims is not None
            self._numbers[dim] = int(dim.evaluate(self.dims))
        return self._numbers[dim]

    def _entries(self, handle: Handle) -> int:
        return prod(self._number(d) for d in self.graph.dims[handle])

    def _sliding(self, node: Network) -> SlidingPlan | None:
        """The plan of a network with convolutions that are looked through, as a program does it; None for any other."""
        found = {k: slide_of(self.graph, h, ls) for k, (h, ls) in enumerate(node.operands)}
        slides = {k: slide for k, slide in found.items() if slide is not None and len(slide.parts) > 1}
        if not slides:
            return None
        legs = [ls for k, (h, ls) in enumerate(node.operands) if h > FLAT and k not in slides]
        kept = [*node.boundary, *(e for h, ls in node.operands if h < FLAT for e in ls)]
        if any(len(set(ls)) < len(ls) for ls in legs):
            return None
        return sliding_plan(legs, list(slides.values()), kept, node.dims, self._number)

    def _plan(self, node: Network) -> tuple[NetworkPlan, Sequence[Legs], Legs, list[int]]:
        """The order, and the legs, boundary and sizes that it is for: fused edges are their parts."""
        legs, boundary = without_flats(node.operands, node.boundary)
        scaled = not (node.coefficient.is_constant and abs(node.coefficient.number) == 1)
        numbers = [self._number(d) for d in node.dims]
        return network_cost(legs, boundary, numbers, scaled and bool(legs), tries=_TRIES), legs, boundary, numbers

    def _operations(self, node: Node, member: Handle) -> int:
        match node:
            case Leaf():
                return self._number(integral_cost(node.tensor)) if isinstance(node.tensor, Expectation) else 0
            case Application():
                batch = {b: d for h, ls in node.args for b, d in zip(ls, self.graph.dims[h], strict=True) if b >= 0}
                first = node.args[:1]
                acted = {b: d for h, ls in first for b, d in zip(ls, self.graph.dims[h], strict=True) if b < 0}
                group = [self._number(acted[-1 - k]) for k in range(node.groups[0])] if node.groups else []
                return application_cost(node.function, [self._number(d) for d in batch.values()], group)
            case Network():
                sliding = self._sliding(node)
                return self._plan(node)[0].flops if sliding is None else sliding.flops + _scales(node)
            case Total():
                return total_cost(self._entries(member), [c for c, _, _ in node.terms])

    def _time(self, node: Node, member: Handle, rates: Rates) -> int:
        """Picoseconds: every step of a contraction, an application, an addition is one operation of the device."""
        match node:
            case Leaf():
                flops = self._operations(node, member)
                return rates.picoseconds(flops, 0) if flops else 0
            case Application():
                moved = self._entries(member) + sum(self._entries(h) for h, _ in node.args)
                return rates.picoseconds(self._operations(node, member), moved)
            case Network():
                sliding = self._sliding(node)
                if sliding is None:
                    plan, legs, boundary, numbers = self._plan(node)
                    steps = network_traffic(legs, boundary, numbers, plan)
                else:
                    steps = [step for root in sliding.roots for step in root.steps]
                return sum(rates.picoseconds(flops, moved) for flops, moved in steps)
            case Total():
                entries = self._entries(member)
                each = [entries] * max(1, len(node.terms) - 1)
                return sum(rates.picoseconds(n, 3 * n) for n in each)

    def _largest(self, node: Node, member: Handle) -> int:
        """The most entries of a tensor that computing a member makes."""
        if isinstance(node, Leaf):
            return 0
        sliding = self._sliding(node) if isinstance(node, Network) else None
        inner = self._plan(node)[0].largest if isinstance(node, Network) and sliding is None else 0
        if sliding is not None:
            inner = sliding.largest
        return max(inner, self._entries(member))


def _scales(node: Network) -> int:
    """1 where a coefficient is multiplied in: the least that this takes."""
    return int(not (node.coefficient.is_constant and abs(node.coefficient.number) == 1))


def _opaque_size(node: Node) -> int:
    """What an expectation without closed form counts more than a name: any closed form is smaller."""
    if not isinstance(node, Leaf) or not isinstance(node.tensor, Expectation):
        return 0
    return QUADRATURE * sum(1 for _ in walk(node.tensor.args[0]))


def _size(node: Node) -> int:
    """Symbols that writing the node down takes: one an occurrence, one a factor, a copy, a sum, ones."""
    match node:
        case Leaf():
            return 1
        case Application():
            return 1 + len(node.args)
        case Network():
            if is_negation(node):
                return 0  # a sign is written as a term's or factor's own
            touched = {e for _, legs in node.operands for e in legs}
            constant = len(set(node.boundary) - touched) * (2 if node.operands else 1)  # outer(ones[n], x): two words
            legs = [e for _, own in node.operands for e in own]
            private = sum(legs.count(e) == 1 for e in touched.difference(node.boundary))  # sum(x): a word
            extra = len(node.boundary) - len(set(node.boundary)) + constant + private
            scaled = not (node.coefficient.is_constant and abs(node.coefficient.number) == 1)
            return max(1, len(node.operands) + extra + scaled)
        case Total():
            scaled = sum(not (c.is_constant and abs(c.number) == 1) for c, _, _ in node.terms)
            return max(1, len(node.terms) + scaled)


def _signs(node: Node) -> int:
    """Signs of a product: they take no symbol, but decide ties."""
    return int(isinstance(node, Network) and node.coefficient.is_monomial and node.coefficient.terms[0][1] < 0)


def is_negation(node: Node) -> bool:
    """Whether a node is another one with the opposite sign."""
    return is_multiple(node) and node.coefficient.is_constant and node.coefficient.number == -1


def is_multiple(node: Node) -> TypeGuard[Network]:
    """Whether a node is a number times another one."""
    if not isinstance(node, Network) or len(node.operands) != 1 or node.operands[0][0] < FLAT:
        return False
    _, legs = node.operands[0]
    return len(set(legs)) == len(legs) and sorted(legs) == sorted(node.boundary)
