"""Half-read expressions: tensors whose edge names and sizes are still being found out.

Reading goes bottom up and makes a `Value` a subexpression; axes of positional expressions are `Edge`s that are
identified (union-find) where they meet, sizes are `Dim`s likewise, so a size known anywhere in a goal is known
everywhere it matters. When all is read the sizes are solved and `build` makes the tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tensorgrad.notation.source import Source
from tensorgrad.notation.syntax import Syntax
from tensorgrad.sizes import ONE, ZERO, Poly
from tensorgrad.tensor import Tensor


class Dim:
    """A size, maybe not known yet; `origin` is the text it is known from."""

    __slots__ = ("_parent", "_value", "origin")

    def __init__(self, value: Poly | None = None) -> None:
        self._parent: Dim | None = None
        self._value = value
        self.origin: tuple[Source, Syntax] | None = None

    def root(self) -> Dim:
        """The representative of everything identified with this size."""
        dim = self
        while dim._parent is not None:
            if dim._parent._parent is not None:
                dim._parent = dim._parent._parent
            dim = dim._parent
        return dim

    @property
    def value(self) -> Poly | None:
        """The size, or None while nothing determines it."""
        return self.root()._value

    def unify(self, other: Dim) -> bool:
        """Identify two sizes; False when they are known and differ."""
        a, b = self.root(), other.root()
        if a is b:
            return True
        if a._value is not None and b._value is not None:
            return a._value is b._value
        if a._value is None:
            a, b = b, a
        b._parent = a
        return True

    def known(self) -> Poly:
        """The size, once solved."""
        value = self.value
        assert value is not None, "sizes are solved before tensors are built"
        return value

    def __str__(self) -> str:
        return "?" if self.value is None else str(self.value)


class Edge:
    """An axis; its name is found late."""

    __slots__ = ("_name", "_parent")

    def __init__(self, name: str | None = None) -> None:
        self._parent: Edge | None = None
        self._name = name

    def root(self) -> Edge:
        """The representative of everything identified with this axis."""
        edge = self
        while edge._parent is not None:
            if edge._parent._parent is not None:
                edge._parent = edge._parent._parent
            edge = edge._parent
        return edge

    @property
    def name(self) -> str | None:
        """Its name if it has one already."""
        return self.root()._name

    def bind(self, name: str) -> None:
        """Name an axis that has no name yet."""
        root = self.root()
        assert root._name in (None, name), "an axis is named once"
        root._name = name

    def join(self, other: Edge) -> None:
        """Make two axes one (at most one of them has a name)."""
        a, b = self.root(), other.root()
        if a is b:
            return
        if a._name is None:
            a, b = b, a
        assert b._name is None, "only unnamed axes are identified"
        b._parent = a


Make = Callable[[Sequence[Tensor]], Tensor]


@dataclass(eq=False, slots=True)
class Value:
    """A read subexpression: its axes in order, their sizes, and how to make the tensor from the children's.

    `named` says that names count, not positions; at order 0 it is False. `constant` is set for numbers and sizes.
    """

    edges: tuple[Edge, ...]
    dims: tuple[Dim, ...]
    named: bool
    children: tuple[Value, ...]
    make: Make
    node: Syntax
    constant: Poly | None = None
    power: tuple[Value, Poly] | None = None
    """Base and exponent of `x ** 2` with a number as exponent: 1 / x ** 2 is x ** (-2)."""

    @property
    def order(self) -> int:
        """Number of axes."""
        return len(self.edges)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes of a named value."""
        return tuple(edge.name or "" for edge in self.edges)

    def sizes(self) -> dict[str, Dim]:
        """Axis name -> size of a named value."""
        return dict(zip(self.names, self.dims, strict=True))

    def shape(self) -> str:
        """`n m` or `i : n, j : m`, for messages."""
        if self.named:
            return ", ".join(f"{name} : {dim}" for name, dim in self.sizes().items())
        return " ".join(map(str, self.dims)) or "scalar"


@dataclass(eq=False, slots=True)
class Relation:
    """`whole` is the product of `parts` (kind "flat"), their sum ("concat"), or parts[0] + parts[1] - 1 ("conv")."""

    kind: Literal["flat", "conv", "concat"]
    whole: Dim
    parts: tuple[Dim, ...]
    source: Source
    node: Syntax

    def implied(self) -> Poly | None:
        """The size the parts give to the whole, if they are known."""
        sizes = [p.value for p in self.parts]
        if any(s is None for s in sizes):
            return None
        known = [s for s in sizes if s is not None]
        if self.kind == "conv":
            return known[0] + known[1] - 1
        if self.kind == "concat":
            whole = ZERO
            for s in known:
                whole = whole + s
            return whole
        total = ONE
        for s in known:
            total = total * s
        return total

    def missing_part(self) -> bool:
        """Determine the one unknown part of a fused size by exact division; whether that was possible."""
        unknown = [p for p in self.parts if p.value is None]
        whole = self.whole.value
        if self.kind != "flat" or whole is None or len({id(p.root()) for p in unknown}) != 1 or len(unknown) != 1:
            return False
        for part in self.parts:
            if part.value is not None:
                if not part.value.is_monomial:
                    return False
                whole = whole * part.value.inverse()
        if any(exponent < 0 for monomial, _ in whole.terms for _, exponent in monomial):
            return False
        if any(coefficient.denominator != 1 for _, coefficient in whole.terms):
            return False
        return unknown[0].unify(Dim(whole))


def solve(relations: Sequence[Relation]) -> None:
    """Determine fused sizes from their parts, and a last part from the whole; NotationError where they disagree."""
    waiting = list(relations)
    while waiting:
        ready = [r for r in waiting if r.implied() is not None]
        if not ready:
            if not any(r.missing_part() for r in waiting):
                return
            continue
        waiting = [r for r in waiting if r not in ready]
        for relation in ready:
            _settle(relation)


def _settle(relation: Relation) -> None:
    size = relation.implied()
    assert size is not None, "its parts are known"
    if relation.whole.value is None:
        relation.whole.unify(Dim(size))
    elif relation.whole.value is not size and relation.kind == "concat":
        parts = " + ".join(map(str, relation.parts))
        raise relation.source.error(
            f"what is joined has size {relation.whole}, its parts give {parts} = {size}",
            relation.node.start,
            relation.node.end,
        )
    elif relation.whole.value is not size and relation.kind == "flat":
        parts = " * ".join(f"({p})" if " " in str(p) else str(p) for p in relation.parts)
        raise relation.source.error(
            f"the fused index has size {relation.whole}, its parts give {parts} = {size}",
            relation.node.start,
            relation.node.end,
        )


def build(value: Value) -> Tensor:
    """Make the tensor of a value, after `solve`."""
    done: dict[int, Tensor] = {}
    stack: list[tuple[Value, bool]] = [(value, False)]
    while stack:
        current, ready = stack.pop()
        if ready:
            done[id(current)] = current.make([done[id(c)] for c in current.children])
        elif id(current) not in done:
            stack.append((current, True))
            stack.extend((c, False) for c in reversed(current.children))
    return done[id(value)]
