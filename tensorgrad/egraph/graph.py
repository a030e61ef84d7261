"""The e-graph: a store of canonical nodes with unions, kept congruent.

A class is a tensor with ordered axes; every handle knows its class's root and the permutation of axes that leads there.
"""

from __future__ import annotations

from tensorgrad.diagram.applications import apply
from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.expression import children
from tensorgrad.diagram.nodes import Application, Handle, Leaf, Network, Node, Ref, Total
from tensorgrad.egraph.reasons import Applied, Congruent, Lemma
from tensorgrad.egraph.unions import Unions
from tensorgrad.sizes import ONE, Poly


class EGraph(Unions):
    """A store with unions. `seconds` and `nodes` bound its growth: `BudgetSpentError` when one is spent."""

    def rebuild(self) -> None:
        """Make the e-graph congruent: nodes whose children merged are put into canonical form again."""
        while self._dirty:
            root = next(iter(self._dirty))
            self.check_budget()
            del self._dirty[root]
            if self._parent[root] is not None:
                continue
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
            if isinstance(node, Total) and len(node.terms) > 1 and not isinstance(self.nodes[ref[0]], Total):
                self.collapsed.add(user)
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
        # Numbers among several factors make sums of their own, which have every form already.
        forms = [h for h in found.networks if _has_legs(self._network(h))]
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
        parts = sorted(children(made)) if isinstance(made, Network) else [new[0]]
        same = parts == sorted(children(node))
        if same and self.resolve(new)[0] != self.root(bare):
            second: Ref = (other, tuple(own[p] for p in self.oriented(scaled)))
            lemma = Lemma("factor", (scaled, axes), second, self.constant(inverse), ())
            self.union((bare, axes), new, Applied("factor-cancels", "built in", lemma=lemma))


def _has_legs(network: Network) -> bool:
    """Whether a network has operands, and each has legs or is alone."""
    return len(network.operands) == 1 or (bool(network.operands) and all(legs for _, legs in network.operands))
