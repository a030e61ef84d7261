"""Matrix notation of products: pieces of a net reduced to chains, entrywise products and scalars."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tensorgrad.notation.chains import Element, Piece, Reduction, vector_element
from tensorgrad.notation.net import Net, net_of, symmetric
from tensorgrad.notation.text import MUL, Text, call, fewest_transposes, product, transposed
from tensorgrad.sizes import as_poly
from tensorgrad.tensor import Delta, Flat, Product, Scalar, Tensor

if TYPE_CHECKING:
    from tensorgrad.notation.printer import Printer

Order = tuple[str, ...]
Printing = Generator[Any, Any, "Text | None"]
"""A printing in progress: it yields sub-printings and is sent their texts, so that nesting needs no recursion."""


def all_ones(t: Tensor) -> bool:
    """Whether a tensor is a scalar times all ones."""
    if not isinstance(t, Product | Delta):
        return False
    net = net_of(t)
    used = {e for _, edges in net.operands for e in edges}
    ends = list(net.boundary.values())
    return bool(net.coefficient) and len(set(ends)) == len(ends) and not used & set(ends)


def product_text(printer: Printer, t: Tensor, order: Order, drop_ones: bool = False) -> Printing:
    """A product by position: first with nested products in parentheses, else dissolved."""
    for deep in (False, True):
        net = net_of(t, deep)
        if not net.coefficient:
            dims = [str(t.sizes[e]) for e in order]
            return Text(f"zeros[{', '.join(dims)}]" if dims else "0")
        text = yield _net_text(printer, net, order, drop_ones)
        if text is not None or not any(isinstance(f, Product) for f, _ in net.operands):
            return text
    return None


def _net_text(printer: Printer, net: Net, order: Order, drop_ones: bool) -> Printing:
    above, below = list[Text](), list[Text]()
    pieces: list[Piece] = []
    for node, edges in net.operands:
        over, base = printer.divisor(node)
        if not edges:
            text = yield printer.scalar(base)
            (above if over else below).append(text)
            continue
        element = yield _operand(printer, base, len(edges))
        if element is None:
            return None
        factors = ([], [element]) if not over else ([], [])
        piece = Piece(edges, [element] if over else [], *factors)
        if isinstance(node, Flat):
            piece.parts = node.parts
        pieces.append(piece)
    reduction = Reduction(pieces, net.dims, net.ends(), printer.identity)
    whole = _whole(net, pieces, order)
    if whole is None:
        reduction.run()
    above += reduction.scalars
    if drop_ones or not order:
        left = any(legs for legs in reduction.legs)
        return None if left else product_of(net, above, below, None)
    last = whole or _boundary(printer, reduction, [net.boundary[e] for e in order])
    return None if last is None else product_of(net, above, below, last)


def product_of(net: Net, above: Sequence[Text], below: Sequence[Text], last: Piece | None) -> Text:
    """Coefficient, scalars and what is left on the boundary, as one text."""
    scalars = sorted(above, key=lambda t: " " in t.s) if len(above) > 1 else above
    if last is None:
        chain = [t for t in scalars if " @ " in t.s and t.level == MUL]
        if len(chain) == 1:
            rest = [t for t in scalars if t is not chain[0]]
            return product(net.coefficient, rest, below, chain[0])
        return product(net.coefficient, scalars, below)
    if last.chain:
        return product(net.coefficient, scalars, below, last.element().forward)
    over, under = last.factors()
    return product(net.coefficient, [*scalars, *(e.forward for e in over)], [*below, *(e.forward for e in under)])


def _operand(printer: Printer, node: Tensor, legs: int) -> Generator[Any, Any, Element | None]:
    if isinstance(node, Flat):
        return vector_element(Text("flat"))
    forward = yield printer.positional(node, node.edges)
    if forward is None or legs != 2:
        return vector_element(forward) if forward is not None else None
    if symmetric(node):
        return Element(forward, forward)
    backward = yield printer.positional(node, node.edges[::-1])
    best = fewest_transposes(backward, transposed(forward))
    assert best is not None
    return Element(forward, best)


def _whole(net: Net, pieces: list[Piece], order: Order) -> Piece | None:
    """Entrywise products of tensors of order 3 and more, or with a boundary that needs no search."""
    ends = tuple(net.boundary[e] for e in order)
    if len(order) < 3 or not pieces or any(p.edges != ends or p.parts for p in pieces) or len(set(ends)) < len(ends):
        return None
    if len(pieces) == 1:
        return pieces[0]
    above = [e for p in pieces for e in p.factors()[0]]
    below = [e for p in pieces for e in p.factors()[1]]
    return Piece(ends, [], above, below)


def _boundary(printer: Printer, reduction: Reduction, ends: list[int]) -> Piece | None:
    """What the reduction left on the boundary, as one piece; groups of positions joined by outer."""
    if any(legs and not reduction.ends[e] for e, legs in enumerate(reduction.legs)):
        return None
    found: list[Piece] = []
    at = 0
    while at < len(ends):
        size = _group_size(reduction, ends, at)
        piece = None
        if size == 1:
            piece = reduction.vector(ends[at])
        elif size == 2:
            piece = reduction.matrix(ends[at], ends[at + 1])
        elif size:
            group = reduction.group(ends[at : at + size])
            whole = len(group) == 1 and group[0].edges == tuple(ends[at : at + size]) and not group[0].parts
            piece = group[0] if whole else None
        if piece is None:
            return None
        found.append(piece)
        at += size
    return _outer(reduction, found)


def _outer(reduction: Reduction, found: list[Piece]) -> Piece | None:
    if len(found) == 1:
        return found[0]
    texts = [p.element().forward.s for p in found]
    if len(found) > 2 and len(set(texts)) == 1:
        text = call("power", texts[0], str(len(texts)))
    elif all(s.startswith("ones[") for s in texts) and not any(reduction.group(p.edges) for p in found):
        text = Text(f"ones[{', '.join(s[5:-1] for s in texts)}]")
    else:
        text = Text(texts[0])
        for other in texts[1:]:
            text = call("outer", text.s, other)
    edges = tuple(e for p in found for e in p.edges)
    return Piece(edges, [Element(text, call("outer", *texts[::-1])) if len(found) == 2 else vector_element(text)])


def _group_size(reduction: Reduction, ends: list[int], at: int) -> int:
    """How many positions from `at` on hang together; 0 if others stand between them."""
    reach = {ends[at]}
    grown = True
    while grown:
        more = {e for edge in reach for piece in reduction.legs[edge] for e in piece.edges}
        grown = not more <= reach
        reach |= more
    size = 0
    while at + size < len(ends) and ends[at + size] in reach:
        size += 1
    return 0 if any(e in reach for e in ends[at + size :] + ends[:at]) else size


def weighted(printer: Printer, term: Tensor, weight: Fraction) -> Tensor:
    """`weight * term`, as one product."""
    if weight == 1:
        return term
    factors = term.factors if isinstance(term, Product) else (term,)
    return printer.keep(Product((Scalar(as_poly(weight)), *factors), term.edges))
