"""The moves that are built in: writing out operands that gained another form, distributing products, factoring sums."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.expression import children
from tensorgrad.diagram.nodes import Handle, Legs, Network, Ref, Total
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.reasons import Applied, Congruent
from tensorgrad.sizes import ONE, Poly

_MOST_FORMS = 500

MOST_TERMS = 256
"""A product of sums with more terms than this is distributed one sum at a time."""


class Linear:
    """The built-in moves on one e-graph; each node is moved once for each state of its operands' classes."""

    def __init__(self, graph: EGraph) -> None:
        self.graph = graph
        self._inlined: set[tuple[Handle, tuple[Handle, ...]]] = set()
        self._paths: dict[Handle, frozenset[Handle]] = {}
        self._distributed: set[tuple[Handle, tuple[Handle, ...]]] = set()
        self._factored: set[Handle] = set()

    # Inlining.

    def inline(self, handle: Handle) -> bool:
        """Write out, all at once, the operands (or terms) of a node whose classes also have a network (a sum) form."""
        graph, node = self.graph, self.graph.nodes[handle]
        if handle in graph.dead:
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
        path = self._paths.get(handle, frozenset()) | {graph.root(h) for h in forms}
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
        for member in found.networks:
            node = graph.nodes[member]
            if (
                isinstance(node, Network)
                and node.coefficient is not known
                and all(h < FLAT or graph.root(h) != root for h, _ in node.operands)
            ):
                return member
        return None

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
            draft.operands += graph.place(draft, inner, [own[a] for a in self._axes(h, member)])
        draft.boundary = [edges[e] for e in node.boundary]
        return graph.network(draft)

    def _axes(self, handle: Handle, member: Handle) -> list[int]:
        """For each axis of the member, the axis of `handle` (of the same class) that it is."""
        root_to_own = {p: a for a, p in enumerate(self.graph.oriented(handle))}
        return [root_to_own[p] for p in self.graph.oriented(member)]

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
                axis_of = {own: a for a, own in enumerate(self._axes(h, member))}
                draft.boundary = [edges[inner.boundary[axis_of[p]]] for p in perm]
                terms.append((c * inner.coefficient, graph.network(draft)))
                continue
            assert isinstance(inner, Total)
            axis_of = {own: a for a, own in enumerate(self._axes(h, member))}
            terms += [(c * d, (g, tuple(q[axis_of[p]] for p in perm))) for d, g, q in inner.terms]
        return graph.total(terms, node.dims)

    # Distribution.

    def distribute(self, handle: Handle, each: bool = False) -> bool:
        """A network with sums among its operands as a sum of networks: all sums at once, with `each` also one by one."""
        graph, node = self.graph, self.graph.nodes[handle]
        if handle in graph.dead or not isinstance(node, Network):
            return False
        sums = [k for k, (h, _) in enumerate(node.operands) if h >= FLAT and self._sum_of(h) is not None]
        if not sums:
            return False
        count = 1
        for k in sums:
            total = self._sum_of(node.operands[k][0])
            assert total is not None
            count *= len(total.terms)
        choices = [tuple(sums)] if count <= MOST_TERMS else []
        if (each or not choices) and len(sums) > 1:
            choices += [(k,) for k in sums]
        elif not choices:
            choices = [tuple(sums)] if count <= 16 * MOST_TERMS else []
        changed = False
        for choice in choices:
            key = (handle, tuple(sorted({graph.root(node.operands[k][0]) for k in choice})))
            if key not in self._distributed:
                self._distributed.add(key)
                changed = self._distribute(handle, node, choice) or changed
        return changed

    def _sum_member(self, handle: Handle) -> Handle | None:
        """A sum among the members of an operand's class that does not contain the class itself."""
        graph = self.graph
        root = graph.root(handle)
        for member in graph.members(root).totals:
            node = graph.nodes[member]
            if isinstance(node, Total) and node.terms and all(graph.root(h) != root for _, h, _ in node.terms):
                return member
        return None

    def _sum_of(self, handle: Handle) -> Total | None:
        """The sum form of an operand's class with its axes in the handle's order."""
        member = self._sum_member(handle)
        if member is None:
            return None
        node = self.graph.nodes[member]
        assert isinstance(node, Total)
        position = {own: a for a, own in enumerate(self._axes(handle, member))}
        order = [position[a] for a in range(len(position))]
        return Total(
            tuple((c, h, tuple(q[a] for a in order)) for c, h, q in node.terms), tuple(node.dims[a] for a in order)
        )

    def _distribute(self, handle: Handle, node: Network, choice: tuple[int, ...]) -> bool:
        graph = self.graph
        totals = [self._sum_of(node.operands[k][0]) for k in choice]
        descents = tuple((node.operands[k][0], self._sum_member(node.operands[k][0]) or 0) for k in choice)
        dims = graph.dims[handle]
        terms: list[tuple[Poly, Ref]] = []
        for picked in product(*(t.terms for t in totals if t is not None)):
            coefficient = node.coefficient
            draft = Draft()
            edges = draft.edges(node.dims)
            replaced = dict(zip(choice, picked, strict=True))
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

    # Factoring.

    def factor(self, handle: Handle) -> bool:
        """A sum in which several terms share an operand on the same axes: the operand times the sum of the rests."""
        graph, node = self.graph, self.graph.nodes[handle]
        if handle in graph.dead or not isinstance(node, Total) or handle in self._factored:
            return False
        self._factored.add(handle)
        groups = self._shared(node)
        changed = False
        for terms in groups:
            changed = self._factor(handle, node, terms) or changed
        return changed

    def _shared(self, node: Total) -> list[dict[int, int]]:
        """Largest groups of terms (position -> operand) with an equal operand that meets the axes in the same way."""
        graph = self.graph
        found: dict[tuple[Handle, tuple[int, ...]], dict[int, int]] = {}
        for t, (_, h, perm) in enumerate(node.terms):
            network = self._term_network(h)
            axis_of_edge = {}
            for a, p in enumerate(perm):
                axis_of_edge.setdefault(network.boundary[p], a)
            for k, (o, legs) in enumerate(network.operands):
                if o < FLAT:
                    continue
                key = (o, graph.group_of(o).arrange([axis_of_edge.get(e, -1) for e in legs])[0])
                found.setdefault(key, {}).setdefault(t, k)
        groups = [g for g in found.values() if len(g) > 1]
        groups.sort(key=lambda g: (-len(g), tuple(g.items())))
        unique: list[dict[int, int]] = []
        for g in groups:
            if g not in unique:
                unique.append(g)
        return unique[:8]

    def _term_network(self, handle: Handle) -> Network:
        """The network of a term; an atom is a network with one operand."""
        graph = self.graph
        node = graph.nodes[handle]
        if isinstance(node, Network):
            return node
        axes = tuple(range(len(graph.dims[handle])))
        return Network(ONE, ((handle, axes),), axes, graph.dims[handle])

    def _factor(self, handle: Handle, node: Total, terms: dict[int, int]) -> bool:
        graph = self.graph
        first, position = next(iter(terms.items()))
        operand = self._term_network(node.terms[first][1]).operands[position][0]
        reference = self._legs_on_axes(node, first, position)
        inner_axes = [a for a in range(len(node.dims)) if a not in reference]
        rests: list[tuple[Poly, Ref]] = []
        for t, k in terms.items():
            rest = self._rest(node, t, k, reference, inner_axes)
            if rest is None:
                return False
            rests.append((node.terms[t][0], rest))
        operand_dims = graph.dims[operand]
        inner = graph.total(rests, [*operand_dims, *(node.dims[a] for a in inner_axes)])
        draft = Draft()
        axis_edges = draft.edges(node.dims)
        own = [axis_edges[a] if a >= 0 else draft.edge(operand_dims[p]) for p, a in enumerate(reference)]
        legs = [*own, *(axis_edges[a] for a in inner_axes)]
        by_axis = [0] * len(legs)
        for a, p in enumerate(inner[1]):
            by_axis[p] = legs[a]
        draft.operands = [(operand, own), (inner[0], by_axis)]
        draft.boundary = list(axis_edges)
        factored = graph.network(draft)
        others = [(c, (h, p)) for t, (c, h, p) in enumerate(node.terms) if t not in terms]
        result = graph.total([*others, (ONE, factored)], node.dims)
        axes = tuple(range(len(node.dims)))
        changed = graph.union((handle, axes), result, Applied("factor", "built in"))
        graph.rebuild()
        return changed

    def _legs_on_axes(self, node: Total, term: int, position: int) -> Legs:
        """For each axis of the operand the sum's axis it stands on (the first of several), or -1."""
        _, h, perm = node.terms[term]
        network = self._term_network(h)
        axis_of_edge: dict[int, int] = {}
        for a, p in enumerate(perm):
            axis_of_edge.setdefault(network.boundary[p], a)
        return tuple(axis_of_edge.get(e, -1) for e in network.operands[position][1])

    def _rest(self, node: Total, term: int, position: int, reference: Legs, inner_axes: Sequence[int]) -> Ref | None:
        """The term without the operand, with the operand's axes (in the reference's arrangement) and the inner axes free."""
        graph = self.graph
        _, h, perm = node.terms[term]
        network = self._term_network(h)
        operand, legs = network.operands[position]
        mine = self._legs_on_axes(node, term, position)
        aligned = self._align(operand, mine, legs, reference)
        if aligned is None:
            return None
        draft = Draft(network.coefficient)
        edges = draft.edges(network.dims)
        draft.operands = [(o, [edges[e] for e in ls]) for k, (o, ls) in enumerate(network.operands) if k != position]
        axis_edge = [edges[network.boundary[p]] for p in perm]
        draft.boundary = [edges[e] for e in aligned] + [axis_edge[a] for a in inner_axes]
        return graph.network(draft)

    def _align(self, operand: Handle, mine: Legs, legs: Legs, reference: Legs) -> Legs | None:
        """The operand's legs in an arrangement in which they meet the axes as the reference does."""
        if mine == reference:
            return legs
        group = self.graph.group_of(operand)
        for permutation, sign in group.all_elements() if not group.trivial else ():
            if sign > 0 and tuple(mine[p] for p in permutation) == reference:
                return tuple(legs[p] for p in permutation)
        return None
