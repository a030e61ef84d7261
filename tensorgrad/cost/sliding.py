"""Contractions with convolutions: where each of them is looked through, and what that costs.

A convolution is never multiplied: a tensor on one of its edges is seen on the others (windows, or the other way round),
or a product on all its parts is added up along the long edge. So convolutions one after another are computed one after
another, or, if that is cheaper, their kernels are composed first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tensorgrad.cost.looking import Looks, Part
from tensorgrad.diagram.slides import Slide, composed, covers, reach
from tensorgrad.sizes import Poly

Legs = tuple[int, ...]

EXHAUSTIVE = 6
"""Up to so many operands every order is tried; for more the better of two greedy ones is taken."""


@dataclass(frozen=True, slots=True)
class SlidingPlan:
    """The order of a contraction with convolutions: a tree for each of its components.

    `slides` are the convolutions that are looked through, on edges of the sizes `dims`: those that were given, or with
    some kernels composed (then there are more edges).
    """

    flops: int
    largest: int
    roots: tuple[Part, ...]
    slides: tuple[Slide, ...]
    dims: tuple[Poly, ...]


_plans: dict[object, SlidingPlan | None] = {}


def sliding_plan(
    legs: Sequence[Sequence[int]],
    slides: Sequence[Slide],
    boundary: Iterable[int],
    dims: Sequence[Poly],
    number: Callable[[Poly], int],
) -> SlidingPlan | None:
    """The cheapest order found, None where some convolution cannot be looked through; remembered.

    `legs` are those of the other operands, `boundary` the edges that stay; `number` gives the value of a size.
    """
    kept = frozenset(boundary)
    key = (tuple(map(tuple, legs)), tuple(slides), kept, tuple(dims), tuple(map(number, dims)))
    if key not in _plans:
        if len(_plans) > 20_000:
            _plans.clear()
        _plans[key] = _Search(key[0], kept, number).best(SlidingPlan(0, 0, (), tuple(slides), tuple(dims)))
    return _plans[key]


class _Search:
    def __init__(self, legs: Sequence[Legs], kept: frozenset[int], number: Callable[[Poly], int]) -> None:
        self.legs = legs
        self.kept = kept
        self.number = number

    def best(self, start: SlidingPlan) -> SlidingPlan | None:
        """The plan as given, or with kernels composed as long as that is cheaper."""
        current = self._planned(start)
        while current is not None:
            others = [self._planned(other) for other in self._composed(current)]
            cheaper = [p for p in others if p is not None and p.flops < current.flops]
            if not cheaper:
                break
            current = min(cheaper, key=lambda p: p.flops)
        return current

    def _planned(self, plan: SlidingPlan) -> SlidingPlan | None:
        looks = Looks(self.legs, plan.slides, self.kept, [self.number(d) for d in plan.dims])
        roots: list[Part] = []
        flops = largest = 0
        for group in looks.groups():
            root = _ordered(looks, [looks.single(k) for k in group])
            if root is None:
                return None
            roots.append(root)
            flops, largest = flops + root.flops, max(largest, root.largest)
        if sum(root.inside for root in roots) != (1 << len(plan.slides)) - 1:
            return None
        size = 1
        for root in roots:
            flops += size * looks.size(root.legs) if size > 1 else 0
            size *= looks.size(root.legs)
        return SlidingPlan(flops, max(largest, size), tuple(roots), plan.slides, plan.dims)

    def _composed(self, plan: SlidingPlan) -> list[SlidingPlan]:
        """The plans in which two convolutions over an edge that nothing else uses are composed.

        Those of several spatial edges, on the same operands, are composed together.
        """
        found: dict[tuple[object, ...], list[tuple[int, int, tuple[int, int]]]] = {}
        for a, outer in enumerate(plan.slides):
            for b, inner in enumerate(plan.slides):
                middle = inner.long
                if a == b or middle not in outer.parts or not self._between(plan, middle):
                    continue
                if len(outer.parts) != 2 or len(inner.parts) != 2 or not covers(inner, plan.dims):
                    continue
                (first,) = (e for e in outer.parts if e != middle)
                for second in inner.parts:
                    (rest,) = (e for e in inner.parts if e != second)
                    key = tuple(map(self._users, (first, second, rest)))
                    found.setdefault(key, []).append((a, b, (first, second)))
        return [_with(plan, pairs) for pairs in found.values()]

    def _between(self, plan: SlidingPlan, edge: int) -> bool:
        """Whether an edge joins two convolutions and nothing else."""
        used = edge in self.kept or any(edge in legs for legs in self.legs)
        return not used and sum(edge in slide.edges for slide in plan.slides) == 2

    def _users(self, edge: int) -> tuple[int, ...]:
        return tuple(k for k, legs in enumerate(self.legs) if edge in legs)


def _with(plan: SlidingPlan, pairs: Sequence[tuple[int, int, tuple[int, int]]]) -> SlidingPlan:
    """The plan with pairs of its convolutions composed; one is in one pair only."""
    slides, dims = list(plan.slides), list(plan.dims)
    done: set[int] = set()
    for a, b, pair in pairs:
        if not done & {a, b}:
            done |= {a, b}
            slides[b], slides[a] = composed(slides[a], slides[b], pair, len(dims))
            dims.append(reach(slides[b], dims))
    return SlidingPlan(0, 0, (), tuple(slides), tuple(dims))


def _ordered(looks: Looks, parts: list[Part]) -> Part | None:
    """The best order of a component; None if there is none."""
    if len(parts) <= EXHAUSTIVE:
        return _exhaustive(looks, parts)
    known: dict[tuple[int, int], Part | None] = {}
    found = [r for r in (_greedy(looks, parts, grow, known) for grow in (False, True)) if r is not None]
    return min(found, key=lambda part: part.flops, default=None)


def _exhaustive(looks: Looks, parts: list[Part]) -> Part | None:
    levels: list[dict[int, Part]] = [{}, {p.mask: p for p in parts}]
    for count in range(2, len(parts) + 1):
        level: dict[int, Part] = {}
        for small in range(1, count // 2 + 1):
            for a in levels[small].values():
                for b in levels[count - small].values():
                    made = looks.product(a, b) if not a.mask & b.mask and looks.joined(a, b) else None
                    if made is not None and (made.mask not in level or made.flops < level[made.mask].flops):
                        level[made.mask] = made
        levels.append(level)
    return next(iter(levels[len(parts)].values()), None)


def _greedy(looks: Looks, parts: list[Part], grow: bool, known: dict[tuple[int, int], Part | None]) -> Part | None:
    """The cheapest step next, or with `grow` the one whose result is least larger than what it is made of."""
    rest = list(parts)
    while len(rest) > 1:
        choices: list[tuple[int, int, Part, Part, Part]] = []
        for k, a in enumerate(rest):
            for b in rest[:k]:
                key = (a.mask, b.mask)
                if key not in known:
                    known[key] = looks.product(a, b) if looks.joined(a, b) else None
                made = known[key]
                if made is not None:
                    own = made.flops - a.flops - b.flops
                    growth = looks.size(made.legs) - looks.size(a.legs) - looks.size(b.legs)
                    choices.append((growth if grow else own, len(choices), made, a, b))
        if not choices:
            return None
        _, _, made, a, b = min(choices, key=lambda choice: choice[:2])
        rest = [p for p in rest if p is not a and p is not b] + [made]
    return rest[0]
