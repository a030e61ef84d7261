"""Goals in other words, beside the goal as it is written: denominators cleared, and `L = R` as `L - R = 0`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tensorgrad.diagram.expression import children
from tensorgrad.diagram.nodes import Ref
from tensorgrad.egraph.clearing import MOST_STEPS, Cleared, clear, strip
from tensorgrad.egraph.graph import BudgetSpentError, EGraph
from tensorgrad.egraph.reasons import Applied, Lemma
from tensorgrad.egraph.saturate import WAVES, Saturation, Stopped
from tensorgrad.sizes import MINUS_ONE, ONE


@dataclass(frozen=True, slots=True)
class Implied:
    """A step from one goal to the next: the next goal's sides, and the union that follows once these are equal."""

    left: Ref
    right: Ref
    first: Ref
    second: Ref
    step: Applied


@dataclass(slots=True)
class Rephrasing:
    """The search for a proof: directed rules first, then everything, with goals that imply the first one beside it."""

    graph: EGraph
    run_: Saturation
    first: Ref
    second: Ref

    def run(self) -> Stopped:
        """The reason why the last run stopped; when a rephrased goal holds, the first and second are united."""
        run = self.run_
        run.goal = lambda: self.graph.same(self.first, self.second)
        run.waves = 0
        stopped = run.run()
        try:
            for chain in self._chains():
                if stopped not in ("saturated", "rounds"):
                    break
                stopped = self._try(chain)
        except BudgetSpentError as spent:
            return spent.args[0]
        return stopped

    def _chains(self) -> Iterator[list[Implied]]:
        """Goals one after the other: the goal with denominators cleared, the difference, that entry by entry."""
        yield self._cleared()
        yield self._cleared()  # exploring may have brought forms with other denominators
        taken: Cleared | None = next(strip(self.graph, self.first, self.second), None)
        if taken is not None:
            link = Implied(taken.rest, taken.other, taken.member, self.second, taken.step())
            yield [link, *self._cleared(taken.rest, taken.other)]
        difference = [self._difference()]
        yield difference
        if self.run_.basis.take_small_sizes():
            self.run_.take_apart(difference[0].left)
            yield difference

    def _try(self, chain: list[Implied]) -> Stopped:
        """Search on for the goal or any of those that imply it."""
        graph, run = self.graph, self.run_

        def reached() -> int:
            if graph.same(self.first, self.second):
                return 0
            return next((k for k, link in enumerate(chain, 1) if graph.same(link.left, link.right)), -1)

        run.goal = lambda: reached() >= 0
        run.waves = WAVES
        stopped = run.run()
        for link in reversed(chain[: max(reached(), 0)]):
            graph.union(link.first, link.second, link.step)
            graph.rebuild()
        return stopped

    def _cleared(self, left: Ref | None = None, right: Ref | None = None) -> list[Implied]:
        """Denominators taken off both sides (of the goal, if none are given), one after the other."""
        chain: list[Implied] = []
        left, right = left or self.first, right or self.second
        for _ in range(MOST_STEPS):
            link = self._clear_one(left, right)
            if link is None:
                break
            chain.append(link)
            left, right = link.left, link.right
        return chain

    def _clear_one(self, left: Ref, right: Ref) -> Implied | None:
        """The inverse of a sum first, whichever side it is on: those of its parts are in its way."""
        graph, facts = self.graph, self.run_.facts
        ways = [(taken, True) for taken in clear(graph, facts, left, right)]
        ways += [(taken, False) for taken in clear(graph, facts, right, left)]
        if not ways:
            return None
        taken, of_left = next(((t, side) for t, side in ways if self._of_sum(t)), ways[0])
        if of_left:
            return Implied(taken.rest, taken.other, taken.member, right, taken.step())
        return Implied(taken.other, taken.rest, taken.member, left, taken.step())

    def _of_sum(self, taken: Cleared) -> bool:
        """Whether the factor taken is a function of a sum."""
        graph = self.graph
        return any(graph.members(c).totals for c in children(graph.nodes[taken.factor[0]]))

    def _difference(self) -> Implied:
        graph = self.graph
        dims = graph.ref_dims(self.first)
        difference = graph.total([(ONE, self.first), (MINUS_ONE, self.second)], dims)
        zero = graph.zero(dims)
        step = Applied("difference-is-zero", "built in", lemma=Lemma("difference", difference, zero))
        return Implied(difference, zero, self.first, self.second, step)
