"""Convolutions of diagrams: their leaves, and two of them over one edge as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING

from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.nodes import Leaf, Legs, Ref
from tensorgrad.diagram.symmetry import swap
from tensorgrad.sizes import ONE, ZERO, Poly
from tensorgrad.tensor import Convolution

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store


@dataclass(frozen=True, slots=True)
class Slide:
    """A convolution in a network: the first edge, `long`, is at `offset` + the sum of the `parts` times their steps."""

    edges: Legs
    steps: tuple[int, ...]
    offset: Poly

    @property
    def long(self) -> int:
        """The edge that the others add up to."""
        return self.edges[0]

    @property
    def parts(self) -> Legs:
        """The edges that are added."""
        return self.edges[1:]

    def step(self, part: int) -> int:
        """The step of one of the parts."""
        return self.steps[self.parts.index(part)]


def slide_of(store: Store, handle: int, legs: Sequence[int]) -> Slide | None:
    """The operand as a convolution; None for another one, or one with an edge on two of its axes."""
    node = store.nodes[handle] if handle > FLAT else None
    if not isinstance(node, Leaf) or not isinstance(node.tensor, Convolution) or len(set(legs)) < len(legs):
        return None
    return Slide(tuple(legs), node.tensor.steps, node.tensor.offset)


def convolution(store: Store, dims: Sequence[Poly], steps: Sequence[int], offset: Poly) -> Ref:
    """The leaf: the summands in the order of their sizes and steps; those of equal sizes and steps may change places."""
    order = (0, *sorted(range(1, len(dims)), key=lambda k: (str(dims[k]), steps[k - 1])))
    sizes, own = tuple(dims[k] for k in order), tuple(steps[k - 1] for k in order[1:])
    same = zip(pairwise(sizes[1:]), pairwise(own), strict=True)
    generators = tuple(
        swap(len(sizes), [k], [k + 1]) for k, ((d, e), (s, t)) in enumerate(same, 1) if d is e and s == t
    )
    leaf = Convolution(tuple(f"i{k}" for k in range(len(order))), sizes, own, offset)
    store.has_embeddings = store.has_embeddings or own == (1,)
    handle, perm = store.leaf(Leaf(("conv", *sizes, *own, offset), leaf), sizes, generators)
    place = {axis: perm[k] for k, axis in enumerate(order)}
    return handle, tuple(place[k] for k in range(len(dims)))


def covers(slide: Slide, dims: Sequence[Poly]) -> bool:
    """Whether every sum of the parts is a position of the long edge, whatever the sizes."""
    last = slide.offset + Poly.constant(1)
    for part, step in zip(slide.parts, slide.steps, strict=True):
        last = last + (dims[part] - ONE) * step
    room = dims[slide.long] - last
    return all(p.is_constant and p.number >= 0 for p in (slide.offset, room))


def composed(outer: Slide, inner: Slide, pair: tuple[int, int], new: int) -> tuple[Slide, Slide]:
    """Two convolutions over the long edge of `inner`, a part of `outer`, with the parts `pair` added first.

    `pair` are the other part of `outer` and one part of `inner`; `new` is the edge of their sum. Both need two parts, and
    `inner` has to cover its sums.
    """
    first, second = pair
    (rest,) = (e for e in inner.parts if e != second)
    middle = outer.step(inner.long)
    a, b = outer.step(first), middle * inner.step(second)
    common = gcd(a, b)
    kernel = Slide((new, first, second), (a // common, b // common), ZERO)
    whole = Slide(
        (outer.long, new, rest),
        (common, middle * inner.step(rest)),
        outer.offset + inner.offset * Poly.constant(middle),
    )
    return kernel, whole


def reach(slide: Slide, dims: Sequence[Poly]) -> Poly:
    """The number of positions from the first to the last sum of the parts."""
    total = ONE
    for part, step in zip(slide.parts, slide.steps, strict=True):
        total = total + (dims[part] - ONE) * step
    return total
