"""Contractions, copy tensors and diagonals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from itertools import permutations

from tensorgrad.errors import EdgeError, SizeError
from tensorgrad.functions.edges import Dim, chosen, fresh, rows_and_columns, shared
from tensorgrad.functions.reductions import sum as sum_
from tensorgrad.sizes import SizeLike
from tensorgrad.tensor import Delta, Flat, LeviCivita, Product, Sum, Tensor


def Ones(*symbols: SizeLike, edges: Mapping[str, SizeLike] | None = None, **named: SizeLike) -> Tensor:
    """All ones: `Ones(n)`, `Ones(i=n, j=m)`.

    >>> Ones(i="n", j=3).shape
    {'i': n, 'j': 3}
    """
    pairs = [*((str(s), s) for s in symbols), *(edges or {}).items(), *named.items()]
    return Product([Delta(s, e) for e, s in pairs], [e for e, _ in pairs])


def dot(left: Tensor, right: Tensor, dim: Dim = None) -> Tensor:
    """The sum of left * right over shared edges: all of them, or those of `dim`.

    >>> from tensorgrad import F, Variable
    >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
    >>> print(F.dot(A, x, "j"))
    A @ x
    """
    edges = [e for e in left.edges if e in right.edges] if dim is None else chosen(left, dim)
    shared(edges, right, "dot")
    return sum_(left * right, edges)


def multi_dot(tensors: Iterable[Tensor]) -> Tensor:
    """The chain of contractions t0 @ t1 @ ...

    >>> from tensorgrad import F, Variable
    >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
    >>> print(F.multi_dot([Variable("y", i="n"), A, x]).simplify())
    y @ A @ x
    """
    chain = list(tensors)
    if not chain:
        raise EdgeError("multi_dot needs at least one tensor")
    return reduce(lambda a, b: a @ b, chain)


def trace(t: Tensor, dims: Sequence[Dim] | None = None) -> Tensor:
    """The sum of the diagonal of a matrix, or over two groups of edges.

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="n")
    >>> print(F.trace(A))
    tr(A)
    """
    rows, columns = rows_and_columns(t, dims, "trace")
    if len(rows) != len(columns):
        raise EdgeError(f"trace pairs rows with columns, but there are {len(rows)} and {len(columns)}")
    joints = [_joint(t, (row, column)) for row, column in zip(rows, columns, strict=True)]
    bound = {*rows, *columns}
    return Product((t, *joints), [e for e in t.edges if e not in bound])


def diag(t: Tensor, edges: Sequence[str] | str) -> Tensor:
    """A vector as a diagonal tensor with `edges`, or the diagonal of t's edges as one edge.

    >>> from tensorgrad import Variable
    >>> x = Variable("x", "n")
    >>> diag(x, ["i", "j"]).edges, diag(diag(x, ["i", "j"]), "k").edges
    (('i', 'j'), ('k',))
    """
    new = (edges,) if isinstance(edges, str) else tuple(edges)
    if t.order > 1 and len(new) > 1:
        raise EdgeError(f"diag makes one edge of several or several of one; it has {', '.join(t.edges)} and got {new}")
    inner = t.rename(dict(zip(t.edges, fresh(t.edges, new), strict=True)))
    sizes = set(t.dims)
    if len(sizes) != 1:
        raise SizeError(f"diag needs edges of one size; the tensor has {t.shape}")
    return Product((inner, Delta(t.dims[0], *inner.edges, *new)), new)


def _joint(t: Tensor, edges: Sequence[str]) -> Delta:
    sizes = {t.sizes[e] for e in edges}
    if len(sizes) != 1:
        raise SizeError(
            f"the edges {', '.join(edges)} have different sizes: {', '.join(str(t.sizes[e]) for e in edges)}"
        )
    return Delta(t.sizes[edges[0]], *edges)


def frobenius2(t: Tensor) -> Tensor:
    """The sum of the squares of all entries.

    >>> from tensorgrad import F, Variable
    >>> A = Variable("A", i="n", j="n")
    >>> print(F.frobenius2(A).grad(A).simplify())
    2 * A
    """
    return Product((t, t), ())


def kronecker(first: Tensor, *others: Tensor) -> Tensor:
    """The Kronecker product of tensors with the same edge names: each edge becomes the fused one, of the product size.

    >>> from tensorgrad import Variable
    >>> kronecker(Variable("A", i="n", j="m"), Variable("B", i="k", j="k")).shape
    {'i': k*n, 'j': k*m}
    """
    factors = (first, *others)
    for other in others:
        if set(other.edges) != set(first.edges):
            raise EdgeError(f"kronecker needs tensors with the same edges, not {first.edges} and {other.edges}")
    parts = [f.rename({e: f"{e}_{k}" for e in f.edges}) for k, f in enumerate(factors)]
    flats = [
        Flat((e, *(f"{e}_{k}" for k in range(len(factors)))), tuple(f.sizes[e] for f in factors)) for e in first.edges
    ]
    return Product((*parts, *flats), first.edges)


def symmetrize(t: Tensor, signed: bool = False, dim: Dim = None) -> Tensor:
    """The mean of `t` over all permutations of its edges (or of those of `dim`); `signed` weights each with its sign.

    >>> from tensorgrad import Variable
    >>> symmetrize(Variable("A", i="n", j="n"), signed=True)
    A[i, j] / 2 - A[j, i] / 2
    """
    edges = chosen(t, dim)
    if len({t.sizes[e] for e in edges}) > 1:
        raise SizeError(f"symmetrize exchanges edges of one size; it was given {_shape(t, edges)}")
    orders = list(permutations(edges))
    weights = [Fraction(_sign(edges, order) if signed else 1, len(orders)) for order in orders]
    return Sum(tuple(t.rename(dict(zip(edges, order, strict=True))) for order in orders), tuple(weights))


def _shape(t: Tensor, edges: Sequence[str]) -> str:
    return ", ".join(f"{e} of size {t.sizes[e]}" for e in edges)


def _sign(edges: Sequence[str], order: Sequence[str]) -> int:
    places = [edges.index(e) for e in order]
    inversions = [1 for j in range(len(places)) for i in range(j) if places[i] > places[j]]
    return -1 if len(inversions) % 2 else 1


def levi_civita(*edges: str) -> Tensor:
    """The Levi-Civita symbol: the sign of the permutation that its indices are, else 0; k edges of size k.

    >>> levi_civita("i", "j", "k").shape
    {'i': 3, 'j': 3, 'k': 3}
    """
    if not edges or len(set(edges)) < len(edges):
        raise EdgeError(f"levi_civita needs edges of different names, as many as its size; it was given {edges}")
    return LeviCivita(edges)
