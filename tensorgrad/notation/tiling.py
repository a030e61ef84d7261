"""Block matrices and concatenations as text: sums of terms that are embedded in longer axes, printed tile by tile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

from tensorgrad.notation.net import Net, net_of
from tensorgrad.notation.product_text import Order, Printing
from tensorgrad.notation.text import Text, call
from tensorgrad.sizes import ONE, ZERO, Poly
from tensorgrad.tensor import Convolution, Delta, Product, Scalar, Sum, Tensor, Zero, align, renamed
from tensorgrad.tensor.spans import Span, cuts_of, embedded_span, pieces

if TYPE_CHECKING:
    from tensorgrad.notation.printer import Printer

Weighted = Sequence[tuple[Tensor, Fraction]]


def embedding_text(printer: Printer, node: Convolution, order: Order) -> Text | None:
    """The matrix of an embedding: an identity between zeros."""
    span = embedded_span(node)
    if span is None or order != node.edges:
        return None
    after = span.whole - span.end
    parts = [f"zeros[{span.start}, {span.length}]"] if span.start is not ZERO else []
    parts.append(printer.identity(span.length).s)
    parts += [f"zeros[{after}, {span.length}]"] if after is not ZERO else []
    return call("concat", *parts)


def tiles_text(printer: Printer, terms: Weighted, order: Order) -> Printing:
    """`block(A, B, C, D)`, `concat(x, y)`: a sum every term of which is embedded along one axis; None for others."""
    if not order:
        return None
    terms = _opened(terms)
    nets = [net_of(term, deep=True) for term, _ in terms]
    if len(order) == 2:
        terms, nets = _cut_identities(terms, nets, order)
    cut: dict[int, list[Span]] = {}
    for axis, edge in enumerate(order):
        spans = _spans(nets, edge)
        if spans is not None:
            cut[axis] = spans
    if not cut:
        return None
    if len(order) == 2 and len(cut) == 2 and all(len(spans) == 2 for spans in cut.values()):
        texts: list[str] = []
        for row, column in product(cut[0], cut[1]):
            texts.append((yield _tile(printer, terms, nets, {order[0]: row, order[1]: column}, order)).s)
        return call("block", *texts)
    axis = min(cut)
    texts = []
    for span in cut[axis]:
        texts.append((yield _tile(printer, terms, nets, {order[axis]: span}, order)).s)
    return call("concat", *texts, *([str(axis)] if axis else []))


def _opened(terms: Weighted) -> Weighted:
    """The terms with a sum that is embedded as a whole taken apart: each of its terms is embedded."""
    found: list[tuple[Tensor, Fraction]] = []
    stack = list(reversed(terms))
    while stack:
        term, weight = stack.pop()
        net = net_of(term, deep=True)
        others = [k for k, (t, _) in enumerate(net.operands) if embedded_span(t) is None]
        inside = net.operands[others[0]][0] if len(others) == 1 and len(net.operands) > 1 else None
        if not isinstance(inside, Sum):
            found.append((term, weight))
            continue
        for part, own in reversed(list(zip(inside.terms, inside.weights, strict=True))):
            operands = list(net.operands)
            operands[others[0]] = (align(part, inside.edges), net.operands[others[0]][1])
            stack.append((_product(net, operands, net.boundary), weight * own))
    return found


def _cut_identities(terms: Weighted, nets: Sequence[Net], order: Order) -> tuple[Weighted, Sequence[Net]]:
    """The terms with an identity among embedded ones cut into the identities of its tiles."""
    bare = [not net.operands and len(set(net.boundary.values())) == 1 for net in nets]
    if all(bare) or not any(bare):
        return terms, nets
    rest = [net for net, whole in zip(nets, bare, strict=True) if not whole]
    tiles = [_spans(rest, edge) for edge in order]
    if tiles[0] is None or tiles[0] != tiles[1]:
        return terms, nets
    found: list[tuple[Tensor, Fraction]] = []
    for (term, weight), net, whole in zip(terms, nets, bare, strict=True):
        if not whole:
            found.append((term, weight))
            continue
        for span in tiles[0]:
            sides = [Convolution((e, "_t"), (span.whole, span.length), (1,), span.start) for e in order]
            found.append((Product((Scalar(net.coefficient), *sides), order), weight))
    return found, [net_of(term, deep=True) for term, _ in found]


def _spans(nets: Sequence[Net], edge: str) -> list[Span] | None:
    """The spans that an axis falls into, if each term is in one of them."""
    found = [_embedding(net, edge) for net in nets]
    spans = [embedded_span(net.operands[k][0]) for net, k in zip(nets, found, strict=True) if k is not None]
    known = [span for span in spans if span is not None]
    if len(known) < len(nets):
        return None
    cuts = cuts_of(known, known[0].whole)
    tiles = pieces(cuts, known[0].whole) if cuts is not None else []
    return tiles if len(tiles) > 1 and set(known) <= set(tiles) else None


def _embedding(net: Net, edge: str) -> int | None:
    """The operand that embeds something in a free edge, if nothing else is on that edge."""
    at = net.boundary[edge]
    on = [k for k, (_, legs) in enumerate(net.operands) if at in legs]
    if len(on) != 1 or embedded_span(net.operands[on[0]][0]) is None or net.operands[on[0]][1][0] != at:
        return None
    return on[0]


def _tile(printer: Printer, terms: Weighted, nets: Sequence[Net], where: Mapping[str, Span], order: Order) -> Printing:
    found: list[Tensor] = []
    weights: list[Fraction] = []
    dims: dict[str, Poly] = dict(terms[0][0].sizes)
    for (_, weight), net in zip(terms, nets, strict=True):
        inside = _restricted(net, where)
        if inside is not None:
            found.append(inside)
            weights.append(weight)
    dims.update({edge: span.length for edge, span in where.items()})
    whole: Tensor = Zero(edges={e: dims[e] for e in order})
    if found:
        whole = found[0] if len(found) == 1 and weights[0] == 1 else Sum(tuple(found), tuple(weights))
    return (yield printer.ordered(printer.keep(whole), order))


def _restricted(net: Net, where: Mapping[str, Span]) -> Tensor | None:
    """The term without its embeddings along these axes; None if it is in another tile."""
    boundary = dict(net.boundary)
    for edge, span in where.items():
        k = _embedding(net, edge)
        assert k is not None, "every term is embedded along an axis that is cut"
        if embedded_span(net.operands[k][0]) != span:
            return None
        boundary[edge] = net.operands[k][1][1]
    ends = set(boundary.values())
    gone = {_embedding(net, edge) for edge in where}
    kept = [(t, legs) for k, (t, legs) in enumerate(net.operands) if k not in gone or legs[0] in ends]
    return _product(net, kept, boundary)


def _product(net: Net, operands: Sequence[tuple[Tensor, tuple[int, ...]]], boundary: Mapping[str, int]) -> Tensor:
    """A net as a product whose free edges have the names of the boundary."""
    ends: dict[int, list[str]] = {}
    for name, edge in boundary.items():
        ends.setdefault(edge, []).append(name)
    name_of = {e: ends[e][0] if e in ends else f"_t{e}" for e in range(len(net.dims))}
    factors: list[Tensor] = [] if net.coefficient is ONE else [Scalar(net.coefficient)]
    for k, (t, legs) in enumerate(operands):
        names = [name_of[e] for e in legs]
        for j, e in enumerate(legs):
            if e in legs[:j]:
                names[j] = f"_r{k}_{j}"
                factors.append(Delta(net.dims[e], name_of[e], names[j]))
        factors.append(renamed(align(t, t.edges), tuple(names)))
    touched = {e for _, legs in operands for e in legs}
    for e, names in ends.items():
        if len(names) > 1 or e not in touched:
            factors.append(Delta(net.dims[e], *names))
    return (
        factors[0] if len(factors) == 1 and factors[0].edges == tuple(boundary) else Product(factors, tuple(boundary))
    )
