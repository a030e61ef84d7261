"""Extraction: for all outputs at once, the members of classes of least total cost, shared parts paid once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tensorgrad.diagram import Handle, Network, Node, Ref, Total
from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.expression import Expressions, children
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.pricing import Price, Pricing, is_multiple, is_negation
from tensorgrad.tensor import Tensor

Choice = tuple[tuple[Handle, Handle], ...]
"""Classes, each with a member to choose."""

_SWEEPS = 16
"""Times that all members of all chosen classes are tried; nearly always the third finds nothing more."""


_FEW, _ROUNDS, _TRIES, _TOO_DEAR = 64, 3, 16, 4
"""Classes of a choice that is refined, how often, other choices that are priced for that, and how dear they may look."""


class Extraction:
    """The cheapest members, for `roots` together. Costs are strictly positive, so what is chosen has no cycle."""

    def __init__(self, graph: EGraph, roots: Sequence[Ref], pricing: Pricing) -> None:
        self.graph = graph
        self.pricing = pricing
        self.roots = [graph.root(h) for h, _ in roots]
        self.chosen: dict[Handle, Handle] = {}
        self._cost: dict[Handle, Price] = {}
        self._parts: dict[Handle, list[Handle]] = {}
        self._members: dict[Handle, list[Handle]] = {}
        for h in range(1, len(graph.nodes)):
            if h not in graph.dead or h in graph.collapsed or self._was_opened(h):
                self._members.setdefault(graph.root(h), []).append(h)
        self._trees(h for members in self._members.values() for h in members)
        if self.needed(self.chosen) is None:
            # A class may be left with nothing but forms that contain it; what it was made from is still true.
            self._trees(range(1, len(graph.nodes)))
        self._share()

    def members(self, root: Handle) -> list[Handle]:
        """The members of a class that may be chosen."""
        return self._members.get(root, [])

    def _was_opened(self, handle: Handle) -> bool:
        """Whether a node was replaced since a part was written out in it: with the part as it was it may be cheaper."""
        graph, node = self.graph, self.graph.nodes[handle]
        match node:
            case Total():
                return any(graph.total_of(graph.root(h)) for _, h, _ in node.terms)
            case Network():
                return any(graph.network_of(graph.root(h)) for h, _ in node.operands if h >= FLAT)
            case _:
                return False

    def parts(self, member: Handle) -> list[Handle]:
        """The classes that a member is made of."""
        found = self._parts.get(member)
        if found is None:
            found = list(dict.fromkeys(self.graph.root(c) for c in children(self.graph.nodes[member])))
            self._parts[member] = found
        return found

    def _trees(self, members: Iterable[Handle]) -> None:
        """The cheapest of the members of each class by tree cost, to a fixpoint."""
        graph = self.graph
        users: dict[Handle, list[tuple[Handle, Handle]]] = {}
        work: dict[tuple[Handle, Handle], None] = {}
        for h in members:
            root = graph.root(h)
            work[root, h] = None
            for part in self.parts(h):
                users.setdefault(part, []).append((root, h))
        while work:
            root, member = next(iter(work))
            del work[root, member]
            parts = self.parts(member)
            if root in parts or any(p not in self._cost for p in parts):
                continue
            cost = _add([self.own(member), *(self._cost[p] for p in parts)])
            if root not in self._cost or (cost, self._tie(member)) < (self._cost[root], self._tie(self.chosen[root])):
                self._cost[root] = cost
                self.chosen[root] = member
                for user in users.get(root, ()):
                    work[user] = None

    def own(self, member: Handle) -> Price:
        """The cost of a member without its parts, in all at least (0, 1): so no choice of least cost has a cycle."""
        first, second = self.pricing.own(member)
        return first, second + 1

    def _tie(self, member: Handle) -> int:
        return member

    def needed(self, chosen: Mapping[Handle, Handle]) -> list[Handle] | None:
        """The classes that the roots need, each after its parts; None if the choice has a cycle or a gap."""
        state: dict[Handle, int] = {}
        order: list[Handle] = []
        stack: list[tuple[Handle, bool]] = [(r, False) for r in self.roots]
        while stack:
            root, ready = stack.pop()
            if ready:
                state[root] = 2
                order.append(root)
            elif state.get(root) == 1 or root not in chosen:
                return None
            elif root not in state:
                state[root] = 1
                stack.append((root, True))
                for part in self.parts(chosen[root]):
                    if state.get(part) == 1:
                        return None
                    if part not in state:
                        stack.append((part, False))
        return order

    def total(self, chosen: Mapping[Handle, Handle]) -> Price | None:
        """The cost of a choice, every class paid once; None if it has a cycle."""
        order = self.needed(chosen)
        return None if order is None else _add([self.own(chosen[root]) for root in order])

    def _share(self) -> None:
        """Swap members while that makes the whole cheaper: a form that reuses what is there anyway may win."""
        order = self.needed(self.chosen)
        if order is None:
            return
        sharing = _Sharing(self, order)
        for _ in range(_SWEEPS):
            improved = False
            for root in sorted(sharing.position, key=lambda r: self._cost[r], reverse=True):
                for member in self.members(root) if root in sharing.position else ():
                    improved = sharing.swap(root, member) or sharing.swap_negation(root, member) or improved
            if not improved:
                return

    def refine(self, price: Callable[[], int | None]) -> None:
        """Choose other members, one class at a time, while the price of all that is chosen falls: what the costs of single
        members do not say, as that a product is a square of one that is there, or that an inverse is only applied.

        Those that look cheapest are asked for first; a choice of many classes stays as it is.
        """
        best = self._priced((), price) if len(self.needed(self.chosen) or ()) <= _FEW else None
        for _ in range(_ROUNDS if best is not None else 0):
            found = [(p, choice) for choice in self._others() if (p := self._priced(choice, price)) is not None]
            if not found or best is None or min(found)[0] >= best:
                return
            best, choice = min(found)
            self.chosen.update(choice)

    def _priced(self, choice: Choice, price: Callable[[], int | None]) -> Price | None:
        """The price with another choice, then the symbols that it takes."""
        before = dict(self.chosen)
        self.chosen.update(choice)
        found, own = price(), self.total(self.chosen)
        self.chosen.update(before)
        return None if found is None or own is None else (found, own[1])

    def _others(self) -> list[Choice]:
        """The other choices for one class with which the whole looks cheapest, if it does not look far too dear."""
        most = self.total(self.chosen)
        found: list[tuple[Price, Choice]] = []
        for root in self.needed(self.chosen) or ():
            for choice in self._choices(root):
                cost = self.total({**self.chosen, **dict(choice)})
                if cost is not None and most is not None and cost[0] < most[0] * _TOO_DEAR:
                    found.append((cost, choice))
        return [choice for _, choice in sorted(found)[:_TRIES]]

    def _choices(self, root: Handle) -> Iterator[Choice]:
        """The other members of a class; multiples of a class with each form of that."""
        for member in self.members(root):
            if is_multiple(self.graph.nodes[member]):
                (part,) = self.parts(member)
                if part != root:
                    yield from (((root, member), (part, form)) for form in self.members(part))
            elif member != self.chosen[root]:
                yield ((root, member),)

    @property
    def cost(self) -> Price | None:
        """The total cost of what is chosen."""
        return self.total(self.chosen)

    def tensor(self, ref: Ref, edges: Sequence[str]) -> Tensor:
        """The chosen tensor of a reference, its axes called `edges`."""
        graph = self.graph
        choose: Callable[[Handle], tuple[Node, tuple[int, ...]]] = lambda root: (  # noqa: E731
            graph.nodes[self.chosen[root]],
            graph.oriented(self.chosen[root]),
        )
        return Expressions(graph, choose, graph.find).ref(ref, edges)


class _Sharing:
    """A choice with the number of users of each class, so that a swap is priced by what it brings in and what it frees."""

    def __init__(self, extraction: Extraction, order: Sequence[Handle]) -> None:
        self.extraction = extraction
        self.chosen = extraction.chosen
        self.users: dict[Handle, int] = dict.fromkeys(order, 0)
        self.position: dict[Handle, int] = {}
        for root in extraction.roots:
            self.users[root] += 1
        for root in order:
            for part in self._parts(root):
                self.users[part] += 1
        self._number(order)

    def _parts(self, root: Handle) -> list[Handle]:
        return self.extraction.parts(self.chosen[root])

    def _number(self, order: Sequence[Handle]) -> None:
        self.position = {root: k for k, root in enumerate(order)}

    def swap(self, root: Handle, member: Handle) -> bool:
        """Choose another member if the whole is cheaper with it; whether it is."""
        old = self.chosen[root]
        parts = self.extraction.parts(member)
        if member == old or any(p not in self.chosen for p in parts) or self._reaches(parts, root):
            return False
        self.chosen[root] = member
        brought = self._bring(parts, self.extraction.own(member))
        freed = self._free(self.extraction.parts(old), self.extraction.own(old))
        if brought < freed:
            order = self.extraction.needed(self.chosen)
            assert order is not None
            self._number(order)
            return True
        self.chosen[root] = old
        self._bring(self.extraction.parts(old), self.extraction.own(old))
        self._free(parts, self.extraction.own(member))
        return False

    def swap_negation(self, root: Handle, member: Handle) -> bool:
        """Choose a member that is -x, with another form of x than the cheapest one alone, which may contain the class."""
        extraction = self.extraction
        if member == self.chosen[root] or not is_negation(extraction.graph.nodes[member]):
            return False
        (part,) = extraction.parts(member)
        if self.users.get(part) or part not in self.chosen:
            return False
        old = self.chosen[part]
        for form in extraction.members(part):
            inner = extraction.parts(form)
            if any(p not in self.chosen for p in inner) or self._reaches(inner, part):
                continue
            self.chosen[part] = form
            if self.swap(root, member):
                return True
            self.chosen[part] = old
        return False

    def _reaches(self, parts: Sequence[Handle], root: Handle) -> bool:
        """Whether what is chosen for the parts contains the class; what stands before it in the order cannot."""
        last = self.position.get(root, len(self.position))
        stack, seen = list(parts), set(parts)
        while stack:
            part = stack.pop()
            if part == root:
                return True
            if self.position.get(part, last) < last:
                continue
            for inner in self._parts(part):
                if inner not in seen:
                    seen.add(inner)
                    stack.append(inner)
        return False

    def _bring(self, parts: Sequence[Handle], own: Price) -> Price:
        """Count a use of each part; the cost of those that had none, with all they need."""
        cost = own
        stack = list(parts)
        while stack:
            part = stack.pop()
            self.users[part] = self.users.get(part, 0) + 1
            if self.users[part] == 1:
                cost = _add([cost, self.extraction.own(self.chosen[part])])
                stack += self._parts(part)
        return cost

    def _free(self, parts: Sequence[Handle], own: Price) -> Price:
        """Give back a use of each part; the cost of those that have none left, with all they needed."""
        cost = own
        stack = list(parts)
        while stack:
            part = stack.pop()
            self.users[part] -= 1
            if not self.users[part]:
                cost = _add([cost, self.extraction.own(self.chosen[part])])
                stack += self._parts(part)
        return cost


def _add(prices: Sequence[Price]) -> Price:
    return sum(p[0] for p in prices), sum(p[1] for p in prices)
