"""Matrix notation of a tensor, where it has one."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tensorgrad.notation.chains import Element, Piece, Reduction, vector_element
from tensorgrad.notation.net import Net, net_of, symmetric
from tensorgrad.notation.text import (
    MUL,
    Text,
    call,
    fewest_transposes,

    poly,
    product,
    raised,
    summed,
    transposed,
)
from tensorgrad.sizes import MINUS_ONE, ONE, as_poly
from tensorgrad.tensor import (
    Apply,
    Delta,
    Derivative,
    Expectation,
    Flat,
    Product,
    Rename,
    Scalar,
    Sum,
    Tensor,
    Unit,
    Variable,
    Zero,
)

if TYPE_CHECKING:
    from tensorgrad.notation.printer import Printer

Order = tuple[str, ...]
Printing = Generator[Any, Any, "Text | None"]
"""A printing in progress: it yields sub-printings and is sent their texts, so that nesting needs no recursion."""


def positional(printer: Printer, t: Tensor, order: Order) -> Printing:
    """The matrix notation of `t` with its edges as axes in this order, or None; remembered."""
    key = (id(t), order)
    if key not in printer.memo:
        straight = yield direct(printer, t, order)
        if len(order) > 1 and straight is None:
            back = yield direct(printer, t, order[::-1])
            straight = transposed(back) if back is not None else None
        printer.memo[key] = straight
    return printer.memo[key]


def direct(printer: Printer, t: Tensor, order: Order) -> Printing:
    """Matrix notation without a `.T` around the whole, or None."""
    key = (id(t), order, "direct")
    if key not in printer.memo:
        printer.memo[key] = yield _direct(printer, t, order)
    return printer.memo[key]


def _direct(printer: Printer, t: Tensor, order: Order) -> Printing:
    match t:
        case Rename():
            names = dict(zip(t.edges, t.tensor.edges, strict=True))
            return (yield positional(printer, t.tensor, tuple(names[e] for e in order)))
        case Variable():
            turned = order == t.edges[::-1] and symmetric(t)
            return Text(t.name) if order == t.edges or turned else None
        case Scalar():
            return poly(t.value)
        case Zero():
            dims = [str(t.sizes[e]) for e in order]
            return Text(f"zeros[{', '.join(dims)}]" if dims else "0")
        case Unit():
            index = yield printer.scalar(t.index)
            return Text(f"e[{index.s}, {t.size}]") if "e" not in printer.names else None
        case Sum():
            return (yield _sum(printer, t, order))
        case Product() | Delta():
            return (yield product_text(printer, t, order))
        case Apply():
            return (yield _apply(printer, t, order))
        case Derivative():
            return (yield _derivative(printer, t, order))
        case Expectation():
            return (yield _expectation(printer, t, order))
        case _:
            return None


# ---- sums


def weighted(printer: Printer, term: Tensor, weight: Fraction) -> Tensor:
    """`weight * term`, as one product."""
    if weight == 1:
        return term
    factors = term.factors if isinstance(term, Product) else (term,)
    return printer.keep(Product((Scalar(as_poly(weight)), *factors), term.edges))


def _sum(printer: Printer, t: Sum, order: Order) -> Printing:
    terms = [weighted(printer, term, weight) for term, weight in zip(t.terms, t.weights, strict=True)]
    flat = [bool(order) and all_ones(term) for term in terms]
    texts: list[Text | None] = []
    for term, ones in zip(terms, flat, strict=True):
        if not order:
            texts.append((yield printer.scalar(term)))
            continue
        if ones and not all(flat):
            texts.append((yield product_text(printer, term, order, drop_ones=True)))
        else:
            texts.append((yield positional(printer, term, order)))
    missing = [k for k, text in enumerate(texts) if text is None]
    if len(missing) * 2 > len(texts):
        return None
    for k in missing:
        texts[k] = yield printer.ordered(terms[k], order)
    return summed([text for text in texts if text is not None])


def all_ones(t: Tensor) -> bool:
    """Whether a tensor is a scalar times all ones."""
    if not isinstance(t, Product | Delta):
        return False
    net = net_of(t)
    used = {e for _, edges in net.operands for e in edges}
    ends = list(net.boundary.values())
    return bool(net.coefficient) and len(set(ends)) == len(ends) and not used & set(ends)


# ---- products


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
        over, base = divisor(node)
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
        text = last.element().forward
        return product(net.coefficient, scalars, below, text if text.level >= MUL else Text(f"({text.s})"))
    over, under = last.factors()
    return product(net.coefficient, [*scalars, *(e.forward for e in over)], [*below, *(e.forward for e in under)])


def divisor(node: Tensor) -> tuple[bool, Tensor]:
    """(True, x) for a factor x, (False, x) for the factor 1 / x."""
    if isinstance(node, Apply) and node.function.name == "pow" and set(node.edges) == set(node.args[0].edges):
        exponent = node.args[1]
        if isinstance(exponent, Scalar) and exponent.value is MINUS_ONE:
            return False, node.args[0]
    return True, node


def _operand(printer: Printer, node: Tensor, legs: int) -> Generator[Any, Any, Element | None]:
    if isinstance(node, Flat):
        return vector_element(Text("flat"))
    forward = yield positional(printer, node, node.edges)
    if forward is None or legs != 2:
        return vector_element(forward) if forward is not None else None
    if symmetric(node):
        return Element(forward, forward)
    backward = yield positional(printer, node, node.edges[::-1])
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
    """How many positions from `at` on hang together; 0 if they do not follow each other or one edge comes back later."""
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


# ---- functions


def _apply(printer: Printer, t: Apply, order: Order) -> Printing:
    name = str(t.function)
    if t.function.name == "pow" and t.function.known:
        return (yield _power(printer, t, order))
    if t.function.elementwise:
        if len(t.args) != 1 or "." in name:
            return None
        norm = yield _norm(printer, t)
        if norm is not None:
            return norm
        inner = yield (positional(printer, t.args[0], order) if order else printer.scalar(t.args[0]))
        return call(name, inner.s) if inner is not None else None
    if any(len(group) != 1 for groups in t.acted for group in groups):
        return None
    acted = tuple(group[0] for group in t.acted[0])
    produced = tuple(group[0] for group in t.produced)
    batch = order[: len(order) - len(produced)]
    if order[len(batch) :] != produced or (batch and len(acted) > 1) or (batch and not t.function.known):
        return None
    if batch and set(t.args[0].edges) != {*batch, *acted}:
        return None
    inner = yield positional(printer, t.args[0], (*batch, *acted))
    if inner is None and batch:
        return None
    if inner is None:
        inner = yield printer.ordered(t.args[0], acted)
    extra = list[str]()
    for argument in t.args[1:]:
        if argument.order:
            return None
        text = yield printer.scalar(argument)
        extra.append(text.s)
    return call(name, inner.s, *extra)


def _norm(printer: Printer, t: Apply) -> Printing:
    """sqrt(norm2(x)) is norm(x)."""
    inner = t.args[0]
    if t.function.name != "sqrt" or not isinstance(inner, Product) or inner.edges or t.function.derivative:
        return None
    if len(inner.factors) != 2 or inner.factors[0] is not inner.factors[1]:
        return None
    x = inner.factors[0]
    text = yield positional(printer, x, x.edges)
    return call("norm", text.s) if text is not None else None


def _power(printer: Printer, t: Apply, order: Order) -> Printing:
    base, exponent = t.args
    if exponent.order and base.order and set(base.edges) != set(exponent.edges):
        return None
    low = yield (positional(printer, base, order) if base.order else printer.scalar(base))
    high = yield (positional(printer, exponent, order) if exponent.order else printer.scalar(exponent))
    if low is None or high is None:
        return None
    if isinstance(exponent, Scalar) and exponent.value is MINUS_ONE:
        return product(ONE, [], [low])
    return raised(low, high)


def _derivative(printer: Printer, t: Derivative, order: Order) -> Printing:
    count = len(t.names)
    first = order[: len(order) - count]
    if order[len(first) :] != t.names:
        return None
    inner = t.tensor
    if isinstance(inner, Derivative) and inner.variable.name == t.variable.name and first[len(first) - count :] == inner.names:
        text = yield positional(printer, inner.tensor, first[: len(first) - count])
        if text is not None:
            return call("hess", text.s, t.variable.name)
    text = yield (positional(printer, inner, first) if first else printer.scalar(inner))
    return call("grad", text.s, t.variable.name) if text is not None else None


def _expectation(printer: Printer, t: Expectation, order: Order) -> Printing:
    head = f"{t.kind}[{t.variable.name}]"
    if t.kind == "E":
        exponent = moment_exponent(t)
        if exponent is not None:
            text = yield printer.scalar(exponent)
            return call("moment", t.variable.name, text.s)
        inner = yield (positional(printer, t.args[0], order) if order else printer.scalar(t.args[0]))
        return call(head, inner.s) if inner is not None else None
    split = t.args[0].order
    first, second = order[:split], order[split:]
    if t.kind == "Var":
        copies = dict(zip(t.edges[:split], t.edges[split:], strict=False))
        if len(t.edges) != 2 * split or tuple(copies.get(e) for e in first) != second:
            return None
        inner = yield (positional(printer, t.args[0], first) if first else printer.scalar(t.args[0]))
        return call(head, inner.s) if inner is not None else None
    if set(first) != set(t.args[0].edges) or set(second) != set(t.args[1].edges) or set(first) & set(second):
        return None
    texts = list[str]()
    for argument, axes in zip(t.args, (first, second), strict=True):
        inner = yield (positional(printer, argument, axes) if axes else printer.scalar(argument))
        if inner is None:
            return None
        texts.append(inner.s)
    return call(head, *texts)


def moment_exponent(t: Expectation) -> Tensor | None:
    """k when the expectation is moment(x, k): E[x](mean(x ** k)) under an iid law."""
    if t.law is None or t.law.kind != "iid" or t.edges:
        return None
    inner = t.args[0]
    power = inner.factors[-1] if isinstance(inner, Product) and inner.factors else inner
    if not isinstance(power, Apply) or power.function.name != "pow" or power.args[1].order:
        return None
    if not isinstance(power.args[0], Variable) or power.args[0].name != t.variable.name:
        return None
    if isinstance(inner, Product):
        total = ONE
        for dim in t.variable.dims:
            total = total * dim
        scale = [f for f in inner.factors[:-1]]
        if len(scale) != 1 or not isinstance(scale[0], Scalar) or scale[0].value * total is not ONE:
            return None
    return power.args[1]


