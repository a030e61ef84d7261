"""Functions of matrices; `dims=(rows, columns)` says which edges are the rows and columns, each possibly a group."""

from __future__ import annotations

from collections.abc import Sequence

from tensorgrad.function import FUNCTIONS
from tensorgrad.functions.edges import Dim, fresh, rows_and_columns, shared
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
    """The determinant.

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="n")
    >>> print(F.det(A).grad(A).simplify())
    adj(A).T
    """
    return _scalar("det", t, dims)


def logdet(t: Tensor, dims: Dims = None) -> Tensor:
    """log(abs(det(t))) of an invertible matrix.

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="n")
    >>> print(F.logdet(A).grad(A).simplify())
    inv(A).T
    """
    return _scalar("logdet", t, dims)


def rank(t: Tensor, dims: Dims = None) -> Tensor:
    """The rank: how many columns are linearly independent. In floating point up to rounding.

    It is constant where it does not jump and has no derivative: differentiating it is an UnsupportedError.

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="m")
    >>> print(F.rank(A @ A.rename(i="k")).simplify())
    rank(A)
    """
    return _scalar("rank", t, dims)


def eigvals(t: Tensor, dims: Dims = None) -> Tensor:
    """The eigenvalues of a symmetric matrix in ascending order, along the edge of its rows.

    `sum(eigvals(S)) = tr(S)`; undefined where `t` is not symmetric; the derivative needs distinct eigenvalues and is that
    of the symmetric part of `t`, whose entries are independent. Cost: 4/3 n**3 operations.

    >>> from tensorgrad import F, Variable
    >>> S = Variable("S", i="n", j="n", facts="pd")
    >>> print(F.sum(F.log(F.eigvals(S))).simplify())
    logdet(S)
    """
    rows, columns = rows_and_columns(t, dims, "eigvals")
    return Apply(FUNCTIONS["eigvals"], (t,), ((rows, columns),), (rows,))


def inverse(t: Tensor, dims: Dims = None) -> Tensor:
    """The inverse, with the edges of `t`: contracted with `t` over one shared edge it is the identity over the other.

    So as names go it is the transposed inverse.

    >>> from tensorgrad import Variable
    >>> inverse(Variable("A", i="n", j="n")).edges
    ('j', 'i')
    """
    return _inverting("inv", t, dims)


def pinv(t: Tensor, dims: Dims = None) -> Tensor:
    """The pseudo-inverse, with the edges of `t` (see `inverse`).

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="m")
    >>> F.pinv(A).edges
    ('j', 'i')
    >>> print((A.rename(i="k") @ F.pinv(A) @ A.rename(j="l")).simplify())
    A
    """
    return _inverting("pinv", t, dims)


def adjugate(t: Tensor, dims: Dims = None) -> Tensor:
    """The adjugate det(t) * inv(t), with the edges of `t` (see `inverse`).

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="n")
    >>> print(F.adjugate(A))
    adj(A)
    """
    return _inverting("adj", t, dims)


def expm(t: Tensor, dims: Dims = None) -> Tensor:
    """The matrix exponential.

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="n")
    >>> print(F.logdet(F.expm(A)).simplify())
    tr(A)
    """
    return _keeping("expm", t, dims)


def sinm(t: Tensor, dims: Dims = None) -> Tensor:
    """The sine of a matrix.

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="n")
    >>> print(F.trace(F.sinm(A)).grad(A).simplify())
    cosm(A).T
    """
    return _keeping("sinm", t, dims)


def cosm(t: Tensor, dims: Dims = None) -> Tensor:
    """The cosine of a matrix.

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="n")
    >>> print(F.trace(F.cosm(A)).grad(A).simplify())
    -sinm(A).T
    """
    return _keeping("cosm", t, dims)


def logm(t: Tensor, dims: Dims = None) -> Tensor:
    """The principal matrix logarithm.

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="n")
    >>> print(F.trace(F.logm(A)).grad(A).simplify())
    inv(A).T
    """
    return _keeping("logm", t, dims)


def sqrtm(t: Tensor, dims: Dims = None) -> Tensor:
    """The principal square root of a matrix.

    >>> from tensorgrad import F, Variable
    >>> S = Variable("S", i="n", j="n", facts="psd")
    >>> print(F.trace(F.sqrtm(S)).grad(S).simplify())
    inv(sqrtm(S)) / 2
    """
    return _keeping("sqrtm", t, dims)


def cholesky(t: Tensor, dims: Dims = None) -> Tensor:
    """The lower triangular L with L @ L.T equal to `t`, which must be positive definite.

    Its derivative is that of the symmetric part of `t`, whose entries are independent.

    >>> from tensorgrad import F, Variable
    >>> S = Variable("S", i="n", j="n", facts="pd")
    >>> L = F.cholesky(S)
    >>> print((L @ L.rename(i="k")).simplify())
    S
    """
    return _keeping("cholesky", t, dims)


def solve(t: Tensor, right: Tensor, dims: Dims = None) -> Tensor:
    """x with sum over the columns of t * x = right: `right` with the rows of `t` replaced by its columns.

    >>> from tensorgrad import Variable
    >>> solve(Variable("A", i="n", j="n"), Variable("b", i="n")).edges
    ('j',)
    """
    rows, columns = rows_and_columns(t, dims, "solve")
    shared(rows, right, "solve")
    # A column that `right` has too is another edge: batch over it under a name of its own.
    own = dict(zip(columns, fresh(columns, (*t.edges, *right.edges)), strict=True))
    inner = inverse(t, (rows, columns)).rename({c: new for c, new in own.items() if c in right.edges})
    return inner @ right
