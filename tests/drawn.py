"""Reading drawings back: the tensor that a scene shows, from what is drawn and nothing else.

Two readers of wires: curves by their end points, and the characters of a terminal cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from tensorgrad.show.names import Name
from tensorgrad.show.picture import End, Item, Net, Term
from tensorgrad.show.scene import Label, Scene, Shape
from tensorgrad.show.terminal import EAST, NORTH, SOUTH, WEST, _frame, _Grid, _row  # pyright: ignore
from tensorgrad.sizes import Poly, from_sympy
from tensorgrad.tensor import Apply, Delta, Product, Scalar, Sum, Tensor, Variable, Zero, align, renamed, tensor


class Contact(NamedTuple):
    """A wire's end: at a side of a shape at a height, or (shape -1) at the label of a free edge."""

    shape: int
    side: str
    y: float
    name: str = ""


@dataclass
class Groups:
    """Union-find over anything hashable."""

    parent: dict[object, object] = field(default_factory=dict)

    def find(self, a: object) -> object:
        self.parent.setdefault(a, a)
        while self.parent[a] != a:
            a = self.parent[a]
        return a

    def unite(self, a: object, b: object) -> None:
        self.parent[self.find(a)] = self.find(b)


def wires_of_curves(scene: Scene) -> list[list[Contact]]:
    """Connected wires by the end points of their pieces."""
    groups = Groups()
    for wire in scene.wires:
        for p in wire.pieces:
            groups.unite((p.x0, p.y0), (p.x1, p.y1))
    places = [p for p in list(groups.parent) if isinstance(p, tuple)]
    cells: dict[tuple[int, int], tuple[float, float]] = {}
    for x, y in places:
        column, row = round(x * 50), round(y * 50)
        for near in ((column + i, row + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
            groups.unite(cells.setdefault(near, (x, y)), (x, y))
    found: list[tuple[object, Contact]] = []
    for x, y in places:
        for k, s in enumerate(scene.shapes):
            if s.y - 0.01 <= y <= s.y + s.height + 0.01:
                sides = [("L", abs(x - s.x)), ("R", abs(x - s.x - s.width))]
                found += [((x, y), Contact(k, side, y)) for side, distance in sides if distance < 0.02]
    for label in scene.labels:
        if label.role == "edge":
            near = [p for p in places if abs(p[1] - label.y) < 0.02 and abs(p[0] - label.x) < 8]
            assert near and max(p[0] for p in near) - min(p[0] for p in near) < 0.02, (label, near)
            found.append((near[0], Contact(-1, "", label.y, label.name.text)))
    return _grouped(groups, found)


def wires_of_cells(scene: Scene) -> list[list[Contact]]:
    """Connected wires by walking through the cells of the terminal picture; a crossing keeps its two wires apart."""
    grid, groups = _Grid(scene), Groups()
    masks = grid.masks
    for (row, column), mask in masks.items():
        assert mask in (5, 10, 15, 3, 6, 9, 12), f"wires run together at {row}, {column}: {mask}"

    def part(row: int, column: int, direction: int) -> tuple[int, int, bool]:
        crossing = masks[row, column] == 15
        return row, column, crossing and direction in (NORTH, SOUTH)

    for (row, column), mask in masks.items():
        for here, there, r, c in ((EAST, WEST, row, column + 1), (SOUTH, NORTH, row + 1, column)):
            if mask & here and masks.get((r, c), 0) & there:
                groups.unite(part(row, column, here), part(r, c, there))
    found: list[tuple[object, Contact]] = []
    for k, s in enumerate(scene.shapes):
        left, right, top, bottom = _frame(s)
        for row in range(top, bottom + 1):
            if masks.get((row, left - 1), 0) & EAST:
                found.append((part(row, left - 1, EAST), Contact(k, "L", row / 2)))
            if masks.get((row, right + 1), 0) & WEST:
                found.append((part(row, right + 1, WEST), Contact(k, "R", row / 2)))
    for label in scene.labels:
        if label.role == "edge":
            row, x = _row(label.y), int(label.x)
            column, direction = (x + 1, WEST) if label.anchor == "end" else (x - 2, EAST)
            assert (row, column) in masks, label
            found.append((part(row, column, direction), Contact(-1, "", label.y, label.name.text)))
    return _grouped(groups, found)


def _grouped(groups: Groups, found: Iterable[tuple[object, Contact]]) -> list[list[Contact]]:
    wires: dict[object, list[Contact]] = {}
    for place, contact in found:
        wires.setdefault(groups.find(place), []).append(contact)
    return list(wires.values())


def read_back(scene: Scene, wires: list[list[Contact]], variables: dict[str, Variable], t: Tensor) -> Tensor:
    """The tensor drawn: a product of variables, joined by wires and dots. `t` says the sizes of the free edges."""
    groups = Groups()
    legs: dict[int, list[tuple[Contact, object]]] = {}
    free: dict[str, object] = {}
    for number, wire in enumerate(wires):
        # Wires of one dot meet at it, which is one edge all the same.
        assert len(wire) == 2 or any(c.shape >= 0 and scene.shapes[c.shape].kind == "dot" for c in wire), wire
        for contact in wire:
            if contact.shape < 0 and "…" in contact.name:
                groups.unite(number, ("cut", contact.name.strip("… ").partition(":")[0]))
            elif contact.shape < 0:
                free[contact.name.partition(":")[0]] = number
            elif scene.shapes[contact.shape].kind == "dot":
                groups.unite(number, ("dot", contact.shape))
            else:
                legs.setdefault(contact.shape, []).append((contact, number))
    factors: list[Tensor] = [tensor(_coefficient(label)) for label in scene.labels if label.role == "coefficient"]
    edge: dict[object, str] = {}
    for name, number in free.items():
        wire = groups.find(number)
        if wire in edge:
            factors.append(Delta(t.sizes[name], edge[wire], name))
        else:
            edge[wire] = name
    for k, s in enumerate(scene.shapes):
        if s.kind == "dot":
            continue
        variable = variables[s.name.text.removesuffix("ᵀ")]
        names = [""] * variable.order
        for contact, number in legs.get(k, []):
            names[_axis(scene, k, s, variable, contact, legs[k])] = edge.setdefault(groups.find(number), f"w{number}")
        assert all(names) or not names, (s, legs.get(k))
        unique = [f"u{len(factors)}_{i}" for i in range(len(names))]
        factors.append(renamed(variable, tuple(unique)))
        factors += [Delta(variable.dims[i], unique[i], name) for i, name in enumerate(names)]
    return Product(factors, tuple(free))


def _coefficient(label: Label) -> object:
    import sympy

    text = label.name.text
    for digit, small in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹"):
        text = text.replace(small, f"**{digit}")
    return sympy.sympify(text.replace("−", "-").replace("·", "*"))


def _axis(
    scene: Scene, k: int, s: Shape, variable: Variable, contact: Contact, legs: list[tuple[Contact, object]]
) -> int:
    """Which axis of the variable a contact is."""
    if variable.order == 1:
        return 0
    if variable.order == 2:
        assert {c.side for c, _ in legs} == {"L", "R"}
        return int((contact.side == "R") != s.name.text.endswith("ᵀ"))
    marks = [
        (i, label)
        for label in scene.labels
        if label.parent == k and label.role == "mark" and abs(label.y - contact.y) < 0.3
        for i, own in enumerate(variable.edges)
        if label.name.text == own and (label.anchor == "start") == (contact.side == "L")
    ]
    assert len(marks) == 1, (s, contact, marks)
    return marks[0][0]


# ---- pictures, without coordinates: boxes too


def tensor_of(terms: tuple[Term, ...], edges: tuple[str, ...]) -> Tensor:
    """The tensor that a picture's terms show, signs, coefficients, ports and all."""
    found: list[Tensor] = []
    weights: list[Fraction] = []
    for term in terms:
        assert term.net is not None
        found.append(align(_net(term.net), edges))
        weights.append(Fraction(-1 if term.before.text == "−" else 1))
    return Sum(tuple(found), tuple(weights))


def _net(net: Net) -> Tensor:
    names: dict[End, str] = {}
    factors: list[Tensor] = []
    dims: dict[str, str] = {}
    for k, (a, b, size) in enumerate(net.links):
        free = [end.name for end in (a, b) if end.item < 0]
        for end in (a, b):
            if end.item >= 0:
                names[end] = free[0] if free else f"w{k}"
        dims[free[0] if free else f"w{k}"] = size.text
        if len(free) == 2:
            factors.append(Delta(_size(size.text), *free))
    for k, item in enumerate(net.items):
        edges = tuple(names[End(k, leg)] for leg in range(item.legs))
        factors += _item(item, edges, dims)
    if net.coefficient.text:
        factors.append(Scalar(_size(net.coefficient.text)))
    return Product(factors, tuple(net.ends))


def _size(text: str) -> Poly:
    return from_sympy(_coefficient(Label(Name(text), 0, 0, "middle", "coefficient")))


def _item(item: Item, edges: tuple[str, ...], dims: dict[str, str]) -> list[Tensor]:
    """The item with its legs on these edges, of which several may be the same one."""
    own = tuple(f"leg{k}" for k in range(item.legs))
    joints: list[Tensor] = [Delta(_size(dims[e]), o, e) for o, e in zip(own, edges, strict=True)]
    if item.kind == "dot":
        shown: Tensor = Delta(_size(dims[edges[0]]), *own)
    elif item.name.text == "0":
        shown = Zero(edges={o: _size(dims[e]) for o, e in zip(own, edges, strict=True)})
    elif not item.inside:
        assert item.source is not None
        shown = renamed(item.source, own)
    else:
        inner = tuple(p.inner for p in item.ports if p.inner)
        shown = renamed(tensor_of(item.inside, inner), own) if item.kind == "sum" else _applied(item, inner, own)
    return [Product((shown, *joints), tuple(dict.fromkeys(edges)))]


def _applied(item: Item, inner: tuple[str, ...], own: tuple[str, ...]) -> Tensor:
    """A box's function of what is inside: along the edges with bars, entry by entry over those that cross it."""
    source = item.source
    assert isinstance(source, Apply)
    names = {p.inner: own[p.leg] if p.leg >= 0 else f"bound{k}" for k, p in enumerate(item.ports) if p.inner}
    bars = [p for p in item.ports if p.acted]
    acted = tuple(((names[p.inner] + "_in"),) for p in bars if p.inner)
    rename = {e: n + "_in" if any(p.inner == e for p in bars) else n for e, n in names.items()}
    body = renamed(tensor_of(item.inside, inner), tuple(rename[e] for e in inner))
    produced = tuple((own[p.leg],) for p in bars if p.leg >= 0)
    groups = (acted, *source.acted[1:])
    return Apply(source.function, (body, *source.args[1:]), groups, produced)
