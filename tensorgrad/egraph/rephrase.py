"""Goals in other words, beside the goal as it is written: denominators cleared, and `L = R` as `L - R = 0`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tensorgrad.diagram.draft import Draft
from tensorgrad.diagram.expression import children
from tensorgrad.diagram.nodes import Handle, Network, Node, Ref
from tensorgrad.egraph.classes import BudgetSpentError
from tensorgrad.egraph.clearing import MOST_STEPS, Cleared, Way, clear, clear_term, multiply, strip
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.reasons import Applied, Lemma
from tensorgrad.egraph.saturate import WAVES, Saturation, Stopped
from tensorgrad.sizes import MINUS_ONE, ONE, Poly


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
            stopped = self._multiplied_out(stopped)
            if run.may_invert:
                stopped = self._of_any_size(stopped)
            stopped = self._all_chains(stopped)
            # What is cleared from the left comes before what is cleared from the right: the sides change places.
            self.first, self.second = self.second, self.first
            stopped = self._all_chains(stopped)
        except BudgetSpentError as spent:
            return spent.args[0]
        return stopped

    def _of_any_size(self, stopped: Stopped) -> Stopped:
        """The search before identities about one size, which write inverses out: that makes long sums of what general
        ones do in a step. It takes a quarter of the seconds at most."""
        now, run = time.monotonic(), self.run_
        run.sized, run.pause = False, now + (self.graph.deadline - now) / 4
        stopped = self._all_chains(stopped)
        run.sized, run.pause = True, math.inf
        return stopped

    def _all_chains(self, stopped: Stopped) -> Stopped:
        for chain in self._chains():
            if stopped not in ("saturated", "rounds"):
                break
            stopped = self._try(chain)
        return stopped

    def _multiplied_out(self, stopped: Stopped) -> Stopped:
        """Clear denominators and multiply out, in turn, before identities are explored: for fractions it is enough.

        That takes half of the seconds at most.
        """
        self.run_.pause = (time.monotonic() + self.graph.deadline) / 2
        chain: list[Implied] = []
        defined = False
        for _ in range(MOST_STEPS):
            longer = self._cleared()
            if len(longer) <= len(chain) and not defined:
                defined = True
                longer = self._cleared() if self.run_.define() else longer
            if stopped not in ("saturated", "rounds") or len(longer) <= len(chain):
                break
            chain = longer
            stopped = self._try(chain, calm=True)
        if stopped in ("saturated", "rounds") and (chain := self._off_terms()):
            stopped = self._try(chain, calm=True)
        self.run_.pause = math.inf
        return stopped

    def _chains(self) -> Iterator[list[Implied]]:
        """Goals one after the other: the goal with denominators cleared, the difference, that entry by entry."""
        yield self._cleared()
        yield (chain := self._cleared())  # exploring may have brought forms with other denominators
        for _ in range(MOST_STEPS):  # as may what a denominator was multiplied with
            if len(longer := self._cleared()) <= len(chain):
                break
            yield (chain := longer)
        taken: Cleared | None = next(strip(self.graph, self.first, self.second), None)
        if taken is not None:
            link = Implied(taken.rest, taken.other, taken.member, self.second, taken.step())
            yield [link, *self._cleared(taken.rest, taken.other)]
        for taken in multiply(self.graph, self.first, self.second):
            yield [Implied(taken.rest, taken.other, self.first, self.second, taken.step())]
        difference = [self._difference()]
        fused = self._fused()
        if fused is not None:
            yield [fused]
        yield difference
        if self.run_.sized and self.run_.basis.take_small_sizes():
            self.run_.take_apart(difference[0].left)
            yield difference

    def _try(self, chain: list[Implied], calm: bool = False) -> Stopped:
        """Search on for the goal or any of those that imply it."""
        graph, run = self.graph, self.run_

        def reached() -> int:
            if graph.same(self.first, self.second):
                return 0
            return next((k for k, link in enumerate(chain, 1) if graph.same(link.left, link.right)), -1)

        run.goal = lambda: reached() >= 0
        run.waves, run.calm = WAVES, calm
        stopped = run.run()
        run.calm = False
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
        # What is left without each factor serves the search too, so one way is taken for each: there may be thousands.
        ways: dict[tuple[Handle, bool], Way] = {}
        for of_left, side, other in ((True, left, right), (False, right, left)):
            for way in clear(graph, facts, side, other):
                ways.setdefault((way.factor, of_left), way)
        taken = {key: way.take() for key, way in ways.items()}
        if not taken:
            return None
        first = next((key for key in taken if self._of_sum(key[0])), next(iter(taken)))
        return _implied(taken[first], first[1], left, right)

    def _off_terms(self) -> list[Implied]:
        """The inverses of sums taken off terms of both sides first, where there are any, then other denominators.

        A factor cleared from a whole side may bury them in the middle of products.
        """
        graph, facts = self.graph, self.run_.facts
        chain: list[Implied] = []
        left, right = self.first, self.second
        for _ in range(MOST_STEPS):
            of_left = True
            taken = clear_term(graph, facts, left, right)
            if taken is None:
                of_left, taken = False, clear_term(graph, facts, right, left)
            if taken is None:
                return chain and [*chain, *self._cleared(left, right)]
            chain.append(_implied(taken, of_left, left, right))
            left, right = chain[-1].left, chain[-1].right
        return chain

    def _of_sum(self, factor: Handle) -> bool:
        """Whether a factor is a function of a sum."""
        graph = self.graph
        return any(graph.members(c).totals for c in children(graph.nodes[factor]))

    def _fused(self) -> Implied | None:
        """The goal of two matrices as one of vectors, where they hold vectors fused like that: vec(L) = vec(R)."""
        graph = self.graph
        dims = graph.ref_dims(self.first)
        if len(dims) != 2:
            return None
        order = next((found for node in graph.nodes if (found := _fusion(node, dims)) is not None), None)
        if order is None:
            return None
        draft = Draft()
        whole, *parts = draft.edges([dims[0] * dims[1], dims[order[0]], dims[order[1]]])
        draft.operands = [(-2, [whole, *parts])]
        draft.boundary = [whole, *parts]
        table = graph.network(draft)
        axes = [0, 0, 0]
        for a, place in zip(table[1], (-1, *order), strict=True):
            axes[a] = place
        left, right = (_vector(graph, side, order) for side in (self.first, self.second))
        lemma = Lemma("factor", left, right, table, tuple(axes))
        return Implied(left, right, self.first, self.second, Applied("vec", "built in", lemma=lemma))

    def _difference(self) -> Implied:
        graph = self.graph
        dims = graph.ref_dims(self.first)
        difference = graph.total([(ONE, self.first), (MINUS_ONE, self.second)], dims)
        zero = graph.zero(dims)
        step = Applied("difference-is-zero", "built in", lemma=Lemma("difference", difference, zero))
        return Implied(difference, zero, self.first, self.second, step)


def _implied(taken: Cleared, of_left: bool, left: Ref, right: Ref) -> Implied:
    """The next goal, when a factor is taken off one side."""
    if of_left:
        return Implied(taken.rest, taken.other, taken.member, right, taken.step())
    return Implied(taken.other, taken.rest, taken.member, left, taken.step())


def _fusion(node: Node, dims: Sequence[Poly]) -> tuple[int, int] | None:
    """The order in which a network fuses two edges of these sizes."""
    if not isinstance(node, Network):
        return None
    for handle, legs in node.operands:
        sizes = [node.dims[e] for e in legs[1:]] if handle == -2 else []
        if sizes == [dims[1], dims[0]]:
            return (1, 0)
        if sizes == list(dims):
            return (0, 1)
    return None


def _vector(graph: EGraph, side: Ref, order: tuple[int, int]) -> Ref:
    dims = graph.ref_dims(side)
    draft = Draft()
    whole, *own = draft.edges([dims[0] * dims[1], *dims])
    legs = [0, 0]
    for a, p in enumerate(side[1]):
        legs[p] = own[a]
    draft.operands = [(side[0], legs), (-2, [whole, own[order[0]], own[order[1]]])]
    draft.boundary = [whole]
    return graph.network(draft)
