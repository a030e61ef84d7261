"""Nets wider than a page, in rows: columns are cut where few wires cross; a cut wire has one letter in both rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

from tensorgrad.show.names import Name
from tensorgrad.show.picture import End, Link, Net, Side
from tensorgrad.show.ranks import Ranks
from tensorgrad.show.scene import Metrics

MOST_CUT = 8
"""Wires cut between two rows; a net that is thicker everywhere stays in one row."""
SHARE = 0.5
"""A row is filled at least by this part, where a later place would cut more wires."""
LETTERS = 12
"""Letters left for the label of a cut wire, at each end of a row."""


def cut_columns(net: Net, ranks: Ranks, spans: Sequence[tuple[float, float]], metrics: Metrics) -> list[int]:
    """The columns with which new rows begin, none if the net cannot be cut; `spans` are the columns' left and right."""
    room = metrics.widest - 2 * (metrics.small * LETTERS + metrics.run)
    if any(right - left > room for left, right in spans):
        return []  # A box that is wider than a page by itself: what stands beside it would only be torn off.
    starts: list[int] = []
    first = 0
    while spans[-1][1] - spans[first][0] > room:
        fits = max((c for c in range(first + 1, len(spans)) if spans[c - 1][1] - spans[first][0] <= room), default=0)
        least = max(first + 1, first + round((fits - first) * SHARE))
        # Of equally good places the last one.
        best = min(range(max(fits, least), least - 1, -1), key=lambda c: _crossing(net, ranks, c))
        if _crossing(net, ranks, best) > MOST_CUT:
            return []
        if best >= len(spans):
            break
        starts.append(best)
        first = best
    return starts


def _crossing(net: Net, ranks: Ranks, column: int) -> int:
    """Wires between what stands before a column and what stands in it or after."""
    return sum(
        (ranks.column[a.item] < column) != (ranks.column[b.item] < column)
        for a, b, _ in net.links
        if a.item >= 0 and b.item >= 0
    )


def rows_of(
    net: Net, sides: dict[str, Side], ranks: Ranks, starts: Sequence[int]
) -> Iterator[tuple[Net, dict[str, Side]]]:
    """The rows, each a net whose cut wires are free edges on the sides of their legs."""
    row = [sum(start <= column for start in starts) for column in ranks.column]
    ends, links, labels = dict(net.ends), [], {}
    all_sides = dict(sides)
    names = _names({*net.ends, *(size.text for _, _, size in net.links)})
    for a, b, size in net.links:
        if a.item < 0 or b.item < 0 or row[a.item] == row[b.item]:
            links.append(Link(a, b, size))
            continue
        letter = next(names)
        for end in (a, b):
            side = ranks.sides[end.item][end.leg]
            name = f"{letter} of {end.item}"
            ends[name], all_sides[name], labels[name] = size, side, _label(letter, size, side)
            links.append(Link(end, End(-1, 0, name), size))
    for k in range(len(starts) + 1):
        yield _row(replace(net, links=tuple(links), ends=ends, cut=labels), row, k), all_sides


def _row(net: Net, row: Sequence[int], kept: int) -> Net:
    number = {k: n for n, k in enumerate(k for k, own in enumerate(row) if own == kept)}

    def moved(end: End) -> End:
        return end if end.item < 0 else End(number[end.item], end.leg, end.name)

    # A wire between two free edges, without items, stands in the first row.
    links = tuple(
        Link(moved(a), moved(b), size)
        for a, b, size in net.links
        if max(a.item, b.item) in number or (kept == 0 and a.item < 0 and b.item < 0)
    )
    met = {end.name for link in links for end in (link.a, link.b) if end.item < 0}
    return replace(
        net,
        items=tuple(net.items[k] for k in number),
        links=links,
        ends={name: size for name, size in net.ends.items() if name in met},
    )


def _names(taken: set[str]) -> Iterator[str]:
    """Letters, then letters with numbers."""
    for round_ in count():
        for letter in "abcdefghijklmnopqrstuvwxyz":
            name = letter + (str(round_) if round_ else "")
            if name not in taken:
                yield name


def _label(letter: str, size: Name, side: Side) -> Name:
    """A cut wire: its letter and size, with dots where it goes on."""
    text, math = f"{letter}:{size.text}", f"{Name(letter).latex}{{:}}{size.latex}"
    return Name(f"{text} …", rf"{math}\,\dots") if side == "R" else Name(f"… {text}", rf"\dots\,{math}")
