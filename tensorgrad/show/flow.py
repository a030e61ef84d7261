"""Directed pictures: cards in columns, what a card uses to the left of it. Plans and e-graphs are drawn so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tensorgrad.show.names import NAMELESS, Name
from tensorgrad.show.netlayout import NetLayout
from tensorgrad.show.picture import End, Item, Kind, Link, Net, Side
from tensorgrad.show.placing import Placement, Sized
from tensorgrad.show.program import minimise
from tensorgrad.show.ranks import Ranks
from tensorgrad.show.scene import PIXELS, Canvas, Label, Scene, Shape


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a card: its text, the cards it uses, and whether it is the one that was chosen."""

    text: Name
    uses: tuple[int, ...] = ()
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A title with a note, and lines below."""

    title: Name
    note: Name = NAMELESS
    lines: tuple[Line, ...] = ()
    kind: Kind = "card"


def flow(cards: Sequence[Card]) -> Scene:
    """The scene of some cards; a use that would lead back to the card itself is not drawn: the text says it.

    >>> scene = flow([Card(Name("A")), Card(Name("t1"), lines=(Line(Name("inv(A)"), (0,)),))])
    >>> [shape.name.text for shape in scene.shapes], len(scene.wires) > 0
    (['A', 't1'], True)
    """
    if not cards:
        return Scene(0.0, 0.0)
    uses = _forward(cards)
    sized = [_sized(card) for card in cards]
    links: list[Link] = []
    for user, line, used in uses:
        a = _add_leg(sized[used], "R", sized[used].height / 2)
        b = _add_leg(sized[user], "L", _height_of(line))
        links.append(Link(End(used, a), End(user, b), NAMELESS))
    for own in sized:
        own.slots["L"].sort(key=own.offsets.__getitem__)
    sides: list[list[Side]] = [["L" if leg in s.slots["L"] else "R" for leg in s.offsets] for s in sized]
    items = tuple(Item(card.kind, card.title, len(s.offsets)) for card, s in zip(cards, sized, strict=True))
    column = _columns(len(cards), uses)
    ranks = Ranks(column, sides, [1.0] * len(links), max(column) + 1, [0] * len(cards))
    placed = Placement(Net(NAMELESS, items, tuple(links), {}), {}, ranks, sized, PIXELS)
    return NetLayout(placed, False).draw().scene


def _add_leg(sized: Sized, side: Side, height: float) -> int:
    leg = len(sized.offsets)
    sized.offsets[leg] = height
    sized.slots[side].append(leg)
    return leg


def _forward(cards: Sequence[Card]) -> list[tuple[int, int, int]]:
    """(user, line, used) without those that close a circle: chosen lines first, so that these are drawn if any are."""
    found: dict[tuple[int, int, int], None] = {}
    below: list[set[int]] = [set() for _ in cards]

    def reaches(start: int, goal: int) -> bool:
        stack, seen = [start], {start}
        while stack:
            card = stack.pop()
            if card == goal:
                return True
            stack += [c for c in below[card] if c not in seen]
            seen |= below[card]
        return False

    for chosen in (True, False):
        for user, card in enumerate(cards):
            for number, line in enumerate(card.lines):
                for used in dict.fromkeys(line.uses) if line.chosen == chosen else ():
                    if used in below[user] or not reaches(used, user):
                        below[user].add(used)
                        found[user, number, used] = None
    return list(found)


def _columns(count: int, uses: Sequence[tuple[int, int, int]]) -> list[int]:
    """Columns that make the wires shortest in total, every card right of what it uses."""
    pairs = list(dict.fromkeys((used, user) for user, _, used in uses))
    if not pairs:
        return [0] * count
    cost = np.zeros(count)
    for used, user in pairs:
        cost[used] -= 1
        cost[user] += 1
    entries = [(k, card, sign) for k, pair in enumerate(pairs) for card, sign in zip(pair, (1.0, -1.0), strict=True)]
    found = minimise(cost, entries, [-1.0] * len(pairs), [(0, count)] * count)
    return [round(x) for x in found]


def _sized(card: Card) -> Sized:
    """A card with its lines, or a node; its legs are added later."""
    m, item = PIXELS, Item(card.kind, card.title, 0)
    note = m.label(card.note.text)
    if not card.lines:
        width = max(m.name(card.title) + 2 * m.pad, note * 0.85 + m.pad, m.least)
        height = m.least + (10 if note else 0)
        shape = Shape(card.kind, 0, 0, width, height, card.title, card.note)
        return Sized(item, width, height, Scene(width, height, (shape,)), {"L": [], "R": []})
    title = m.name(card.title) + (note + m.pad if note else 0)
    width = max([title, *(m.label(line.text.text) for line in card.lines)]) + 2 * m.pad
    height = m.top + len(card.lines) * m.port + m.bottom
    canvas = Canvas()
    canvas.shapes.append(Shape(card.kind, 0, 0, width, height, card.title, card.note))
    for k, line in enumerate(card.lines):
        y = _height_of(k)
        if line.chosen:
            band = (3, y - m.port / 2 + 1, width - 6, m.port - 2)
            canvas.shapes.append(Shape("card", *band, parent=0, used=True))
        canvas.labels.append(Label(line.text, m.pad, y, "start", "edge", 0))
    return Sized(item, width, height, canvas.scene(width, height), {"L": [], "R": []})


def _height_of(line: int) -> float:
    return PIXELS.top + (line + 0.5) * PIXELS.port
