"""One net in coordinates: wires run in the gaps between columns, or past items in slots of their own."""

from __future__ import annotations

from typing import NamedTuple

from tensorgrad.show.channel import Crossing, tracks
from tensorgrad.show.names import Name
from tensorgrad.show.order import Element, Segment, Touch
from tensorgrad.show.placing import Placement
from tensorgrad.show.scene import Canvas, Label, Piece, Scene, Shape, Wire


class Block(NamedTuple):
    """A laid out net: its scene, and the heights of its free edges (at x = 0 on the left, at the width on the right)."""

    scene: Scene
    ends: dict[str, float]


class Gap(NamedTuple):
    """The room between two columns: a straight run, then room for bends, and the stops of each wire."""

    run: float
    room: float
    stops: list[tuple[tuple[int, float], ...]]


class NetLayout:
    """The layout of one placed net. `labelled`: free edges end in their names, else at the border of the block."""

    def __init__(self, placed: Placement, labelled: bool) -> None:
        self.net, self.sized, self.metrics, self.sides = placed.net, placed.sized, placed.metrics, placed.ranks.sides
        self.columns, self.width, self.height, self.labelled = placed.columns, placed.width, placed.height, labelled
        self.texts = {n: placed.net.cut.get(n) or end_label(n, size) for n, size in placed.net.ends.items()}
        self.canvas = Canvas()
        self.left: list[float] = []
        self.starts: list[float] = []
        self.plans: list[Gap] = []
        self.widths = self._column_widths()
        self.sayers = self._sayers()

    def draw(self) -> Block:
        """Coordinates for everything."""
        gaps = self._by_gap()
        x = 0.0
        for column, width in enumerate(self.widths):
            self.left.append(x)
            x += width
            if column < len(gaps):
                self.starts.append(x)
                self.plans.append(self._plan(column, gaps[column]))
                x += self.plans[-1].run + self.plans[-1].room
        for segments, start, plan in zip(gaps, self.starts, self.plans, strict=True):
            self._draw_gap(segments, start, plan)
        for k, element in enumerate(self.columns.elements):
            self._draw_element(k, element)
        ends = {e.name: e.top + e.offsets[0] for e in self.columns.elements if e.name}
        return Block(self.canvas.scene(x, self.height), ends)

    def spans(self) -> list[tuple[float, float]]:
        """Left and right of the columns of items, once they are drawn."""
        return [(x, x + width) for x, width in zip(self.left, self.widths, strict=True)][1:-1]

    def _column_widths(self) -> list[float]:
        found = [max((self.columns.elements[e].width for e in col), default=0.0) for col in self.columns.columns]
        for column in (0, -1):
            names = [self.columns.elements[e].name for e in self.columns.columns[column]]
            if self.labelled and names:
                found[column] = max(self.metrics.label(self.texts[n].text) for n in names) + self.metrics.label(" ")
        return found

    def _by_gap(self) -> list[list[Segment]]:
        found: list[list[Segment]] = [[] for _ in range(self.width + 1)]
        for segment in self.columns.segments:
            found[segment.gap].append(segment)
        return found

    def _y(self, touch: Touch) -> float:
        element = self.columns.elements[touch.element]
        return element.top + element.offsets[touch.leg]

    def _ends_of(self, segment: Segment) -> Crossing:
        left = tuple(self._y(t) for t in (segment.a, segment.b) if t.side == "R")
        right = tuple(self._y(t) for t in (segment.a, segment.b) if t.side == "L")
        return Crossing(left, right)

    def _plan(self, gap: int, segments: list[Segment]) -> Gap:
        m = self.metrics
        crossings = [self._ends_of(s) for s in segments]
        stops, count = tracks(crossings, 0.5)
        labels = [self._size_label(s).text for s, c in zip(segments, crossings, strict=True) if c.left]
        outer = gap in (0, self.width) and not self.labelled
        run = 0.0 if outer or not any(c.left for c in crossings) else m.run
        if any(labels):
            run = max(run, max(m.label(t) for t in labels) + 2 * m.small)
        bent = [c for c in crossings if len(c.left) != 1 or c.left != c.right]
        rise = max((abs(p - q) for c in bent for p in (*c.left, *c.right) for q in (*c.left, *c.right)), default=0.0)
        room = 0.0
        if bent:
            room = 2.0 * count + 1 if m.whole else 14 + m.bend * len(bent) + m.slope * min(rise, 200)
        elif not run and (0 < gap < self.width or (segments and not outer)):
            run = m.run
        return Gap(run, room, stops)

    def _size_label(self, segment: Segment) -> Name:
        """The size at a wire's first segment; free edges and the further wires of a copy dot say it elsewhere."""
        a, b, size = self.net.links[segment.link]
        first = self._first(segment.link)
        if first is not segment or a.item < 0 or b.item < 0:
            return Name("")
        for end in (a, b):
            if self._is_dot(end.item) and (self.sayers[end.item] != segment.link or self._has_free(end.item)):
                return Name("")
        return size

    def _sayers(self) -> dict[int, int]:
        """For each dot the link that says its size: one that does not part from others at once, if there is one."""
        found: dict[int, tuple[bool, int, int]] = {}
        for number, (a, b, _) in enumerate(self.net.links):
            for end in (end for end in (a, b) if self._is_dot(end.item)):
                first = self._first(number)
                own = (first is None or self._forks(first), end.leg, number)
                found[end.item] = min(own, found.get(end.item, own))
        return {dot: number for dot, (_, _, number) in found.items()}

    def _is_dot(self, item: int) -> bool:
        return item >= 0 and self.net.items[item].kind == "dot"

    def _first(self, link: int) -> Segment | None:
        """The first segment of a link that has a straight run."""
        for segment in self.columns.segments:
            if segment.link == link and "R" in (segment.a.side, segment.b.side):
                return segment
        return None

    def _has_free(self, dot: int) -> bool:
        return any((a.item == dot and b.item < 0) or (b.item == dot and a.item < 0) for a, b, _ in self.net.links)

    def _draw_gap(self, segments: list[Segment], x0: float, plan: Gap) -> None:
        run, room, stops = plan
        x1, x2 = x0 + run, x0 + run + room
        for segment, stop in zip(segments, stops, strict=True):
            left, right = self._ends_of(segment)
            forked = len(left) == 1 and self._forks(segment)
            pieces = [Piece("line", x0, y, x1, y) for y in left if run and not forked]
            at = tuple((x1 + 1 + 2 * t, y) for t, y in stop)
            if len(left) == 1 and (room or forked):
                kind = "line" if left == right else "bend"
                pieces.append(Piece(kind, x0 if forked else x1, left[0], x2, right[0], 0.0, at))
            elif len(left) != 1:
                low, high = left or right
                reach = min(room * 0.75, 8 + abs(high - low) / 3)
                x = x1 if left else x2
                pieces.append(Piece("turn", x, low, x, high, reach if left else -reach, at))
            self._wire(segment.link, pieces)
            label = self._size_label(segment)
            if label.text and left:
                up = 0 if self.metrics.whole else 8.5
                self.canvas.labels.append(Label(label, (x0 + x1) / 2, left[0] - up, "middle", "size"))

    def _forks(self, segment: Segment) -> bool:
        """Whether it is one of several wires from a dot to the right: curves part at once."""
        start = segment.a if segment.a.side == "R" else segment.b
        element = self.columns.elements[start.element]
        dot = element.item >= 0 and self.sized[element.item].item.kind == "dot"
        return dot and len(element.slots["R"]) > 1 and not self.metrics.whole

    def _wire(self, link: int, pieces: list[Piece]) -> None:
        a, b, _ = self.net.links[link]
        if pieces:
            self.canvas.wires.append(Wire(tuple(pieces), free=a.name or b.name))

    def _draw_element(self, k: int, element: Element) -> None:
        left, width = self.left[element.column + 1], self.widths[element.column + 1]
        if element.item >= 0:
            x = left + _inset(element, width)
            if self.metrics.whole:
                x = float(int(x))
            self._connect(k, element, x, left, left + width)
            self._draw_item(element, x)
            return
        y = element.top + element.offsets[0]
        if element.name:
            if self.labelled:
                gap = self.metrics.label(" ") / 2 if not self.metrics.whole else 1
                at_left = element.column < 0
                x = left + width - gap if at_left else left + gap
                name = self.texts[element.name]
                self.canvas.labels.append(Label(name, x, y, "end" if at_left else "start", "edge"))
            return
        link = next(s.link for s in self.columns.segments if k in (s.a.element, s.b.element))
        if width:
            self._wire(link, [Piece("line", left, y, left + width, y)])

    def _connect(self, k: int, element: Element, x: float, left: float, right: float) -> None:
        """Level wires from the border of the column to the item."""
        for s in self.columns.segments:
            for touch in (s.a, s.b):
                if touch.element != k:
                    continue
                y = self._y(touch)
                x0, x1 = (left, x) if touch.side == "L" else (x + element.width, right)
                if x1 > x0:
                    self._wire(s.link, [Piece("line", x0, y, x1, y)])

    def _draw_item(self, element: Element, x: float) -> None:
        sized = self.sized[element.item]
        if sized.scene is not None:
            self.canvas.put(sized.scene, x, element.top)
            return
        item, m = sized.item, self.metrics
        name = item.named(self.sides[element.item])
        place = len(self.canvas.shapes)
        box = (x, element.top, sized.width, sized.height)
        self.canvas.shapes.append(Shape(item.kind, *box, name, item.note, -1, item.used, item.made))
        for side, legs in element.slots.items():
            for leg in legs:
                mark = item.marks[leg] if leg < len(item.marks) else ""
                if mark:
                    inset = 1 if m.whole else 3
                    at = x + inset if side == "L" else x + sized.width - inset
                    anchor = "start" if side == "L" else "end"
                    y = element.top + element.offsets[leg]
                    self.canvas.labels.append(Label(Name(mark), at, y, anchor, "mark", place))


def _inset(element: Element, width: float) -> float:
    """How far from the left of its column an item stands: in the middle, but not far away from all that it meets."""
    spare = width - element.width
    alone = not element.slots["L"] or not element.slots["R"]
    if alone and spare > 4 * element.width:
        return element.width if element.slots["L"] else spare - element.width
    return spare / 2


def end_label(name: str, size: Name) -> Name:
    """A free edge as `name:size`, or only its name where it is called after its size."""
    named = Name(name)
    return named if name == size.text else Name(f"{name}:{size.text}", f"{named.latex}{{:}}{size.latex}")
