"""Matching block matrices: a pattern that is cut into tiles against a sum that can be cut so, tile by tile.

In `det(block(A, B, C, D))` each letter stands for all that the matrix has in its tile, be it a sum, one term or zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import TYPE_CHECKING

from tensorgrad.diagram.nodes import Ref, Total
from tensorgrad.diagram.store import Store
from tensorgrad.diagram.tiles import spans_of, tile
from tensorgrad.sizes import Poly
from tensorgrad.tensor.spans import Span, cuts_of, pieces

if TYPE_CHECKING:
    from tensorgrad.egraph.match import Matcher, Substitution

Terms = Sequence[tuple[Poly, Ref]]

_MOST_CUTS = 16


def cut_axes(store: Store, pattern: Total) -> dict[int, list[Span]]:
    """The axes along which every term of a pattern is embedded, each with the spans that it is cut into."""
    if not store.has_embeddings or not pattern.terms:
        return {}
    found: dict[int, list[Span]] = {}
    for axis, dim in enumerate(pattern.dims):
        spans = [spans_of(store, (h, q), axis) for _, h, q in pattern.terms]
        cuts = cuts_of((s for own in spans for s in own), dim) if all(spans) else None
        if cuts is not None and len(cuts) > 2:
            found[axis] = pieces(cuts, dim)
    return found


def tiled(
    matcher: Matcher, pattern: Total, cut: dict[int, list[Span]], terms: Terms, s: Substitution
) -> Iterator[Substitution]:
    """All ways to read a sum as the pattern, whose axes are cut."""
    if not terms:
        return
    graph, store = matcher.graph, matcher.store
    dims = graph.ref_dims(terms[0][1])
    axes = list(cut)
    own: Terms = [(c, (h, q)) for c, h, q in pattern.terms]
    options: list[list[list[Span]]] = []
    for axis in axes:
        cuts = cuts_of((p for _, ref in terms for p in spans_of(graph, ref, axis)), dims[axis])
        options.append(list(_ways(cuts or [], len(cut[axis]), dims[axis])))
    for choice in islice(product(*options), _MOST_CUTS):
        sized: Substitution | None = s
        for axis, spans in zip(axes, choice, strict=True):
            for mine, other in zip(cut[axis], spans, strict=True):
                sized = sized.with_size(mine.length, other.length) if sized is not None else None
        states = [sized] if sized is not None else []
        for corner in product(*(range(len(cut[axis])) for axis in axes)):
            if not states:
                break
            wanted = tile(store, own, {a: cut[a][k] for a, k in zip(axes, corner, strict=True)}, pattern.dims)
            actual = tile(graph, terms, {a: w[k] for a, w, k in zip(axes, choice, corner, strict=True)}, dims)
            inner = matcher.term_ref(actual, wanted[1], 0)
            states = [t for state in states for t in matcher.expression(wanted[0], inner, (), state)]
        yield from states


def _ways(cuts: Sequence[Poly], count: int, whole: Poly) -> Iterator[list[Span]]:
    """The ways to take `count` spans one behind the other that end at cuts."""
    inner = cuts[1:-1]
    if count == 2:
        for point in inner:
            yield pieces([cuts[0], point, cuts[-1]], whole)
    elif count == len(inner) + 1:
        yield pieces(cuts, whole)
