"""Derivations read off the links of the e-graph: a path from node to node, one rule a step, each step shown in place."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from tensorgrad.derivation import Derivation, Step
from tensorgrad.diagram.expression import Expressions, axis_names, children
from tensorgrad.diagram.nodes import Handle, Node, Ref
from tensorgrad.egraph.graph import EGraph
from tensorgrad.egraph.reasons import Applied, Lemma, Link
from tensorgrad.tensor import Product, Sum, Tensor, renamed

LONGEST = 400
"""A derivation that takes more steps than this, counted in every context, is not written out; its rules are named."""

MOST_LINKS = 20 * LONGEST
"""The same for links walked, with those of congruence, which are no steps."""

TOO_LONG = "too long to write out"
"""The source of a step that stands for a derivation that is not written out."""


@dataclass(slots=True)
class View:
    """A handle as it is shown: children may be shown as other members of their classes."""

    graph: EGraph
    shown: dict[Handle, Handle] = field(default_factory=dict[Handle, Handle])
    given: dict[Handle, Tensor] = field(default_factory=dict[Handle, Tensor])

    def tensor(self, handle: Handle) -> Tensor:
        """The handle's tensor, axes called a0, a1, ..."""
        expressions = Expressions(self.graph, self._node)
        expressions.done.update(self.given)
        for child in self.shown:
            if child not in self.given and self._contains_itself(child):
                expressions.done[child] = self._once(child)
        return expressions.tensor(handle)

    def _contains_itself(self, child: Handle) -> bool:
        """Whether what a child is shown as has the child as a part: X = inv(K) @ K @ X."""
        stack, seen = [self.shown[child]], {child}
        while stack:
            for part in children(self.graph.nodes[stack.pop()]):
                if part == child:
                    return True
                if part not in seen and part not in self.given:
                    seen.add(part)
                    stack.append(self.shown.get(part, part))
        return False

    def _once(self, child: Handle) -> Tensor:
        """A child shown as its member, in which the child stands for itself."""
        member = self.shown[child]
        inner = View(self.graph, {c: m for c, m in self.shown.items() if c != child}, self.given)
        t = inner.tensor(member)
        names = axis_names(len(self.graph.dims[child]))
        named = renamed(t, tuple(names[p] for p in relative(self.graph, member, child)))
        return named if named.edges == names else Product((named,), names)

    def _node(self, handle: Handle) -> tuple[Node, tuple[int, ...]]:
        member = self.shown.get(handle, handle)
        return self.graph.nodes[member], relative(self.graph, member, handle)


def relative(graph: EGraph, member: Handle, handle: Handle) -> tuple[int, ...]:
    """perm: axis a of the member is axis perm[a] of the handle, both of one class."""
    if member == handle:
        return tuple(range(len(graph.dims[handle])))
    own = {p: a for a, p in enumerate(graph.oriented(handle))}
    return tuple(own[p] for p in graph.oriented(member))


class TooLongError(Exception):
    """Internal: a derivation takes more steps than are written out."""


class Explainer:
    """Reads derivations off one e-graph."""

    def __init__(self, graph: EGraph) -> None:
        self.graph = graph
        self._order = {id(link): number for number, link in enumerate(graph.history)}
        self._left = LONGEST
        self._links_left = MOST_LINKS
        self._rules: dict[tuple[Handle, Handle, int], dict[str, str]] = {}

    def path(self, start: Handle, end: Handle, before: int) -> list[tuple[Link, bool]]:
        """The shortest path of links older than `before`; True: from the link's left to its right."""
        if start == end:
            return []
        came: dict[Handle, tuple[Handle, Link, bool]] = {}
        queue = deque([start])
        seen = {start}
        while queue:
            here = queue.popleft()
            for link in self.graph.links.get(here, ()):
                forward = link.left[0] == here
                there = link.right[0] if forward else link.left[0]
                if there not in seen and self._order[id(link)] < before:
                    seen.add(there)
                    came[there] = (here, link, forward)
                    if there == end:
                        return _trace(came, start, end)
                    queue.append(there)
        return []

    def rules(self, start: Handle, end: Handle, before: int | None = None) -> tuple[str, ...]:
        """The distinct names of the rules between two handles of one class."""
        return tuple(self._sources(start, end, before))

    def _sources(self, start: Handle, end: Handle, before: int | None = None) -> dict[str, str]:
        """The rules between two handles of one class, each with its source."""
        limit = len(self.graph.history) if before is None else before
        key = (start, end, limit)
        if key in self._rules:
            return self._rules[key]
        self._rules[key] = {}
        found: dict[str, str] = {}
        for link, _ in self.path(start, end, limit):
            number, reason = self._order[id(link)], link.reason
            for child, member in reason.descents if isinstance(reason, Applied) else reason.replaced:
                found.update(self._sources(child, member, number))
            if isinstance(reason, Applied) and reason.lemma is not None:
                found.update(self._sources(reason.lemma.left[0], reason.lemma.right[0], number))
            if isinstance(reason, Applied):
                found.update(self._named(reason, number))
        self._rules[key] = found
        return found

    def _named(self, reason: Applied, number: int) -> dict[str, str]:
        """The rule of a link, and the rules that say which parts of its right side are constants, with sources."""
        found = {reason.rule: reason.source}
        for part, constant in reason.constants:
            found.update(self._sources(part, constant, number))
        return found

    def steps(self, start: Handle, end: Handle) -> list[Step]:
        """The steps from one handle's tensor to another's, axes as the start's (a0, a1, ...).

        A derivation of more than `LONGEST` steps in all its contexts is given as one step that names its rules.
        """
        out: list[Step] = []
        self._left, self._links_left = LONGEST, MOST_LINKS
        try:
            self._walk(start, end, len(self.graph.history), out)
        except TooLongError:
            names = ", ".join(self.rules(start, end))
            at: Ref = (start, tuple(range(len(self.graph.dims[start]))))
            before = self._placed(View(self.graph), at)
            after = self._placed(View(self.graph), (end, relative_to(self.graph, start, end)))
            return [Step(names, TOO_LONG, before, after)]
        return out

    def _walk(self, start: Handle, end: Handle, before: int, out: list[Step]) -> None:
        perm = tuple(range(len(self.graph.dims[start])))
        here = start
        for link, forward in self.path(start, end, before):
            there = link.right[0] if forward else link.left[0]
            left, right = (link.left, link.right) if forward else (link.right, link.left)
            onward = _compose(perm, left, right)
            self._link(link, forward, (here, perm), (there, onward), out)
            here, perm = there, onward

    def _link(self, link: Link, forward: bool, here: Ref, there: Ref, out: list[Step]) -> None:
        """The steps of one link; walked backwards they are the same, in the other order."""
        self._links_left -= 1
        if self._links_left < 0:
            raise TooLongError
        number = self._order[id(link)]
        left, right = (here, there) if forward else (there, here)
        steps: list[Step] = []
        reason = link.reason
        if isinstance(reason, Applied) and reason.lemma is not None:
            view = self.descend(left, reason.descents, number, steps)
            self._by_lemma(reason, reason.lemma, link.left, (view, left), right, number, steps)
        else:
            pairs = reason.descents if isinstance(reason, Applied) else reason.replaced
            view = self.descend(left, pairs, number, steps)
            if isinstance(reason, Applied):
                self._spend()
                named = self._named(reason, number)
                told = Applied(", ".join(named), ", ".join(dict.fromkeys(named.values())))
                self._add(steps, told, self._placed(view, left), self._placed(View(self.graph), right))
        out += steps if forward else [Step(s.rule, s.source, s.after, s.before) for s in reversed(steps)]

    def _by_lemma(
        self,
        reason: Applied,
        lemma: Lemma,
        side: Ref,
        shown: tuple[View, Ref],
        right: Ref,
        number: int,
        out: list[Step],
    ) -> None:
        """The lemma's own steps, in the context in which the lemma is used."""
        inner: list[Step] = []
        self._walk(lemma.left[0], lemma.right[0], number, inner)
        start, end = self._placed(*shown), self._placed(View(self.graph), right)
        names = [start.edges[shown[1][1].index(p)] for p in side[1]]

        def framed(t: Tensor) -> Tensor:
            own = [""] * len(lemma.left[1])
            for q, p in enumerate(lemma.left[1]):
                own[p] = f"m{q}" if -1 - q in lemma.axes else names[q]
            if lemma.kind == "difference":
                return Sum((end, Product((renamed(t, tuple(own)),), end.edges)), (Fraction(1), Fraction(1)))
            assert lemma.factor is not None
            factor = View(self.graph).tensor(lemma.factor[0])
            outer = tuple(names[q] if q >= 0 else f"m{-1 - q}" for q in lemma.axes)
            return Product((renamed(factor, outer), renamed(t, tuple(own))), start.edges)

        if lemma.kind == "factor" and inner:
            self._add(out, reason, start, framed(inner[0].before))
        out += [Step(s.rule, s.source, framed(s.before), framed(s.after)) for s in inner]
        if lemma.kind == "factor":
            self._add(out, reason, framed(inner[-1].after) if inner else start, end)

    def descend(self, at: Ref, pairs: Sequence[tuple[Handle, Handle]], before: int, out: list[Step]) -> View:
        """Show children of a node as other members of their classes, the steps in the node's context."""
        view = View(self.graph)
        for child, member in pairs:
            if child == member or child in view.shown:
                continue
            inner: list[Step] = []
            self._walk(child, member, before, inner)
            for step in inner:
                self._spend()
                frame = View(self.graph, dict(view.shown))
                self._add(
                    out,
                    Applied(step.rule, step.source),
                    self._placed(View(self.graph, frame.shown, {child: step.before}), at),
                    self._placed(View(self.graph, frame.shown, {child: step.after}), at),
                )
            view.shown[child] = member
        return view

    def _placed(self, view: View, at: Ref) -> Tensor:
        """The view of a handle with its axes called as at the start: axis a of the start is axis perm[a] of it."""
        handle, perm = at
        t = view.tensor(handle)
        names = [""] * len(perm)
        for a, p in enumerate(perm):
            names[p] = axis_names(len(perm))[a]
        named = renamed(t, tuple(names))
        wanted = axis_names(len(perm))
        return named if named.edges == wanted else Product((named,), wanted)

    def _spend(self) -> None:
        """Count a step that is written out, in whatever context."""
        self._left -= 1
        if self._left < 0:
            raise TooLongError

    @staticmethod
    def _add(out: list[Step], reason: Applied, before: Tensor, after: Tensor) -> None:
        out.append(Step(reason.rule, reason.source, before, after))

    def extraction(self, start: Handle, chosen: dict[Handle, Handle]) -> tuple[list[Step], tuple[str, ...]]:
        """The steps from a handle's tensor to the chosen tensor of its class, and the names of their rules."""
        graph = self.graph
        root = graph.root(start)
        out = self.steps(start, chosen[root])
        names = dict.fromkeys(self.rules(start, chosen[root]))
        pairs: list[tuple[Handle, Handle]] = []
        stack, seen = [chosen[root]], {root}
        shown: set[Handle] = set()
        while stack:
            member = stack.pop()
            for child in children(graph.nodes[member]):
                if child in shown:
                    continue
                shown.add(child)
                target = chosen[graph.root(child)]
                pairs.append((child, target))
                names.update(dict.fromkeys(self.rules(child, target)))
                if graph.root(child) not in seen or child != target:
                    seen.add(graph.root(child))
                    stack.append(target)
        at: Ref = (chosen[root], relative_to(graph, start, chosen[root]))
        try:
            self.descend(at, pairs, len(graph.history), out)
        except TooLongError:
            first = self._placed(View(graph), (start, tuple(range(len(graph.dims[start])))))
            last = self._placed(View(graph, dict(pairs)), at)
            out = [Step(", ".join(names), TOO_LONG, first, last)]
        return out, tuple(names)


def relative_to(graph: EGraph, start: Handle, member: Handle) -> tuple[int, ...]:
    """perm: axis a of the start is axis perm[a] of the member."""
    own = {p: a for a, p in enumerate(graph.oriented(member))}
    return tuple(own[p] for p in graph.oriented(start))


def derivation(steps: Sequence[Step], edges: Sequence[str]) -> Derivation:
    """Steps with the start's edges under their own names."""
    named: list[Step] = []
    for step in steps:
        before, after = (_named(t, edges) for t in (step.before, step.after))
        named.append(Step(step.rule, step.source, before, after))
    return Derivation(tuple(named))


def _named(t: Tensor, edges: Sequence[str]) -> Tensor:
    return renamed(t, tuple(edges))


def _trace(came: dict[Handle, tuple[Handle, Link, bool]], start: Handle, end: Handle) -> list[tuple[Link, bool]]:
    out: list[tuple[Link, bool]] = []
    here = end
    while here != start:
        here, link, forward = came[here]
        out.append((link, forward))
    return out[::-1]


def _compose(perm: Sequence[int], left: Ref, right: Ref) -> tuple[int, ...]:
    """Start's axes on the right handle, given them on the left handle and the link between the two."""
    to_right = dict(zip(left[1], right[1], strict=True))
    return tuple(to_right[p] for p in perm)
