"""Which column each item of a net stands in, and on which side of it each leg leaves.

The net is oriented by potentials, as a circuit between its left and its right free edges; then ranks are chosen that
make the wires shortest in total (a linear program whose corners are whole).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from tensorgrad.show.picture import End, Net, Side
from tensorgrad.show.program import minimise

CLOSE = 1e-7
"""Potentials nearer than this count as equal."""


@dataclass(slots=True)
class Ranks:
    """Column of each item, side of each of its legs, and the weight of each link (a level one weighs more)."""

    column: list[int]
    sides: list[list[Side]]
    weight: list[float] = field(default_factory=list)
    width: int = 0
    component: list[int] = field(default_factory=list)


def rank(net: Net, sides: dict[str, Side]) -> Ranks:
    """The columns and sides of a net whose free edges leave on these sides."""
    adjacent = _adjacent(net)
    component = _components(len(net.items), adjacent)
    place = _order(net, sides, adjacent, component)
    column = _columns(net, sides, component, place)
    found = Ranks(column, _sides(net, sides, place), component=component)
    found.width = max(column, default=-1) + 1
    found.weight = [_weight(link.a, link.b, found, place) for link in net.links]
    return found


def _adjacent(net: Net) -> list[list[int]]:
    adjacent: list[list[int]] = [[] for _ in net.items]
    for a, b, _ in net.links:
        if a.item >= 0 and b.item >= 0 and a.item != b.item:
            adjacent[a.item].append(b.item)
            adjacent[b.item].append(a.item)
    return adjacent


def _components(count: int, adjacent: list[list[int]]) -> list[int]:
    found = [-1] * count
    for start in range(count):
        if found[start] < 0:
            for item in _distances({start: 0}, adjacent):
                found[item] = start
    return found


def _distances(start: dict[int, int], adjacent: list[list[int]]) -> dict[int, int]:
    """Breadth-first distances from the items of `start`."""
    found = dict(start)
    queue = deque(start)
    while queue:
        item = queue.popleft()
        for other in adjacent[item]:
            if other not in found:
                found[other] = found[item] + 1
                queue.append(other)
    return found


def _order(
    net: Net, sides: dict[str, Side], adjacent: list[list[int]], component: list[int]
) -> list[tuple[float, int, int]]:
    """For each item (potential, distance, number): from left to right."""
    ends: dict[int, set[Side]] = {c: set() for c in component}
    fixed: list[dict[Side, int]] = [{} for _ in net.items]
    for link in net.links:
        for free, end in ((link.a, link.b), (link.b, link.a)):
            if free.item < 0 <= end.item:
                fixed[end.item][sides[free.name]] = fixed[end.item].get(sides[free.name], 0) + 1
                ends[component[end.item]].add(sides[free.name])
    place: list[tuple[float, int, int]] = [(0.0, 0, k) for k in range(len(net.items))]
    for first in dict.fromkeys(component):
        members = [k for k, c in enumerate(component) if c == first]
        ring = _ring(net, members, adjacent) if not ends[first] else None
        if ring is not None:
            for at, item in enumerate(ring):
                place[item] = (at / len(ring), 0, item)
            continue
        lows = [k for k in members if "L" in fixed[k]]
        highs = [k for k in members if "R" in fixed[k]]
        lows, highs = _poles(members, lows, highs, adjacent)
        value = _potentials(members, lows, highs, fixed, adjacent)
        near = _distances(dict.fromkeys(lows, 0), adjacent)
        for k in members:
            place[k] = (round(value[k] / CLOSE) * CLOSE, near[k], k)
    return place


def _ring(net: Net, members: list[int], adjacent: list[list[int]]) -> list[int] | None:
    """The members around the ring, if all have two legs: from the first one on, out of its second leg."""
    if len(members) < 2 or any(net.items[k].legs != 2 for k in members):
        return None
    partner = {}
    for a, b, _ in net.links:
        partner[a.item, a.leg] = b
        partner[b.item, b.leg] = a
    ring, leg = [members[0]], 1
    while True:
        end: End = partner[ring[-1], leg]
        if end.item == members[0]:
            return ring
        ring.append(end.item)
        leg = 1 - end.leg


def _poles(
    members: list[int], lows: list[int], highs: list[int], adjacent: list[list[int]]
) -> tuple[list[int], list[int]]:
    """Where the potential is lowest and highest: at the free edges, or at items far from each other."""
    if lows and highs:
        return lows, highs

    def farthest(start: list[int]) -> int:
        near = _distances(dict.fromkeys(start, 0), adjacent)
        return max(near, key=lambda k: (near[k], -k))

    if not lows and not highs:
        one = farthest([members[0]])
        other = farthest([one])
        return [min(one, other)], [max(one, other)]
    return (lows, [farthest(lows)]) if lows else ([farthest(highs)], highs)


def _potentials(
    members: list[int], lows: list[int], highs: list[int], fixed: list[dict[Side, int]], adjacent: list[list[int]]
) -> dict[int, float]:
    """Solve the circuit: 0 behind the low poles, 1 behind the high ones, unit resistances."""
    number = {item: k for k, item in enumerate(members)}
    matrix = np.zeros((len(members), len(members)))
    right = np.zeros(len(members))
    for item, k in number.items():
        for other in adjacent[item]:
            matrix[k, k] += 1
            matrix[k, number[other]] -= 1
    for poles, side, level in ((lows, "L", 0.0), (highs, "R", 1.0)):
        for item in poles:
            wires = fixed[item].get(side, 1)  # type: ignore[call-overload]
            matrix[number[item], number[item]] += wires
            right[number[item]] += wires * level
    values = np.linalg.solve(matrix, right)
    return {item: float(values[k]) for item, k in number.items()}


def _sides(net: Net, sides: dict[str, Side], place: list[tuple[float, int, int]]) -> list[list[Side]]:
    """Legs leave towards what they are joined to; the two legs of a matrix on opposite sides."""
    found: list[list[Side]] = [["L"] * item.legs for item in net.items]
    for a, b, _ in net.links:
        for end, other in ((a, b), (b, a)):
            if end.item < 0:
                continue
            if other.item < 0:
                side = sides[other.name]
            elif other.item == end.item or _facing(net, end.item):
                side = "L" if end.leg == 0 and net.items[end.item].legs == 2 else "R"
            else:
                side = "R" if place[end.item] < place[other.item] else "L"
            found[end.item][end.leg] = side
    for item, own in enumerate(found):
        if net.items[item].legs == 2 and own[0] == own[1]:
            turn = _turned_leg(net, item, sides)
            own[turn] = "R" if own[turn] == "L" else "L"
    return found


def _turned_leg(net: Net, item: int, sides: dict[str, Side]) -> int:
    """Of two legs on one side the one that turns around: not one of a free edge; else so that rows are left."""
    joined = [(e.leg, o.item) for a, b, _ in net.links for e, o in ((a, b), (b, a)) if e.item == item]
    free = {leg for leg, other in joined if other < 0}
    if len(free) == 1:
        return 1 - free.pop()
    return 1 if any(leg == 0 and 0 <= other < item for leg, other in joined) else 0


def _weight(a: End, b: End, ranks: Ranks, place: list[tuple[float, int, int]]) -> float:
    """How much a wire wants to be level."""
    if a.item < 0 or b.item < 0:
        return 1.0
    if a.item == b.item:
        return 0.1
    low, high = (a, b) if place[a.item] < place[b.item] else (b, a)
    if (ranks.sides[low.item][low.leg], ranks.sides[high.item][high.leg]) != ("R", "L"):
        return 0.1
    return 1.0 if place[high.item][0] - place[low.item][0] > CLOSE / 2 else 0.4


def _facing(net: Net, item: int) -> bool:
    """Whether both legs of an item lead to the same legs of one other: X against X, which stand above each other."""
    if item < 0 or net.items[item].legs != 2:
        return False
    joined = [
        (other.item, end.leg == other.leg)
        for a, b, _ in net.links
        for end, other in ((a, b), (b, a))
        if end.item == item
    ]
    others = {k for k, _ in joined}
    if len(others) != 1 or not all(same for _, same in joined):
        return False
    other = others.pop()
    return other >= 0 and other != item and net.items[other].legs == 2


def _columns(net: Net, sides: dict[str, Side], component: list[int], place: list[tuple[float, int, int]]) -> list[int]:
    """Whole ranks, wires going from left to right, of least total length."""
    count = len(net.items)
    if not count:
        return []
    last = count
    cost = np.zeros(count + 1)
    cost[last] = 0.01
    rows: list[tuple[int, int]] = [(k, last) for k in range(count)]
    gaps: list[int] = [0] * count
    touched: dict[int, set[Side]] = {c: set() for c in component}
    for a, b, _ in net.links:
        if a.item >= 0 and b.item >= 0:
            if a.item != b.item and not _facing(net, a.item):
                low, high = sorted((a.item, b.item), key=lambda k: place[k])
                rows.append((low, high))
                gaps.append(1)
                cost[low] -= 1
                cost[high] += 1
            continue
        free, end = (a, b) if a.item < 0 else (b, a)
        if end.item >= 0:
            touched[component[end.item]].add(sides[free.name])
            cost[end.item] += 1 if sides[free.name] == "L" else -1
            cost[last] += 0 if sides[free.name] == "L" else 1
    for one, other in pairs(component, touched):
        rows += [(k, h) for k in one for h in other]
        gaps += [1] * (len(one) * len(other))
    entries = [(k, item, sign) for k, row in enumerate(rows) for item, sign in zip(row, (1.0, -1.0), strict=True)]
    ranks = minimise(cost, entries, [-gap for gap in gaps], [(0, count)] * (count + 1))
    return [round(x) for x in ranks[:count]]


def pairs(component: list[int], touched: dict[int, set[Side]]) -> list[tuple[list[int], list[int]]]:
    """Components with only left and with only right free edges, two and two: they share a row, as in x y'."""
    members: dict[int, list[int]] = {}
    for k, c in enumerate(component):
        members.setdefault(c, []).append(k)
    lefts = [members[c] for c in members if touched[c] == {"L"}]
    rights = [members[c] for c in members if touched[c] == {"R"}]
    return list(zip(lefts, rights, strict=False))
