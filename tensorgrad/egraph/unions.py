"""Unions of classes, and what is known of a class: its symmetries and its facts, each of which may say the other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.expression import children
from tensorgrad.diagram.nodes import Handle, Node, Ref
from tensorgrad.diagram.symmetry import Signed, fact_generators, group
from tensorgrad.egraph.classes import Class, Classes
from tensorgrad.egraph.partial import Said
from tensorgrad.egraph.reasons import Applied, Congruent, Link
from tensorgrad.errors import FactError, UnsoundError
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Fact

_NEVER_ZERO = ("invertible", "nonzero", "positive", "pd", "unit", "simplex", "onehot", "orthogonal", "orthonormal")


class Unions(Classes):
    """Classes that grow: new nodes, unions, facts."""

    def add(self, key: Hashable, node: Node, dims: tuple[Poly, ...], generators: tuple[Signed, ...]) -> Handle:
        known = self._table.get(key)
        if known is not None:
            self.asked[known] = None
            if generators:
                self._gain_symmetries(known, generators)
            return known
        if not len(self.nodes) % 16:
            self.check_budget()
        handle = super().add(key, node, dims, generators)
        self._parent.append(None)
        new = Class()
        self.classes.append(new)
        self._enlist(new, handle, node)
        self._choose_forms(handle)
        for child in children(node):
            self.members(child).users[handle] = None
        self.fresh.append(handle)
        if generators:
            self._note_skew(handle)
        return handle

    def union(self, a: Ref, b: Ref, reason: Applied | Congruent) -> bool:
        """State that two references are equal; whether that was new. Call `rebuild` before reading on."""
        if len(a[1]) != len(b[1]) or any(x is not y for x, y in zip(self.ref_dims(a), self.ref_dims(b), strict=True)):
            raise UnsoundError(
                f"{reason} makes tensors of different sizes equal: {self.ref_dims(a)} and {self.ref_dims(b)}"
            )
        # Between members of one class congruence would be circular: a node rewritten by what follows from itself.
        if a[0] != b[0] and (isinstance(reason, Applied) or self.root(a[0]) != self.root(b[0])):
            link = Link(a, b, reason)
            self.history.append(link)
            self.links.setdefault(a[0], []).append(link)
            self.links.setdefault(b[0], []).append(link)
        (h1, p1), (h2, p2) = self.resolve(a), self.resolve(b)
        if h1 == h2:
            return self._symmetric(h1, p1, p2)
        if h2 < h1:
            (h1, p1), (h2, p2) = (h2, p2), (h1, p1)
        self._merge(h1, p1, h2, p2)
        return True

    def _merge(self, h1: Handle, p1: tuple[int, ...], h2: Handle, p2: tuple[int, ...]) -> None:
        to_first = [0] * len(p1)
        for x, y in zip(p1, p2, strict=True):
            to_first[y] = x
        self._parent[h2] = (h1, tuple(to_first))
        first, second = self.classes[h1], self.classes[h2]
        assert first is not None and second is not None
        self.classes[h2] = None
        first.leaves += second.leaves
        first.applications += second.applications
        first.networks += second.networks
        first.totals += second.totals
        first.users.update(second.users)
        first.whole |= second.whole
        inverse = [0] * len(to_first)
        for a, p in enumerate(to_first):
            inverse[p] = a
        moved = [(tuple(to_first[g[inverse[p]]] for p in range(len(g))), s) for g, s in self._groups[h2].generators]
        self._groups[h1] = group(len(p1), tuple(sorted({*self._groups[h1].generators, *moved})))
        for fact in second.facts:
            self.assert_fact((h1, tuple(range(len(p1)))), turned(fact, tuple(to_first)))
        self._choose_forms(h1)
        self._dirty[h1] = None
        self.merged.append((h1, h2))
        self.gained[h1] = None
        self.unions += 1
        self._check_zero(h1)

    # Symmetries.

    def _gain_symmetries(self, handle: Handle, generators: Iterable[Signed]) -> None:
        """A node built again may show more symmetry: what it is made of has become symmetric since."""
        own = self._groups[handle]
        if all(g in own.generators for g in generators):
            return
        root, perm = self.resolve((handle, tuple(range(own.order))))
        for permutation, sign in generators:
            self._symmetric(root, perm, tuple(perm[p] for p in permutation), sign)
        if root != handle:
            self._groups[handle] = group(own.order, tuple(sorted({*own.generators, *generators})))

    def _symmetric(self, root: Handle, p1: tuple[int, ...], p2: tuple[int, ...], sign: int = 1) -> bool:
        """A class equal to itself with axes exchanged: its group grows."""
        if p1 == p2 and sign > 0:
            return False
        permutation = [0] * len(p1)
        for x, y in zip(p1, p2, strict=True):
            permutation[x] = y
        generator = (tuple(permutation), sign)
        old = self._groups[root]
        new = group(old.order, tuple(sorted({*old.generators, generator})))
        if len(new.elements) == len(old.elements) and new.sets == old.sets:
            return False
        self._groups[root] = new
        self._dirty[root] = None
        self.unions += 1
        self._note_skew(root)
        return True

    def _note_skew(self, root: Handle) -> None:
        """Skewness that a diagram shows is a fact that rules look for."""
        if len(self.dims[root]) == 2 and ((1, 0), -1) in self._groups[root].generators:
            self.assert_fact((root, (0, 1)), "skew")

    # Facts.

    def assert_fact(self, ref: Ref, fact: str, said: Said | None = None) -> bool:
        """State a fact of a reference; whether it was new. `said` is who says so, for the message if it cannot be."""
        handle, perm = self.resolve(ref)
        if said is not None:
            self.sayings.append((ref, fact, said))
        found = self.classes[handle]
        assert found is not None
        fact = turned(fact, perm)
        if fact in found.facts:
            return False
        found.facts[fact] = None
        self.fact_names.add(fact.removesuffix(".T"))
        self.stated += 1
        self.new_facts.append((handle, fact))
        self._check_zero(handle)
        if fact in ("symmetric", "skew") and len(perm) == 2:
            self._symmetric(handle, (0, 1), (1, 0), 1 if fact == "symmetric" else -1)
        if fact in _NEVER_ZERO:
            self._assert_unscaled(handle, fact)
        return True

    def _assert_unscaled(self, root: Handle, fact: str) -> None:
        """What c * K is, so that it is not zero, K is too: invertible(2 * A) says invertible(A)."""
        for h in self.members(root).networks if fact in ("nonzero", "invertible") else ():
            node = self._network(h)
            if len(node.operands) != 1 or node.operands[0][0] <= FLAT:
                continue
            child, legs = node.operands[0]
            if sorted(legs) == sorted(node.boundary) and len(set(legs)) == len(legs):
                self.assert_fact((child, tuple(range(len(legs)))), fact)

    def assert_exchange(self, ref: Ref, fact: Fact) -> None:
        """State that blocks of axes of a reference may be exchanged: `symmetric(0 2, 1 3)`, `antisymmetric(0,1)`."""
        handle, perm = self.resolve(ref)
        for permutation, sign in fact_generators(len(perm), [fact]):
            self._symmetric(handle, perm, tuple(perm[a] for a in permutation), sign)

    def has_fact(self, ref: Ref, fact: str) -> bool:
        """Whether a fact of a reference is known."""
        handle, perm = self.resolve(ref)
        found = self.classes[handle]
        assert found is not None
        if turned(fact, perm) in found.facts:
            return True
        if fact in ("symmetric", "skew") and len(perm) == 2:
            sign = 1 if fact == "symmetric" else -1
            return ((1, 0), sign) in self.group_of(handle).generators
        return False

    def _check_zero(self, root: Handle) -> None:
        found = self.classes[root]
        if found is not None and self.is_zero(root):
            wrong = [f for f in found.facts if f in _NEVER_ZERO]
            if wrong:
                raise FactError(self._undefined(root, wrong))

    def _undefined(self, root: Handle, wrong: Sequence[str]) -> str:
        """What to say of a class that is zero and has a fact that nothing zero has."""
        for ref, fact, said in self.sayings:
            if self.resolve(ref)[0] == root and fact in wrong:
                return f"{fact}({said.tensor}) is {said.origin}, but that is zero: nothing satisfies it"
        return f"something that is zero is found to be {wrong[0]}: the facts contradict each other"


_TURNED = {"upper": "lower", "lower": "upper", "orthonormal": "orthonormal.T", "orthonormal.T": "orthonormal"}


def turned(fact: str, perm: Iterable[int]) -> str:
    """A fact of a matrix as a fact of its class's orientation: the transpose of an upper matrix is lower."""
    return _TURNED.get(fact, fact) if tuple(perm) == (1, 0) else fact
