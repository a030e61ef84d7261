"""Products of two tensors over one edge as torch writes them: `@` on views, batch axes first."""

from __future__ import annotations

from collections.abc import Sequence

Factor = tuple[str, Sequence[int]]
"""A tensor's text, and the edge of each of its axes."""


def product_source(left: Factor, right: Factor, kept: Sequence[int]) -> str | None:
    """`A.T @ B`, `A @ B.mT` over batch axes, for two operands summed over one edge; None where `@` does not fit.

    >>> product_source(("A", (0, 1, 2)), ("B", (0, 3, 2)), (0, 1, 3))
    'A @ B.mT'
    >>> product_source(("A", (1, 0)), ("x", (0,)), (1,)), product_source(("A", (0, 1)), ("B", (0, 2)), (2, 1))
    ('A @ x', 'B.T @ A')
    """
    (a, la), (b, lb) = left, right
    summed = [e for e in dict.fromkeys((*la, *lb)) if e not in kept]
    if len(summed) != 1 or summed[0] not in la or summed[0] not in lb:
        return None
    shared = [e for e in kept if e in la and e in lb]
    rows = [e for e in kept if e in la and e not in lb]
    columns = [e for e in kept if e in lb and e not in la]
    if (
        not shared
        and len(rows) > 1
        and (*la, *columns) == (*rows, *summed, *columns)
        and tuple(kept) == (*rows, *columns)
    ):
        return f"{a} @ {_turned(b, lb, (*summed, *columns))}" if len(columns) < 2 else None
    if not shared and len(columns) > 1 and (*lb, *rows) == (*columns, *summed, *rows):
        return product_source(right, left, kept) if tuple(kept) == (*columns, *rows) else None
    if len(rows) > 1 or len(columns) > 1:
        return None
    if rows and columns and list(kept).index(columns[0]) < list(kept).index(rows[0]):
        return product_source(right, left, kept)
    if not shared:
        if not rows and tuple(lb) == (*columns, *summed):  # a vector is best on the side that turns no matrix
            return f"{b} @ {a}"
        if not columns and tuple(la) == (*summed, *rows):
            return f"{b} @ {a}"
        return f"{_turned(a, la, (*rows, *summed))} @ {_turned(b, lb, (*summed, *columns))}"
    if not (rows and columns):
        return None  # a batch of vectors: einsum does as well
    result = (*shared, *rows, *columns)
    product = f"{_turned(a, la, (*shared, *rows, *summed))} @ {_turned(b, lb, (*shared, *summed, *columns))}"
    return product if result == tuple(kept) else _turned(f"({product})", result, kept)


def _turned(text: str, legs: Sequence[int], order: Sequence[int]) -> str:
    """The text with its axes in another order."""
    axes = [list(legs).index(e) for e in order]
    if axes == sorted(axes):
        return text
    if axes == [1, 0]:
        return f"{text}.T"
    last = len(axes) - 1
    if axes == [*range(last - 1), last, last - 1]:
        return f"{text}.mT"
    return f"{text}.permute({', '.join(map(str, axes))})"
