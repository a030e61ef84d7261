"""One step of a contraction with convolutions: two tensors multiplied, each seen through some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tensorgrad.cost.edges import bits, components, volume
from tensorgrad.diagram.slides import Slide

Seen = tuple[int, int]
"""A convolution by number, and the edge of the tensor that becomes its other edges."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A tensor of an order: an operand, or the product of two parts, each seen through `views`; then sums to long edges.

    `mask` are the operands and `inside` the convolutions in it, `legs` its edges, `before` those before the `folds`
    (convolutions that its product is added up along). `steps` are the operations and the entries moved of each step.
    """

    mask: int
    inside: int
    legs: int
    flops: int
    largest: int
    steps: tuple[tuple[int, int], ...]
    before: int
    halves: tuple[Part, ...] = ()
    views: tuple[tuple[Seen, ...], ...] = ()
    folds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _State:
    """Two tensors while convolutions are looked through one by one: edges, views, and sums of the product."""

    legs: tuple[int, int]
    views: tuple[tuple[Seen, ...], tuple[Seen, ...]] = ((), ())
    folds: tuple[int, ...] = ()


class Looks:
    """A contraction: operands and convolutions as masks of edges.

    An edge that only one convolution has (a sum over it, or an edge of the result) counts as an operand of ones: then
    every convolution stands between operands. Their numbers follow those of the operands.
    """

    def __init__(
        self, legs: Sequence[Sequence[int]], slides: Sequence[Slide], kept: frozenset[int], sizes: Sequence[int]
    ) -> None:
        self.sizes = sizes
        self.kept = _mask(kept)
        self.slides = [_mask(s.edges) for s in slides]
        self.long = [1 << s.long for s in slides]
        self.pieces = [_mask(edges) for edges in legs]
        self.real = (1 << len(self.pieces)) - 1
        touched = 0
        for mask in self.pieces:
            touched |= mask
        for edge in dict.fromkeys(e for s in slides for e in s.edges):
            if not touched >> edge & 1 and sum(edge in s.edges for s in slides) == 1:
                self.pieces.append(1 << edge)
        self._volumes: dict[int, int] = {}
        self._needed: dict[tuple[int, int], int] = {}
        self._inside: dict[int, int] = {}

    def size(self, mask: int) -> int:
        """Entries of a tensor on the edges of a mask."""
        found = self._volumes.get(mask)
        if found is None:
            found = self._volumes[mask] = volume(mask, self.sizes)
        return found

    def groups(self) -> list[list[int]]:
        """The operands, apart where neither edges nor convolutions join them."""
        count = len(self.pieces)
        return [[k for k in group if k < count] for group in components([*self.pieces, *self.slides])]

    def single(self, k: int) -> Part:
        """An operand, its private edges summed."""
        mask, whole = 1 << k, self.pieces[k]
        legs = whole & self.needed(mask, 0)
        summed = legs != whole and mask & self.real
        own = self.size(whole) if summed else 0
        steps = ((own, own + self.size(legs)),) if summed else ()
        return Part(mask, 0, legs, own, self.size(legs) if summed else 0, steps, legs)

    def joined(self, a: Part, b: Part) -> bool:
        """Whether two parts share an edge or stand on one convolution."""
        if a.legs & b.legs:
            return True
        rest = ~(a.inside | b.inside)
        return any(rest >> c & 1 and edges & a.legs and edges & b.legs for c, edges in enumerate(self.slides))

    def needed(self, mask: int, inside: int) -> int:
        """The edges that operands and convolutions other than these have, or the result."""
        found = self._needed.get((mask, inside))
        if found is None:
            found = self.kept
            for k, edges in enumerate(self.pieces):
                found |= 0 if mask >> k & 1 else edges
            for c, edges in enumerate(self.slides):
                found |= 0 if inside >> c & 1 else edges
            self._needed[mask, inside] = found
        return found

    def inside(self, mask: int) -> int:
        """The convolutions with two edges or more among those of some operands and of convolutions found already."""
        found = self._inside.get(mask)
        if found is None:
            touched = found = 0
            for k in bits(mask):
                touched |= self.pieces[k]
            grown = True
            while grown:
                new = [c for c, e in enumerate(self.slides) if not found >> c & 1 and (e & touched).bit_count() > 1]
                grown = bool(new)
                for c in new:
                    found |= 1 << c
                    touched |= self.slides[c]
            self._inside[mask] = found
        return found

    def product(self, a: Part, b: Part) -> Part | None:
        """Two parts multiplied in the cheapest way; None if a convolution between them cannot be looked through."""
        mask = a.mask | b.mask
        inside = self.inside(mask)
        if a.inside & b.inside:
            return None
        new = bits(inside & ~(a.inside | b.inside))
        outer = self.needed(mask, inside)
        best: Part | None = None
        for state in self._seen(a, b, new, outer):
            made = self._multiplied(a, b, state, outer, inside)
            if best is None or made.flops < best.flops:
                best = made
        return best

    def _multiplied(self, a: Part, b: Part, state: _State, outer: int, inside: int) -> Part:
        union = state.legs[0] | state.legs[1]
        wanted = outer
        for c in state.folds:
            wanted |= self.slides[c] & ~self.long[c]
        before = legs = union & wanted
        both = a.mask & self.real and b.mask & self.real
        own = self.size(union) * ((2 if legs != union else 1) if both else int(legs != union))
        moved = self.size(a.legs) + self.size(b.legs) + self.size(legs)
        steps, largest = [(own, moved)], max(a.largest, b.largest, self.size(legs) if own else 0)
        folds = tuple(sorted(state.folds, key=lambda c: self.size(self.long[c]) ** 2 / self.size(self.slides[c])))
        for c in folds:  # the one that leaves least goes first
            added = legs & ~self.slides[c] | self.long[c]
            steps.append((self.size(legs), self.size(legs) + self.size(added)))
            legs, largest = added, max(largest, self.size(added))
        flops = a.flops + b.flops + sum(f for f, _ in steps)
        return Part(
            a.mask | b.mask, inside, legs, flops, largest, (*a.steps, *b.steps, *(s for s in steps if s[0])), before,
            (a, b), state.views, folds,
        )  # fmt: skip

    def _seen(self, a: Part, b: Part, new: Sequence[int], outer: int) -> Iterator[_State]:
        """Every way to look through the convolutions `new`; only for those that share edges does the order matter."""
        stack: list[tuple[_State, tuple[int, ...]]] = [(_State((a.legs, b.legs)), tuple(new))]
        met: set[tuple[object, ...]] = set()
        while stack:
            state, rest = stack.pop()
            key = (state.legs, frozenset(state.folds), rest)
            if key in met:
                continue
            met.add(key)
            if not rest:
                yield state
                continue
            group = components([self.slides[c] for c in rest])[0]
            for c in (rest[k] for k in group):
                others = tuple(r for r in rest if r != c)
                busy = outer
                for r in others:
                    busy |= self.slides[r]
                stack += [(following, others) for following in self._through(state, c, busy, (a, b))]

    def _through(self, state: _State, c: int, busy: int, parts: tuple[Part, Part]) -> Iterator[_State]:
        """Every way to look through one convolution; the edges `busy` have to stay."""
        edges, made = self.slides[c], 0
        for f in state.folds:
            made |= self.long[f]
        for side in (0, 1):
            own, other = state.legs[side], state.legs[1 - side]
            for edge in bits(own & edges & ~busy & ~other) if parts[side].mask & self.real else ():
                rest = edges & ~(1 << edge)
                if not rest & (own | made):
                    seen = (*state.views[side], (c, edge))
                    legs = own & ~(1 << edge) | rest
                    yield _replaced(state, side, legs, seen)
        summands, union = edges & ~self.long[c], state.legs[0] | state.legs[1]
        if not summands & (busy | ~union) and not self.long[c] & union:
            yield _State(state.legs, state.views, (*state.folds, c))


def _replaced(state: _State, side: int, legs: int, seen: tuple[Seen, ...]) -> _State:
    first, second = state.legs, state.views
    if side == 0:
        return _State((legs, first[1]), (seen, second[1]), state.folds)
    return _State((first[0], legs), (second[0], seen), state.folds)


def _mask(edges: Sequence[int] | frozenset[int]) -> int:
    total = 0
    for e in edges:
        total |= 1 << e
    return total
