"""The operators: `+ - * / ** @ .T` of values, and how axes of two values meet."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tensorgrad.function import FUNCTIONS
from tensorgrad.notation.reader import Combine, Reader, constant
from tensorgrad.notation.source import listed
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.values import Dim, Edge, Value
from tensorgrad.sizes import ONE, ZERO, Poly
from tensorgrad.tensor import Apply, Product, Scalar, Sum, Tensor, broadcast

_LARGEST_POWER = 64


def plan_operator(reader: Reader, node: Syntax) -> tuple[Sequence[Syntax], Combine]:
    """How to read an operator with its operands."""
    if node.kind == "unary":
        return node.parts, lambda v: negate(reader, node, v[0]) if node.value == "-" else v[0]
    if node.kind == "transpose":
        return node.parts, lambda v: transpose(reader, node, v[0])
    if node.value == "**":
        return node.parts, lambda v: power(reader, node, v[0], v[1])
    operands = chain(node, "+ -" if node.value in ("+", "-") else "* / @")
    combine = add if node.value in ("+", "-") else multiply
    operators = [operator for operator, _ in operands]
    return [operand for _, operand in operands], lambda v: combine(reader, node, operators, v)


def chain(node: Syntax, operators: str) -> list[tuple[str, Syntax]]:
    """The operands of `a + b - c`, or of `a * b @ c / d`, written without parentheses, and the operator before each."""
    found: list[tuple[str, Syntax]] = []
    while node.kind == "binary" and node.value in operators.split():
        found.append((node.value, node.parts[1]))
        node = node.parts[0]
        if node.grouped:
            break
    found.append(("", node))
    return found[::-1]


def negate(reader: Reader, node: Syntax, value: Value) -> Value:
    """-x"""
    if value.constant is not None:
        return constant(-value.constant, node)
    return Value(value.edges, value.dims, value.named, (value,), lambda t: Sum((t[0],), (Fraction(-1),)), node)


def transpose(reader: Reader, node: Syntax, value: Value) -> Value:
    """A.T"""
    if value.named:
        raise reader.error(
            node, f".T reverses positions, but {reader.show(value.node)} has named edges: swap the letters instead"
        )
    return Value(value.edges[::-1], value.dims[::-1], False, (value,), lambda t: t[0], node)


def power(reader: Reader, node: Syntax, base: Value, exponent: Value) -> Value:
    """base ** exponent, entry by entry."""
    if base.constant is not None and exponent.constant is not None:
        folded = _folded_power(base.constant, exponent.constant)
        if folded is not None:
            return constant(folded, node)
        if not base.constant and base.node.kind == "number":
            raise reader.error(node, "0 to a negative power is undefined")
    edges, dims, named = merge(reader, node, base, exponent, "raise")

    def make(t: Sequence[Tensor]) -> Tensor:
        return Apply(FUNCTIONS["pow"], (t[0], t[1]))

    value = Value(edges, dims, named, (base, exponent), make, node)
    k = exponent.constant
    if k is not None and k.is_constant and k.number > 0 and k.number.denominator == 1:
        value.power = (base, k)
    return value


def add(reader: Reader, node: Syntax, operators: list[str], values: list[Value]) -> Value:
    """a + b - c ..."""
    constants = [v.constant for v in values]
    if all(c is not None for c in constants):
        total = ZERO
        for op, c in zip(operators, constants, strict=True):
            assert c is not None
            total = total - c if op == "-" else total + c
        return constant(total, node)
    left = values[0]
    for k, right in enumerate(values[1:], 1):
        edges, dims, named = merge(reader, node, left, right, "add" if operators[k] == "+" else "subtract")
        span = Syntax("binary", values[0].node.start, right.node.end, parts=[left.node, right.node])
        left = Value(edges, dims, named, (), _no_tensor, span)
    weights = tuple(Fraction(-1 if op == "-" else 1) for op in operators)
    final = left

    def make(t: Sequence[Tensor]) -> Tensor:
        names = reader.names(final.edges)
        sizes = {name: dim.known() for name, dim in zip(names, final.dims, strict=True)}
        return Sum(tuple(broadcast(term, sizes) for term in t), weights)

    return Value(final.edges, final.dims, final.named, tuple(values), make, node)


def multiply(reader: Reader, node: Syntax, operators: list[str], values: list[Value]) -> Value:
    """a * b / c @ d ..., left to right, as one product."""
    coefficient = ONE
    factors: list[Value] = []
    left = values[0]
    for k, right in enumerate(values):
        if operators[k] == "@":
            edges, dims = contract(reader, node, left, right)
            left = Value(edges, dims, False, (), _no_tensor, span(values[0].node, left.node, right.node))
        elif k:
            what = "divide" if operators[k] == "/" else "multiply"
            edges, dims, named = merge(reader, node, left, right, what)
            left = Value(edges, dims, named, (), _no_tensor, span(values[0].node, left.node, right.node))
        if operators[k] == "/":
            right = reciprocal(reader, right)
        if right.constant is not None:
            coefficient = coefficient * right.constant
        else:
            factors.append(right)
    if not factors:
        return constant(coefficient, node)
    final = left

    def make(t: Sequence[Tensor]) -> Tensor:
        scalar = [] if coefficient is ONE else [Scalar(coefficient)]
        if not scalar and len(t) == 1:
            return t[0]
        return Product((*scalar, *t), reader.names(final.edges))

    return Value(final.edges, final.dims, final.named, tuple(factors), make, node)


def span(first: Syntax, left: Syntax, right: Syntax) -> Syntax:
    """A node for messages that stands for everything from `first` to `right`."""
    return Syntax("binary", first.start, right.end, parts=[left, right])


def reciprocal(reader: Reader, value: Value) -> Value:
    """1 / value, entry by entry."""
    if value.constant is not None and value.constant.is_monomial:
        return constant(value.constant.inverse(), value.node)
    if value.node.kind == "number" and not value.node.number:
        raise reader.error(value.node, "division by zero")
    base, exponent = value.power if value.power is not None else (value, ONE)

    def make(t: Sequence[Tensor]) -> Tensor:
        return Apply(FUNCTIONS["pow"], (t[0], Scalar(-exponent)))

    return Value(value.edges, value.dims, value.named, (base,), make, value.node)


def contract(reader: Reader, node: Syntax, left: Value, right: Value) -> tuple[tuple[Edge, ...], tuple[Dim, ...]]:
    """The axes of left @ right."""
    for value in (left, right):
        if value.named:
            letters = listed(value.names)
            raise reader.error(
                value.node,
                f"@ contracts by position, but {reader.show(value.node)} has named edges ({letters}): "
                f"write sum[...](... * ...), or order them with ten[{', '.join(value.names)}](...)",
            )
        if not value.order:
            a, b = reader.show(left.node), reader.show(right.node)
            remedy = f"multiply with *, as in {a} * {b}" if len(a) + len(b) < 60 else "multiply with *"
            raise reader.error(
                value.node,
                f"@ needs an axis on both sides, but {reader.show(value.node)} is a scalar: {remedy}"
                f"{reader.bindings(left.node, right.node)}",
            )
    if not left.dims[-1].unify(right.dims[0]):
        a, b = reader.show(left.node), reader.show(right.node)
        raise reader.error(
            span(left.node, left.node, right.node),
            f"cannot contract {a} @ {b}: {a} is {left.shape()}, {b} is {right.shape()}: the last axis of {a} has size "
            f"{left.dims[-1]}, the first of {b} has size {right.dims[0]}{reader.bindings(left.node, right.node)}"
            f"{_transposing(left, right, a, b)}",
        )
    left.edges[-1].join(right.edges[0])
    return (*left.edges[:-1], *right.edges[1:]), (*left.dims[:-1], *right.dims[1:])


def merge(
    reader: Reader, node: Syntax, left: Value, right: Value, what: str
) -> tuple[tuple[Edge, ...], tuple[Dim, ...], bool]:
    """The axes of two values put together entry by entry: a scalar goes with all, names align, positions agree."""
    if not left.order or not right.order:
        one = left if left.order else right
        return one.edges, one.dims, one.named
    if left.named != right.named:
        a, b = reader.show(left.node), reader.show(right.node)
        named, other = (left, right) if left.named else (right, left)
        raise reader.error(
            node,
            f"cannot {what} {a} and {b}: {reader.show(named.node)} has named edges ({listed(named.names)}), "
            f"{reader.show(other.node)} has positions ({other.shape()}): name its axes, "
            f"{_example(reader.show(other.node), other.order)}",
        )
    if left.named:
        return _merge_named(reader, left, right)
    same = left.order == right.order and all(p.unify(q) for p, q in zip(left.dims, right.dims, strict=True))
    if not same:
        a, b = reader.show(left.node), reader.show(right.node)
        remedy = "" if left.order == right.order else "; to broadcast, name the axes: A[i, j] + x[j]"
        raise reader.error(
            span(left.node, left.node, right.node),
            f"cannot {what} {a} and {b}: {a} is {left.shape()}, {b} is {right.shape()}"
            f"{reader.bindings(left.node, right.node)}{remedy}",
        )
    for p, q in zip(left.edges, right.edges, strict=True):
        p.join(q)
    return left.edges, left.dims, False


def _merge_named(reader: Reader, left: Value, right: Value) -> tuple[tuple[Edge, ...], tuple[Dim, ...], bool]:
    """The union of two sets of named edges; equal names have equal sizes."""
    sizes = left.sizes()
    edges, dims = list(left.edges), list(left.dims)
    for edge, name, dim in zip(right.edges, right.names, right.dims, strict=True):
        if name not in sizes:
            edges.append(edge)
            dims.append(dim)
        elif not sizes[name].unify(dim):
            raise reader.error(
                right.node,
                f"the index {name} has size {dim} in {reader.show(right.node)} and {sizes[name]} in "
                f"{reader.show(left.node)}{reader.bindings(left.node, right.node)}: use two letters or change "
                "a declaration",
            )
    return tuple(edges), tuple(dims), True


def _transposing(left: Value, right: Value, a: str, b: str) -> str:
    if left.order == 2 and left.dims[0].value is right.dims[0].value and len(a) < 20:
        return f"; did you mean {_turned(a)} @ {b}?"
    if right.order == 2 and left.dims[-1].value is right.dims[1].value and len(b) < 20:
        return f"; did you mean {a} @ {_turned(b)}?"
    return "; transpose one of them or change a declaration"


def _turned(text: str) -> str:
    return text[:-2] if text.endswith(".T") else f"{text}.T" if text.isidentifier() else f"({text}).T"


def _example(text: str, order: int) -> str:
    return f"{text if text.isidentifier() else f'({text})'}[{', '.join('ijklpq'[k % 6] for k in range(order))}]"


def _no_tensor(_: Sequence[Tensor]) -> Tensor:
    raise AssertionError("only the whole chain is built")


def _folded_power(base: Poly, exponent: Poly) -> Poly | None:
    if not exponent.is_constant or exponent.number.denominator != 1 or abs(exponent.number) > _LARGEST_POWER:
        return None
    k = int(exponent.number)
    if base.is_constant and (base.number or k >= 0):
        small = base.number.numerator.bit_length() + base.number.denominator.bit_length() <= 64
        return base**k if small and (base or k) else ONE if not k else base if not base else None
    if base.is_monomial or (k >= 0 and len(base.terms) <= 3 and k <= 8):
        return base**k
    return None
