"""Facts on demand: what egglog's implications do not say is derived backwards, from the fact that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tensorgrad.diagram.nodes import Application, Handle, Network, Ref
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.instantiate import instantiate
from tensorgrad.egraph.match import EMPTY, Lift, Matcher, Substitution
from tensorgrad.egraph.pattern import EQUATED, Need, Pattern
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Tensor, Variable

DEPTH = 5
"""How many fact rules may follow one another in answering one question."""


ENTRYWISE = ("positive", "nonnegative", "nonzero", "integer")
"""Facts that a tensor has when each of its entries has it."""


class Facts:
    """Answers whether a reference has a fact, by the fact rules; remembers answers for a round."""

    def __init__(self, graph: EGraph, rules: Mapping[str, Sequence[Pattern]]) -> None:
        self.graph = graph
        self.rules = rules
        self._denied: dict[tuple[Handle, tuple[int, ...], str], int] = {}
        self._possible: frozenset[str] | None = None
        self._asking: set[tuple[Handle, tuple[int, ...], str]] = set()

    def holds(self, ref: Ref, fact: str, depth: int = DEPTH) -> bool:
        """Whether the fact is known or follows; what follows is asserted."""
        graph = self.graph
        if graph.has_fact(ref, fact) or self.is_number(ref, fact):
            return True
        key = (*graph.resolve(ref), fact)
        if depth == 0 or key in self._asking or self._denied.get(key, -1) >= depth or fact not in self.possible:
            return False
        self._asking.add(key)
        found = any(self._by_rule(p, ref, depth) for p in self.rules.get(fact, ()) if self._is_of_use(p, ref))
        self._asking.discard(key)
        if found:
            graph.assert_fact(ref, fact)
            graph.rebuild()
        else:
            self._denied[key] = depth
        return found

    def _is_of_use(self, pattern: Pattern, ref: Ref) -> bool:
        """Whether a rule that asks for an equation could find one: where some are stated, of a name or a product of names."""
        if EQUATED not in pattern.asks:
            return True
        if EQUATED not in self.graph.fact_names:
            return False
        found = self.graph.members(ref[0])
        return bool(found.leaves) or any(self._is_of_names(h) for h in found.networks)

    def _is_of_names(self, handle: Handle) -> bool:
        node = self.graph.nodes[handle]
        return (
            isinstance(node, Network)
            and bool(node.operands)
            and all(self.graph.members(h).leaves for h, _ in node.operands)
        )

    def forget_denials(self) -> None:
        """Questions that were answered no may be asked again: the e-graph has changed."""
        self._denied.clear()
        self._possible = None

    @property
    def possible(self) -> frozenset[str]:
        """The facts that anything in the e-graph can have: stated of something, or concluded from possible facts."""
        if self._possible is None:
            graph = self.graph
            found = set(graph.fact_names)
            if any(isinstance(node, Network) and not node.operands for node in graph.nodes):
                found.add("")
            if any(not graph.group_of(h).trivial for h in range(len(graph.nodes))):
                found |= {"symmetric", "skew"}
            found |= {"positive", "nonnegative", "nonzero", "integer"}
            pending = [
                (fact, p.asks)
                for fact, patterns in self.rules.items()
                for p in patterns
                if p.functions <= graph.function_names
            ]
            size = -1
            while len(found) != size:
                size = len(found)
                found |= {fact for fact, asks in pending if asks <= found}
            if "cholesky" not in graph.function_names:
                # Diagonal matrices are triangular, but what asks for triangles has rules for diagonals of its own.
                found -= {"lower", "upper"} - graph.fact_names
            self._possible = frozenset(found)
        return self._possible

    def is_number(self, ref: Ref, fact: str) -> bool:
        """Facts of numbers, and of constant tensors entry by entry."""
        root = self.graph.resolve(ref)[0]
        value = self.graph.constant_value(root)
        if value is None:
            network = self.graph.network_of(root)
            if network is None or network.operands or len(set(network.boundary)) < len(network.boundary):
                return False
            value = network.coefficient
        positive = bool(value) and all(c > 0 for _, c in value.terms)
        whole = all(c.denominator == 1 and all(e > 0 for _, e in m) for m, c in value.terms)
        match fact:
            case "positive":
                return positive
            case "nonnegative":
                return positive or not value
            case "nonzero":
                return value.is_monomial or positive
            case "integer":
                return whole
            case _:
                return False

    def _by_rule(self, pattern: Pattern, ref: Ref, depth: int) -> bool:
        tally = self.graph.profile.begin(pattern.rewrite.name)
        try:
            found = self._concludes(pattern, ref, depth)
        finally:
            self.graph.profile.end()
        tally.matches += found
        tally.new += found
        return found

    def _concludes(self, pattern: Pattern, ref: Ref, depth: int) -> bool:
        return any(
            all(self.met(need, s, dims, depth - 1) for need in pattern.rewrite.needs)
            for s, dims in self.matches(pattern, ref)
        )

    def matches(self, pattern: Pattern, ref: Ref) -> Iterator[tuple[Substitution, Mapping[int, Poly]]]:
        """What a fact rule's names may stand for in a reference, its conditions aside, with the sizes of extra axes."""
        graph = self.graph
        order = len(pattern.root[1])
        root, perm = graph.resolve(ref)
        lift: Lift = ()
        axes = [0] * order
        if pattern.lifted:
            lift = tuple(range(len(perm)))
            target: Ref = (root, perm)
        elif order == len(perm):
            for i, p in enumerate(pattern.root[1]):
                axes[p] = perm[i]
            target = (root, tuple(axes))
        else:
            return
        dims = dict(zip(lift, graph.ref_dims(ref), strict=False))
        matcher = Matcher(graph, pattern, {})
        for s in matcher.expression(pattern.root[0], target, lift, EMPTY):
            yield s, dims

    def met(self, need: Need, s: Substitution, dims: Mapping[int, Poly], depth: int = DEPTH) -> bool:
        """Whether a condition of a fact rule holds: a fact that is known or follows, or two sides that are one class."""
        if need.fact is not None:
            return self.needed(need.tensor, need.fact.name, s, dims, depth)
        assert need.right is not None
        left, right = (instantiate(self.graph, t, s, need.tensor.edges, dims) for t in (need.tensor, need.right))
        return self.graph.same(left, right)

    def needed(self, t: Tensor, fact: str, s: Substitution, dims: Mapping[int, Poly], depth: int = DEPTH) -> bool:
        """Whether an expression of a rule, with what its names stand for, has a fact."""
        place = self.place(t, fact, s, dims)
        return place is not None and self.holds(place, fact, depth)

    def place(self, t: Tensor, fact: str, s: Substitution, dims: Mapping[int, Poly]) -> Ref | None:
        """Where an expression of a rule stands, if one can ask there whether it has a fact."""
        names = {v.name for v in t.variables}
        labels = {label for name, (_, lift) in s.tensors.items() if name in names for label in lift}
        if labels and fact not in ENTRYWISE:
            return None  # a fact of a matrix, of a batch of matrices: not known
        if isinstance(t, Variable) and t.name in s.tensors:
            return s.tensors[t.name][0]
        return instantiate(self.graph, t, s, t.edges, {label: d for label, d in dims.items() if label in labels})


def is_transfer(pattern: Pattern) -> list[Handle] | None:
    """The chain of one-argument applications f(g(x)) that a fact rule speaks of, outermost first, if it is one."""
    chain: list[Handle] = []
    handle = pattern.root[0]
    while True:
        node = pattern.store.nodes[handle]
        if not isinstance(node, Application):
            break
        if len(node.args) != 1:
            return None
        chain.append(handle)
        handle = node.args[0][0]
    leaf = pattern.store.nodes[handle]
    variable = getattr(leaf, "tensor", None)
    if not isinstance(variable, Variable):
        return None
    if any(n.fact is None or not isinstance(n.tensor, Variable) for n in pattern.rewrite.needs):
        return None
    return chain
