"""Groups of signed axis permutations: which exchanges of a tensor's axes leave it as it is, up to sign."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import factorial

from tensorgrad.errors import BudgetError, FactError
from tensorgrad.notation.facts import exchanged
from tensorgrad.tensor import Fact

Permutation = tuple[int, ...]
Signed = tuple[Permutation, int]
"""(p, s): the tensor with axis a moved to where axis p[a] was equals s times itself."""

_LARGEST = 5040
_LISTED = 720
"""Most elements of the subgroup that stands for a group of more than 5040 that is no product of full exchanges."""
_FEW = 8


@dataclass(frozen=True, slots=True)
class Group:
    """The signed permutations of `order` axes that fix a tensor.

    `sets` describes a product of full exchanges: disjoint sets of axes with a sign (-1: antisymmetric). Any other group
    is kept as the list of its `elements`; if these are all permutations that keep a division of the axes into `blocks`
    (as a product of copy tensors has them), that is noted too. Of a group with too many elements to list they are a
    subgroup, and the group is not `whole`: diagrams that only the rest of it makes one may then be kept apart.
    `colours[a]` is equal for axes that may be exchanged.
    """

    order: int
    generators: tuple[Signed, ...]
    sets: tuple[tuple[tuple[int, ...], int], ...]
    elements: tuple[Signed, ...]
    colours: tuple[int, ...]
    blocks: tuple[tuple[int, ...], ...] = ()
    whole: bool = True

    @property
    def trivial(self) -> bool:
        """Whether only the identity fixes the tensor."""
        return not self.generators

    @property
    def contradictory(self) -> bool:
        """Whether a tensor with these symmetries equals its own negative, so is zero."""
        return any(sign < 0 and p == tuple(range(self.order)) for p, sign in self.elements)

    @property
    def by_sets(self) -> bool:
        """Whether the group is the product of the full exchanges in `sets`."""
        return not self.elements

    def arrange(self, legs: Sequence[int]) -> tuple[tuple[int, ...], int]:
        """The least arrangement of `legs` under the group and its sign; sign 0: the tensor vanishes on these legs."""
        if not self.generators:
            return tuple(legs), 1
        if self.elements:
            return self._arrange_by_elements(legs)
        out, sign = list(legs), 1
        for axes, parity in self.sets:
            values = [legs[a] for a in axes]
            if parity < 0:
                if len(set(values)) < len(values):
                    return tuple(legs), 0
                sign *= _parity(values)
            for axis, value in zip(axes, sorted(values), strict=True):
                out[axis] = value
        return tuple(out), sign

    def _arrange_by_elements(self, legs: Sequence[int]) -> tuple[tuple[int, ...], int]:
        best: tuple[int, ...] | None = None
        signs: set[int] = set()
        for permutation, sign in self.elements:
            moved = tuple(legs[p] for p in permutation)
            if best is None or moved < best:
                best, signs = moved, {sign}
            elif moved == best:
                signs.add(sign)
        assert best is not None
        return best, 0 if len(signs) > 1 else signs.pop()

    def __contains__(self, permutation: Permutation) -> bool:
        """Whether the exchange of axes leaves the tensor as it is, also where the elements are too many to list."""
        from sympy.combinatorics import Permutation as Exchange
        from sympy.combinatorics import PermutationGroup

        return PermutationGroup([Exchange(list(p)) for p, _ in self.generators]).contains(Exchange(list(permutation)))

    def all_elements(self) -> tuple[Signed, ...]:
        """Every element; of more than 5040 those of a subgroup, or BudgetError where an exchange has a sign."""
        return self.elements or _within(self.order, self.generators, _LARGEST) or _listed(self.order, self.generators)


@lru_cache(maxsize=4096)
def group(order: int, generators: tuple[Signed, ...]) -> Group:
    """The group that `generators` generate, in the form that suits it."""
    identity = tuple(range(order))
    moving = tuple(dict.fromkeys(g for g in generators if g != (identity, 1)))
    if not moving:
        return Group(order, (), (), (), identity)
    sets = None if (identity, -1) in moving else _exchange_sets(order, moving)
    if sets is None:
        elements = _within(order, moving, _LARGEST)
        whole = elements is not None
        if elements is None:
            elements = _listed(order, moving)
        blocks = _blocks(order, {p for p, _ in elements}) if len(elements) > _FEW else None
        if blocks is None:
            return Group(order, moving, (), elements, identity, whole=whole)
        orbit = [min(p[a] for p, _ in elements) for a in range(order)]
        return Group(order, moving, (), elements, tuple(orbit), blocks, whole)
    colours = list(identity)
    for axes, _ in sets:
        for axis in axes:
            colours[axis] = axes[0]
    return Group(order, moving, sets, (), tuple(colours))


def trivial_group(order: int) -> Group:
    """The group with the identity alone."""
    return group(order, ())


def closure(order: int, generators: Sequence[Signed]) -> tuple[Signed, ...]:
    """All products of the generators, sorted; BudgetError beyond 5040."""
    found = _within(order, generators, _LARGEST)
    if found is None:
        raise BudgetError(
            f"more than {_LARGEST} exchanges of its {order} axes leave a tensor as it is, up to sign: too many to list; "
            "take a lower order"
        )
    return found


def _within(order: int, generators: Sequence[Signed], limit: int) -> tuple[Signed, ...] | None:
    """All products of the generators, sorted; None for more than `limit`."""
    identity: Signed = (tuple(range(order)), 1)
    found: set[Signed] = {identity}
    frontier: list[Signed] = [identity]
    while frontier:
        permutation, sign = frontier.pop()
        for other, other_sign in generators:
            new: Signed = (tuple(permutation[p] for p in other), sign * other_sign)
            if new not in found:
                found.add(new)
                frontier.append(new)
        if len(found) > limit:
            return None
    return tuple(sorted(found))


def _listed(order: int, generators: Sequence[Signed]) -> tuple[Signed, ...]:
    """A subgroup of at most 720 elements, of the generators that move the fewest axes; BudgetError if one has a sign."""
    if any(sign < 0 for _, sign in generators):
        return closure(order, generators)
    kept: list[Signed] = []
    elements: tuple[Signed, ...] = ()
    for generator in sorted(generators, key=lambda g: (sum(a != p for a, p in enumerate(g[0])), g)):
        larger = _within(order, [*kept, generator], _LISTED)
        if larger is not None:
            kept.append(generator)
            elements = larger
    return elements


def _blocks(order: int, elements: set[Permutation]) -> tuple[tuple[int, ...], ...] | None:
    """A division of the axes into blocks such that the elements are all permutations that keep it and the orbits."""
    orbits = {tuple(sorted({p[a] for p in elements})) for a in range(order)}
    chosen: list[tuple[int, ...]] = []
    count = 1
    for axes in sorted(orbits):
        options = [[(a,) for a in axes], [axes]]
        for other in axes[1:]:
            joined = {tuple(sorted((p[axes[0]], p[other]))) for p in elements}
            parts = {tuple(sorted({b for pair in joined if a in pair for b in pair})) for a in axes}
            if sum(map(len, parts)) == len(axes):
                options.append(sorted(parts))
        best = min(options, key=_keeping)
        count *= _keeping(best)
        chosen += best
    return tuple(chosen) if count == len(elements) else None


def _keeping(parts: Sequence[tuple[int, ...]]) -> int:
    """How many permutations keep a division into equal parts."""
    return factorial(len(parts[0])) ** len(parts) * factorial(len(parts))


def _exchange_sets(order: int, generators: Sequence[Signed]) -> tuple[tuple[tuple[int, ...], int], ...] | None:
    """The group as full exchanges of disjoint sets of axes, if its generators show that; else None."""
    root = list(range(order))

    def find(a: int) -> int:
        while root[a] != a:
            a = root[a]
        return a

    swaps: list[tuple[int, int, int]] = []
    for permutation, sign in generators:
        moved = [a for a in range(order) if permutation[a] != a]
        if len(moved) == 2:
            swaps.append((moved[0], moved[1], sign))
            a, b = sorted((find(moved[0]), find(moved[1])))
            root[b] = a
    for permutation, _ in generators:
        if any(find(permutation[a]) != find(a) for a in range(order)):
            return None
    sign_of: dict[int, int] = {}
    for a, _, sign in swaps:
        if sign_of.setdefault(find(a), sign) != sign:
            return None
    for permutation, sign in generators:
        expected = 1
        for start, parity in sign_of.items():
            axes = [a for a in range(order) if find(a) == start]
            if parity < 0:
                expected *= _parity([permutation[a] for a in axes])
        if expected != sign:
            return None
    return tuple((tuple(a for a in range(order) if find(a) == start), sign_of[start]) for start in sorted(sign_of))


def inverse(permutation: Sequence[int]) -> Permutation:
    """The permutation that undoes one.

    >>> inverse((2, 0, 1))
    (1, 2, 0)
    """
    out = [0] * len(permutation)
    for a, p in enumerate(permutation):
        out[p] = a
    return tuple(out)


def _parity(values: Sequence[int]) -> int:
    sign = 1
    for i in range(len(values)):
        for j in range(i):
            if values[j] > values[i]:
                sign = -sign
    return sign


def even(generators: Sequence[Signed]) -> tuple[Permutation, ...]:
    """Generators of the subgroup of permutations with sign +1, by Schreier's lemma (index 1 or 2)."""
    odd = next((p for p, sign in generators if sign < 0), None)
    if odd is None:
        return tuple(p for p, _ in generators)
    back = [0] * len(odd)
    for a, p in enumerate(odd):
        back[p] = a
    found: list[Permutation] = []
    for permutation, sign in generators:
        if sign > 0:
            found += [permutation, tuple(odd[permutation[a]] for a in back)]
        else:
            found += [tuple(permutation[a] for a in back), tuple(odd[a] for a in permutation)]
    return tuple(p for p in dict.fromkeys(found) if p != tuple(range(len(odd))))


def swap(order: int, first: Sequence[int], second: Sequence[int], sign: int = 1) -> Signed:
    """The exchange of the axes `first` with the axes `second`, one by one."""
    permutation = list(range(order))
    for a, b in zip(first, second, strict=True):
        permutation[a], permutation[b] = b, a
    return tuple(permutation), sign


def fact_generators(order: int, facts: Iterable[Fact]) -> tuple[Signed, ...]:
    """The exchanges that declared facts state (`symmetric`, `skew`, `pd`, `symmetric(0 2, 1 3)` ...)."""
    found: list[Signed] = []
    for fact in facts:
        half = order // 2
        if fact.name in ("symmetric", "skew", "antisymmetric"):
            if any(len(g) != len(fact.axes[0]) for g in fact.axes):
                raise FactError(f"{fact}: the groups of axes must be equally long")
            blocks = exchanged(fact)
            sign = 1 if fact.name == "symmetric" else -1
            for left, right in pairwise(blocks):
                found.append(swap(order, left, right, sign))
        elif fact.name in ("pd", "psd", "diagonal"):
            found.append(swap(order, range(half), range(half, order)))
    return tuple(found)
