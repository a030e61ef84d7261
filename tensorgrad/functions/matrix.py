"""Functions of matrices; `dims=(rows, columns)` says which edges are the rows and columns, each possibly a group."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.function import FUNCTIONS
from tensorgrad.functions.edges import Dim, fresh, rows_and_columns
from tensorgrad.tensor import Apply, Tensor

Dims = Sequence[Dim] | None


def _scalar(name: str, t: Tensor, dims: Dims) -> Tensor:
    return Apply(FUNCTIONS[name], (t,), (rows_and_columns(t, dims, name),))


def _inverting(name: str, t: Tensor, dims: Dims) -> Tensor:
    rows, columns = rows_and_columns(t, dims, name)
    return Apply(FUNCTIONS[name], (t,), ((rows, columns),), (columns, rows))


def _keeping(name: str, t: Tensor, dims: Dims) -> Tensor:
    groups = rows_and_columns(t, dims, name)
    return Apply(FUNCTIONS[name], (t,), (groups,), groups)


def det(t: Tensor, dims: Dims = None) -> Tensor:
    """The determinant."""
    return _scalar("det", t, dims)


def logdet(t: Tensor, dims: Dims = None) -> Tensor:
    """log(abs(det(t))) of an invertible matrix."""
    return _scalar("logdet", t, dims)


def inverse(t: Tensor, dims: Dims = None) -> Tensor:
    """The inverse, with the edges of `t`: contracted with `t` over one shared edge it is the identity over the other.

    So as names go it is the transposed inverse.

    >>> from tensorgrad import Variable
    >>> inverse(Variable("A", i="n", j="n")).edges
    ('j', 'i')
    """
    return _inverting("inv", t, dims)


def pinv(t: Tensor, dims: Dims = None) -> Tensor:
    """The pseudo-inverse, with the edges of `t` (see `inverse`)."""
    return _inverting("pinv", t, dims)


def adjugate(t: Tensor, dims: Dims = None) -> Tensor:
    """The adjugate det(t) * inv(t), with the edges of `t` (see `inverse`)."""
    return _inverting("adj", t, dims)


def expm(t: Tensor, dims: Dims = None) -> Tensor:
    """The matrix exponential."""
    return _keeping("expm", t, dims)


def sinm(t: Tensor, dims: Dims = None) -> Tensor:
    """The sine of a matrix."""
    return _keeping("sinm", t, dims)


def cosm(t: Tensor, dims: Dims = None) -> Tensor:
    """The cosine of a matrix."""
    return _keeping("cosm", t, dims)


def logm(t: Tensor, dims: Dims = None) -> Tensor:
    """The principal matrix logarithm."""
    return _keeping("logm", t, dims)


def sqrtm(t: Tensor, dims: Dims = None) -> Tensor:
    """The principal square root of a matrix."""
    return _keeping("sqrtm", t, dims)


def cholesky(t: Tensor, dims: Dims = None) -> Tensor:
    """The lower triangular L with L @ L.T equal to the symmetric part of `t`, which must be positive definite."""
    return _keeping("cholesky", t, dims)


def solve(t: Tensor, right: Tensor, dims: Dims = None) -> Tensor:
    """x with sum over the columns of t * x = right: `right` with the rows of `t` replaced by its columns.

    >>> from tensorgrad import Variable
    >>> solve(Variable("A", i="n", j="n"), Variable("b", i="n")).edges
    ('j',)
    """
    rows, columns = rows_and_columns(t, dims, "solve")
    # A column that `right` has too is another edge: batch over it under a name of its own.
    own = dict(zip(columns, fresh(columns, (*t.edges, *right.edges)), strict=True))
    inner = inverse(t, (rows, columns)).rename({c: new for c, new in own.items() if c in right.edges})
    return inner @ right
