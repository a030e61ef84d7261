"""What a fact follows from, found in the finished e-graph: backwards from the fact to what is stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tensorgrad.derivation import Ground
from tensorgrad.diagram import insert
from tensorgrad.diagram.nodes import Ref
from tensorgrad.egraph.facts import Facts
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.match import Substitution
from tensorgrad.egraph.pattern import EQUATED, Need, Pattern
from tensorgrad.egraph.pricing import Pricing
from tensorgrad.egraph.unions import turned
from tensorgrad.extract import Extraction
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Tensor, resize

Question = tuple[int, str]


@dataclass(slots=True)
class Grounds:
    """Finds a reason for each fact that holds; no reason rests on the fact that it is a reason for."""

    graph: EGraph
    facts: Facts
    _asking: set[Question] = field(default_factory=set[Question])

    def of(self, ref: Ref, fact: str, shown: Tensor | None = None) -> Ground | None:
        """Why a known fact holds, or None where that is not found; `shown` is the tensor as it was written."""
        graph = self.graph
        if not self.facts.holds(ref, fact):
            return None
        graph.rebuild()
        root, perm = graph.resolve(ref)
        question = (root, turned(fact, perm))
        if question in self._asking:
            return None
        t = shown if shown is not None else self._tensor(ref, tuple(f"i{k}" for k in range(len(ref[1]))))
        if (origin := self._origin(question)) is not None:
            return Ground(fact, t, origin)
        if self.facts.is_number(ref, fact):
            return Ground(fact, t, "its value")
        self._asking.add(question)
        found = self._by_rules(ref, fact, t) or self._by_shape(ref, fact, t)
        self._asking.discard(question)
        return found

    def _by_shape(self, ref: Ref, fact: str, t: Tensor) -> Ground | None:
        """A diagram that is its own transpose, with the symmetries of the names in it."""
        graph = self.graph
        sign = {"symmetric": 1, "skew": -1}.get(fact)
        if sign is None or ((1, 0), sign) not in graph.group_of(graph.resolve(ref)[0]).generators:
            return None
        places = [(insert(graph, v), v) for v in t.variables if v.order == 2 and v.dims[0] is v.dims[1]]
        asked = [
            (place, name, v) for place, v in places for name in ("symmetric", "skew") if graph.has_fact(place, name)
        ]
        parts = tuple(part for place, name, v in asked if (part := self.of(place, name, v)) is not None)
        return Ground(fact, t, f"its transpose is {'the same' if sign > 0 else 'its negative'}", parts=parts)

    def _origin(self, question: Question) -> str | None:
        """Who stated this fact of the class, if anyone did."""
        for ref, fact, said in self.graph.sayings:
            root, perm = self.graph.resolve(ref)
            if (root, turned(fact, perm)) == question:
                return said.origin
        return None

    def _by_rules(self, ref: Ref, fact: str, t: Tensor) -> Ground | None:
        # An equation may itself have been found by means of the fact: rules that ask for one come last.
        rules = sorted(self.facts.rules.get(fact, ()), key=lambda p: EQUATED in p.asks)
        for pattern in rules:
            for s, dims in list(self.facts.matches(pattern, ref)):
                parts: list[Ground] = []
                for need in pattern.rewrite.needs:
                    part = self._part(need, s, dims)
                    if part is None:
                        break
                    parts.append(part)
                else:
                    rewrite = pattern.rewrite
                    return Ground(fact, t, rewrite.name, rewrite.source, self._form(pattern, s, t), tuple(parts))
        return None

    def _part(self, need: Need, s: Substitution, dims: Mapping[int, Poly]) -> Ground | None:
        if need.fact is None:
            if not self.facts.met(need, s, dims):
                return None
            assert need.right is not None
            return Ground("", self._instance(need.tensor, s), "the same class", right=self._instance(need.right, s))
        place = self.facts.place(need.tensor, need.fact.name, s, dims)
        return None if place is None else self.of(place, need.fact.name)

    def _form(self, pattern: Pattern, s: Substitution, t: Tensor) -> Tensor | None:
        """The member of the class that the rule speaks of, with the simplest forms of its parts."""
        if pattern.lifted or any(lift for _, lift in s.tensors.values()) or s.functions:
            return None
        form = self._instance(pattern.rewrite.left, s)
        return None if insert(self.graph, form)[0] == insert(self.graph, t)[0] else form

    def _instance(self, t: Tensor, s: Substitution) -> Tensor:
        own = {v.name: v.edges for v in t.variables}
        replaced = {name: self._tensor(s.tensors[name][0], edges) for name, edges in own.items()}
        return resize(t, s.sizes, replaced)

    def _tensor(self, ref: Ref, edges: tuple[str, ...]) -> Tensor:
        self.graph.rebuild()
        return Extraction(self.graph, [ref], Pricing(self.graph, None)).tensor(ref, edges)
