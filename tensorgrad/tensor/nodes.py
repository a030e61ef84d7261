"""The algebra: numbers, copy tensors, sums, products, and functions applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from numbers import Rational, Real
from typing import TypeVar, dataclass_transform

from tensorgrad.errors import EdgeError, SizeError
from tensorgrad.function import Function
from tensorgrad.sizes import Poly, SizeLike, as_poly, size
from tensorgrad.tensor.base import Number, Tensor
from tensorgrad.tensor.edges import Groups, check_distinct, check_same_sizes, names_of, shown, volume_of

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, eq_default=False)
def node(cls: type[_T]) -> type[_T]:
    """The decorator of nodes that are what their fields are."""
    return dataclass(frozen=True, eq=False, repr=False)(cls)


@node
class Rename(Tensor):
    """`tensor` with its edges, in order, called `edges`. Made by `rename`."""

    tensor: Tensor
    edges: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "dims", self.tensor.dims)

    @property
    def children(self) -> tuple[Tensor, ...]:
        return (self.tensor,)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Scalar(Tensor):
    """A number (exact: a float must be a short decimal) or a polynomial in sizes, order 0."""

    value: Poly
    edges: tuple[str, ...]
    dims: tuple[Poly, ...]

    def __init__(self, value: Number | Poly | SizeLike) -> None:
        object.__setattr__(self, "value", _exact(value))
        object.__setattr__(self, "edges", ())
        object.__setattr__(self, "dims", ())


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Delta(Tensor):
    """The copy tensor `delta[i, j, ...]`: 1 where all indices agree. Order 2: identity, 1: ones, 0: the number n.

    >>> print(Delta("n", "i", "j"), Delta("n", "i"), Delta("n"))
    I[n] ones[n] n
    """

    size: Poly
    edges: tuple[str, ...]

    def __init__(self, size_: SizeLike, *edges: str) -> None:
        object.__setattr__(self, "size", size(size_))
        object.__setattr__(self, "edges", tuple(edges))
        check_distinct(self.edges, "a copy tensor")

    @property
    def dims(self) -> tuple[Poly, ...]:  # type: ignore[override]
        """The size, once an edge.

        >>> list(map(str, Delta("n", "i", "j").dims))
        ['n', 'n']
        """
        return (self.size,) * len(self.edges)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Zero(Tensor):
    """All zeros: `Zero(i=n, j=m)`.

    >>> Zero(i="n", j="m").edges
    ('i', 'j')
    >>> print(Zero(i="n", j="m"))
    zeros[n, m]
    """

    edges: tuple[str, ...]
    dims: tuple[Poly, ...]

    def __init__(self, *symbols: SizeLike, edges: Mapping[str, SizeLike] | None = None, **named: SizeLike) -> None:
        pairs = [*((str(s), s) for s in symbols), *(edges or {}).items(), *named.items()]
        object.__setattr__(self, "edges", tuple(e for e, _ in pairs))
        object.__setattr__(self, "dims", tuple(size(s) for _, s in pairs))
        check_distinct(self.edges, "Zero")


@node
class Sum(Tensor):
    """`weights[0] * terms[0] + ...`; all terms have the same edges (any order). `add` broadcasts, this does not.

    >>> from tensorgrad import Variable
    >>> A, B = Variable("A", i="n", j="m"), Variable("B", j="m", i="n")
    >>> print(Sum((A, B), (Fraction(1), Fraction(-1, 2))))
    A - B.T / 2
    """

    terms: tuple[Tensor, ...]
    weights: tuple[Fraction, ...]

    def __post_init__(self) -> None:
        if not self.terms or len(self.terms) != len(self.weights):
            raise EdgeError("a Sum needs at least one term and one weight a term; use Zero for the empty sum")
        first = self.terms[0].sizes
        for term in self.terms[1:]:
            check_same_sizes(self.terms[0], term, "+")
            if set(term.edges) != set(first):
                raise EdgeError(f"cannot add tensors with edges {names_of(tuple(first))} and {names_of(term.edges)}")
        object.__setattr__(self, "edges", self.terms[0].edges)
        object.__setattr__(self, "dims", self.terms[0].dims)

    @property
    def children(self) -> tuple[Tensor, ...]:
        return self.terms


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Product(Tensor):
    """Multiply factors aligned by edge name, then sum every edge that is not in `edges`.

    An edge may join any number of factors (a hyperedge). `Product(factors)` without `edges` is the pairwise form: a name
    in two factors is contracted, in one it is free, in three it is an error. Every edge of `edges` is some factor's.

    >>> from tensorgrad import Variable
    >>> A, B = Variable("A", i="n", j="m"), Variable("B", j="m", k="l")
    >>> Product([A, B]).edges, Product([A, B], ("i", "j", "k")).edges
    (('i', 'k'), ('i', 'j', 'k'))
    """

    factors: tuple[Tensor, ...]
    edges: tuple[str, ...]
    dims: tuple[Poly, ...]

    def __init__(self, factors: Iterable[Tensor], edges: Sequence[str] | None = None) -> None:
        listed = tuple(factors)
        found: dict[str, Poly] = {}
        count: dict[str, int] = {}
        for factor in listed:
            for edge, dim in zip(factor.edges, factor.dims, strict=True):
                if found.setdefault(edge, dim) is not dim:
                    other = next(f for f in listed if edge in f.edges)
                    raise SizeError(
                        f"the edge {edge!r} has size {found[edge]} in one factor, {shown(other)}, and {dim} in another, "
                        f"{shown(factor)}; rename it in one of them, or give both one size"
                    )
                count[edge] = count.get(edge, 0) + 1
        if edges is None:
            for edge, times in count.items():
                if times > 2:
                    raise EdgeError(
                        f"the edge {edge!r} is in {times} factors: join more than two with a Delta, or use *"
                    )
            edges = [edge for edge, times in count.items() if times == 1]
        for edge in edges:
            if edge not in found:
                raise EdgeError(f"no factor has the edge {edge!r}; there are {names_of(tuple(found))}")
        check_distinct(tuple(edges), "a product")
        object.__setattr__(self, "factors", listed)
        object.__setattr__(self, "edges", tuple(edges))
        object.__setattr__(self, "dims", tuple(found[e] for e in edges))

    @property
    def children(self) -> tuple[Tensor, ...]:
        return self.factors


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Apply(Tensor):
    """A function applied: `acted[k]` are the groups of edges of argument k it acts on (bound here), the arguments' other
    edges are batch edges aligned by name and free in the result, followed by the `produced` groups.

    `exp(x)`: acted ((),), produced (). `softmax[i](X)`: acted ((("i",),),), produced (("i",),).
    `inv(mat[i, j](X))[k, l]`: acted ((("i",), ("j",)),), produced (("k",), ("l",)).
    """

    function: Function
    args: tuple[Tensor, ...]
    acted: tuple[Groups, ...]
    produced: Groups
    edges: tuple[str, ...]
    dims: tuple[Poly, ...]

    def __init__(
        self, function: Function, args: Iterable[Tensor], acted: Sequence[Groups] | None = None, produced: Groups = ()
    ) -> None:
        args = tuple(args)
        acted = tuple(acted) if acted is not None else ((),) * len(args)
        if tuple(len(groups) for groups in acted) != function.acts:
            raise EdgeError(f"{function} acts on {function.acts} groups of edges of its arguments, not {acted}")
        batch: dict[str, Poly] = {}
        for arg, groups in zip(args, acted, strict=True):
            bound = [e for group in groups for e in group]
            for edge in bound:
                if edge not in arg.edges:
                    raise EdgeError(f"{function} cannot act on {edge!r}: its argument has {names_of(arg.edges)}")
            for edge, dim in arg.sizes.items():
                if edge not in bound and batch.setdefault(edge, dim) is not dim:
                    raise SizeError(
                        f"the edge {edge!r} has sizes {batch[edge]} and {dim} in the arguments of {function}"
                    )
        flat = [(arg.sizes, group) for arg, groups in zip(args, acted, strict=True) for group in groups]
        group_dims = [tuple(sizes[e] for e in group) for sizes, group in flat]
        if function.square and volume_of(group_dims[0]) is not volume_of(group_dims[1]):
            raise SizeError(
                f"{function} needs a square matrix; its argument is {volume_of(group_dims[0])} by {volume_of(group_dims[1])}"
            )
        own: list[Poly] = []
        for group, source in zip(produced, function.produces, strict=True):
            dims = (source,) if isinstance(source, Poly) else group_dims[source]
            if len(group) != len(dims):
                of = f"of size {source}" if isinstance(source, Poly) else f"in place of {flat[source][1]}"
                raise EdgeError(f"{function} produces {len(dims)} edges {of}, not {group}")
            own += dims
        edges = (*batch, *(e for group in produced for e in group))
        check_distinct(edges, f"the result of {function}")
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "args", args)
        object.__setattr__(self, "acted", acted)
        object.__setattr__(self, "produced", produced)
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "dims", (*batch.values(), *own))

    @property
    def children(self) -> tuple[Tensor, ...]:
        return self.args


def _exact(value: Number | Poly | SizeLike) -> Poly:
    if isinstance(value, Poly):
        return value
    if isinstance(value, Rational):  # NumPy's integers too
        return as_poly(Fraction(int(value.numerator), int(value.denominator)))
    if isinstance(value, Real) and isfinite(value):
        return as_poly(Fraction(repr(float(value))))
    if hasattr(value, "free_symbols"):
        from tensorgrad.sizes import from_sympy

        return from_sympy(value)
    raise TypeError(f"{value!r} is not a tensor, a number or a size")
