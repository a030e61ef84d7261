"""The engine's entry points: simplify a tensor, prove that two are equal, bring one into expanded normal form."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tensorgrad.derivation import Derivation, Ground, Step
from tensorgrad.diagram import Node, Precedence, Ref, as_written, insert
from tensorgrad.egraph.engine import Engine
from tensorgrad.egraph.equations import Equations
from tensorgrad.egraph.explain import Explainer, derivation
from tensorgrad.egraph.exploration import Exploration, Searched
from tensorgrad.egraph.gapless import Joiner
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.grounds import Grounds
from tensorgrad.egraph.partial import Assumption
from tensorgrad.egraph.pricing import Pricing
from tensorgrad.egraph.rephrase import Rephrasing
from tensorgrad.egraph.saturate import Saturation, Stopped
from tensorgrad.egraph.statement import aligned, expressions, state
from tensorgrad.extract import Extraction
from tensorgrad.notation import Condition
from tensorgrad.rule import RuleSet
from tensorgrad.tensor import Fact, Tensor, Variable

_WATCHED = 3
"""Sizes at which a search is seen to bring something cheaper."""

_GAP_SECONDS, _GAP_NODES = 2.0, 2000
"""Budgets of the search for the steps that close one gap of a derivation."""

_GAPS_SECONDS = 6.0
"""Seconds for all the gaps of a derivation: what is then open is left as one step."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search for a proof found; `left` and `right` are the simplest forms reached when it stays open."""

    proved: bool
    stopped: Stopped
    rules: tuple[str, ...]
    derivation: Derivation
    left: Tensor
    right: Tensor
    assumed: tuple[Assumption, ...]
    rounds: int
    classes: int
    graph: EGraph
    searched: Searched


def explore(
    tensors: Sequence[Tensor],
    *,
    conditions: Sequence[Condition] = (),
    dims: Sequence[Mapping[str, int]] = (),
    rules: RuleSet,
    seconds: float = 5.0,
    nodes: int = 20_000,
    follow: bool = False,
) -> Exploration:
    """One e-graph of tensors without derivatives and of what equals them, searched until nothing cheaper comes: by size,
    or by operations at each of the sizes `dims` (an empty mapping where all sizes are numbers).

    `follow` notes the price of the best forms after every round.
    """
    engine = Engine.of(rules, [*tensors, *expressions(conditions)])
    graph = EGraph(seconds, nodes)
    try:
        # Parts as they were written, so that what comes out has the order of what went in.
        assumed, equations = state(graph, as_written, tensors, conditions, rules)
        refs = [insert(graph, t) for t in tensors]
        watched = dims[:: -(-len(dims) // _WATCHED)] if dims else [None]
        pricings = [Pricing(graph, sizes) for sizes in watched]
        run = Saturation(
            graph,
            engine,
            equations,
            goal=lambda: False,
            each_sum=bool(dims),
            fused=True,
            price=lambda: [Extraction(graph, refs, pricing).cost for pricing in pricings],
            follow=(lambda: Extraction(graph, refs, pricings[0]).cost) if follow else None,
        )
        stopped = run.run()
    finally:
        engine.tables.end()
    graph.limit *= 2
    graph.deadline = time.monotonic() + 60
    connect = _Connector(tensors, conditions, rules)
    history = tuple(run.history)
    return Exploration(
        tuple(tensors), tuple(refs), graph, stopped, assumed, run.done_rounds, run.dropped, history, connect
    )


def simplify(
    t: Tensor,
    *,
    conditions: Sequence[Condition] = (),
    dims: Mapping[str, int] | None = None,
    rules: RuleSet,
    seconds: float = 5.0,
    nodes: int = 20_000,
) -> Exploration:
    """What equals one tensor, searched by size, or by operations if `dims` are given (which may be empty)."""
    sizes = () if dims is None else (dims,)
    return explore([t], conditions=conditions, dims=sizes, rules=rules, seconds=seconds, nodes=nodes)


def prove(
    left: Tensor,
    right: Tensor,
    *,
    conditions: Sequence[Condition] = (),
    rules: RuleSet,
    seconds: float = 5.0,
    nodes: int = 20_000,
    explain: bool = True,
    assume: bool = True,
    follow: bool = False,
) -> Outcome:
    """Whether two tensors without derivatives become one class; `assume` that their partial functions are defined.

    `follow` notes the price of the simplest forms of both sides after every round.
    """
    written = [left, right] if assume else []
    search = _Search(left, right, written, conditions, rules, seconds, nodes, follow)
    graph, first, second = search.graph, search.first, search.second
    proved = graph.same(first, second)
    explainer = Explainer(graph)
    names = explainer.rules(first[0], second[0]) if proved else ()
    steps: list[Step] = []
    if proved and explain:
        joiner = Joiner(_Connector([left, right], conditions, rules), names)
        steps = joiner.joined(left, search.steps(explainer), right)
    simplest = [left, right] if proved else _simplest(graph, [(first, left), (second, left)])
    return Outcome(
        proved,
        search.stopped,
        names,
        Derivation(tuple(steps)),
        simplest[0],
        simplest[1],
        search.assumed,
        search.rounds,
        graph.statistics()[0],
        graph,
        Searched(graph, (first, second), search.history),
    )


@dataclass(frozen=True, slots=True)
class Concluded:
    """What a search for a fact found: whether it holds, and why; `ground` is missing where no reason was found."""

    proved: bool
    stopped: Stopped
    ground: Ground | None
    rounds: int
    graph: EGraph


def conclude(
    t: Tensor,
    fact: Fact,
    *,
    conditions: Sequence[Condition] = (),
    rules: RuleSet,
    seconds: float = 5.0,
    nodes: int = 20_000,
    assume: bool = True,
) -> Concluded:
    """Whether a tensor without derivatives has a fact, and why; `assume` that its partial functions are defined."""
    graph = EGraph(math.inf, nodes, proving=True)
    engine = Engine.of(rules, [t, *expressions(conditions)])
    try:
        first = Precedence([t, *expressions(conditions)])
        _, equations = state(graph, first, [t] if assume else [], conditions, rules, [t])
        ref = insert(graph, t, first=first)
        graph.deadline = time.monotonic() + seconds
        run = Saturation(graph, engine, equations, goal=lambda: graph.has_fact(ref, fact.name))
        stopped = run.run()
        graph.limit *= 2
        graph.deadline = time.monotonic() + seconds
        proved = run.facts.holds(ref, fact.name)
        ground = Grounds(graph, run.facts).of(ref, fact.name, t) if proved else None
    finally:
        engine.tables.end()
    return Concluded(proved, stopped, ground, run.done_rounds, graph)


class _Search:
    """One search for a proof; `written` are the expressions whose partial functions are taken to be defined."""

    def __init__(
        self,
        left: Tensor,
        right: Tensor,
        written: Sequence[Tensor],
        conditions: Sequence[Condition],
        rules: RuleSet,
        seconds: float,
        nodes: int,
        follow: bool = False,
    ) -> None:
        engine = Engine.of(rules, [*written, left, right, *expressions(conditions)])
        # The seconds are those of the search: what is stated must be in the graph before it.
        graph = EGraph(math.inf, nodes, proving=True)
        self.graph, self.left = graph, left
        try:
            first = Precedence([left, right, *written, *expressions(conditions)])
            self.assumed, equations = state(graph, first, written, conditions, rules, [left, right])
            inserted = {id(t): insert(graph, t, first=first) for t in sorted((left, right), key=first)}
            self.first = inserted[id(left)]
            self.second = aligned(inserted[id(right)], left, right)
            graph.deadline = time.monotonic() + seconds
            run = Saturation(
                graph,
                engine,
                equations,
                goal=lambda: graph.same(self.first, self.second),
                follow=self._price if follow else None,
            )
            self.stopped: Stopped = Rephrasing(graph, run, self.first, self.second).run()
        finally:
            engine.tables.end()
        self.rounds, self.history = run.done_rounds, tuple(run.history)
        graph.limit *= 2
        graph.deadline = time.monotonic() + 60

    def _price(self) -> tuple[int, int] | None:
        """The price of the simplest forms of both sides, parts that they share once."""
        return Extraction(self.graph, [self.first, self.second], Pricing(self.graph, None)).cost

    def steps(self, explainer: Explainer) -> tuple[Step, ...]:
        """The steps of a proof that was found, as they are found."""
        edges = [self.left.edges[list(self.first[1]).index(p)] for p in range(len(self.first[1]))]
        return derivation(explainer.steps(self.first[0], self.second[0]), edges).steps


@dataclass(slots=True)
class _Connector:
    """Finds the steps between two expressions of one derivation, with small budgets of its own."""

    written: Sequence[Tensor]
    conditions: Sequence[Condition]
    rules: RuleSet
    left: float = _GAPS_SECONDS
    """Seconds that are left for all gaps."""

    def __call__(self, a: Tensor, b: Tensor) -> Sequence[Step] | None:
        """The steps from `a` to `b`, or None."""
        seconds = min(_GAP_SECONDS, self.left)
        if seconds <= 0:
            return None
        start = time.monotonic()
        search = _Search(a, b, [*self.written, a, b], self.conditions, self.rules, seconds, _GAP_NODES)
        found = search.steps(Explainer(search.graph)) if search.graph.same(search.first, search.second) else None
        self.left -= time.monotonic() - start
        return found


def normalise(t: Tensor) -> Tensor:
    """The expanded polynomial normal form: every product distributed over every sum, no rules."""
    engine = Engine.of(RuleSet(), [])
    graph = EGraph(60.0, 200_000)
    try:
        ref = insert(graph, t)
        Saturation(graph, engine, Equations(graph), goal=lambda: False, factoring=False).run()
    finally:
        engine.tables.end()
    return _Expanded(graph).tensor(ref, t.edges)


class _Expanded:
    """Prefers sums to networks: the expanded member of every class."""

    def __init__(self, graph: EGraph) -> None:
        self.graph = graph

    def tensor(self, ref: Ref, edges: Sequence[str]) -> Tensor:
        from tensorgrad.diagram.expression import Expressions

        return Expressions(self.graph, self._choose, self.graph.find).ref(ref, edges)

    def _choose(self, root: int) -> tuple[Node, tuple[int, ...]]:
        found = self.graph.members(root)
        member = (found.totals or found.networks or found.leaves or found.applications)[0]
        return self.graph.nodes[member], self.graph.oriented(member)


def _simplest(graph: EGraph, sides: Iterable[tuple[Ref, Tensor]]) -> list[Tensor]:
    return [Extraction(graph, [ref], Pricing(graph, None)).tensor(ref, t.edges) for ref, t in sides]


__all__ = ["Exploration", "Outcome", "Variable", "conclude", "explore", "normalise", "prove", "simplify"]
