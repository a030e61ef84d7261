"""Contractions, copy tensors, fused edges, opaque functions, and layers made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from itertools import permutations
from math import factorial
from typing import Any

from tensorgrad.errors import EdgeError, SizeError, UnsupportedError
from tensorgrad.function import FUNCTIONS, Function
from tensorgrad.functions.edges import Dim, chosen, fresh, rows_and_columns
from tensorgrad.functions.reductions import mean, softmax
from tensorgrad.functions.reductions import sum as sum_
from tensorgrad.sizes import Poly, SizeLike, size
from tensorgrad.tensor import (
    Apply,
    Delta,
    Derivative,
    Flat,
    Product,
    Scalar,
    Sum,
    Tensor,
    TensorLike,
    Unit,
    Variable,
    broadcast,
    power,
    tensor,
)
from tensorgrad.tensor import Convolution as ConvolutionNode


def Ones(*symbols: SizeLike, edges: Mapping[str, SizeLike] | None = None, **named: SizeLike) -> Tensor:
    """All ones: `Ones(n)`, `Ones(i=n, j=m)`.

    >>> Ones(i="n", j=3).shape
    {'i': n, 'j': 3}
    """
    pairs = [*((str(s), s) for s in symbols), *(edges or {}).items(), *named.items()]
    return Product([Delta(s, e) for e, s in pairs], [e for e, _ in pairs])


def dot(left: Tensor, right: Tensor, dim: Dim = None) -> Tensor:
    """The sum of left * right over shared edges: all of them, or those of `dim`."""
    shared = [e for e in left.edges if e in right.edges] if dim is None else chosen(left, dim)
    return sum_(left * right, shared)


def multi_dot(tensors: Iterable[Tensor]) -> Tensor:
    """The chain of contractions t0 @ t1 @ ..."""
    return reduce(lambda a, b: a @ b, tensors)


def trace(t: Tensor, dims: Sequence[Dim] | None = None) -> Tensor:
    """The sum of the diagonal of a matrix, or over two groups of edges."""
    rows, columns = rows_and_columns(t, dims, "trace")
    if len(rows) != len(columns):
        raise EdgeError(f"trace pairs rows with columns, but there are {len(rows)} and {len(columns)}")
    joints = [_joint(t, (row, column)) for row, column in zip(rows, columns, strict=True)]
    bound = {*rows, *columns}
    return Product((t, *joints), [e for e in t.edges if e not in bound])


def diag(t: Tensor, edges: Sequence[str] | str) -> Tensor:
    """A vector as a diagonal tensor with `edges`, or the diagonal of t's edges as one edge.

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
    """The sum of the squares of all entries."""
    return Product((t, t), ())


def kronecker(first: Tensor, *others: Tensor) -> Tensor:
    """The Kronecker product of tensors with the same edge names: each edge becomes the fused one, of the product size.

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


def flatten(t: Tensor, dims: Dim = None, into: str = "flat") -> Tensor:
    """Fuse edges, row-major, into the edge `into`."""
    edges = chosen(t, dims)
    rest = [e for e in t.edges if e not in edges]
    inner = dict(zip(edges, fresh(edges, (into, *rest)), strict=True))
    fused = Flat((into, *inner.values()), tuple(t.sizes[e] for e in edges))
    return Product((t.rename(inner), fused), (into, *rest))


def one_hot(index: TensorLike, **edge: SizeLike) -> Tensor:
    """The unit vector that is 1 at `index`, an integer expression of order 0: `one_hot(2, i=n)`."""
    if len(edge) != 1:
        raise EdgeError("one_hot makes a vector: name its one edge and size, one_hot(2, i=n)")
    ((name, dim),) = edge.items()
    return Unit(tensor(index), size(dim), (name,))


def Convolution(*, stride: int = 1, **edges: SizeLike | None) -> Tensor:
    """1 where input = kernel + output: three edges in this order, `Convolution(i=n, k=3, o=None)`.

    The size of the output may be None: it is input - kernel + 1.
    """
    if stride != 1:
        raise UnsupportedError(f"a convolution with stride {stride}")
    if len(edges) != 3:
        raise EdgeError(f"a convolution has three edges, input, kernel and output, not {', '.join(edges) or 'none'}")
    (first, input_), (second, kernel), (third, output) = edges.items()
    if input_ is None or kernel is None:
        raise SizeError("the sizes of a convolution's input and kernel must be given")
    whole, part = size(input_), size(kernel)
    return ConvolutionNode((first, second, third), (whole, part, whole - part + 1 if output is None else size(output)))


def function(name: str, produces: Mapping[str, SizeLike], *arguments: Sequence[Any] | Tensor) -> Tensor:
    """An opaque smooth function: `function("f", {"out": k}, (t, "in"))` acts on t's edge `in` and has an edge `out`.

    Edges of the arguments that it does not act on are batch edges, aligned by name. Its derivatives, in every argument
    and to any order, are opaque functions again; mixed ones do not depend on their order.

    >>> function("f", {"out": "k"}, (Variable("x", b="b", i="n"), "i"), (Variable("t", "b"),)).shape
    {'b': b, 'out': k}
    """
    if not name.isidentifier() or name in FUNCTIONS:
        raise EdgeError(f"{name!r} cannot name an unknown function: {_taken(name)}")
    if not arguments:
        raise EdgeError(f"{name} needs an argument: function({name!r}, {{}}, (x, 'i'))")
    args = [tensor(a[0]) if isinstance(a, tuple | list) else tensor(a) for a in arguments]
    acted = [
        tuple((e,) for e in chosen(arg, a[1:])) if isinstance(a, tuple | list) else ()
        for arg, a in zip(args, arguments, strict=True)
    ]
    made = Function(
        name, tuple(len(groups) for groups in acted), tuple(size(dim) for dim in produces.values()), known=False
    )
    return Apply(made, args, acted, tuple((edge,) for edge in produces))


def _taken(name: str) -> str:
    return "it is a function of the library" if name in FUNCTIONS else "use a Python identifier"


def symmetrize(t: Tensor, signed: bool = False) -> Tensor:
    """The mean of `t` over all permutations of its edges; `signed` weights each with its sign."""
    orders = list(permutations(t.edges))
    weights = [Fraction(_sign(t.edges, order) if signed else 1, len(orders)) for order in orders]
    return Sum(tuple(t.rename(dict(zip(t.edges, order, strict=True))) for order in orders), tuple(weights))


def _sign(edges: Sequence[str], order: Sequence[str]) -> int:
    places = [edges.index(e) for e in order]
    inversions = [1 for j in range(len(places)) for i in range(j) if places[i] > places[j]]
    return -1 if len(inversions) % 2 else 1


def taylor(t: Tensor, x: Variable, step: Tensor, order: int) -> Tensor:
    """The Taylor polynomial of `t` at x + step: its derivatives up to `order` contracted with powers of `step`."""
    total, term = t, t
    for k in range(1, order + 1):
        names = fresh(x.edges, term.edges)
        derivative = Derivative(term, x, names)
        moved = step.rename(dict(zip(x.edges, names, strict=True)))
        term = Product((derivative, moved), t.edges)
        total = total + term * Fraction(1, factorial(k))
    return total


def pairwise_distance(left: Tensor, right: Tensor, dim: Dim) -> Tensor:
    """The squared Euclidean distance along `dim`: sum((left - right)**2); other edges align or broadcast."""
    difference = broadcast(left, right.sizes) - broadcast(right, left.sizes)
    return sum_(difference * difference, dim)


def layer_norm(t: Tensor, dim: Dim, eps: TensorLike = 0) -> Tensor:
    """(t - mean) / sqrt(variance + eps) along `dim`."""
    centred = t - mean(t, dim, keepdims=True)
    return centred * power(mean(centred * centred, dim) + eps, Fraction(-1, 2))


def sdpa(query: Tensor, key: Tensor, value: Tensor, inner: str, keys: str) -> Tensor:
    """Scaled dot-product attention: softmax over `keys` of query . key / sqrt(inner), times value."""
    scale = power(Scalar(_size_of(query, inner)), Fraction(-1, 2))
    scores = dot(query, key, inner) * scale
    return dot(softmax(scores, keys), value, keys)


def _size_of(t: Tensor, edge: str) -> Poly:
    (name,) = chosen(t, edge)
    return t.sizes[name]
