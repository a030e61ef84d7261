"""What is drawn: a tensor as terms of nets, nets of items joined by wires. No coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tensorgrad.show.names import NAMELESS, Name
from tensorgrad.tensor import Tensor

Side = Literal["L", "R"]
Kind = Literal["tensor", "symmetric", "dot", "function", "loop", "expectation", "sum", "argument", "folded", "card"]


class End(NamedTuple):
    """One end of a wire: leg `leg` of item `item`, or (item -1) the free edge `name`."""

    item: int
    leg: int
    name: str = ""


class Link(NamedTuple):
    """A wire between two ends; `size` is the edge's."""

    a: End
    b: End
    size: Name


class Port(NamedTuple):
    """Where a box is crossed: its leg outside (or -1), the free edge of what is inside (or "").

    `acted`: the box acts along this edge; otherwise the edge passes through, entry by entry.
    """

    leg: int
    inner: str
    acted: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """Something with legs: a tensor, a copy dot, or a box around terms.

    `turned` is the name to show when the first of two legs points right. `marks` names the axis at each leg where it
    matters which is which.
    """

    kind: Kind
    name: Name
    legs: int
    turned: Name | None = None
    note: Name = NAMELESS
    marks: tuple[str, ...] = ()
    inside: tuple[Term, ...] = ()
    ports: tuple[Port, ...] = ()
    source: Tensor | None = None
    used: bool = False
    """Whether the next rule of a derivation replaces it."""
    made: bool = False
    """Whether the rule before made it."""

    def named(self, sides: list[Side]) -> Name:
        """Its name when its legs leave on these sides."""
        return self.turned if self.turned is not None and sides[0] == "R" else self.name


@dataclass(frozen=True, slots=True)
class Net:
    """Items and wires; `ends` are the free edges with their sizes."""

    coefficient: Name
    items: tuple[Item, ...]
    links: tuple[Link, ...]
    ends: Mapping[str, Name]
    last_axis: frozenset[str] = frozenset()
    """Free edges that are the last axis of a matrix, which by custom points right."""
    cut: Mapping[str, Name] = field(default_factory=dict[str, Name])
    """What is written at free edges that are ends of wires which go on in another row."""


@dataclass(frozen=True, slots=True)
class Term:
    """A net with what stands before it: a sign and a coefficient, as text; or only a text (net is None)."""

    before: Name
    net: Net | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A sum as its terms; most pictures have one."""

    terms: tuple[Term, ...]
    edges: tuple[str, ...]


def sides_of(edges: tuple[str, ...], last_axis: frozenset[str] = frozenset()) -> dict[str, Side]:
    """Where free edges point: rows left, columns right; of more than two edges the first half left.

    >>> sides_of(("i", "j", "k"))
    {'i': 'L', 'j': 'L', 'k': 'R'}
    """
    if len(edges) == 1:
        return {edges[0]: "R" if edges[0] in last_axis else "L"}
    half = (len(edges) + 1) // 2
    return {e: "L" if k < half else "R" for k, e in enumerate(edges)}


def components(net: Net) -> dict[int | str, int]:
    """The connected part that each item (by number) and each free edge (by name) is in."""
    owner: dict[int | str, int | str] = {k: k for k in range(len(net.items))}
    owner.update({name: name for name in net.ends})

    def find(k: int | str) -> int | str:
        while owner[k] != k:
            owner[k] = owner[owner[k]]
            k = owner[k]
        return k

    for a, b, _ in net.links:
        one, other = (find(e.item if e.item >= 0 else e.name) for e in (a, b))
        owner[other] = one
    numbers: dict[int | str, int] = {}
    return {k: numbers.setdefault(find(k), len(numbers)) for k in owner}
