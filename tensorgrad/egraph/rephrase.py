"""Goals in other words, when saturation leaves them open: denominators cleared, and `L = R` as `L - R = 0`."""

from __future__ import annotations

from dataclasses import dataclass

from tensorgrad.diagram.nodes import Ref
from tensorgrad.egraph.clearing import MOST_STEPS, Cleared, clear
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
    """Goes on with a saturated run, on goals that imply the one that stayed open."""

    graph: EGraph
    run_: Saturation
    first: Ref
    second: Ref

    def run(self) -> Stopped:
        """The reason why the last run stopped; when a rephrased goal holds, the first and second are united."""
        stopped: Stopped = "saturated"
        try:
            for chain in (self._cleared(), [self._difference()]):
                if not chain:
                    continue
                last = chain[-1]
                self.run_.goal = lambda last=last: self.graph.same(last.left, last.right)
                self.run_.waves = WAVES
                stopped = self.run_.run()
                if self.graph.same(last.left, last.right):
                    for link in reversed(chain):
                        self.graph.union(link.first, link.second, link.step)
                        self.graph.rebuild()
                    return "goal"
                if stopped not in ("saturated", "rounds"):
                    break
        except BudgetSpentError as spent:
            return spent.args[0]
        return stopped

    def _cleared(self) -> list[Implied]:
        """Denominators taken off both sides, one after the other."""
        chain: list[Implied] = []
        left, right = self.first, self.second
        for _ in range(MOST_STEPS):
            link = self._clear_one(left, right)
            if link is None:
                break
            chain.append(link)
            left, right = link.left, link.right
        return chain

    def _clear_one(self, left: Ref, right: Ref) -> Implied | None:
        graph, facts = self.graph, self.run_.facts
        taken: Cleared | None = next(clear(graph, facts, left, right), None)
        if taken is not None:
            return Implied(taken.rest, taken.other, taken.member, right, taken.step())
        taken = next(clear(graph, facts, right, left), None)
        if taken is not None:
            return Implied(taken.other, taken.rest, taken.member, left, taken.step())
        return None

    def _difference(self) -> Implied:
        graph = self.graph
        dims = graph.ref_dims(self.first)
        difference = graph.total([(ONE, self.first), (MINUS_ONE, self.second)], dims)
        zero = graph.zero(dims)
        step = Applied("difference-is-zero", "built in", lemma=Lemma("difference", difference, zero))
        return Implied(difference, zero, self.first, self.second, step)
