"""Tensors joined to larger ones: `block(A, B, C, D)` and `concat(x, y, ..., axis)`, by position."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.functions.reshaping import concat
from tensorgrad.notation import structure as st
from tensorgrad.notation.reader import Reader
from tensorgrad.notation.syntax import Syntax
from tensorgrad.notation.values import Dim, Edge, Relation, Value
from tensorgrad.notation.vocabulary import Plan, count_arguments
from tensorgrad.tensor import Tensor, align, renamed


def plan_block(reader: Reader, node: Syntax, arguments: Sequence[Syntax]) -> Plan:
    """block(A, B, C, D) = [[A, B], [C, D]]."""
    count_arguments(reader, node, "block", arguments, 4)
    return arguments, lambda v: _block(reader, node, v)


def _block(reader: Reader, node: Syntax, v: list[Value]) -> Value:
    for value in v:
        reader.of_order(value, 2, "block")
    for a, b, axis, where in ((0, 1, 0, "above"), (2, 3, 0, "below"), (0, 2, 1, "left"), (1, 3, 1, "right")):
        if not v[a].dims[axis].unify(v[b].dims[axis]):
            what, pair = ("rows", "columns")[axis], [reader.show(v[k].node) for k in (a, b)]
            raise reader.error(
                node,
                f"block(A, B, C, D) is [[A, B], [C, D]], so its blocks {where}, {pair[0]} and {pair[1]}, have equally "
                f"many {what}, but these have {v[a].dims[axis]} and {v[b].dims[axis]}{reader.bindings(node)}",
            )
    rows, columns = Edge(), Edge()
    dims = (_joined(reader, node, (v[0], v[2]), 0), _joined(reader, node, (v[0], v[1]), 1))

    def make(t: Sequence[Tensor]) -> Tensor:
        names = reader.names((rows, columns))
        blocks = [_named(reader, part, value, names) for part, value in zip(t, v, strict=True)]
        return concat([concat(blocks[:2], names[1]), concat(blocks[2:], names[1])], names[0])

    return Value((rows, columns), dims, False, tuple(v), make, node)


def plan_concat(reader: Reader, node: Syntax, arguments: Sequence[Syntax]) -> Plan:
    """concat(x, y, ...) along the first axis; an integer as the last argument is the axis."""
    said = len(arguments) > 1 and arguments[-1].kind == "number"
    parts = arguments[:-1] if said else arguments
    axis = st.count_of(reader, arguments[-1], "the axis of concat") if said else 0
    if not parts:
        raise reader.error(node, "concat takes the tensors to be joined, and the axis where it is not 0")
    return parts, lambda v: _concat(reader, node, v, axis)


def _concat(reader: Reader, node: Syntax, v: list[Value], axis: int) -> Value:
    first = v[0]
    for value in v:
        reader.positional(value, "concat")
        if not value.order:
            raise reader.error(
                value.node,
                f"concat joins axes, but {reader.show(value.node)} is a scalar: a vector of one entry is c * ones[1]",
            )
        reader.of_order(value, first.order, f"concat with {reader.show(first.node)}")
        if axis >= value.order:
            raise reader.error(
                value.node,
                f"{reader.show(value.node)} has no axis {axis}: its order is {value.order} ({value.shape()}), axes "
                f"count from 0{reader.bindings(value.node)}",
            )
        for k, (mine, other) in enumerate(zip(first.dims, value.dims, strict=True)):
            if k != axis and not mine.unify(other):
                raise reader.error(
                    value.node,
                    f"concat along axis {axis} needs equal sizes along axis {k}, but {reader.show(first.node)} is "
                    f"{first.shape()} and {reader.show(value.node)} is {value.shape()}{reader.bindings(node)}",
                )
    edges = tuple(Edge() for _ in first.edges)
    dims = [*first.dims]
    dims[axis] = _joined(reader, node, v, axis)

    def make(t: Sequence[Tensor]) -> Tensor:
        names = reader.names(edges)
        return concat([_named(reader, part, value, names) for part, value in zip(t, v, strict=True)], names[axis])

    return Value(edges, tuple(dims), False, tuple(v), make, node)


def _named(reader: Reader, t: Tensor, value: Value, names: Sequence[str]) -> Tensor:
    return renamed(align(t, reader.names(value.edges)), tuple(names))


def _joined(reader: Reader, node: Syntax, parts: Sequence[Value], axis: int) -> Dim:
    """The size of the axis that these parts make together."""
    whole = Dim()
    reader.relations.append(Relation("concat", whole, tuple(p.dims[axis] for p in parts), reader.source, node))
    implied = reader.relations[-1].implied()
    if implied is not None:
        whole.unify(Dim(implied))
    return whole
