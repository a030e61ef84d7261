"""Matching a pattern network inside a larger network: a sub-diagram to be cut out and replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Application, Handle, Leaf, Network, Ref
from tensorgrad.egraph.cover import operand_matches
from tensorgrad.egraph.match import EMPTY, Lift, Matcher, Substitution
from tensorgrad.egraph.occurrences import Occurrences
from tensorgrad.sizes import ONE, Poly
from tensorgrad.tensor import Variable


@dataclass(frozen=True, slots=True)
class Found:
    """A place: the operands used, the edge of each pattern edge, the lifted edges, what coefficient is left over."""

    used: frozenset[int]
    edges: Mapping[int, int]
    lifted: tuple[int, ...]
    scale: Poly
    substitution: Substitution


def embeddings(matcher: Matcher, pattern: Network, handle: Handle, member: Handle) -> Iterator[Found]:
    """All places of the pattern network (pattern handle `handle`) in the member network, at the hinted operands."""
    node = matcher.graph.nodes[member]
    assert isinstance(node, Network)
    slots = {key: value for (what, key), value in matcher.hints.items() if what == "slot"}
    if len(set(slots.values())) < len(slots):
        return
    lifted = _lifted_edges(matcher, node, slots)
    if lifted is None:
        return
    search = _Search(matcher, pattern, node, {e: e for e in lifted})
    for found in search.place(list(slots.items()), {}, frozenset(), EMPTY, ONE):
        if search.sealed(found.edges, found.used):
            yield found


def _lifted_edges(matcher: Matcher, node: Network, slots: Mapping[int, int]) -> tuple[int, ...] | None:
    """The edges on which the rule holds entry by entry.

    For a rule about scalars those on which its applications stand: all on the same, or one on all, or all on free edges.
    For another rule the batch edges of its applications.
    """
    if not matcher.pattern.lifted:
        return _batch_edges(matcher, node, slots)
    legs = [node.operands[k][1] for k in slots.values()]
    edges = tuple(sorted({e for own in legs for e in own}))
    if any(len(set(own)) < len(own) for own in legs):
        return None
    nested = any(len(own) == len(edges) for own in legs)
    return edges if nested or set(edges) <= set(node.boundary) else None


def _batch_edges(matcher: Matcher, node: Network, slots: Mapping[int, int]) -> tuple[int, ...]:
    graph = matcher.graph
    pattern = matcher.store.nodes[matcher.pattern.root[0]]
    assert isinstance(pattern, Network)
    found: set[int] = set()
    for position, slot in slots.items():
        wanted, (child, legs) = pattern.operands[position][0], node.operands[slot]
        application = matcher.store.nodes[wanted]
        extra = len(legs) - len(matcher.store.dims[wanted])
        if extra <= 0 or not isinstance(application, Application):
            continue
        leg_of = dict(zip(graph.resolve((child, tuple(range(len(legs)))))[1], legs, strict=True))
        for member in graph.members(child).applications:
            applied = graph.nodes[member]
            if isinstance(applied, Application) and applied.function == application.function:
                found.update(leg_of[p] for p in graph.oriented(member)[:extra])
                break
    return tuple(sorted(found))


@dataclass(slots=True)
class _Search:
    matcher: Matcher
    pattern: Network
    node: Network
    lifted: Mapping[int, int]

    def place(
        self,
        anchors: Sequence[tuple[int, int]],
        edges: dict[int, int],
        used: frozenset[int],
        s: Substitution,
        scale: Poly,
    ) -> Iterator[Found]:
        """Anchors first, at their hinted operands; then the rest, most connected first."""
        if not anchors:
            done = {k for (what, k) in self.matcher.hints if what == "slot"}
            rest = [k for k in range(len(self.pattern.operands)) if k not in done]
            yield from self._rest(rest, edges, used, s, scale)
            return
        (position, slot), *others = anchors
        handle, legs = self.pattern.operands[position]
        if slot in used:
            return
        for new, t in operand_matches(self.matcher, self.node, slot, handle, legs, edges, self.lifted, s):
            yield from self.place(others, new, used | {slot}, t, scale)

    def _rest(
        self, rest: Sequence[int], edges: dict[int, int], used: frozenset[int], s: Substitution, scale: Poly
    ) -> Iterator[Found]:
        if not rest:
            sized: Substitution | None = s
            for e, f in edges.items():
                sized = sized.with_size(self.pattern.dims[e], self.node.dims[f]) if sized is not None else None
            number = sized.number(self.pattern.coefficient) if sized is not None else None
            total = scale.divide(number) if number is not None else None
            if sized is not None and total is not None:
                yield Found(used, edges, tuple(self.lifted), total, sized)
            return
        position = max(rest, key=lambda k: (sum(e in edges for e in self.pattern.operands[k][1]), -k))
        others = [k for k in rest if k != position]
        handle, legs = self.pattern.operands[position]
        known = self._bound(handle, s)
        if known is None:
            for k in range(len(self.node.operands)):
                if k not in used and any(edges.get(e) in self.node.operands[k][1] for e in legs):
                    for new, t in operand_matches(self.matcher, self.node, k, handle, legs, edges, self.lifted, s):
                        yield from self._rest(others, new, used | {k}, t, scale)
            for t in self._ones(handle, legs, edges, used, s):
                yield from self._rest(others, edges, used, t, scale)
            return
        ref, lift = known
        wanted: list[int | None] = [edges.get(e) for e in legs] + list(lift)
        for axes, taken, factor in Occurrences(self.matcher.graph, self.node).of(ref, wanted, used):
            new = dict(edges)
            if all(new.setdefault(e, f) == f for e, f in zip(legs, axes, strict=False)):
                yield from self._rest(others, new, used | taken, s, scale * factor)

    def _ones(
        self, handle: Handle, legs: Sequence[int], edges: Mapping[int, int], used: frozenset[int], s: Substitution
    ) -> Iterator[Substitution]:
        """A vector on an edge that is summed, with no other operand on it, is ones."""
        leaf = self.matcher.store.nodes[handle]
        edge = edges.get(legs[0]) if len(legs) == 1 else None
        if edge is None or not isinstance(leaf, Leaf) or not isinstance(leaf.tensor, Variable):
            return
        others = [own for k, (_, own) in enumerate(self.node.operands) if k not in used]
        if edge in self.node.boundary or any(edge in own for own in others):
            return
        draft = Draft()
        draft.boundary = draft.edges([self.node.dims[edge]])
        ones = self.matcher.graph.network(draft)
        bound = self.matcher.bind(leaf.tensor.name, self.matcher.store.dims[handle], ones, (), s)
        if bound is not None:
            yield bound

    def _bound(self, handle: Handle, s: Substitution) -> tuple[Ref, Lift] | None:
        if handle < FLAT:
            return None
        leaf = self.matcher.store.nodes[handle]
        if isinstance(leaf, Leaf) and isinstance(leaf.tensor, Variable):
            return s.tensors.get(leaf.tensor.name)
        return None

    def sealed(self, edges: Mapping[int, int], used: frozenset[int]) -> bool:
        """Whether the pattern's summed edges are different edges of the network, met only by the pattern's operands."""
        inner = [e for e in range(len(self.pattern.dims)) if e not in self.pattern.boundary]
        images = [edges[e] for e in inner]
        outer = {edges[e] for e in self.pattern.boundary}
        if len(set(images)) < len(images) or outer.intersection(images):
            return False
        return all(Occurrences(self.matcher.graph, self.node).only(f, used) for f in images)
