"""Sums of embedded terms: block matrices and concatenations, seen tile by tile.

A sum has cuts along an axis where embeddings begin or end. Restricted to the spans between cuts it falls into tiles; that
is how functions entry by entry go inside, f(concat(x, y)) = concat(f(x), f(y)), and how rules see the blocks of a matrix.
Terms that say the same on spans one after the other are one term, so that block(I[n], 0, 0, I[m]) is I[n + m].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tensorgrad.diagram.draft import Draft
from tensorgrad.diagram.embeddings import Embedding, embed, embeddings, span_of
from tensorgrad.diagram.nodes import Handle, Legs, Network, Ref
from tensorgrad.diagram.symmetry import inverse
from tensorgrad.sizes import MINUS_ONE, ONE, Poly
from tensorgrad.tensor.spans import Span, cuts_of, pieces

if TYPE_CHECKING:
    from tensorgrad.diagram.store import Store

WeightedRef = tuple[Poly, Ref]


def spans_of(store: Store, ref: Ref, axis: int) -> list[Span]:
    """The embeddings that a term has along one of its axes."""
    handle, perm = store.resolve(ref)
    network = store.network_of(handle)
    if network is None:
        span = span_of(store, handle)
        return [span] if span is not None and perm[axis] == 0 else []
    edge = network.boundary[perm[axis]]
    found = ((span_of(store, h), legs) for h, legs in network.operands)
    return [span for span, legs in found if span is not None and legs[0] == edge]


def tile(store: Store, terms: Iterable[WeightedRef], spans: Mapping[int, Span], dims: Sequence[Poly]) -> Ref:
    """A sum restricted to spans of some of its axes."""
    sizes = [spans[a].length if a in spans else d for a, d in enumerate(dims)]
    return store.total([(c, _moved(store, ref, spans, inside=True)) for c, ref in terms], sizes)


def embedded(store: Store, ref: Ref, spans: Mapping[int, Span]) -> Ref:
    """A tensor put into longer axes."""
    return _moved(store, ref, spans, inside=False)


def _moved(store: Store, ref: Ref, spans: Mapping[int, Span], inside: bool) -> Ref:
    draft = store.draft_of(ref)
    for axis, span in spans.items():
        edge = draft.boundary[axis]
        new = draft.edge(span.length if inside else span.whole)
        draft.operands.append((embed(store, span), [edge, new] if inside else [new, edge]))
        draft.boundary[axis] = new
    return store.network(draft)


def slabs(store: Store, ref: Ref, axis: int) -> list[tuple[Span, Ref]] | None:
    """A sum all of whose terms are embedded along an axis, cut there into its tiles; None for any other tensor."""
    handle, perm = store.resolve(ref)
    total = store.total_of(handle)
    if total is None:
        return None
    terms = [(c, (h, tuple(q[p] for p in perm))) for c, h, q in total.terms]
    found = [spans_of(store, term, axis) for _, term in terms]
    if not found or not all(found):
        return None
    dims = store.ref_dims(ref)
    cuts = cuts_of((span for own in found for span in own), dims[axis])
    if cuts is None or len(cuts) < 3:
        return None
    return [(span, tile(store, terms, {axis: span}, dims)) for span in pieces(cuts, dims[axis])]


def completed(store: Store, merged: Mapping[tuple[Handle, Legs], Poly]) -> list[WeightedRef] | None:
    """The terms of a sum with two that are the same on neighbouring spans made one; None where there are none."""
    seen: dict[tuple[Handle, Legs, Poly], list[tuple[tuple[Handle, Legs], Span]]] = {}
    for key, coefficient in merged.items():
        for rest, span, sign in _restricted(store, (key[0], inverse(key[1]))):
            others = seen.setdefault((*rest, coefficient if sign > 0 else coefficient * MINUS_ONE), [])
            for other, neighbour in others:
                first, second = (neighbour, span) if neighbour.end is span.start else (span, neighbour)
                if first.end is second.start and other != key:
                    joined = Span(first.start, first.length + second.length, first.whole)
                    kept = [(c, (h, inverse(legs))) for (h, legs), c in merged.items() if (h, legs) not in (key, other)]
                    weight = coefficient if sign > 0 else coefficient * MINUS_ONE
                    return [*kept, (weight, _masked(store, rest, joined))]
            others.append((key, span))
    return None


def _restricted(store: Store, ref: Ref) -> list[tuple[tuple[Handle, Legs], Span, int]]:
    """For each embedding of a term that says only where an edge is not zero: the term without it, that edge last."""
    network = store.network_of(ref[0])
    if network is None:
        return []
    found: list[tuple[tuple[Handle, Legs], Span, int]] = []
    draft = _draft(network, ref[1])
    for e in list(embeddings(store, draft)):
        if _alone(draft, e):
            without = _draft(network, ref[1])
            del without.operands[e.position]
            without.boundary.append(e.long)
            without.dims[e.part] = ONE
            handle, perm = store.resolve(store.network(without))
            legs, sign = store.group_of(handle).arrange(inverse(perm))
            if sign:
                found.append(((handle, legs), e.span, sign))
    return found


def _draft(network: Network, perm: Legs) -> Draft:
    draft = Draft(network.coefficient)
    edges = draft.edges(network.dims)
    draft.operands = [(h, [edges[e] for e in legs]) for h, legs in network.operands]
    draft.boundary = [edges[network.boundary[p]] for p in perm]
    return draft


def _alone(draft: Draft, e: Embedding) -> bool:
    return e.part not in draft.boundary and sum(list(legs).count(e.part) for _, legs in draft.operands) == 1


def _masked(store: Store, rest: tuple[Handle, Legs], span: Span) -> Ref:
    """A term whose last axis is summed, over a span alone."""
    draft = store.draft_of((rest[0], inverse(rest[1])))
    long = draft.boundary.pop()
    if not span.full:
        draft.operands.append((embed(store, span), [long, draft.edge(span.length)]))
    return store.network(draft)
