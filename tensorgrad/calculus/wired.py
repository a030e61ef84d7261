"""Values with wires: a tensor whose edges may be shared by several named ends, or used by none.

While differentiating, most Jacobians are mostly wire: the derivative of `exp(x)[i]` is `exp(x)[i]` with its edge ending
both in i and in the new name. Keeping the wires apart from the tensor, instead of multiplying by copy tensors, keeps
results small: a contraction with an identity never appears.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Delta, Product, Rename, Scalar, Sum, Tensor, Zero, align, renamed

Key = str | int
"""An edge inside one contraction: a name of the local Jacobian, or a number of the wired value."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The edges that every value carries beside those of its node: the free edges of what the derivative is of
    (reverse mode) or the new edges of the derivative (forward mode)."""

    names: tuple[str, ...]
    dims: tuple[Poly, ...]


@dataclass(frozen=True, slots=True)
class Wired:
    """`coefficient * core`, edge k of the core being wire `legs[k]`; end p (a node's edges in order, then the frame's)
    is wire `pattern[p]`. Several ends of one wire: a copy tensor. A wire that is no leg: ones. Core None: the number 1.

    Wires are numbered by first occurrence in `pattern`, so equal values of one core have equal fields.
    """

    coefficient: Poly
    core: Tensor | None
    legs: tuple[int, ...]
    pattern: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Local:
    """One term of the Jacobian of a node in one of its children: `coefficient` times the product of `parts`.

    Parts are aligned by edge name; the child's edges are called `inner`, the node's `outer`. A name in both is the
    identity there. `sizes` has the size of every name.
    """

    coefficient: Poly
    parts: tuple[Tensor, ...]
    inner: tuple[str, ...]
    outer: tuple[str, ...]
    sizes: Mapping[str, Poly]


def fresh(taken: Iterable[str], stem: str = "_", start: int = 1) -> str:
    """The first of `_1`, `_2`, ... that is not taken."""
    used = set(taken)
    while f"{stem}{start}" in used:
        start += 1
    return f"{stem}{start}"


class _Wires:
    """A union-find over the edges of one contraction, each class with its size."""

    def __init__(self) -> None:
        self.parent: dict[Key, Key] = {}
        self.size: dict[Key, Poly] = {}

    def add(self, key: Key, size: Poly) -> None:
        self.parent.setdefault(key, key)
        self.size.setdefault(key, size)

    def find(self, key: Key) -> Key:
        while self.parent[key] != key:
            self.parent[key] = self.parent[self.parent[key]]
            key = self.parent[key]
        return key

    def join(self, one: Key, other: Key) -> None:
        self.parent[self.find(other)] = self.find(one)


Operand = tuple[Tensor, tuple[Key, ...]]


def apply(local: Local, value: Wired, frame: Frame, reverse: bool) -> Wired | None:
    """A local Jacobian times a value: reverse takes ends at the node to ends at the child, forward the other way.

    None is zero.
    """
    near, far = (local.outer, local.inner) if reverse else (local.inner, local.outer)
    wires = _Wires()
    for name, size in local.sizes.items():
        wires.add(name, size)
    for end, wire in enumerate(value.pattern[len(near) :]):
        wires.add(wire, frame.dims[end])
    for name, wire in zip(near, value.pattern, strict=False):
        wires.add(wire, local.sizes[name])
        wires.join(wire, name)
    coefficient, operands = _split(local.parts, wires)
    if value.core is not None:
        operands.append((value.core, value.legs))
    coefficient = coefficient * local.coefficient * value.coefficient
    if not coefficient:
        return None
    rooted = [(t, tuple(wires.find(key) for key in keys)) for t, keys in operands]
    ends = [wires.find(name) for name in far] + [wires.find(wire) for wire in value.pattern[len(near) :]]
    used = {*ends, *(key for _, keys in rooted for key in keys)}
    for root in dict.fromkeys(wires.find(key) for key in wires.parent):
        if root not in used:
            coefficient = coefficient * wires.size[root]
    return _build(coefficient, rooted, ends, wires.size, frame)


def _split(parts: Sequence[Tensor], wires: _Wires) -> tuple[Poly, list[Operand]]:
    """Take numbers and copy tensors out of the parts: copy tensors join wires."""
    coefficient = ONE
    operands: list[Operand] = []
    for part in parts:
        keys = part.edges
        while True:
            if isinstance(part, Rename):
                part = part.tensor
            elif isinstance(part, Sum) and len(part.terms) == 1:
                coefficient = coefficient * part.weights[0]
                part = part.terms[0]
            else:
                break
        match part:
            case Zero():
                return ONE * 0, []
            case Scalar():
                coefficient = coefficient * part.value
            case Delta() if not keys:
                coefficient = coefficient * part.size
            case Delta():
                for key in keys[1:]:
                    wires.join(keys[0], key)
            case _:
                operands.append((part, keys))
    return coefficient, operands


def _build(
    coefficient: Poly, operands: list[Operand], ends: list[Key], sizes: Mapping[Key, Poly], frame: Frame
) -> Wired:
    """The operands as one core: themselves if they are one tensor with plain edges, else a Product."""
    number: dict[Key, int] = {}
    for end in ends:
        number.setdefault(end, len(number))
    pattern = tuple(number[end] for end in ends)
    if not operands:
        return Wired(coefficient, None, (), pattern)
    first, keys = operands[0]
    if len(operands) == 1 and len(set(keys)) == len(keys) and all(key in number for key in keys):
        return Wired(coefficient, first, tuple(number[key] for key in keys), pattern)
    names = _names(operands, ends, frame)
    taken = {*frame.names, *names.values()}
    factors: list[Tensor] = []
    for t, keys in operands:
        own: list[str] = []
        for key in keys:
            name = names[key]
            if name in own:
                name = fresh(taken)
                taken.add(name)
                factors.append(Delta(sizes[key], names[key], name))
            own.append(name)
        factors.append(renamed(t, tuple(own)))
    kept = [key for key in number if key in names]
    core = Product(factors, tuple(names[key] for key in kept))
    return Wired(coefficient, core, tuple(number[key] for key in kept), pattern)


def _names(operands: list[Operand], ends: list[Key], frame: Frame) -> dict[Key, str]:
    """A name for every wire that an operand is on: the frame's, else one an operand has, else a fresh one."""
    at_frame = dict(zip(reversed(ends[len(ends) - len(frame.names) :]), reversed(frame.names), strict=True))
    present = dict.fromkeys(key for _, keys in operands for key in keys)
    names = {key: at_frame[key] for key in present if key in at_frame}
    taken = {*frame.names, *names.values()}
    for t, keys in operands:
        for key, edge in zip(keys, t.edges, strict=True):
            if key not in names and edge not in taken:
                names[key] = edge
                taken.add(edge)
    for key in present:
        if key not in names:
            names[key] = fresh(taken)
            taken.add(names[key])
    return names


def total(values: Sequence[Wired], edges: Sequence[str], dims: Sequence[Poly], frame: Frame) -> Wired | None:
    """The sum of values with the same ends; equal cores are merged. None is zero."""
    merged: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Wired] = {}
    for value in values:
        key = (id(value.core), value.legs, value.pattern)
        found = merged.get(key)
        both = value.coefficient if found is None else found.coefficient + value.coefficient
        merged[key] = Wired(both, value.core, value.legs, value.pattern)
    terms = [value for value in merged.values() if value.coefficient]
    if len(terms) < 2:
        return terms[0] if terms else None
    names = _end_names(edges, frame)
    sizes = (*dims, *frame.dims)
    patterns = {value.pattern for value in terms}
    if len(patterns) > 1:
        core, legs = _added([(v, materialise(unit(v), names, sizes)) for v in terms]), tuple(range(len(names)))
        return Wired(ONE, core, legs, legs)
    pattern = terms[0].pattern
    legs = tuple(sorted({leg for value in terms for leg in value.legs}))
    if not legs:
        return Wired(ONE, _added([(v, Scalar(ONE) if v.core is None else v.core) for v in terms]), (), pattern)
    ends = [pattern.index(leg) for leg in legs]
    short = tuple(names[end] for end in ends)
    kept = tuple(sizes[end] for end in ends)
    parts = [
        (
            v,
            materialise(
                Wired(ONE, v.core, tuple(legs.index(leg) for leg in v.legs), tuple(range(len(legs)))), short, kept
            ),
        )
        for v in terms
    ]
    return Wired(ONE, _added(parts), legs, pattern)


def unit(value: Wired) -> Wired:
    """The value without its coefficient."""
    return Wired(ONE, value.core, value.legs, value.pattern)


def _end_names(edges: Sequence[str], frame: Frame) -> tuple[str, ...]:
    names: list[str] = []
    for edge in edges:
        clash = edge in frame.names or edge in names
        names.append(fresh((*frame.names, *edges, *names)) if clash else edge)
    return (*names, *frame.names)


def _added(terms: list[tuple[Wired, Tensor]]) -> Sum:
    """Coefficients that are numbers become weights, others factors."""
    tensors: list[Tensor] = []
    weights: list[Fraction] = []
    for value, t in terms:
        number = value.coefficient.is_constant
        weights.append(value.coefficient.number if number else Fraction(1))
        tensors.append(t if number else Product((Scalar(value.coefficient), t), t.edges))
    return Sum(tuple(tensors), tuple(weights))


def materialise(value: Wired, names: Sequence[str], dims: Sequence[Poly]) -> Tensor:
    """The value as a tensor whose edges, in order, are `names`: one for each end."""
    ends: dict[int, list[int]] = {}
    for end, wire in enumerate(value.pattern):
        ends.setdefault(wire, []).append(end)
    factors: list[Tensor] = []
    if value.core is not None:
        factors.append(_called(value.core, tuple(names[ends[leg][0]] for leg in value.legs)))
    for wire, places in ends.items():
        if len(places) > 1 or wire not in value.legs:
            factors.append(Delta(dims[places[0]], *(names[p] for p in places)))
    number = value.coefficient
    if not factors:
        return Scalar(number)
    if not number.is_constant:
        factors.insert(0, Scalar(number))
    result = _ordered(factors[0], tuple(names)) if len(factors) == 1 else Product(factors, tuple(names))
    return Sum((result,), (number.number,)) if number.is_constant and number is not ONE else result


def _called(t: Tensor, names: tuple[str, ...]) -> Tensor:
    """`renamed`, but into a product: its factors are renamed, bound names moved out of the way."""
    if names == t.edges or not isinstance(t, Product):
        return renamed(t, names)
    mapping = dict(zip(t.edges, names, strict=True))
    taken = {*names, *(e for f in t.factors for e in f.edges)}
    for edge in dict.fromkeys(e for f in t.factors for e in f.edges):
        if edge not in mapping:
            mapping[edge] = fresh(taken) if edge in names else edge
            taken.add(mapping[edge])
    return Product([renamed(f, tuple(mapping[e] for e in f.edges)) for f in t.factors], names)


def _ordered(t: Tensor, names: tuple[str, ...]) -> Tensor:
    """`align`, without a wrapper around a product."""
    return Product(t.factors, names) if isinstance(t, Product) and t.edges != names else align(t, names)
