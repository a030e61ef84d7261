"""Classes of equal tensors: who their members are, and which form of a class is written out where it is used."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.expression import children
from tensorgrad.diagram.nodes import Application, Handle, Leaf, Network, Node, Ref, Total
from tensorgrad.diagram.store import Store
from tensorgrad.egraph.partial import Said
from tensorgrad.egraph.profile import Profile
from tensorgrad.egraph.reasons import Link
from tensorgrad.sizes import MINUS_ONE, ONE


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
    def is_constant(self) -> bool:
        """Whether its form is a number, zeros, ones, ...: a diagram without operands."""
        if self.written is not None:
            return not self.written.operands
        return self.summed is not None and not self.summed.terms

    @property
    def is_atom(self) -> bool:
        """Whether it stays an operand or a term: it has a leaf or an application among its nodes, or is kept whole."""
        return self.whole or bool(self.leaves or self.applications)


class Classes(Store):
    """A store whose nodes are members of classes. `seconds` and `nodes` bound its growth.

    With `proving` a sum with its sign turned opens in sums as a sum does, and rules are used that lose digits: where a
    cheap form is sought, x - c * y would be lost for x + c * z - c, y being 1 - z.
    """

    def __init__(self, seconds: float = 5.0, nodes: int = 20_000, proving: bool = False) -> None:
        super().__init__()
        self.proving = proving
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
        self.collapsed: set[Handle] = set()
        """Sums that came down to one term, as a - b where b is known to be a - c: to be extracted, not to be matched."""
        self.asked: dict[Handle, None] = {}
        """Nodes that were there already when they were built again, since this was last cleared."""
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

    def application_of(self, handle: Handle, function: str) -> Application | None:
        found = self.classes[handle]
        for h in found.applications if found is not None else ():
            node = self.nodes[h]
            if isinstance(node, Application) and node.function.name == function and self._parent[h] is None:
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

    # Forms.

    def check_budget(self) -> None:
        """Raise BudgetSpentError when the seconds or the nodes are spent."""
        if len(self.nodes) > self.limit:
            raise BudgetSpentError("nodes")
        if time.monotonic() > self.deadline:
            raise BudgetSpentError("seconds")

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
            plainest = sorted(found.networks, key=self._plainness)
            open_form = next((h for h in plainest if not self.reaches(h, root)), None)
            if open_form is not None:
                found.written, found.form = self._written(open_form), open_form

    def _plainness(self, member: Handle) -> tuple[bool, bool]:
        """The order in which networks are written out: sums with their sign turned (if these open) before all others, and
        those without a coefficient next."""
        node = self._network(member)
        turned = False
        if self.proving and node.coefficient is MINUS_ONE and len(node.operands) == 1 and node.operands[0][0] >= FLAT:
            child, legs = node.operands[0]
            turned = self.members(child).summed is not None and sorted(legs) == sorted(node.boundary)
        return not turned, node.coefficient is not ONE

    def constant_form(self, handle: Handle) -> Handle | None:
        """The constant that a handle is known to be, if it is one: it is written out in whatever uses the handle."""
        found = self.members(handle)
        return found.form if found.is_constant else None

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
        if found.is_constant:
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
            # A sum that was opened because of this one may be canonical again; matches of the old node are used up.
            self.forget({user for user in found.users if user in self.dead and isinstance(self.nodes[user], Total)})

    def statistics(self) -> tuple[int, int]:
        """Numbers of classes and of live nodes."""
        return sum(c is not None for c in self.classes), len(self.nodes) - len(self.dead)


def _leaves_functions(network: Network) -> bool:
    """Whether an argument has parts that stand outside of functions in canonical form: broadcast and fused axes."""
    touched = {e for _, legs in network.operands for e in legs}
    return any(h < FLAT for h, _ in network.operands) or not touched.issuperset(network.boundary)
