"""Elements in columns (items, passing wires, free ends), their order from top to bottom, and their heights.

The order is found by barycentres (Sugiyama, Tagawa, Toda 1981); the heights by a linear program that makes wires level.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tensorgrad.show.picture import Side
from tensorgrad.show.program import minimise

SWEEPS = 12


@dataclass(slots=True)
class Element:
    """What takes up height in a column: an item, a wire passing by (item -1), or a free end (`name`).

    `slots` are its legs on each side from top to bottom; `offsets` their heights below its top. `fixed`: the order of
    its legs is decided by what is inside.
    """

    item: int
    column: int
    group: int
    height: float
    slots: dict[Side, list[int]]
    width: float = 0.0
    name: str = ""
    fixed: bool = False
    offsets: dict[int, float] = field(default_factory=dict)
    top: float = 0.0


class Touch(NamedTuple):
    """A wire's contact with an element: a leg on a side."""

    element: int
    side: Side
    leg: int


class Segment(NamedTuple):
    """A part of link `link` in the gap left of column `gap`."""

    gap: int
    a: Touch
    b: Touch
    link: int
    weight: float


@dataclass(slots=True)
class Columns:
    """Elements by column, the free ends in the first and last one, and the segments between them."""

    elements: list[Element]
    columns: list[list[int]]
    segments: list[Segment]


def arrange(c: Columns) -> None:
    """Order every column, and the legs on each side, with few crossings."""
    touching: list[list[tuple[Touch, Touch]]] = [[] for _ in c.elements]
    for s in c.segments:
        touching[s.a.element].append((s.a, s.b))
        touching[s.b.element].append((s.b, s.a))
    best, fewest = [list(col) for col in c.columns], _crossings(c)
    stale = 0
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        places = range(len(c.columns)) if forward else range(len(c.columns) - 1, -1, -1)
        position = _positions(c)
        for k in places:
            _sort_column(c, k, touching, position, forward)
        _sort_legs(c, touching, _positions(c))
        count = _crossings(c)
        stale += 1
        if count < fewest:
            best, fewest, stale = [list(col) for col in c.columns], count, 0
        if not fewest or stale > 3:
            break
    c.columns = best
    _sort_legs(c, touching, _positions(c))


def _positions(c: Columns) -> list[float]:
    found = [0.0] * len(c.elements)
    for col in c.columns:
        for at, e in enumerate(col):
            found[e] = at - len(col) / 2
    return found


def _fraction(element: Element, touch: Touch) -> float:
    slots = element.slots[touch.side]
    return (slots.index(touch.leg) + 0.5) / len(slots) - 0.5


def _sort_column(
    c: Columns, k: int, touching: list[list[tuple[Touch, Touch]]], position: list[float], forward: bool
) -> None:
    def key(e: int) -> tuple[int, float]:
        near = [
            position[there.element] + 0.9 * _fraction(c.elements[there.element], there)
            for here, there in touching[e]
            if there.element != e and (here.side == ("L" if forward else "R"))
        ]
        return c.elements[e].group, sum(near) / len(near) if near else position[e]

    c.columns[k].sort(key=key)
    for at, e in enumerate(c.columns[k]):
        position[e] = at - len(c.columns[k]) / 2


def _sort_legs(c: Columns, touching: list[list[tuple[Touch, Touch]]], position: list[float]) -> None:
    """Legs in the order of what they lead to; those that turn around go to the side they turn to."""
    for e, element in enumerate(c.elements):
        if element.fixed:
            continue
        for side in ("L", "R"):
            where: dict[int, float] = {}
            for here, there in touching[e]:
                if here.side != side:
                    continue
                other = c.elements[there.element]
                at = position[there.element] + 0.9 * _fraction(other, there)
                if other.column == element.column:
                    distance = position[there.element] - position[e]
                    at = (1000.0 - distance) if distance > 0 else (-1000.0 - distance)
                where[here.leg] = at
            element.slots[side].sort(key=lambda leg: where.get(leg, 0.0))


def _crossings(c: Columns) -> int:
    """Pairs of wires from one column to the next that cross."""
    position = _positions(c)
    gaps: dict[int, list[tuple[float, float]]] = {}
    for s in c.segments:
        if s.a.side != s.b.side:
            left, right = (s.a, s.b) if s.a.side == "R" else (s.b, s.a)
            ends = [position[t.element] + 0.9 * _fraction(c.elements[t.element], t) for t in (left, right)]
            gaps.setdefault(s.gap, []).append((ends[0], ends[1]))
    total = 0
    for found in gaps.values():
        array = np.asarray(found)
        left = np.sign(array[:, None, 0] - array[None, :, 0])
        right = np.sign(array[:, None, 1] - array[None, :, 1])
        total += int((left * right < 0).sum()) // 2
    return total


def settle(c: Columns, gap: float, tight: float, whole: bool) -> float:
    """Set the top of every element, and answer the total height.

    Wires are level where they can be; of all solutions the middle one between the highest and the lowest is taken.
    """
    if not c.elements:
        return 0.0
    heights = np.asarray([e.height for e in c.elements])
    program = _program(c, gap, tight)
    high = _solve(program, heights, +1.0, None)
    total = float((high + heights).max())
    low = _solve(program, heights, -1.0, total)
    tops = (high + low) / 2
    tops = np.floor(np.round(tops, 6)) if whole else np.round(tops, 3)
    for element, top in zip(c.elements, tops - tops.min(), strict=True):
        element.top = float(top)
    return float((tops - tops.min() + heights).max())


def _program(c: Columns, gap: float, tight: float) -> tuple[list[tuple[int, int, float]], list[float], list[float]]:
    """Entries and limits of the rows, and costs: tops first, then how far from level each segment is."""
    entries: list[tuple[int, int, float]] = []
    limits: list[float] = []
    for col in c.columns:
        for upper, lower in pairwise(col):
            a, b = c.elements[upper], c.elements[lower]
            between = gap if a.item >= 0 and b.item >= 0 else tight if a.item >= 0 or b.item >= 0 else 0.0
            entries += [(len(limits), upper, 1.0), (len(limits), lower, -1.0)]
            limits.append(-(a.height + between))
    costs = [0.0] * len(c.elements)
    for s in c.segments:
        if s.a.element == s.b.element:
            continue
        offset = c.elements[s.a.element].offsets[s.a.leg] - c.elements[s.b.element].offsets[s.b.leg]
        for sign in (1.0, -1.0):
            row = len(limits)
            entries += [(row, s.a.element, sign), (row, s.b.element, -sign), (row, len(costs), -1.0)]
            limits.append(-sign * offset)
        costs.append(s.weight)
    return entries, limits, costs


def _solve(
    program: tuple[list[tuple[int, int, float]], list[float], list[float]],
    heights: np.ndarray,
    pull: float,
    total: float | None,
) -> np.ndarray:
    entries, limits, costs = program
    count = len(heights)
    cost = np.asarray(costs)
    # Small enough that it only chooses among the best.
    cost[:count] += pull * 0.01 / count
    bounds = [(0.0, None if total is None else total - h) for h in heights] + [(0.0, None)] * (len(costs) - count)
    return minimise(cost, entries, limits, bounds)[:count]
