"""One net in columns: items, free ends and wires passing by are elements with an order and a height."""

from __future__ import annotations

from dataclasses import dataclass, field

from tensorgrad.show.order import Columns, Element, Segment, Touch, arrange, settle
from tensorgrad.show.picture import End, Item, Net, Side
from tensorgrad.show.ranks import Ranks
from tensorgrad.show.scene import Metrics, Scene


@dataclass(slots=True)
class Sized:
    """An item with its size. A box brings its scene and where its legs are; a node's legs are put in order later."""

    item: Item
    width: float
    height: float
    scene: Scene | None = None
    slots: dict[Side, list[int]] = field(default_factory=dict)
    offsets: dict[int, float] = field(default_factory=dict)


def spread(count: int, height: float, metrics: Metrics) -> list[float]:
    """Heights of so many wires on one side of a node."""
    if metrics.whole:
        first = (int(height) - count) // 2
        return [float(first + k) for k in range(count)]
    return [height / 2 + (k - (count - 1) / 2) * metrics.port for k in range(count)]


class Placement:
    """The elements of one net in their columns, ordered and at their heights; all its free edges have a side."""

    def __init__(self, net: Net, sides: dict[str, Side], ranks: Ranks, sized: list[Sized], metrics: Metrics) -> None:
        self.net, self.sides, self.ranks, self.sized, self.metrics = net, sides, ranks, sized, metrics
        self.width = ranks.width
        self.columns = Columns([], [[] for _ in range(self.width + 2)], [])
        self._place_items()
        for link in range(len(net.links)):
            self._route(link)
        arrange(self.columns)
        for element in self.columns.elements:
            self._set_offsets(element)
        tight = 0.0 if metrics.whole else metrics.row / 2
        self.height = settle(self.columns, metrics.row, tight, metrics.whole)

    def _add(self, element: Element) -> int:
        self.columns.elements.append(element)
        number = len(self.columns.elements) - 1
        # Column -1 holds the free ends on the left, so lists are shifted by one.
        self.columns.columns[element.column + 1].append(number)
        return number

    def _place_items(self) -> None:
        order = {name: k for k, name in enumerate(self.net.ends)}
        self.group = {c: len(order) + c for c in self.ranks.component}
        for a, b, _ in self.net.links:
            for free, end in ((a, b), (b, a)):
                if free.item < 0 <= end.item:
                    c = self.ranks.component[end.item]
                    self.group[c] = min(self.group[c], order[free.name])
        for k, sized in enumerate(self.sized):
            slots: dict[Side, list[int]] = {"L": [], "R": []}
            for leg, side in enumerate(self.ranks.sides[k]):
                slots[side].append(leg)
            group = self.group[self.ranks.component[k]]
            element = Element(k, self.ranks.column[k], group, sized.height, slots, sized.width)
            if sized.scene is not None:
                element.slots, element.offsets, element.fixed = sized.slots, sized.offsets, True
            self._add(element)

    def _touch(self, end: End, group: int) -> Touch:
        """Where a link meets an element; free ends become elements of the outer columns."""
        if end.item >= 0:
            return Touch(end.item, self.ranks.sides[end.item][end.leg], end.leg)
        side = self.sides[end.name]
        slots: dict[Side, list[int]] = {"L": [], "R": []}
        inward: Side = "R" if side == "L" else "L"
        slots[inward].append(0)
        column = -1 if side == "L" else self.width
        element = Element(-1, column, group, self.metrics.port, slots, name=end.name)
        return Touch(self._add(element), inward, 0)

    def _route(self, link: int) -> None:
        """Segments of one link, gap by gap, with an element in each column that it passes."""
        a, b, _ = self.net.links[link]
        inner = a if a.item >= 0 else b
        order = list(self.net.ends)
        group = self.group[self.ranks.component[inner.item]] if inner.item >= 0 else order.index(a.name)
        ends = [self._touch(a, group), self._touch(b, group)]
        gaps = [self._gap(t) for t in ends]
        if gaps[0] > gaps[1]:
            ends.reverse()
            gaps.reverse()
        weight = self.ranks.weight[link]
        here = ends[0]
        for column in range(gaps[0], gaps[1]):
            passing = self._add(Element(-1, column, group, self.metrics.port, {"L": [0], "R": [0]}))
            self.columns.segments.append(Segment(column, here, Touch(passing, "L", 0), link, max(weight, 0.5)))
            here = Touch(passing, "R", 0)
        self.columns.segments.append(Segment(gaps[1], here, ends[1], link, weight))

    def _gap(self, touch: Touch) -> int:
        column = self.columns.elements[touch.element].column
        return column + 1 if touch.side == "R" else column

    def _set_offsets(self, element: Element) -> None:
        if element.fixed:
            return
        m = self.metrics
        for legs in element.slots.values():
            dot = element.item >= 0 and self.sized[element.item].item.kind == "dot"
            one = dot and not m.whole
            at = [element.height / 2] * len(legs) if one else spread(len(legs), element.height, m)
            element.offsets.update(zip(legs, at, strict=True))
