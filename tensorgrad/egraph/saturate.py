"""The schedule: directed rules to a fixpoint, then identities and distribution, then factoring; every budget honoured."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tensorgrad.diagram.draft import FLAT
from tensorgrad.diagram.expression import children
from tensorgrad.diagram.nodes import Handle, Network, Ref, Total
from tensorgrad.egraph.averages import Averages
from tensorgrad.egraph.basis import Basis
from tensorgrad.egraph.classes import BudgetSpentError
from tensorgrad.egraph.engine import Engine
from tensorgrad.egraph.equations import Equations
from tensorgrad.egraph.factor import Factoring
from tensorgrad.egraph.facts import Facts
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.linear import Linear
from tensorgrad.egraph.profile import DISTRIBUTING, EXPLORING, FACTORING, MATCHING, WRITING_OUT
from tensorgrad.egraph.rewriting import Proposal, Rewriter

Stopped = Literal["goal", "saturated", "stalled", "seconds", "nodes", "rounds"]
Goal = Callable[[], bool]

WAVES = 12
"""Times that the schedule goes on to identities, distribution and factoring before it stops by itself."""

LATE = 5
"""Waves before the end when what is tried last has a turn in a search for the cheapest form, if it has had none."""

PATIENCE = 2
"""Waves of factoring without a cheaper form after which a search for one ends."""

SMALL, LOOKS = 250, (4, 8)
"""From so many nodes on, four looks for a cheaper form, each after growth by an eighth, end a search that found none."""

IN_A_ROW = 10
"""Rounds of directed rules after which the other moves have a turn: rules that grow a term for ever keep none waiting."""

EXPLORED = 64
"""Proposals of undirected identities applied in one round; the rest wait for the next."""


@dataclass(frozen=True, slots=True)
class Round:
    """The e-graph after a round: its live nodes, and the price of the best form then, if that was followed."""

    nodes: int
    price: int | None


@dataclass(slots=True)
class Saturation:
    """One run of the schedule on one e-graph."""

    graph: EGraph
    engine: Engine
    equations: Equations
    goal: Goal
    rounds: int = 200
    factoring: bool = True
    each_sum: bool = False
    fused: bool = False
    """Stable functions stay closed, unless what they open to is there from the start and may cancel against it."""
    price: Callable[[], list[tuple[int, int] | None]] | None = None
    """The price of the best form so far: when `PATIENCE` waves of factoring have not lowered it, the run ends."""
    waves: int = WAVES
    calm: bool = False
    """Directed rules and distribution alone: identities, what they take apart and factoring wait."""
    sized: bool = True
    """Whether identities about tensors of one size may be tried: inv(A) of a 2 x 2 matrix through its trace."""
    pause: float = math.inf
    """When the run ends between two rounds, on the monotonic clock, as when its rounds are done."""
    follow: Callable[[], tuple[int, int] | None] | None = None
    """A price that is noted after every round, which takes an extraction each time."""
    done_rounds: int = 0
    history: list[Round] = field(default_factory=list["Round"])
    """The e-graph at first, and after each round."""
    facts: Facts = field(init=False)
    rewriter: Rewriter = field(init=False)
    linear: Linear = field(init=False)
    factors: Factoring = field(init=False)
    basis: Basis = field(init=False)
    averages: Averages = field(init=False)
    _waiting: list[Proposal] = field(default_factory=list["Proposal"])
    _last: list[Proposal] = field(default_factory=list["Proposal"])
    """Proposals that are tried when nothing else is left, such as det(A) through traces of a 2 x 2 matrix."""
    _had_last: bool = False
    """Whether these have been tried."""
    _to_distribute: list[Handle] = field(default_factory=list[Handle])
    _to_factor: list[Handle] = field(default_factory=list[Handle])
    _to_take_apart: list[Handle] = field(default_factory=list[Handle])
    _seen: int = 1
    _best: list[tuple[int, int] | None] | None = None
    _idle: int = 0
    _next_look: int = SMALL
    _seen_best: object = None
    _vain: int = 0
    _in_a_row: int = 0
    _given: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.facts = Facts(self.graph, self.engine.fact_rules)
        self.rewriter = Rewriter(self.graph, self.facts)
        self.linear = Linear(self.graph, few=self.price is not None)
        self.factors = Factoring(self.graph)
        self.basis = Basis(self.graph)
        self.averages = Averages(self.graph, self.facts, self.engine.lines)

    def run(self) -> Stopped:
        """Run until the goal holds, nothing changes any more, or a budget is spent; says which."""
        try:
            self.graph.rebuild()
            self._given = frozenset(self.graph.function_names)
            self._note()
            while self.done_rounds < self.rounds and time.monotonic() < self.pause:
                if self.goal():
                    return "goal"
                if not self._round():
                    return "goal" if self.goal() else self._why()
                self.done_rounds += 1
                self._note()
                if self._grows_in_vain():
                    return "stalled"
            return "rounds"
        except BudgetSpentError as spent:
            self._note()
            return "goal" if self.goal() else spent.args[0]

    def _note(self) -> None:
        price = self.follow() if self.follow is not None else None
        self.history.append(Round(len(self.graph.nodes) - len(self.graph.dead), None if price is None else price[0]))

    def _why(self) -> Stopped:
        if self._idle >= PATIENCE:
            return "stalled"
        return "saturated" if self.waves > 0 else "rounds"

    @property
    def may_invert(self) -> bool:
        """Whether there are inverses of matrices of one size to be written out."""
        return any(p[0].rewrite.inverts for p in self._last)

    @property
    def dropped(self) -> int:
        """Proposals that were not tried when the run stopped."""
        return len(self._waiting) + len(self._last)

    def _round(self) -> bool:
        """One round: the first kind of move that changes anything."""
        timed = self.graph.profile.timed
        with timed(MATCHING):
            proposals = self.engine.tables.step(self.graph)
        self.facts.forget_denials()
        changed = self._new_nodes()
        for proposal in proposals:
            rewrite = proposal[0].rewrite
            if self.fused and rewrite.unfuses and self._given.isdisjoint(rewrite.opens):
                continue
            if proposal[0].last:
                self._last.append(proposal)
            elif rewrite.explore:
                self._waiting.append(proposal)
            else:
                changed = self.rewriter.apply(proposal) or changed
                if changed and self.goal():
                    return True
        if changed:
            self.facts.forget_denials()
        changed = self.rewriter.retry() or changed
        changed = self._new_nodes() or changed or bool(self.graph.merged)
        changed = changed or self.averages.apply(every=not self.fused)
        self._in_a_row = self._in_a_row + 1 if changed else 0
        if changed and self._in_a_row <= IN_A_ROW:
            return True
        self._in_a_row = 0
        return self._other_moves() or changed

    def _other_moves(self) -> bool:
        """Distribution, then identities, then taking apart, then factoring: the first that changes anything."""
        timed = self.graph.profile.timed
        taking_apart = self.basis.waiting and bool(self._to_take_apart)
        last = [p for p in self._last if self.sized or not p[0].rewrite.sized]
        waiting = self._to_distribute or taking_apart or self._waiting or self._to_factor or last
        if not waiting or self.waves <= 0:
            return False
        self.waves -= 1
        with timed(DISTRIBUTING):
            changed = self._distribute()
        if self.calm:
            return changed
        changed = changed or self._explore()
        late = self.each_sum and self.waves <= LATE and not self._had_last
        if last and (not changed or late):
            self._had_last = True
            self._waiting, self._last = last, [p for p in self._last if p[0].rewrite.sized and not self.sized]
            changed = self._explore()
        if not changed:
            with timed(EXPLORING):
                changed = self._take_apart()
        if changed or self._stalls():
            return changed
        with timed(FACTORING):
            return self._factor()

    def _grows_in_vain(self) -> bool:
        """Whether the e-graph has grown by half, beyond `SMALL` nodes, without a cheaper form: rules go on for ever."""
        nodes = len(self.graph.nodes)
        if self.price is None or nodes < self._next_look:
            return False
        self._next_look = nodes + nodes // LOOKS[1]
        found = self.price()
        self._vain = self._vain + 1 if found == self._seen_best else 0
        self._seen_best = found
        return self._vain >= LOOKS[0]

    def _stalls(self) -> bool:
        """Whether the last waves of factoring brought nothing cheaper."""
        if self.price is None:
            return False
        found = self.price()
        self._idle = self._idle + 1 if found == self._best else 0
        self._best = found
        return self._idle >= PATIENCE

    def _new_nodes(self) -> bool:
        """Write out what new nodes, and users of classes that gained forms, can have written out."""
        with self.graph.profile.timed(WRITING_OUT):
            return self._written_out()

    def _written_out(self) -> bool:
        graph = self.graph
        changed = False
        while self._seen < len(graph.nodes) or graph.gained:
            if changed and self.goal():
                return True
            candidates = list(range(self._seen, len(graph.nodes)))
            self._seen = len(graph.nodes)
            for handle in candidates:
                node = graph.nodes[handle]
                if isinstance(node, Network):
                    self._to_distribute.append(handle)
                elif isinstance(node, Total):
                    self._to_factor.append(handle)
                if not isinstance(node, Total):
                    self._to_take_apart.append(handle)
            gained, graph.gained = list(graph.gained), {}
            users = {u: None for root in gained for u in graph.members(root).users}
            self._to_factor += [u for u in users if isinstance(graph.nodes[u], Total)]
            self._to_distribute += [u for u in users if isinstance(graph.nodes[u], Network)]
            for handle in (*candidates, *users):
                changed = self.linear.inline(handle) or changed
                if self.equations.directions:
                    changed = self.equations.apply(handle) or changed
        return changed

    def _distribute(self) -> bool:
        handles, self._to_distribute = self._to_distribute, []
        changed = False
        while handles:
            changed = self.linear.distribute(handles.pop(0), self.each_sum) or changed
            if changed and self.goal():
                self._to_distribute = handles
                return True
        return changed

    def take_apart(self, ref: Ref) -> None:
        """Let the nodes that a reference is made of, in all their forms, be taken apart next."""
        graph = self.graph
        stack, seen = [graph.root(ref[0])], {0}
        self._to_take_apart = []
        while stack:
            root = stack.pop()
            if root in seen or root < FLAT:
                continue
            seen.add(root)
            found = graph.members(root)
            members = [*found.leaves, *found.networks, *found.totals]
            self._to_take_apart += [h for h in members if not isinstance(graph.nodes[h], Total)]
            stack += [graph.root(c) for h in members for c in children(graph.nodes[h]) if c > FLAT]

    def _take_apart(self) -> bool:
        if not self.basis.waiting:
            return False
        handles, self._to_take_apart = self._to_take_apart, []
        changed = False
        for handle in handles:
            changed = self.basis.expand(handle) or changed
        return changed

    def _explore(self) -> bool:
        batch, self._waiting = self._waiting[:EXPLORED], self._waiting[EXPLORED:]
        changed = False
        for proposal in batch:
            changed = self.rewriter.apply(proposal) or changed
            if changed and self.goal():
                return True
        return changed or bool(self._waiting)

    def define(self) -> bool:
        """Write out functions by their definitions, and what is made of them; whether anything new came of it."""
        defining = [p for p in self._waiting if p[0].rewrite.defines]
        self._waiting = [p for p in self._waiting if not p[0].rewrite.defines]
        changed = [self.rewriter.apply(proposal) for proposal in defining]
        return any(changed) and self._new_nodes()

    def _factor(self) -> bool:
        if not self.factoring:
            return False
        handles, self._to_factor = self._to_factor, []
        self.factors.begin()
        changed = False
        for handle in handles:
            changed = self.factors.factor(handle) or changed
        return changed
