"""Embeddings in networks: convolutions i = j + offset that put an edge into a longer one, as blocks of a matrix are put.

Embeddings of disjoint parts of one edge make zero, P1' P2 = 0, of the same part they join what they embed, P' P = 1, and
one part inside the other is embedded there. An embedding into an edge that nothing else has is summed to ones. Parts are
compared by their sizes as expressions, so n, then n + p, is known to be disjoint whatever n and p.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from tensorgrad.diagram.draft import FLAT, Draft
from tensorgrad.diagram.nodes import Handle, Leaf
from tensorgrad.diagram.slides import convolution
from tensorgrad.sizes import ONE
from tensorgrad.tensor.spans import Span, embedded_span

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store


@dataclass(frozen=True, slots=True)
class Embedding:
    """An operand that embeds the edge `part` in the edge `long`."""

    position: int
    long: int
    part: int
    span: Span


def span_of(store: Store, handle: Handle) -> Span | None:
    """Where a handle embeds its second axis in its first one; None for what is no embedding."""
    node = store.nodes[handle] if handle > FLAT else None
    return embedded_span(node.tensor) if isinstance(node, Leaf) else None


def embed(store: Store, span: Span) -> Handle:
    """The handle of the embedding; its first axis is the long one."""
    return convolution(store, (span.whole, span.length), (1,), span.start)[0]


def embeddings(store: Store, draft: Draft) -> Iterator[Embedding]:
    """The embeddings of a settled draft."""
    for k, (handle, legs) in enumerate(draft.operands):
        span = span_of(store, handle)
        if span is not None:
            yield Embedding(k, legs[0], legs[1], span)


def join_embeddings(store: Store, draft: Draft) -> bool:
    """Bring the embeddings of a settled draft to normal form; False if the network is zero."""
    while found := list(embeddings(store, draft)):
        if any(
            a.long == b.long and (a.span.before(b.span) or b.span.before(a.span)) for a, b in combinations(found, 2)
        ):
            return False
        if not (_trivial(draft, found) or any(_pair(store, draft, a, b) for a, b in combinations(found, 2))):
            break
        draft.settle()
    return True


def _trivial(draft: Draft, found: list[Embedding]) -> bool:
    """Take away one embedding of a whole axis, or one into an edge that nothing else has."""
    for e in found:
        if e.span.full:
            draft.unify(e.long, e.part)
        elif _uses(draft, e.long) == 1:
            draft.dims[e.long] = ONE
        else:
            continue
        del draft.operands[e.position]
        return True
    return False


def _uses(draft: Draft, edge: int) -> int:
    return sum(list(legs).count(edge) for _, legs in draft.operands) + draft.boundary.count(edge)


def _pair(store: Store, draft: Draft, a: Embedding, b: Embedding) -> bool:
    """Make one of two embeddings simpler by the other; whether that was possible."""
    if a.span == b.span and (a.long == b.long or a.part == b.part):
        draft.unify(a.long, b.long)
        draft.unify(a.part, b.part)
        del draft.operands[b.position]
        return True
    if a.long == b.long:
        outer, inner = (a, b) if a.span.holds(b.span) else (b, a)
        if not outer.span.holds(inner.span):
            return False
        within = Span(inner.span.start - outer.span.start, inner.span.length, outer.span.length)
        draft.operands[inner.position] = (embed(store, within), [outer.part, inner.part])
        return True
    for outer, inner in ((a, b), (b, a)):
        if outer.part == inner.long and _uses(draft, inner.long) == 2:
            whole = Span(outer.span.start + inner.span.start, inner.span.length, outer.span.whole)
            draft.operands[inner.position] = (embed(store, whole), [outer.long, inner.part])
            draft.dims[inner.long] = ONE
            del draft.operands[outer.position]
            return True
    return False
