"""Two moves that are built in: writing out operands that gained another form, and distributing products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.expression import children
from tensorgrad.diagram.nodes import Application, Handle, Network, Node, Ref, Total
from tensorgrad.egraph.forms import member_axes, sum_members, sum_of
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.reasons import Applied, Congruent
from tensorgrad.sizes import ONE, Poly

_MOST_FORMS = 500

_MOST_SUMS = 4

_LARGEST = 2**200
"""Numerator and denominator of a coefficient that is still written out."""

Choice = tuple[tuple[int, Handle], ...]
"""Operands of a network (by position), each with a sum of its class."""

MOST_TERMS = 256
"""A product of sums with more terms than this is distributed one sum at a time."""

FEW_TERMS = 16
"""Where a cheaper form is sought, not a proof, a product of more than two sums with more terms than this stays."""


class Linear:
    """The built-in moves on one e-graph; each node is moved once for each state of its operands' classes."""

    def __init__(self, graph: EGraph, few: bool = False) -> None:
        self.graph = graph
        self._few = few
        self._inlined: set[tuple[Handle, tuple[Handle, ...]]] = set()
        self._paths: dict[Handle, frozenset[Handle]] = {}
        self._distributed: set[tuple[Handle, Choice]] = set()
        self._back: dict[tuple[Handle, Handle], bool] = {}
        self._looked_at = (0, 0)

    # Inlining.

    def inline(self, handle: Handle) -> bool:
        """Write out, all at once, the operands (or terms) of a node whose classes also have a network (a sum) form."""
        graph, node = self.graph, self.graph.nodes[handle]
        if handle in graph.dead or _is_far(node):
            return False
        match node:
            case Network():
                chosen = {h: self._network_form(handle, h) for h, _ in node.operands if h >= FLAT}
            case Total():
                chosen = {h: self._sum_form(handle, h) for _, h, _ in node.terms}
            case _:
                return False
        forms = {h: m for h, m in chosen.items() if m is not None}
        key = (handle, tuple(sorted(forms.values())))
        if not forms or key in self._inlined:
            return False
        self._inlined.add(key)
        ref = self._inlined_network(node, forms) if isinstance(node, Network) else self._inlined_total(node, forms)
        # What stands in another one's form was not written out there: det(A @ A) in the form of det(A @ A @ A).
        inner = {graph.root(c) for member in forms.values() for c in children(graph.nodes[member])}
        path = self._paths.get(handle, frozenset()) | ({graph.root(h) for h in forms} - inner)
        if ref[0] != handle:
            self._paths[ref[0]] = self._paths.get(ref[0], path) & path
        axes = tuple(range(len(graph.dims[handle])))
        changed = graph.union((handle, axes), ref, Congruent(tuple(sorted(forms.items()))))
        graph.rebuild()
        return changed

    def _network_form(self, user: Handle, operand: Handle) -> Handle | None:
        """The smallest member network of an operand's class that does not contain the class itself."""
        graph = self.graph
        root = graph.root(operand)
        found = graph.members(root)
        if root in self._paths.get(user, frozenset()) or found.written is not None or graph.is_zero(root):
            return None
        candidates: list[tuple[int, Handle]] = []
        for member in found.networks:
            node = graph.nodes[member]
            if isinstance(node, Network):
                candidates.append((len(node.operands), member))
        return next((member for _, member in sorted(candidates) if not self._comes_back(member, root)), None)

    def _comes_back(self, member: Handle, root: Handle) -> bool:
        """Whether writing out a member's operands by any of their forms leads back to its own class.

        Without this exp(x) = exp(2 * x) * exp(-x) and exp(2 * x) = exp(x) * exp(x) would be written out for ever.
        """
        graph = self.graph
        state = graph.unions, len(graph.nodes)
        if state != self._looked_at:
            self._looked_at, self._back = state, {}
        if (member, root) not in self._back:
            self._back[member, root] = self._leads_back(member, root)
        return self._back[member, root]

    def _leads_back(self, member: Handle, root: Handle) -> bool:
        graph = self.graph
        stack, seen = children(graph.nodes[member]), {root}
        while stack:
            part = graph.root(stack.pop())
            if part == root or len(seen) > _MOST_FORMS:
                return True
            if part not in seen:
                seen.add(part)
                stack += [h for m in graph.members(part).networks for h in children(graph.nodes[m])]
        return False

    def _sum_form(self, user: Handle, term: Handle) -> Handle | None:
        graph = self.graph
        root = graph.root(term)
        found = graph.members(root)
        if root in self._paths.get(user, frozenset()) or found.summed is not None:
            return None
        for member in found.totals:
            node = graph.nodes[member]
            if member != user and isinstance(node, Total) and all(graph.root(h) != root for _, h, _ in node.terms):
                return member
        known = found.written.coefficient if found.written is not None else ONE
        return next((m for m in found.networks if self._shows_other(m, root, known)), None)

    def _shows_other(self, member: Handle, root: Handle, known: Poly) -> bool:
        """Whether a network has a coefficient that the form which sums write out has not."""
        node = self.graph.nodes[member]
        assert isinstance(node, Network)
        return node.coefficient is not known and all(h < FLAT or self.graph.root(h) != root for h, _ in node.operands)

    def _inlined_network(self, node: Network, forms: dict[Handle, Handle]) -> Ref:
        graph = self.graph
        draft = Draft(node.coefficient)
        edges = draft.edges(node.dims)
        for h, legs in node.operands:
            own = [edges[e] for e in legs]
            member = forms.get(h)
            if member is None:
                draft.operands.append((h, own))
                continue
            inner = graph.nodes[member]
            assert isinstance(inner, Network)
            draft.coefficient = draft.coefficient * inner.coefficient
            draft.operands += graph.place(draft, inner, [own[a] for a in member_axes(graph, h, member)])
        draft.boundary = [edges[e] for e in node.boundary]
        return graph.network(draft)

    def _inlined_total(self, node: Total, forms: dict[Handle, Handle]) -> Ref:
        graph = self.graph
        terms: list[tuple[Poly, Ref]] = []
        for c, h, perm in node.terms:
            member = forms.get(h)
            if member is None:
                terms.append((c, (h, perm)))
                continue
            inner = graph.nodes[member]
            if isinstance(inner, Network):
                draft = Draft()
                edges = draft.edges(inner.dims)
                draft.operands = [(g, [edges[e] for e in legs]) for g, legs in inner.operands]
                axis_of = {own: a for a, own in enumerate(member_axes(graph, h, member))}
                draft.boundary = [edges[inner.boundary[axis_of[p]]] for p in perm]
                terms.append((c * inner.coefficient, graph.network(draft)))
                continue
            assert isinstance(inner, Total)
            axis_of = {own: a for a, own in enumerate(member_axes(graph, h, member))}
            terms += [(c * d, (g, tuple(q[axis_of[p]] for p in perm))) for d, g, q in inner.terms]
        return graph.total(terms, node.dims)

    # Distribution.

    def distribute(self, handle: Handle, each: bool = False) -> bool:
        """A network with sums among its operands as a sum of networks: all sums at once, with `each` also one by one."""
        graph, node = self.graph, self.graph.nodes[handle]
        if handle in graph.dead or not isinstance(node, Network):
            return False
        if self._is_expanded(handle) or self._is_cancelled(handle, node):
            return False
        changed = False
        for choice in self._choices(node, each):
            key = (handle, choice)
            if key not in self._distributed:
                self._distributed.add(key)
                changed = self._distribute(handle, node, choice) or changed
        return changed

    def _is_expanded(self, handle: Handle) -> bool:
        """Whether the class has a sum without sums inside already: it is what distributing would come to."""
        graph = self.graph
        for member in graph.members(handle).totals:
            node = graph.nodes[member]
            assert isinstance(node, Total)
            if not any(self._has_sums(h) for _, h, _ in node.terms):
                return True
        return False

    def _has_sums(self, handle: Handle) -> bool:
        graph = self.graph
        if graph.members(handle).totals:
            return True
        networks = [n for m in graph.members(handle).networks if isinstance(n := graph.nodes[m], Network)]
        return (
            all(any(h >= FLAT and graph.members(h).totals for h, _ in n.operands) for n in networks)
            if networks
            else False
        )

    def _choices(self, node: Network, each: bool) -> list[Choice]:
        """Which operands to read as which of their sums."""
        graph = self.graph
        forms = {k: sum_members(graph, h) for k, (h, _) in enumerate(node.operands) if h >= FLAT}
        sums = [k for k, members in forms.items() if members]
        if not sums:
            return []
        sums = self._not_inverted(node, sums, forms) or sums
        first: Choice = tuple((k, forms[k][0]) for k in sums)
        count = prod(_length(graph, member) for _, member in first)
        if self._few and len(sums) > 2 and count > FEW_TERMS:
            return []
        choices: list[Choice] = [first] if count <= MOST_TERMS else []
        if (each or not choices) and len(sums) > 1:
            choices += [((k, forms[k][0]),) for k in sums]
        elif not choices:
            choices = [first] if count <= 16 * MOST_TERMS else []
        for k in sums:
            # What a rule made of an application need not be what is distributed best: each of its sums is tried.
            if graph.members(node.operands[k][0]).applications:
                choices += [((k, member),) for member in forms[k][1:_MOST_SUMS]]
        return choices

    def _not_inverted(self, node: Network, sums: Sequence[int], forms: Mapping[int, Sequence[Handle]]) -> list[int]:
        """The sums whose inverse is in none of the others: what it will cancel stays whole until then."""
        graph = self.graph
        inverted: set[Handle] = set()
        for k in sums:
            for _, term, _ in sum_of(graph, node.operands[k][0], forms[k][0]).terms:
                for member in graph.members(term).networks:
                    inverted |= self._inverted_in(member)
        return [k for k in sums if graph.root(node.operands[k][0]) not in inverted]

    def _inverted_in(self, member: Handle) -> set[Handle]:
        """What the inverses are of that are factors of a network."""
        graph, network = self.graph, self.graph.nodes[member]
        assert isinstance(network, Network)
        applied = [a for h, _ in network.operands if h >= FLAT for a in graph.members(h).applications]
        nodes = [n for a in applied if isinstance(n := graph.nodes[a], Application) and n.function.name == "inv"]
        return {graph.root(n.args[0][0]) for n in nodes}

    def _is_cancelled(self, handle: Handle, node: Network) -> bool:
        """Whether a factor of a product is beside its inverse, and the class has what is left without them."""
        graph, found = self.graph, self.graph.members(handle)
        shortest = min(len(n.operands) for m in found.networks if isinstance(n := graph.nodes[m], Network))
        if shortest > len(node.operands) - 2:
            return False
        inverted = self._inverted_in(handle)
        return any(h >= FLAT and graph.root(h) in inverted for h, _ in node.operands)

    def _distribute(self, handle: Handle, node: Network, choice: Choice) -> bool:
        graph = self.graph
        totals = [sum_of(graph, node.operands[k][0], member) for k, member in choice]
        descents = tuple((node.operands[k][0], member) for k, member in choice)
        dims = graph.dims[handle]
        terms: list[tuple[Poly, Ref]] = []
        for picked in product(*(t.terms for t in totals)):
            coefficient = node.coefficient
            draft = Draft()
            edges = draft.edges(node.dims)
            replaced = dict(zip((k for k, _ in choice), picked, strict=True))
            for k, (h, legs) in enumerate(node.operands):
                own = [edges[e] for e in legs]
                if k in replaced:
                    c, h, perm = replaced[k]
                    coefficient = coefficient * c
                    by_axis = [0] * len(own)
                    for a, p in enumerate(perm):
                        by_axis[p] = own[a]
                    own = by_axis
                draft.operands.append((h, own))
            draft.boundary = [edges[e] for e in node.boundary]
            terms.append((coefficient, graph.network(draft)))
        changed = graph.union(
            (handle, tuple(range(len(dims)))), graph.total(terms, dims), Applied("distribute", "built in", descents)
        )
        graph.rebuild()
        return changed


def _is_far(node: Node) -> bool:
    """Whether a coefficient is so long that it comes of writing out forms of each other, round and round."""
    match node:
        case Network():
            return _is_long(node.coefficient)
        case Total():
            return any(_is_long(c) for c, _, _ in node.terms)
        case _:
            return False


def _is_long(coefficient: Poly) -> bool:
    return any(max(abs(c.numerator), c.denominator) > _LARGEST for _, c in coefficient.terms)


def _length(graph: EGraph, member: Handle) -> int:
    node = graph.nodes[member]
    assert isinstance(node, Total)
    return len(node.terms)
