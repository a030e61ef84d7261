"""Matrix notation of a tensor, where it has one."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from tensorgrad.notation.net import symmetric
from tensorgrad.notation.product_text import Order, Printing, all_ones, product_text, weighted
from tensorgrad.notation.text import (
    Text,
    call,
    fewest_transposes,
    poly,
    product,
    raised,
    summed,
    transposed,
)
from tensorgrad.notation.tiling import embedding_text, tiles_text
from tensorgrad.sizes import ONE
from tensorgrad.tensor import (
    Apply,
    Convolution,
    Delta,
    Derivative,
    Expectation,
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


def positional(printer: Printer, t: Tensor, order: Order) -> Printing:
    """The matrix notation of `t` with its edges as axes in this order, or None; remembered."""
    key = (id(t), order)
    if key not in printer.memo:
        straight = yield direct(printer, t, order)
        if len(order) > 1 and straight is None:
            back = yield direct(printer, t, order[::-1])
            straight = transposed(back) if back is not None else None
            if straight is not None and isinstance(t, Apply) and t.function.transpose == "commutes":
                straight = fewest_transposes(straight, (yield _of_transpose(printer, t, order)))
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
            tiled = (yield tiles_text(printer, [(t, Fraction(1))], order)) if isinstance(t, Product) else None
            return tiled or (yield product_text(printer, t, order))
        case Convolution():
            return embedding_text(printer, t, order)
        case Apply():
            entrywise = t.function.elementwise and len(t.args) == 1
            return (yield (_apply if t.function.known or entrywise else _unknown)(printer, t, order))
        case Derivative():
            return (yield _derivative(printer, t, order))
        case Expectation():
            return (yield _expectation(printer, t, order))
        case _:
            return None


# ---- sums


def _sum(printer: Printer, t: Sum, order: Order) -> Printing:
    tiled = yield tiles_text(printer, _summands(t), order)
    if tiled is not None:
        return tiled
    terms = [weighted(printer, term, weight) for term, weight in _summands(t)]
    flat = [bool(order) and all_ones(term) for term in terms]
    if all(flat) and len(flat) > 1:
        return (yield _constant_sum(printer, t, terms, order))
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


def _summands(t: Sum) -> list[tuple[Tensor, Fraction]]:
    """Terms and weights of a sum, those of sums that stand in it as terms included."""
    found: list[tuple[Tensor, Fraction]] = []
    stack: list[tuple[Tensor, Fraction]] = [(t, Fraction(1))]
    while stack:
        node, weight = stack.pop()
        if isinstance(node, Sum):
            pairs = zip(node.terms, node.weights, strict=True)
            stack.extend(reversed([(term, weight * w) for term, w in pairs]))
        else:
            found.append((node, weight))
    return found


def _constant_sum(printer: Printer, t: Sum, terms: list[Tensor], order: Order) -> Printing:
    """`(a + b) * ones[n]`: as its canonical form, a sum of scalars with the ones outside."""
    scalars = list[Text]()
    for term in terms:
        text = yield product_text(printer, term, order, drop_ones=True)
        if text is None:
            return None
        scalars.append(text)
    dims = ", ".join(str(t.sizes[e]) for e in order)
    return product(ONE, [summed(scalars)], [], Text(f"ones[{dims}]"))


# ---- functions


def _apply(printer: Printer, t: Apply, order: Order) -> Printing:
    name = str(t.function)
    if t.function.nullary:
        return Text(str(t.function))
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
    if order[len(batch) :] != produced or (batch and len(acted) > 1):
        return None
    if batch and set(t.args[0].edges) != {*batch, *acted}:
        return None
    inner = yield positional(printer, t.args[0], (*batch, *acted))
    if inner is None and batch and not t.function.own_sizes:
        return None
    if inner is None:
        inner = yield printer.ordered(t.args[0], (*batch, *acted))
    if t.function.name == "onehot" and t.function.known:
        return Text(f"e[{inner.s}, {t.sizes[produced[0]]}]") if "e" not in printer.names else None
    extra = list[str]()
    for argument in t.args[1:]:
        if argument.order:
            return None
        text = yield printer.scalar(argument)
        extra.append(text.s)
    return call(name, inner.s, *extra)


def _unknown(printer: Printer, t: Apply, order: Order) -> Printing:
    """`f(x, s)`: an unknown function that acts on all edges of its arguments."""
    if order != tuple(e for group in t.produced for e in group):
        return None
    texts: list[str] = []
    for argument, groups in zip(t.args, t.acted, strict=True):
        axes = tuple(e for group in groups for e in group)
        text = yield (printer.ordered(argument, axes) if axes else printer.scalar(argument))
        texts.append(text.s)
    return call(str(t.function), *texts)


def _of_transpose(printer: Printer, t: Apply, order: Order) -> Printing:
    """`inv(A)` for `inv(A.T).T`: a matrix function that commutes with transposition, of the transposed argument."""
    rows, columns = (group[0] for group in t.acted[0])
    if len(t.args) != 1 or len(order) != 2 or order != tuple(group[0] for group in reversed(t.produced)):
        return None
    inner = yield positional(printer, t.args[0], (columns, rows))
    return call(str(t.function), inner.s) if inner is not None else None


def _norm(printer: Printer, t: Apply) -> Printing:
    """sqrt(norm2(x)) is norm(x)."""
    inner = t.args[0]
    if t.function.name != "sqrt" or not isinstance(inner, Product) or inner.edges or t.function.derivative:
        return None
    if len(inner.factors) != 2 or not _same(*inner.factors):
        return None
    x = inner.factors[0]
    text = yield positional(printer, x, x.edges)
    return call("norm", text.s) if text is not None else None


def _same(x: Tensor, y: Tensor) -> bool:
    """Whether two tensors are one object, perhaps under the same names twice."""
    if isinstance(x, Rename) and isinstance(y, Rename):
        return x.tensor is y.tensor and x.edges == y.edges
    return x is y


def _power(printer: Printer, t: Apply, order: Order) -> Printing:
    base, exponent = t.args
    if exponent.order and base.order and set(base.edges) != set(exponent.edges):
        return None
    over, below = printer.divisor(t)
    if not over:
        text = yield (positional(printer, below, order) if below.order else printer.scalar(below))
        return product(ONE, [], [text]) if text is not None else None
    low = yield (positional(printer, base, order) if base.order else printer.scalar(base))
    high = yield (positional(printer, exponent, order) if exponent.order else printer.scalar(exponent))
    return raised(low, high) if low is not None and high is not None else None


def _derivative(printer: Printer, t: Derivative, order: Order) -> Printing:
    count = len(t.names)
    first = order[: len(order) - count]
    if order[len(first) :] != t.names:
        return None
    inner = t.tensor
    if (
        isinstance(inner, Derivative)
        and inner.variable.name == t.variable.name
        and first[len(first) - count :] == inner.names
    ):
        text = yield positional(printer, inner.tensor, first[: len(first) - count])
        if text is not None:
            return call("hess", text.s, t.variable.name)
    text = yield (positional(printer, inner, first) if first else printer.scalar(inner))
    return call("grad", text.s, t.variable.name) if text is not None else None


def _expectation(printer: Printer, t: Expectation, order: Order) -> Printing:
    head = yield printer.head(t)
    if t.kind == "E":
        exponent = moment_exponent(t) if t.variable.name in printer.said else None
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
        scale = inner.factors[:-1]
        if len(scale) != 1 or not isinstance(scale[0], Scalar) or scale[0].value * total is not ONE:
            return None
    return power.args[1]
