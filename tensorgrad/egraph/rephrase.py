"""Goals in other words, when saturation leaves them open: `inv(M) = R` as `M @ R = I`, `L = R` as `L - R = 0`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tensorgrad.diagram.draft import Draft
from tensorgrad.diagram.nodes import Application, Ref
from tensorgrad.egraph.graph import BudgetSpentError, EGraph
from tensorgrad.egraph.reasons import Applied, Lemma
from tensorgrad.egraph.saturate import WAVES, Saturation, Stopped
from tensorgrad.sizes import MINUS_ONE, ONE


@dataclass(frozen=True, slots=True)
class Other:
    """Another goal that implies the first: two references to be united, and the step that follows (from the second side
    to the first if `swapped`)."""

    left: Ref
    right: Ref
    step: Applied
    swapped: bool = False


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
            goals = [
                *self._inverses(self.first, self.second, False),
                *self._inverses(self.second, self.first, True),
                *self._difference(),
            ]
        except BudgetSpentError as spent:
            return spent.args[0]
        for other in goals:
            self.run_.goal = lambda other=other: self.graph.same(other.left, other.right)
            self.run_.waves = WAVES
            stopped = self.run_.run()
            if self.graph.same(other.left, other.right):
                sides = (self.second, self.first) if other.swapped else (self.first, self.second)
                self.graph.union(*sides, other.step)
                self.graph.rebuild()
                return "goal"
            if stopped not in ("saturated", "rounds"):
                break
        return stopped

    def _inverses(self, side: Ref, other: Ref, swapped: bool) -> Iterator[Other]:
        """For inv(M) = R with M invertible: M @ R = I."""
        graph = self.graph
        root, perm = graph.resolve(side)
        if len(perm) != 2:
            return
        for member in list(graph.members(root).applications):
            node = graph.nodes[member]
            if not isinstance(node, Application) or node.function.name != "inv" or node.groups != (1, 1):
                continue
            matrix, labels = node.args[0]
            if len(labels) != 2:
                continue
            rows, columns = labels.index(-1), labels.index(-2)
            own = {p: a for a, p in enumerate(graph.oriented(member))}
            first_axis, _ = (own[p] for p in perm)
            draft = Draft()
            size = graph.dims[matrix][rows]
            i, j, k = draft.edges((size, size, size))
            legs = [0, 0]
            legs[rows], legs[columns] = i, j
            inner = [0, 0]
            handle, axes = graph.resolve(other)
            # Axis 0 of the side is the inverse's row (its axis 0), so that of `other` meets the matrix's column.
            meets, stays = (0, 1) if first_axis == 0 else (1, 0)
            inner[axes[meets]], inner[axes[stays]] = j, k
            draft.operands = [(matrix, legs), (handle, inner)]
            draft.boundary = [i, k]
            identity = Draft()
            edge = identity.edge(size)
            identity.boundary = [edge, edge]
            product, unit = graph.network(draft), graph.network(identity)
            step = Applied(
                "inverse-is-unique", "built in", lemma=Lemma("inverse", product, unit, turned=first_axis != 0)
            )
            yield Other(product, unit, step, swapped)

    def _difference(self) -> Iterator[Other]:
        graph = self.graph
        dims = graph.ref_dims(self.first)
        difference = graph.total([(ONE, self.first), (MINUS_ONE, self.second)], dims)
        zero = graph.zero(dims)
        step = Applied("difference-is-zero", "built in", lemma=Lemma("difference", difference, zero))
        yield Other(difference, zero, step)
