"""Derivatives of functions of a matrix that are power series (expm, sinm, cosm, logm, sqrtm, matpow), through a block matrix.

With B = [[A, E], [0, A]] the block (0, 1) of f(B) is the derivative of f at A in the direction E (Higham, Functions of
Matrices, theorem 3.6). So a derivative is f again, of one matrix of twice the size a direction, and so is a derivative of
that: no function needs a declaration of its own. B is `delta[s, t] * A + e[0, 2][s] * e[1, 2][t] * E`, its rows the
group (s, rows), its columns the group (t, columns).
"""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.calculus.wired import Frame, Wired, fresh, materialise, unit
from tensorgrad.errors import UnsupportedError
from tensorgrad.sizes import ZERO, as_poly
from tensorgrad.tensor import Apply, Delta, Product, Scalar, Tensor, Unit, add

SERIES = frozenset(["expm", "sinm", "cosm", "logm", "sqrtm", "matpow"])
"""Functions f with f of a block triangular matrix as above."""

_TWO = as_poly(2)


def through_block(node: Apply, value: Wired, frame: Frame, reverse: bool) -> Wired:
    """The Jacobian of `node` in its matrix times a value: reverse takes a cotangent at the node to one at the matrix.

    Reverse mode uses that the adjoint of the derivative at A is the derivative at A transposed.
    """
    matrix = node.args[0]
    rows, columns = node.acted[0]
    if tuple(matrix.sizes[e] for e in rows) != tuple(matrix.sizes[e] for e in columns):
        raise UnsupportedError(f"the derivative of {node.function} of edges fused in different ways")
    taken = {*node.edges, *(e for arg in node.args for e in arg.edges)}
    extra: list[str] = []
    for _ in frame.names:
        extra.append(fresh(taken))
        taken.add(extra[-1])
    near = dict(zip((*node.produced[0], *node.produced[1]), (*columns, *rows), strict=True)) if reverse else {}
    source, target = (node, matrix) if reverse else (matrix, node)
    names = [near.get(e, e) for e in source.edges]
    direction = materialise(unit(value), (*names, *extra), (*source.dims, *frame.dims))
    produced = (columns, rows) if reverse else node.produced
    core = _block(node, direction, produced, (*target.edges, *extra), taken)
    ends = tuple(range(core.order))
    return Wired(value.coefficient, core, ends, ends)


def _block(
    node: Apply, direction: Tensor, produced: Sequence[tuple[str, ...]], edges: tuple[str, ...], taken: set[str]
) -> Tensor:
    """Block (0, 1) of the function of the block matrix, with these edges; others are summed."""
    matrix = node.args[0]
    rows, columns = node.acted[0]
    s, t, row, column = (_name(taken) for _ in range(4))
    diagonal = Product((Delta(_TWO, s, t), matrix), (s, t, *matrix.edges))
    corner = Product((*_corner(s, t), direction), (s, t, *direction.edges))
    whole = add([diagonal, corner], [as_poly(1).number] * 2)
    acted = (((s, *rows), (t, *columns)), *node.acted[1:])
    value = Apply(node.function, (whole, *node.args[1:]), acted, ((row, *produced[0]), (column, *produced[1])))
    return Product((value, *_corner(row, column)), edges)


def _corner(row: str, column: str) -> tuple[Tensor, Tensor]:
    return Unit(Scalar(ZERO), _TWO, (row,)), Unit(Scalar(as_poly(1)), _TWO, (column,))


def _name(taken: set[str]) -> str:
    name = fresh(taken)
    taken.add(name)
    return name
