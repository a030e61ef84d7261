"""Expanded polynomial form: products distributed over sums, so that every term is one contraction."""

from __future__ import annotations

from fractions import Fraction

from tensorgrad.tensor import (
    Apply,
    Product,
    Rename,
    Scalar,
    Sum,
    Tensor,
    Zero,
    align,
    postorder,
    renamed,
    with_children,
)

Terms = list[tuple[Fraction, Tensor]]

MOST_TERMS = 5_000
"""A product that would have more terms stays a product of sums."""

LARGEST_POWER = 6
"""Powers up to this are products of equal factors, as in diagrams."""


def flatten(t: Tensor) -> Tensor:
    """`t` as a sum of terms without sums among their factors; arguments of functions likewise.

    >>> from tensorgrad import Variable
    >>> a, b = Variable("a", i="n"), Variable("b", i="n")
    >>> len(flatten((a + b) * (a - b)).terms)
    4
    """
    forms: dict[int, Terms] = {}
    for node in postorder(t):
        forms[id(node)] = _terms(node, forms)
    return _joined(t, forms[id(t)])


def _terms(node: Tensor, forms: dict[int, Terms]) -> Terms:
    match node:
        case Zero():
            return []
        case Sum():
            terms = [
                (weight * w, inner)
                for weight, term in zip(node.weights, node.terms, strict=True)
                for w, inner in forms[id(term)]
            ]
            return terms if len(terms) <= MOST_TERMS else _closed(node, forms)
        case Product():
            return _product(node, list(node.factors), forms)
        case Rename():
            aligned = [(w, align(inner, node.tensor.edges)) for w, inner in forms[id(node.tensor)]]
            return [(w, renamed(inner, node.edges)) for w, inner in aligned]
        case Apply() if (times := _whole_power(node)) and len(forms[id(node.args[0])]) > 1:
            return _product(node, [node.args[0]] * times, forms)
        case _:
            return _closed(node, forms)


def _closed(node: Tensor, forms: dict[int, Terms]) -> Terms:
    """The node as one term, its children flattened."""
    children = tuple(align(_joined(c, forms[id(c)]), c.edges) for c in node.children)
    return [(Fraction(1), with_children(node, children))]


def _whole_power(node: Apply) -> int:
    """k when the node is x**k with a small integer k >= 2, else 0."""
    if node.function.name != "pow" or node.function.derivative or not isinstance(node.args[1], Scalar):
        return 0
    value = node.args[1].value
    if not value.is_constant or value.number.denominator != 1:
        return 0
    return int(value.number) if 2 <= value.number <= LARGEST_POWER else 0


def _product(node: Tensor, factors: list[Tensor], forms: dict[int, Terms]) -> Terms:
    count = 1
    for factor in factors:
        count *= len(forms[id(factor)])
        if count > MOST_TERMS:
            return _closed(node, forms)
    rows: list[tuple[Fraction, tuple[Tensor, ...]]] = [(Fraction(1), ())]
    for factor in factors:
        rows = [(weight * w, (*row, inner)) for weight, row in rows for w, inner in forms[id(factor)]]
    return [(weight, Product(row, node.edges)) for weight, row in rows]


def _joined(node: Tensor, terms: Terms) -> Tensor:
    if not terms:
        return Zero(edges=node.sizes)
    if len(terms) == 1 and terms[0][0] == 1:
        return align(terms[0][1], node.edges)
    return Sum(tuple(align(inner, node.edges) for _, inner in terms), tuple(weight for weight, _ in terms))
