"""The e-graph: a store of canonical nodes with unions, kept congruent.

A class is a tensor with ordered axes; every handle knows its class's root and the permutation of axes that leads there.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from tensorgrad.diagram.applications import apply
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.expression import children
from tensorgrad.diagram.nodes import Application, Handle, Leaf, Network, Node, Ref, Total
from tensorgrad.diagram.store import Store
from tensorgrad.diagram.symmetry import Signed, fact_generators, group
from tensorgrad.egraph.partial import Said
from tensorgrad.egraph.profile import Profile
from tensorgrad.egraph.reasons import Applied, Congruent, Lemma, Link
from tensorgrad.errors import FactError, UnsoundError
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Fact


class BudgetSpentError(Exception):
    """Internal: a budget ran out; `args[0]` is "nodes" or "seconds". Saturation ends, what is there stays valid."""


@dataclass(slots=True)
class Class:
    """What is known of one class: its live nodes by kind, who uses it, its facts."""

    leaves: list[Handle] = field(default_factory=list[Handle])
    applications: list[Handle] = field(default_factory=list[Handle])
    networks: list[Handle] = field(default_factory=list[Handle])
    totals: list[Handle] = field(default_factory=list[Handle])
    users: dict[Handle, None] = field(default_factory=dict[Handle, None])
    facts: dict[str, None] = field(default_factory=dict[str, None])
    written: Network | None = None
    summed: Total | None = None
    form: Handle = 0
    """The member that `written` or `summed` is."""
    whole: bool = False

    @property
    def is_atom(self) -> bool:
        """Whether it stays an operand or a term: it has a leaf or an application among its nodes, or is kept whole."""
        return self.whole or bool(self.leaves or self.applications)


_NEVER_ZERO = ("invertible", "nonzero", "positive", "pd", "unit", "simplex", "onehot", "orthogonal", "orthonormal")


class EGraph(Store):
    """A store with unions. `seconds` and `nodes` bound its growth: `BudgetSpentError` when one is spent."""

    def __init__(self, seconds: float = 5.0, nodes: int = 20_000) -> None:
        super().__init__()
        self.deadline = time.monotonic() + seconds
        self.limit = nodes
        self.classes: list[Class | None] = [Class()]
        self.links: dict[Handle, list[Link]] = {}
        self.history: list[Link] = []
        self.fresh: list[Handle] = []
        self.merged: list[tuple[Handle, Handle]] = []
        self.new_facts: list[tuple[Handle, str]] = []
        self.dead: set[Handle] = set()
        self.fact_names: set[str] = set()
        self.function_names: set[str] = set()
        self.unions = 0
        self.stated = 0
        self.sayings: list[tuple[Ref, str, Said]] = []
        self.gained: dict[Handle, None] = {}
        self.profile = Profile(lambda: len(self.nodes))
        self.unstable: set[Handle] = set()
        """Nodes first made by opening a stable function: to be proved with, not to be computed with."""
        self._parent: list[Ref | None] = [None]
        self._dirty: dict[Handle, None] = {}

    # Overridden reading.

    def find(self, handle: Handle) -> Ref | None:
        parent = self._parent[handle]
        if parent is None:
            return None
        above = self._parent[parent[0]]
        while above is not None:
            parent = (above[0], tuple(above[1][p] for p in parent[1]))
            self._parent[handle] = parent
            above = self._parent[parent[0]]
        return parent

    def root(self, handle: Handle) -> Handle:
        """The root of a handle's class."""
        found = self.find(handle)
        return handle if found is None else found[0]

    def members(self, handle: Handle) -> Class:
        """The class of a handle."""
        found = self.classes[self.root(handle)]
        assert found is not None
        return found

    def network_of(self, handle: Handle) -> Network | None:
        found = self.classes[handle]
        return found.written if found is not None else None

    def total_of(self, handle: Handle) -> Total | None:
        found = self.classes[handle]
        return found.summed if found is not None else None

    def power_of(self, handle: Handle) -> Application | None:
        found = self.classes[handle]
        for h in found.applications if found is not None else ():
            node = self.nodes[h]
            if isinstance(node, Application) and node.function.name == "pow" and self._parent[h] is None:
                return node
        return None

    def unit_of(self, handle: Handle) -> Leaf | None:
        for h in self.members(handle).leaves:
            node = self.nodes[h]
            if isinstance(node, Leaf) and node.is_unit:
                return node
        return None

    def oriented(self, member: Handle) -> tuple[int, ...]:
        """perm: axis a of the member is axis perm[a] of its class's root."""
        found = self.find(member)
        return tuple(range(len(self.dims[member]))) if found is None else found[1]

    # Growth.

    def check_budget(self) -> None:
        """Raise BudgetSpentError when the seconds or the nodes are spent."""
        if len(self.nodes) > self.limit:
            raise BudgetSpentError("nodes")
        if time.monotonic() > self.deadline:
            raise BudgetSpentError("seconds")

    def add(self, key: Hashable, node: Node, dims: tuple[Poly, ...], generators: tuple[Signed, ...]) -> Handle:
        known = self._table.get(key)
        if known is not None:
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

    def _enlist(self, into: Class, handle: Handle, node: Node) -> None:
        match node:
            case Leaf():
                into.leaves.append(handle)
            case Application():
                into.applications.append(handle)
                self.function_names.add(node.function.name)
            case Network():
                into.networks.append(handle)
            case Total():
                into.totals.append(handle)

    def _choose_forms(self, root: Handle) -> None:
        """Which form of a class is written out in networks and in sums that use it."""
        found = self.classes[root]
        assert found is not None
        found.written, found.summed, found.form = None, None, 0
        zero = next((h for h in found.totals if self._is_empty(h)), None)
        plain = [h for h in found.networks if not self._network(h).operands]
        if zero is not None:
            found.summed, found.form = Total((), self.dims[root]), zero
        elif plain:
            found.written, found.form = self._written(min(plain)), min(plain)
        elif found.is_atom:
            return
        elif found.totals:
            open_form = next((h for h in found.totals if not self.reaches(h, root)), None)
            if open_form is not None:
                found.summed, found.form = self._summed(open_form), open_form
        elif found.networks:
            plainest = sorted(found.networks, key=lambda h: self._network(h).coefficient is not ONE)
            open_form = next((h for h in plainest if not self.reaches(h, root)), None)
            if open_form is not None:
                found.written, found.form = self._written(open_form), open_form

    def _is_empty(self, handle: Handle) -> bool:
        node = self.nodes[handle]
        return isinstance(node, Total) and not node.terms

    def read_as(self, node: Node) -> tuple[tuple[Handle, Handle], ...]:
        """For each child of a node, and of what is written out in it, the member that its canonical form takes it for."""
        out: dict[Handle, Handle] = {}
        stack = children(node)[::-1]
        while stack:
            child = stack.pop()
            if child in out:
                continue
            found = self.members(child)
            opened = found.form if self._is_opened(node, found) else 0
            out[child] = opened or self.root(child)
            if opened:
                stack += children(self.nodes[opened])[::-1]
        return tuple(out.items())

    @staticmethod
    def _is_opened(node: Node, found: Class) -> bool:
        """Whether the form of a child's class is written out in a node: networks in networks, sums in sums, constants."""
        if found.written is not None and not found.written.operands:
            return True
        if found.summed is not None and not found.summed.terms:
            return True
        match node:
            case Network():
                return found.written is not None
            case Total():
                return found.summed is not None or (found.written is not None and found.written.coefficient is not ONE)
            case _:
                return found.written is not None and _leaves_functions(found.written)

    def reaches(self, member: Handle, root: Handle) -> bool:
        """Whether writing a member out, and what it is made of, would come back to its own class."""
        stack = children(self.nodes[member])
        seen: set[Handle] = set()
        while stack:
            part = self.root(stack.pop())
            if part == root:
                return True
            if part not in seen:
                seen.add(part)
                found = self.classes[part]
                if found is not None and found.written is not None:
                    stack += [h for h, _ in found.written.operands if h >= FLAT]
                elif found is not None and found.summed is not None:
                    stack += [h for _, h, _ in found.summed.terms]
        return False

    def _network(self, handle: Handle) -> Network:
        node = self.nodes[handle]
        assert isinstance(node, Network)
        return node

    def _written(self, member: Handle) -> Network:
        """A member network with its boundary in the root's order."""
        node = self._network(member)
        perm = self.oriented(member)
        boundary = [0] * len(perm)
        for a, p in enumerate(perm):
            boundary[p] = node.boundary[a]
        return Network(node.coefficient, node.operands, tuple(boundary), node.dims)

    def _summed(self, member: Handle) -> Total:
        """A member sum with its axes in the root's order."""
        node = self.nodes[member]
        assert isinstance(node, Total)
        perm = self.oriented(member)
        axis = [0] * len(perm)
        for a, p in enumerate(perm):
            axis[p] = a
        terms = tuple((c, h, tuple(q[a] for a in axis)) for c, h, q in node.terms)
        return Total(terms, tuple(node.dims[a] for a in axis))

    def keep_whole(self, ref: Ref) -> None:
        """From now on a sum is a term of the sums that use it, not opened in them: so it is computed once for them all."""
        root, _ = self.resolve(ref)
        found = self.members(root)
        if not found.whole:
            found.whole = True
            self._choose_forms(root)
            self.gained[root] = None

    # Unions.

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

    def rebuild(self) -> None:
        """Make the e-graph congruent: nodes whose children merged are put into canonical form again."""
        while self._dirty:
            root = next(iter(self._dirty))
            del self._dirty[root]
            if self._parent[root] is not None:
                continue
            self.check_budget()
            if self._groups[root].contradictory and not self.is_zero(root):
                self.union((root, tuple(range(len(self.dims[root])))), self.zero(self.dims[root]), Congruent())
                continue
            for user in list(self.members(root).users):
                if user not in self.dead:
                    self._repair(user)
            self._self_scaled(root)
            self._divide(root)

    def _repair(self, user: Handle) -> None:
        node = self.nodes[user]
        axes = tuple(range(len(self.dims[user])))
        replaced = self.read_as(node)
        before = len(self.nodes)
        ref = self.recanonical(node)
        if user in self.unstable:
            self.unstable.update(range(before, len(self.nodes)))
        # An application comes back as what its class has become: it is still itself if its arguments are.
        itself = (
            isinstance(node, Application)
            and all(c == self.root(c) for c in children(node))
            and self.root(ref[0]) == self.root(user)
        )
        if ref[0] != user and not itself:
            self._retire(user)
            self.union((user, axes), ref, Congruent(replaced))
        else:
            root = self.resolve((user, axes))
            self._symmetric(root[0], root[1], self.resolve(ref)[1])

    def _retire(self, user: Handle) -> None:
        """A node that has a newer canonical form is no longer matched or extracted."""
        self.dead.add(user)
        found = self.members(user)
        for kind in (found.leaves, found.applications, found.networks, found.totals):
            if user in kind:
                kind.remove(user)

    def recanonical(self, node: Node) -> Ref:
        """The canonical form of a node in terms of what its children have become."""
        match node:
            case Leaf():
                assert node.index is not None
                index = self.root(node.index)
                return self.leaf(
                    Leaf((*node.key[:1], index, *node.key[2:]), node.tensor, index), (node.tensor.dims[0],)
                )
            case Application():
                args = [((h, tuple(range(len(labels)))), labels) for h, labels in node.args]
                return apply(self, node.function, args, node.groups)
            case Network():
                draft = Draft(node.coefficient)
                edges = draft.edges(node.dims)
                draft.operands = [(h, [edges[e] for e in legs]) for h, legs in node.operands]
                draft.boundary = [edges[e] for e in node.boundary]
                return self.network(draft)
            case Total():
                return self.total([(c, (h, perm)) for c, h, perm in node.terms], node.dims)

    def _self_scaled(self, root: Handle) -> None:
        """A class that holds c * itself: with c = 1 and axes exchanged a symmetry, with c = -1 a signed one."""
        for h in list(self.members(root).networks):
            node = self._network(h)
            if len(node.operands) != 1:
                continue
            child, legs = node.operands[0]
            if (
                child < FLAT
                or self.root(child) != root
                or len(set(legs)) != len(legs)
                or sorted(legs) != sorted(node.boundary)
            ):
                continue
            child_ref = self.resolve((child, tuple(legs.index(e) for e in node.boundary)))
            own = self.resolve((h, tuple(range(len(node.boundary)))))
            if node.coefficient.is_constant and node.coefficient.number == -1:
                self._symmetric(root, own[1], child_ref[1], -1)
            elif node.coefficient.is_constant and node.coefficient.number != 1:
                self.union(own, self.zero(self.ref_dims(own)), Congruent())

    def _divide(self, root: Handle) -> None:
        """Where c * N has another form, N has it too, divided by c: what 2 * A @ B is says what A @ B is."""
        found = self.members(root)
        # Numbers among the factors make sums of their own, which have every form already.
        forms = [
            h for h in found.networks if self._network(h).operands and all(ls for _, ls in self._network(h).operands)
        ]
        for h in forms if len(forms) > 1 else ():
            node = self._network(h)
            bare = self._table.get(("network", ONE, node.operands, node.boundary, node.dims))
            if bare is None or not node.coefficient.is_constant or abs(node.coefficient.number) == 1:
                continue
            if len(self.members(bare).networks) > 1 or self.members(bare).totals:
                continue
            inverse = node.coefficient.inverse()
            for other in forms:
                if other != h:
                    self._union_divided(bare, h, other, inverse)

    def _union_divided(self, bare: Handle, scaled: Handle, other: Handle, inverse: Poly) -> None:
        """bare = inverse * scaled, and scaled = other: so bare = inverse * other, the other's operands shown."""
        node = self._network(other)
        draft = Draft(node.coefficient * inverse)
        edges = draft.edges(node.dims)
        draft.operands = [(h, [edges[e] for e in legs]) for h, legs in node.operands]
        own = {p: a for a, p in enumerate(self.oriented(other))}
        draft.boundary = [edges[node.boundary[own[p]]] for p in self.oriented(scaled)]
        axes = tuple(range(len(node.boundary)))
        new = self.network(draft)
        made = self.nodes[new[0]]
        # Operands that are about to be read otherwise wait for the form that then comes, so that the step can be shown.
        same = isinstance(made, Network) and sorted(children(made)) == sorted(children(node))
        if same and self.resolve(new)[0] != self.root(bare):
            second: Ref = (other, tuple(own[p] for p in self.oriented(scaled)))
            lemma = Lemma("factor", (scaled, axes), second, self.constant(inverse), ())
            self.union((bare, axes), new, Applied("factor-cancels", "built in", lemma=lemma))

    # Facts.

    def assert_fact(self, ref: Ref, fact: str, said: Said | None = None) -> bool:
        """State a fact of a reference; whether it was new. `said` is who says so, for the message if it cannot be."""
        handle, perm = self.resolve(ref)
        if said is not None and fact in _NEVER_ZERO:
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

    def statistics(self) -> tuple[int, int]:
        """Numbers of classes and of live nodes."""
        return sum(c is not None for c in self.classes), len(self.nodes) - len(self.dead)


def _leaves_functions(network: Network) -> bool:
    """Whether an argument has parts that stand outside of functions in canonical form: broadcast and fused axes."""
    touched = {e for _, legs in network.operands for e in legs}
    return any(h < FLAT for h, _ in network.operands) or not touched.issuperset(network.boundary)


_TURNED = {"upper": "lower", "lower": "upper", "orthonormal": "orthonormal.T", "orthonormal.T": "orthonormal"}


def turned(fact: str, perm: Iterable[int]) -> str:
    """A fact of a matrix as a fact of its class's orientation: the transpose of an upper matrix is lower."""
    return _TURNED.get(fact, fact) if tuple(perm) == (1, 0) else fact
