"""The gradient through a softmax, p * g - p * sum(p * g), is one call of torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from tensorgrad.diagram import Application, Network, Ref, Store, Total
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.function import Function
from tensorgrad.runtime.program import Call, Legs
from tensorgrad.sizes import Poly

GRADIENT = Function("softmax_gradient", (1, 1), (0,), cost=(Fraction(3), 1))
"""Of a cotangent and a softmax; linear in the cotangent."""


@dataclass(frozen=True, slots=True)
class SoftmaxGradient:
    """A sum that is p * g - p * sum(p * g): the handle of the softmax p, the axis of the sum at each of its axes (the last
    one is summed), and the cotangent g with the axes of the sum."""

    softmax: int
    axes: Legs
    cotangent: Ref

    def call(self, target: int, softmax: int, cotangent: int, dims: tuple[Poly, ...]) -> Call:
        """The call for the values of both, with the axes of the softmax."""
        labels = (*range(len(self.axes) - 1), -1)
        places = {self.cotangent[1][axis]: label for axis, label in zip(self.axes, labels, strict=True)}
        args = ((cotangent, tuple(places[k] for k in range(len(dims)))), (softmax, (*labels[:-1], -2)))
        return Call(target, GRADIENT, args, (1, 1), tuple(dims[axis] for axis in self.axes))


def softmax_gradients(store: Store, handles: Iterable[int]) -> dict[int, SoftmaxGradient]:
    """Those of the handles that are the gradient of a sum through a softmax."""
    found = {h: gradient_of(store, h) for h in handles if h > FLAT and isinstance(store.nodes[h], Total)}
    return {h: gradient for h, gradient in found.items() if gradient is not None}


def gradient_of(store: Store, handle: int) -> SoftmaxGradient | None:
    """What a sum is the gradient through, and of what; None if it is none."""
    node = store.nodes[handle]
    assert isinstance(node, Total)
    if len(node.terms) != 2:
        return None
    for (c, first, perm), (d, second, other) in (node.terms, node.terms[::-1]):
        network = store.nodes[first]
        if not isinstance(network, Network):
            continue
        boundary = tuple(network.boundary[p] for p in perm)
        for position in _softmaxes(store, network, boundary):
            taken = _taken(network, position, boundary, c)
            if store.same(store.scaled(d, (second, other)), store.network(_summed(network, position, boundary, c))):
                legs = network.operands[position][1]
                axes = tuple(boundary.index(e) for e in legs)
                return SoftmaxGradient(network.operands[position][0], axes, store.resolve(store.network(taken)))
    return None


def _softmaxes(store: Store, network: Network, boundary: Legs) -> Iterator[int]:
    """The operands that are a softmax over all axes of the boundary, which other operands have too."""
    for position, (handle, legs) in enumerate(network.operands):
        node = store.nodes[handle] if handle > FLAT else None
        if not isinstance(node, Application) or node.function.name != "softmax" or node.function.derivative:
            continue
        others = {e for k, (_, own) in enumerate(network.operands) if k != position for e in own}
        if node.groups == (1,) and sorted(legs) == sorted(boundary) and others.issuperset(boundary):
            yield position


def _taken(network: Network, position: int, boundary: Legs, coefficient: Poly) -> Draft:
    """The network times a coefficient without one operand, on the same boundary."""
    draft = Draft(network.coefficient * coefficient)
    edges = draft.edges(network.dims)
    draft.operands = [(h, [edges[e] for e in legs]) for k, (h, legs) in enumerate(network.operands) if k != position]
    draft.boundary = [edges[e] for e in boundary]
    return draft


def _summed(network: Network, position: int, boundary: Legs, coefficient: Poly) -> Draft:
    """-p * sum(p * g): the network summed over the last axis of the softmax, times the softmax."""
    handle, legs = network.operands[position]
    draft = Draft(network.coefficient * -coefficient)
    edges = draft.edges(network.dims)
    outer = dict(enumerate(edges))
    outer[legs[-1]] = draft.edge(network.dims[legs[-1]])
    draft.operands = [(h, [edges[e] for e in own]) for h, own in network.operands]
    draft.operands.append((handle, [outer[e] for e in legs]))
    draft.boundary = [outer[e] for e in boundary]
    return draft
