"""Which parts of tensors come first: told by what they are and where they stand, not by names or by how it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from zlib import crc32

from tensorgrad.diagram.blocks import Block, Factors, Terms, block
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Expectation, Tensor, Unit, Variable

First = Callable[[Tensor], int]
"""A number for each part: parts of a lower one come first, parts of one number in the order in which they are written."""

_MASK = (1 << 61) - 1


def as_written(_: Tensor) -> int:
    """All parts in the order in which they are written."""
    return 0


class Precedence:
    """Colours of the parts of tensors, so that an expression is searched in one way however it is presented.

    A colour is told by the kind of a node and the colours of its parts, and of a variable by its order, its facts and
    the places where it stands (colour refinement). Parts of one colour keep the order in which they are written.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        roots = list(tensors)
        self._blocks: dict[int, Block] = {}
        self._order: list[Tensor] = []
        for t in roots:
            self._walk(t)
        self._colours: dict[int, int] = {}
        self._colour({})
        self._colour(self._places(roots))

    def __call__(self, t: Tensor) -> int:
        """The colour of a part; those that were not looked at come last."""
        return self._colours.get(id(t), _MASK)

    def _walk(self, root: Tensor) -> None:
        """All blocks, parts before what they are parts of."""
        stack = [(root, False)]
        while stack:
            t, ready = stack.pop()
            if ready:
                self._order.append(t)
            elif id(t) not in self._blocks:
                self._blocks[id(t)] = found = block(t, _same)
                stack.append((t, True))
                stack.extend((p, False) for p in found.parts)

    def _colour(self, places: dict[str, int]) -> None:
        """Colours from the leaves up, given the places of the variables."""
        for t in self._order:
            own = (_kind(t), places.get(t.name, 0)) if isinstance(t, Variable) else _kind(t)
            self._colours[id(t)] = _mixed(own, self._own(t), sorted(self._within(t)))

    def _places(self, roots: Sequence[Tensor]) -> dict[str, int]:
        """Where each variable stands, by name: from the roots down, what is above it and where in that it is."""
        above: dict[int, int] = Counter({id(t): 1 for t in roots})
        places: dict[str, int] = Counter()
        for t in reversed(self._order):
            here = _mixed(above[id(t)], self._colours[id(t)])
            for part, place in zip(self._blocks[id(t)].parts, self._within(t), strict=True):
                above[id(part)] = (above[id(part)] + _mixed(here, place)) & _MASK
            if isinstance(t, Variable):
                places[t.name] = (places[t.name] + here) & _MASK
        return places

    def _own(self, t: Tensor) -> int:
        """What a block is apart from its parts."""
        found = self._blocks[id(t)]
        if not isinstance(found, Factors):
            return 0
        legs = [found.draft.find(e) for _, own in found.draft.operands for e in own]
        return _mixed(_number(found.draft.coefficient), len(found.draft.operands), sorted(Counter(legs).values()))

    def _within(self, t: Tensor) -> list[int]:
        """For each part of a block its colour, together with how it is a part."""
        found = self._blocks[id(t)]
        if isinstance(found, Terms):
            return [_mixed(self._colours[id(p)], _number(c)) for p, c, _ in found.terms]
        if isinstance(found, Factors):
            return self._joined(found)
        return [_mixed(self._colours[id(p)], k) for k, p in enumerate(found.parts)]

    def _joined(self, found: Factors) -> list[int]:
        """For each factor its colour, and those of the factors that its legs meet."""
        ends: dict[int, list[int]] = {}
        for leg in found.draft.boundary:
            ends.setdefault(found.draft.find(leg), []).append(0)
        for t, legs in found.operands:
            for a, leg in enumerate(legs):
                end = _mixed(self._colours[id(t)], a if _has_axes(t) else -1)
                ends.setdefault(found.draft.find(leg), []).append(end)
        met = {edge: _mixed(sorted(there)) for edge, there in ends.items()}
        return [
            _mixed(self._colours[id(t)], sorted(met[found.draft.find(leg)] for leg in legs))
            for t, legs in found.operands
        ]


def _same(size: Poly) -> Poly:
    return size


def _has_axes(t: Tensor) -> bool:
    """Whether the positions of a node's axes mean something: those of a sum or of a network are as they were written."""
    return isinstance(t, Variable) and not any(f.name == "symmetric" or f.axes for f in t.facts)


def _kind(t: Tensor) -> int:
    """What a node is, apart from names and sizes."""
    match t:
        case Variable():
            alike = [t.dims.index(d) for d in t.dims]
            return _mixed(1, alike, sorted(_text(str(f)) for f in t.facts))
        case Apply():
            name = _text(t.function.name) if t.function.known else 0
            return _mixed(2, name, len(t.args), len(t.function.by))
        case Expectation():
            return _mixed(3, _text(t.kind))
        case Unit():
            return 4
        case _:
            return _mixed(5, _text(type(t).__name__), t.order)


def _number(p: Poly) -> int:
    """A coefficient, its symbols without their names."""
    return _mixed(sorted(_mixed(sorted(k for _, k in powers), c.numerator, c.denominator) for powers, c in p.terms))


def _text(text: str) -> int:
    return crc32(text.encode())


def _mixed(*parts: int | Sequence[int]) -> int:
    """One number for several: Python's own, which for integers and tuples of them is the same in every process."""
    return hash(tuple(p if isinstance(p, int) else tuple(p) for p in parts)) & _MASK
