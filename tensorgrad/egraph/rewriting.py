"""Rules at work: proposals are matched exactly, conditions looked up, right sides built and united."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from math import prod

from tensorgrad.diagram.draft import Draft
from tensorgrad.diagram.nodes import Application, Handle, Network, Ref, Total
from tensorgrad.egraph.embed import Found, embeddings
from tensorgrad.egraph.facts import Facts
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.instantiate import instantiate
from tensorgrad.egraph.match import EMPTY, Matcher, Substitution
from tensorgrad.egraph.pattern import Need, Pattern
from tensorgrad.egraph.profile import Tally
from tensorgrad.egraph.reasons import Applied
from tensorgrad.sizes import ONE, Poly

_MOST_CHOICES = 1 << 18
"""A sum with more ways than this to choose a pattern's terms is not searched for the pattern."""

Proposal = tuple[Pattern, dict[tuple[str, int], int]]


@dataclass(slots=True)
class Rewriter:
    """Applies proposals to one e-graph. Matches whose conditions are not known yet wait in `pending`.

    A directed rule is used once in a node: what it makes of the node has the other places, so all are reached, without
    all subsets of places being tried.
    """

    graph: EGraph
    facts: Facts
    pending: list[tuple[Pattern, Handle, Substitution, Place]] = field(
        default_factory=list["tuple[Pattern, Handle, Substitution, Place]"]
    )
    _used: set[tuple[str, Handle]] = field(default_factory=set["tuple[str, Handle]"])

    def apply(self, proposal: Proposal) -> bool:
        """Apply one proposal everywhere it matches; whether anything new came of it."""
        with self.graph.profile.timed(proposal[0].rewrite.name) as tally:
            return self._apply(*proposal, tally)

    def _apply(self, pattern: Pattern, hints: Mapping[tuple[str, int], int], tally: Tally) -> bool:
        root = next((key for key in hints if key[1] == pattern.root[0] or key[0] == "class"), None)
        member = hints[root] if root is not None else 0
        if root is None or (member in self.graph.dead and root[0] != "class"):
            return False
        if pattern.rewrite.cancels and not self.graph.proving:
            return False
        changed = False
        once = pattern.cuts or (not pattern.rewrite.explore and pattern.kind in ("network", "total"))
        if once and (pattern.rewrite.name, member) in self._used:
            return False
        matches: Iterable[tuple[Substitution, Place]] = self._matches(pattern, hints, member)
        if pattern.cuts:
            matches = sorted(matches, key=lambda match: self._largest_part(match[0]))
        elif not once:
            matches = list(matches)
        for s, place in matches:
            changed = self._use(pattern, member, s, place, tally) or changed
            if changed and once:
                self._used.add((pattern.rewrite.name, member))
                break
        return changed

    def _largest_part(self, s: Substitution) -> int:
        """The most operands that one variable stands for: cutting in the middle takes the fewest steps in all."""
        networks = [self.graph.network_of(self.graph.root(ref[0])) for ref, _ in s.tensors.values()]
        return max((len(n.operands) for n in networks if n is not None), default=1)

    def retry(self) -> bool:
        """Try again the matches whose conditions were not known."""
        waiting, self.pending = self.pending, []
        changed = False
        for pattern, member, s, place in waiting:
            if member not in self.graph.dead:
                with self.graph.profile.timed(pattern.rewrite.name) as tally:
                    changed = self._use(pattern, member, s, place, tally) or changed
        return changed

    def _matches(
        self, pattern: Pattern, hints: Mapping[tuple[str, int], int], member: Handle
    ) -> Iterator[tuple[Substitution, Place]]:
        graph = self.graph
        matcher = Matcher(graph, pattern, hints)
        node = pattern.store.nodes[pattern.root[0]]
        axes = tuple(range(len(graph.dims[member])))
        match node:
            case Application():
                order = len(pattern.store.dims[pattern.root[0]])
                if pattern.lifted:
                    for s in matcher.application(node, member, (member, axes), axes, EMPTY):
                        yield s, Place(axes, dict(zip(axes, graph.dims[member], strict=True)), None)
                elif len(axes) >= order and not any(label >= 0 for _, labels in node.args for label in labels):
                    # What stands before the produced axes are batch axes: the rule holds for each entry along them.
                    batch, own = axes[: len(axes) - order], axes[len(axes) - order :]
                    for s in matcher.application(node, member, (member, (*own, *batch)), batch, EMPTY):
                        yield s, Place(axes, {b: graph.dims[member][b] for b in batch}, None)
                elif len(axes) == order:
                    for s in matcher.application(node, member, (member, axes), (), EMPTY):
                        yield s, Place(axes, {}, None)
            case Network():
                for found in embeddings(matcher, node, pattern.root[0], member):
                    dims = _network(graph, member).dims
                    yield found.substitution, Place((), {e: dims[e] for e in found.lifted}, found)
            case Total():
                yield from self._in_sums(matcher, node, pattern, member)
            case _:
                ref: Ref = (graph.root(member), tuple(range(len(graph.dims[member]))))
                for s in matcher.expression(pattern.root[0], ref, (), EMPTY):
                    yield s, Place(axes, {}, None)

    def _in_sums(
        self, matcher: Matcher, node: Total, pattern: Pattern, member: Handle
    ) -> Iterator[tuple[Substitution, Place]]:
        """Some terms of a sum are the pattern's, all with one common factor."""
        total = self.graph.nodes[member]
        assert isinstance(total, Total)
        axes = tuple(range(len(total.dims)))
        lift = axes if pattern.lifted else ()
        if not pattern.lifted and len(pattern.store.dims[pattern.root[0]]) != len(axes):
            return
        for order in permutations(axes) if not pattern.lifted and len(axes) <= 3 else [axes]:
            for chosen, scale, s in _choose_terms(matcher, node, total, order, lift):
                yield s, Place(order, dict(zip(lift, total.dims, strict=False)), None, chosen, scale)

    def _use(self, pattern: Pattern, member: Handle, s: Substitution, place: Place, tally: Tally) -> bool:
        graph = self.graph
        rewrite = pattern.rewrite
        graph.check_budget()
        if any(self._same(s, *pair) for pair in rewrite.differ):
            return False
        solutions = list(self._satisfied(pattern, s, place))
        if not solutions:
            self.pending.append((pattern, member, s, place))
            return False
        changed = [self._replace(pattern, member, solution, place, tally) for solution in solutions]
        return any(changed)

    def _replace(self, pattern: Pattern, member: Handle, s: Substitution, place: Place, tally: Tally) -> bool:
        graph = self.graph
        rewrite = pattern.rewrite
        own = tuple(range(len(graph.dims[member])))
        assert rewrite.right is not None
        before = len(graph.nodes)
        graph.asked.clear()
        ref = instantiate(graph, rewrite.right, s, rewrite.left.edges, place.lift)
        if rewrite.unfuses or not graph.unstable.isdisjoint((member, *(m for _, m in s.descents))):
            graph.unstable.update(range(before, len(graph.nodes)))
        new = self._put(pattern, member, ref, place)
        constants = tuple((h, c) for h in graph.asked if (c := graph.constant_form(h)) is not None and c != h)
        changed = graph.union(
            (member, own), new, Applied(rewrite.name, rewrite.source, s.descents, constants=constants)
        )
        graph.rebuild()
        tally.matches += 1
        tally.new += changed
        return changed

    def _same(self, s: Substitution, name: str, other: str) -> bool:
        """Whether two names, of numbers taken entry by entry, stand for the same."""
        (ref, lift), (second, second_lift) = s.tensors[name], s.tensors[other]
        if set(lift) != set(second_lift):
            return False
        return self.graph.same(ref, (second[0], tuple(second[1][second_lift.index(label)] for label in lift)))

    def _satisfied(self, pattern: Pattern, s: Substitution, place: Place) -> Iterator[Substitution]:
        """The substitution, if the conditions hold, with the names that they bind: in each way that they can be."""
        states = [s]
        for need in pattern.rewrite.needs:
            if need.solves:
                states = [t for state in states for t in self._solutions(pattern, need, state, place)]
            else:
                states = [state for state in states if self._holds(need, state, place)]
        yield from states

    def _holds(self, need: Need, s: Substitution, place: Place) -> bool:
        if need.fact is not None:
            return self.facts.needed(need.tensor, need.fact.name, s, place.lift)
        assert need.right is not None
        ref = instantiate(self.graph, need.tensor, s, need.tensor.edges, place.lift)
        other = instantiate(self.graph, need.right, s, need.tensor.edges, place.lift)
        return self.graph.same(ref, other)

    def _solutions(self, pattern: Pattern, need: Need, s: Substitution, place: Place) -> Iterator[Substitution]:
        """The ways in which a condition's right side is found among the forms of its left side."""
        graph = self.graph
        solved = pattern.solved[need]
        assert need.right is not None
        axis = dict(zip(need.right.edges, solved.root[1], strict=True))
        edges = sorted(need.right.edges, key=lambda edge: axis[edge])
        root, perm = graph.resolve(instantiate(graph, need.tensor, s, edges, place.lift))
        group = graph.group_of(root)
        elements = [tuple(range(len(perm)))] if group.trivial else [p for p, sign in group.all_elements() if sign > 0]
        matcher = Matcher(graph, solved, {})
        bare = Substitution(s.tensors, s.sizes, s.functions)
        found: dict[tuple[object, ...], Substitution] = {}
        one = self._one(need, s, place)
        if one is not None:
            yield one
        for element in elements:
            ref = (root, tuple(element[p] for p in perm))
            for t in matcher.expression(solved.root[0], ref, tuple(place.lift), bare):
                key = tuple((graph.resolve(t.tensors[name][0]), t.tensors[name][1]) for name in need.solves)
                found.setdefault(key, Substitution(t.tensors, t.sizes, t.functions, s.descents))
        yield from list(found.values())

    def _one(self, need: Need, s: Substitution, place: Place) -> Substitution | None:
        """The substitution with the one number that the condition binds being 1, where that is so: A @ v = v."""
        assert need.right is not None
        named = {v.name: v for v in need.right.variables}
        if len(need.solves) != 1 or named[need.solves[0]].order:
            return None
        tensors = {**s.tensors, need.solves[0]: (self.graph.constant(ONE), ())}
        found = Substitution(tensors, s.sizes, s.functions, s.descents)
        return found if self._holds(need, found, place) else None

    def _put(self, pattern: Pattern, member: Handle, ref: Ref, place: Place) -> Ref:
        """What the member becomes with the matched part replaced by `ref` (axes: the left side's, then the lift)."""
        graph = self.graph
        order = len(pattern.root[1])
        by_pattern_axis = [0] * order
        for i, p in enumerate(pattern.root[1]):
            by_pattern_axis[p] = ref[1][i]
        axes = (*by_pattern_axis, *ref[1][order:])
        if place.found is not None:
            return self._splice(pattern, member, (ref[0], axes), place.found)
        if not place.chosen:
            return ref[0], axes if pattern.lifted else (*axes[order:], *axes[:order])
        node = graph.nodes[member]
        assert isinstance(node, Total)
        rest = [(c, (h, p)) for k, (c, h, p) in enumerate(node.terms) if k not in place.chosen]
        if not place.lift:
            axes = tuple(axes[place.axes.index(a)] for a in range(order))
        return graph.total([*rest, (place.scale, (ref[0], axes))], node.dims)

    def _splice(self, pattern: Pattern, member: Handle, ref: Ref, found: Found) -> Ref:
        node = _network(self.graph, member)
        pattern_node = pattern.store.nodes[pattern.root[0]]
        assert isinstance(pattern_node, Network)
        coefficient = node.coefficient * found.scale
        draft = Draft(coefficient)
        kept = [o for k, o in enumerate(node.operands) if k not in found.used]
        outer = {found.edges[e] for e in pattern_node.boundary}
        left = {e for _, legs in kept for e in legs}.union(outer, node.boundary, found.lifted)
        # Edges inside the part that is cut out are gone: size 1, so that closing them adds no factor.
        edges = draft.edges(d if e in left else ONE for e, d in enumerate(node.dims))
        draft.operands = [(h, [edges[e] for e in legs]) for h, legs in kept]
        draft.boundary = [edges[e] for e in node.boundary]
        legs = [edges[found.edges[e]] for e in pattern_node.boundary]
        for e in set(pattern_node.boundary):
            if pattern_node.boundary.count(e) == 2 and found.edges[e] not in found.lifted:
                _part(draft, legs, edges[found.edges[e]])
        legs += [edges[e] for e in found.lifted]
        by_axis = [0] * len(legs)
        for a, p in enumerate(ref[1]):
            by_axis[p] = legs[a]
        # What is new as it was written: its class has the form that is replaced too.
        written = self.graph.nodes[ref[0]]
        if isinstance(written, Network) and ref[0] not in self.graph.dead:
            draft.coefficient = draft.coefficient * written.coefficient
            draft.operands += self.graph.place(draft, written, by_axis)
        else:
            draft.operands.append((ref[0], by_axis))
        return self.graph.network(draft)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a match stands: the member's axes, the lifted labels with sizes, the sub-diagram or the chosen terms."""

    axes: tuple[int, ...]
    lift: Mapping[int, Poly]
    found: Found | None
    chosen: tuple[int, ...] = ()
    scale: Poly = ONE


def _part(draft: Draft, legs: list[int], edge: int) -> None:
    """The two axes that a result has on one edge go to the edge's two other ends, if there are two: diag(d) is a matrix."""
    operands = [(h, list(ls)) for h, ls in draft.operands]
    ends = [(ls, a) for ls in (*(ls for _, ls in operands), draft.boundary) for a, e in enumerate(ls) if e == edge]
    if len(ends) != 2 or legs.count(edge) != 2:
        return
    where, a = ends[1]
    where[a] = legs[len(legs) - 1 - legs[::-1].index(edge)] = draft.edge(draft.dims[edge])
    draft.operands[:] = operands


def _network(graph: EGraph, member: Handle) -> Network:
    node = graph.nodes[member]
    assert isinstance(node, Network)
    return node


def _choose_terms(
    matcher: Matcher, pattern: Total, total: Total, axes: tuple[int, ...], lift: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Poly, Substitution]]:
    """Assign each term of the pattern a term of the sum with the same ratio of coefficients.

    `axes[a]` is the sum's axis that is read as the pattern's axis a.
    """
    candidates = [_candidates(matcher, c, h, total) for c, h, _ in pattern.terms]
    if prod(map(len, candidates)) > _MOST_CHOICES:
        return
    positions = sorted(range(len(candidates)), key=lambda position: len(candidates[position]))
    states: list[tuple[int, tuple[int, ...], Poly | None, Substitution]] = [(0, (), None, EMPTY)]
    while states:
        done, chosen, scale, s = states.pop()
        if done == len(positions):
            assert scale is not None
            yield chosen, scale, s
            continue
        _, handle, perm = pattern.terms[positions[done]]
        for k, ratio in candidates[positions[done]]:
            if k in chosen or (scale is not None and ratio is not scale):
                continue
            _, h, p = total.terms[k]
            own = [0] * len(perm)
            for a, q in enumerate(perm):
                own[q] = p[axes[a]]
            ref = (h, (*own, *(p[a] for a in lift)))
            states += [(done + 1, (*chosen, k), ratio, t) for t in matcher.expression(handle, ref, lift, s)]


def _candidates(matcher: Matcher, coefficient: Poly, handle: Handle, total: Total) -> list[tuple[int, Poly]]:
    """The terms that could be one of the pattern's terms, with the ratio of the coefficients."""
    found: list[tuple[int, Poly]] = []
    for k, (c, h, _) in enumerate(total.terms) if not coefficient.symbols else ():
        if matcher.may_be(handle, h):
            ratio = c.divide(coefficient)
            if ratio is not None:
                found.append((k, ratio))
    return found
