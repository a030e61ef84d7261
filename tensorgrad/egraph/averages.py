"""Expectations without a closed form, in the e-graph: leaves that get one when facts are known, or from an equal integrand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tensorgrad.calculus import closed_forms, expand
from tensorgrad.calculus.laws import expected
from tensorgrad.diagram import insert
from tensorgrad.diagram.expression import Expressions
from tensorgrad.diagram.nodes import Handle, Leaf
from tensorgrad.egraph.classes import Class
from tensorgrad.egraph.facts import Facts
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.reasons import Applied
from tensorgrad.rule import Rule
from tensorgrad.tensor import Expectation, Fact, Sum, Tensor, Variable, rebuild, renamed, walk

MOST_FORMS = 8
"""Equal forms of an integrand that are tried."""

MOST_LEAVES = 64
"""Expectations of an e-graph that are looked at."""


_EQUAL = Applied("expectation-of-equal", "built in")
_REFLECTED = Applied("normal-law-is-symmetric", "built in")


def _members(found: Class) -> list[Handle]:
    return [*found.leaves, *found.networks, *found.totals, *found.applications][:MOST_FORMS]


@dataclass(frozen=True, slots=True)
class _Waiting:
    leaf: Handle
    name: str
    source: str
    value: Tensor
    needs: tuple[tuple[Tensor, Fact], ...]


@dataclass(slots=True)
class Averages:
    """The expectations of one e-graph: what each equals by which rule, once what the rule needs is known."""

    graph: EGraph
    facts: Facts
    lines: Sequence[Rule] | None
    """What derivatives and expectations are taken by; None: by what is packaged."""
    _leaves: dict[Handle, Expectation] = field(default_factory=dict[Handle, Expectation])
    _waiting: list[_Waiting] = field(default_factory=list[_Waiting])
    _tried: set[tuple[Handle, Handle]] = field(default_factory=set[tuple[Handle, Handle]])
    _even: dict[Handle, Handle] = field(default_factory=dict[Handle, Handle])
    _solved: list[Handle] = field(default_factory=list[Handle])
    _seen: int = 1

    def apply(self, every: bool) -> bool:
        """Use the rules of which everything is known; if there are none, equal integrands. Whether anything is new.

        `every`: also of expectations that are known already, for one more form of them.
        """
        self._find()
        leaves = list(self._leaves.items()) if every else self._open()
        return self._use() or any(self._rewritten(h, t) for h, t in leaves)

    def _open(self) -> list[tuple[Handle, Expectation]]:
        """The leaves that are not known to equal something without an expectation."""
        solved = {self.graph.root(h) for h in self._solved}
        return [(h, t) for h, t in self._leaves.items() if self.graph.root(h) not in solved]

    def _find(self) -> None:
        """New leaves, with what the rules say of them."""
        nodes = self.graph.nodes
        for handle in range(self._seen, len(nodes)):
            node = nodes[handle]
            if isinstance(node, Leaf) and isinstance(node.tensor, Expectation) and len(self._leaves) < MOST_LEAVES:
                self._leaves[handle] = node.tensor
                offers = closed_forms(node.tensor, self.lines)
                self._waiting += [_Waiting(handle, o.name, o.source, o.value, o.needs) for o in offers]
                if not offers:
                    self._reflect(handle, node.tensor)
        self._seen = len(nodes)

    def _use(self) -> bool:
        waiting, self._waiting = self._waiting, []
        changed = False
        for one in waiting:
            self.graph.check_budget()
            if all(self.facts.holds(insert(self.graph, t), fact.name) for t, fact in one.needs):
                changed = self._unite(one.leaf, expand(one.value, self.lines), Applied(one.name, one.source)) or changed
            else:
                self._waiting.append(one)
        return changed

    def _rewritten(self, leaf: Handle, t: Expectation) -> bool:
        """The expectations of other forms of the integrand: of one of them it may be known."""
        graph = self.graph
        inside = self._inside(leaf)
        found = graph.members(inside)
        changed = False
        forms = [(m, inside, _EQUAL) for m in _members(found)]
        even = self._even.get(leaf)
        if even is not None:
            forms += [(m, even, _REFLECTED) for m in _members(graph.members(even)) if m != even]
        for member, origin, reason in forms:
            if member != inside and (leaf, member) not in self._tried:
                graph.check_budget()
                self._tried.add((leaf, member))
                value = expand(expected(t, self._form(member, origin, t.edges)), self.lines)
                changed = self._unite(leaf, value, reason) or changed
        return changed

    def _reflect(self, leaf: Handle, t: Expectation) -> None:
        """Half of g(x) + g(2 mu - x), of which the expectation is that of g: a normal law is symmetric about its mean."""
        law, x = t.law, t.variable
        if law is None or law.kind != "N":
            return
        mean = renamed(law.parameters[0], x.edges)
        mirrored = Sum((mean, x), (Fraction(2), Fraction(-1)))
        other = rebuild(t.args[0], lambda n: mirrored if isinstance(n, Variable) and n.name == x.name else None)
        even = Sum((t.args[0], other), (Fraction(1, 2), Fraction(1, 2)))
        handle, perm = insert(self.graph, even)
        if perm == tuple(range(len(perm))):
            self._even[leaf] = handle

    def _inside(self, leaf: Handle) -> Handle:
        """The integrand of a leaf, of which axis a is axis a of the leaf."""
        node = self.graph.nodes[leaf]
        assert isinstance(node, Leaf)
        inside = node.key[2]
        assert isinstance(inside, int)
        return inside

    def _form(self, member: Handle, inside: Handle, edges: Sequence[str]) -> Tensor:
        """A member of the class of `inside`, whose axes are called `edges`."""
        graph = self.graph
        names = dict(zip(graph.oriented(inside), edges, strict=True))
        own = tuple(names[p] for p in graph.oriented(member))
        return Expressions(graph, graph.own_node).ref((member, tuple(range(len(own)))), own)

    def _unite(self, leaf: Handle, value: Tensor, reason: Applied) -> bool:
        """State that a leaf equals a tensor with its edges."""
        node = self.graph.nodes[leaf]
        assert isinstance(node, Leaf)
        if not any(isinstance(n, Expectation) for n in walk(value)):
            self._solved.append(leaf)
        handle, perm = insert(self.graph, value)
        axis = dict(zip(value.edges, perm, strict=True))
        axes = tuple(axis[e] for e in node.tensor.edges)
        changed = self.graph.union((leaf, tuple(range(len(axes)))), (handle, axes), reason)
        self.graph.rebuild()
        return changed
