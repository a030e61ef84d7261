"""A network while it is being put together: edges can still be unified, operands added, fused edges normalised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from tensorgrad.errors import UnsoundError
from tensorgrad.sizes import ONE, Poly

FLAT = 0
"""Handles below this one are the reserved handles of `flat`."""


class Draft:
    """A mutable network. Edges are ints; `edge(dim)` makes one, `unify` joins two for good."""

    __slots__ = ("_root", "boundary", "coefficient", "dims", "operands")

    def __init__(self, coefficient: Poly = ONE) -> None:
        self.coefficient = coefficient
        self.operands: list[tuple[int, Sequence[int]]] = []
        self.boundary: list[int] = []
        self.dims: list[Poly] = []
        self._root: list[int] = []

    def edge(self, dim: Poly) -> int:
        """A new edge."""
        self.dims.append(dim)
        self._root.append(len(self._root))
        return len(self._root) - 1

    def edges(self, dims: Iterable[Poly]) -> list[int]:
        """New edges, one for each size."""
        return [self.edge(d) for d in dims]

    def find(self, edge: int) -> int:
        """The edge that `edge` has become."""
        root = self._root
        while root[edge] != edge:
            root[edge] = root[root[edge]]
            edge = root[edge]
        return edge

    def unify(self, a: int, b: int) -> None:
        """Join two edges; their sizes must agree."""
        a, b = self.find(a), self.find(b)
        if a == b:
            return
        if self.dims[a] is not self.dims[b]:
            raise UnsoundError(f"edges of sizes {self.dims[a]} and {self.dims[b]} were joined")
        self._root[max(a, b)] = min(a, b)

    def settle(self) -> None:
        """Replace every leg and boundary position by what its edge has become; normalise fused edges; close loops."""
        find = self.find
        self.operands = [(h, [find(e) for e in legs]) for h, legs in self.operands]
        self.boundary = [find(e) for e in self.boundary]
        if any(h < FLAT for h, _ in self.operands):
            while self._fused_step():
                find = self.find
                self.operands = [(h, [find(e) for e in legs]) for h, legs in self.operands]
                self.boundary = [find(e) for e in self.boundary]
        used = {e for _, legs in self.operands for e in legs}.union(self.boundary)
        for e in range(len(self._root)):
            if self._root[e] == e and e not in used:
                self.coefficient = self.coefficient * self.dims[e]
                self.dims[e] = ONE

    def live_edges(self) -> list[int]:
        """Edges that have a leg or a boundary position, in order of number."""
        return sorted({e for _, legs in self.operands for e in legs}.union(self.boundary))

    def _fused_step(self) -> bool:
        """One step towards the normal form of fused edges; False when it is reached."""
        flats = [(k, legs[0], list(legs[1:])) for k, (h, legs) in enumerate(self.operands) if h < FLAT]
        uses: dict[int, int] = {}
        for _, legs in self.operands:
            for e in legs:
                uses[e] = uses.get(e, 0) + 1
        for e in self.boundary:
            uses[e] = uses.get(e, 0) + 1
        return self._simplify_one(flats, uses) or self._splice(flats) or self._unify_pairs(flats) or self._refine(flats)

    def _simplify_one(self, flats: list[tuple[int, int, list[int]]], uses: dict[int, int]) -> bool:
        for k, fused, parts in flats:
            kept = [p for p in parts if self.dims[p] is not ONE]
            if len(kept) == 1:
                self._drop(k)
                self.unify(fused, kept[0])
            elif not kept or uses[fused] == 1 or (all(uses[p] == 1 for p in parts) and len(set(parts)) == len(parts)):
                # One entry of the table is 1 for each value of the other side: what was summed with it is no loop.
                for e in [fused] if uses[fused] == 1 else parts:
                    self.dims[e] = ONE
                self._drop(k)
            elif len(kept) < len(parts):
                self._replace(k, fused, kept)
            else:
                continue
            return True
        return False

    def _splice(self, flats: list[tuple[int, int, list[int]]]) -> bool:
        by_fused = {fused: parts for _, fused, parts in flats}
        for k, fused, parts in flats:
            if any(p in by_fused for p in parts):
                new = [q for p in parts for q in by_fused.get(p, [p])]
                self._replace(k, fused, new)
                return True
        return False

    def _unify_pairs(self, flats: list[tuple[int, int, list[int]]]) -> bool:
        seen_fused: dict[tuple[int, tuple[Poly, ...]], list[int]] = {}
        seen_parts: dict[tuple[int, ...], int] = {}
        for k, fused, parts in flats:
            sizes = tuple(self.dims[p] for p in parts)
            other = seen_fused.setdefault((fused, sizes), parts)
            twin = seen_parts.setdefault(tuple(parts), fused)
            if other is not parts:
                for a, b in zip(other, parts, strict=True):
                    self.unify(a, b)
            elif twin != fused:
                self.unify(twin, fused)
            else:
                continue
            self._drop(k)
            return True
        return False

    def _refine(self, flats: list[tuple[int, int, list[int]]]) -> bool:
        for i, (k1, fused, parts1) in enumerate(flats):
            for k2, other, parts2 in flats[:i]:
                if fused == other and self._refine_pair(fused, (k1, parts1), (k2, parts2)):
                    return True
        return False

    def _refine_pair(self, fused: int, first: tuple[int, list[int]], second: tuple[int, list[int]]) -> bool:
        """Split parts of two fusions of one edge where their prefix products interleave: n, m*h against n*m, h."""
        cuts1, cuts2 = self._prefixes(first[1]), self._prefixes(second[1])
        cuts = _chain({*cuts1, *cuts2})
        if cuts is None:
            return False
        for (k, parts), own in ((first, cuts1), (second, cuts2)):
            if len(own) == len(cuts):
                continue
            refined: list[int] = []
            before: Poly = ONE
            for part, cut in zip(parts, own, strict=True):
                inner = [
                    c
                    for c in cuts
                    if cuts.index(c) <= cuts.index(cut) and (before is ONE or cuts.index(c) > cuts.index(before))
                ]
                if len(inner) == 1:
                    refined.append(part)
                    before = cut
                    continue
                new: list[int] = []
                for c in inner:
                    quotient = c.divide(before)
                    assert quotient is not None
                    new.append(self.edge(quotient))
                    before = c
                refined += new
                self.operands.append((-len(new), [part, *new]))
            self._replace(k, fused, refined)
        return True

    def _prefixes(self, parts: Sequence[int]) -> list[Poly]:
        out, total = [], ONE
        for p in parts:
            total = total * self.dims[p]
            out.append(total)
        return out

    def _drop(self, k: int) -> None:
        del self.operands[k]

    def _replace(self, k: int, fused: int, parts: Sequence[int]) -> None:
        self.operands[k] = (-len(parts), [fused, *parts])


def _chain(products: set[Poly]) -> list[Poly] | None:
    """The prefix products in the one order in which each divides the next with an integer quotient, if there is one."""
    ordered = sorted(products, key=lambda p: (sum(e for m, _ in p.terms[:1] for _, e in m), abs(p.terms[0][1]), p))
    for a, b in pairwise(ordered):
        quotient = b.divide(a)
        if quotient is None or any(c.denominator != 1 or any(e < 0 for _, e in m) for m, c in quotient.terms):
            return None
        if quotient.is_constant and quotient.number <= 1:
            return None
    return ordered
