"""Tensors with named edges: immutable expression nodes, and the operators a user writes with them.

Nodes know their free edges and sizes and nothing else. What they mean numerically is in `numeric`, what is equal to
what in `diagram` and `egraph`. Names of summed edges are local to the `Product` that sums them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from numbers import Rational, Real
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Union, dataclass_transform

from tensorgrad.errors import EdgeError, SizeError
from tensorgrad.function import FUNCTIONS, Function
from tensorgrad.sizes import ONE, ZERO, Poly, SizeLike, as_poly, size

if TYPE_CHECKING:
    from tensorgrad.api import Derivation

Number = Union[int, float, Fraction]
TensorLike = Union["Tensor", Number, Poly]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Fact:
    """A property of a tensor, `symmetric`, `pd`, `antisymmetric(0,1,2)`; `axes` are the groups named, if any.

    `symmetric(0,1)` has axes `((0,), (1,))`, `symmetric(0 2, 1 3)` has `((0, 2), (1, 3))`.
    """

    name: str
    axes: tuple[tuple[int, ...], ...] = ()

    def __str__(self) -> str:
        groups = ", ".join(" ".join(map(str, group)) for group in self.axes)
        return f"{self.name}({groups})" if self.axes else self.name


class Tensor:
    """A tensor expression: free edges by name, each with a size. `Tensor(3)`, `Tensor(n)` wrap numbers and sizes.

    >>> from tensorgrad import Variable
    >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
    >>> (A @ x).edges, Tensor(3).order
    (('i',), 0)
    """

    __slots__ = ("__dict__", "__weakref__")
    __array_ufunc__ = None  # a NumPy number on the left leaves the operation to the tensor
    edges: tuple[str, ...]
    dims: tuple[Poly, ...]

    def __new__(cls, *_: Any, **__: Any) -> Self:
        return object.__new__(Scalar if cls is Tensor else cls)  # type: ignore[return-value]

    @property
    def order(self) -> int:
        """Number of free edges.

        >>> Variable("A", i="n", j="m").order
        2
        """
        return len(self.edges)

    @property
    def sizes(self) -> dict[str, Poly]:
        """Free edge -> size, in the order of `edges`.

        >>> {edge: str(dim) for edge, dim in Variable("A", i="n", j=3).sizes.items()}
        {'i': 'n', 'j': '3'}
        """
        return dict(zip(self.edges, self.dims, strict=True))

    @property
    def shape(self) -> dict[str, Any]:
        """Free edge -> size as an int or a sympy expression.

        >>> Variable("A", i="n", j=3).shape
        {'i': n, 'j': 3}
        """
        return {edge: dim.sympy() for edge, dim in self.sizes.items()}

    @property
    def children(self) -> tuple[Tensor, ...]:
        """The tensors this node is made of.

        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> (A @ x).children == (A, x), A.children
        (True, ())
        """
        return ()

    def rename(self, mapping: Mapping[str, str] | None = None, /, **names: str) -> Tensor:
        """Give free edges new names, all at once: `t.rename(i="j")`, or with a mapping for odd names.

        Raises EdgeError for an edge that is not there, or for two edges of one name.

        >>> Variable("A", i="n", j="n").rename(i="j", j="i").edges
        ('j', 'i')
        """
        changes = {**(mapping or {}), **names}
        for old in changes:
            if old not in self.edges:
                raise EdgeError(f"cannot rename {old!r}: the tensor has the edges {_listed(self.edges)}")
        return renamed(self, tuple(changes.get(e, e) for e in self.edges))

    def __add__(self, other: TensorLike) -> Tensor:
        return self if _is_zero(other) else add([self, tensor(other)], [Fraction(1), Fraction(1)])

    def __radd__(self, other: TensorLike) -> Tensor:
        return self if _is_zero(other) else tensor(other) + self

    def __sub__(self, other: TensorLike) -> Tensor:
        return self if _is_zero(other) else add([self, tensor(other)], [Fraction(1), Fraction(-1)])

    def __rsub__(self, other: TensorLike) -> Tensor:
        return -self if _is_zero(other) else tensor(other) - self

    def __neg__(self) -> Tensor:
        return Sum((self,), (Fraction(-1),))

    def __matmul__(self, other: TensorLike) -> Tensor:
        """Contract all shared edges."""
        right = tensor(other)
        shared = set(self.edges) & set(right.edges)
        names = [e for e in (*self.edges, *right.edges) if e not in shared]
        return Product((self, right), tuple(names))

    def __rmatmul__(self, other: TensorLike) -> Tensor:
        return tensor(other) @ self

    def __mul__(self, other: TensorLike) -> Tensor:
        """Align shared edges (Hadamard), outer over the others."""
        right = tensor(other)
        return Product((self, right), tuple(dict.fromkeys((*self.edges, *right.edges))))

    def __rmul__(self, other: TensorLike) -> Tensor:
        return tensor(other) * self

    def __truediv__(self, other: TensorLike) -> Tensor:
        return self * power(tensor(other), -1)

    def __rtruediv__(self, other: TensorLike) -> Tensor:
        return tensor(other) / self

    def __pow__(self, exponent: TensorLike) -> Tensor:
        """Entry by entry."""
        return power(self, exponent)

    def __eq__(self, other: object) -> bool:
        """Equality of tensors with the same edge names: one canonical diagram (bound names, factor order do not count)."""
        if not isinstance(other, Tensor):
            return NotImplemented
        if self is other:
            return True
        from tensorgrad.equality import same

        return same(self, other)

    def __hash__(self) -> int:
        return hash(frozenset(self.sizes.items()))

    def __str__(self) -> str:
        from tensorgrad.notation import to_text

        return to_text(self)

    def __repr__(self) -> str:
        from tensorgrad.notation import to_exact_text

        return to_exact_text(self)

    def __bool__(self) -> bool:
        raise TypeError("a tensor has no truth value; compare with ==, or ask tg.prove")

    def depends_on(self, variable: Variable) -> bool:
        """Whether the variable (by name) occurs in the expression.

        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> A.depends_on(A), (A @ A).depends_on(x)
        (True, False)
        """
        return any(isinstance(t, Variable) and t.name == variable.name for t in walk(self))

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables that occur, in order of first occurrence.

        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> [v.name for v in (A @ x + A @ x).variables]
        ['A', 'x']
        """
        found = {t.name: t for t in walk(self) if isinstance(t, Variable)}
        return tuple(found.values())

    def grad(
        self,
        variable: Variable,
        new_names: Mapping[str, str] | Sequence[str] | None = None,
        *,
        structured: bool | str = False,
    ) -> Tensor:
        """The derivative node with respect to `variable`; its edges get new names, primed with `_` until free.

        Entries are independent; with `structured` those move together that the variable's facts tie (`tg.grad`).

        >>> x = Variable("x", i="n")
        >>> (x * x).grad(x).edges
        ('i', 'i_')
        >>> print((x @ x).grad(x).simplify())
        2 * x
        """
        if structured:
            from tensorgrad.api import grad

            return grad(self, variable, new_names, structured=structured)
        return Derivative(self, variable, new_names)

    def substitute(self, variable: Variable, value: Tensor) -> Tensor:
        """Replace a variable by a tensor that has the variable's edges and sizes.

        Derivatives by the variable, or by one that the value contains, are taken first: what is substituted is not
        differentiated. Raises EdgeError where an expectation is over such a variable.

        >>> x, y = Variable("x"), Variable("y")
        >>> print((x * y).grad(y).substitute(x, y + 1).simplify())
        y + 1
        """
        if set(value.edges) != set(variable.edges):
            raise EdgeError(
                f"cannot put a tensor with edges {_listed(value.edges)} for {variable.name}, "
                f"which has {_listed(variable.edges)}; rename first"
            )
        aligned = align(value, variable.edges)
        if aligned.dims != variable.dims:
            raise SizeError(f"cannot put a tensor of sizes {aligned.shape} for {variable.name}, of {variable.shape}")
        names = {variable.name, *(v.name for v in value.variables)}
        if any(isinstance(t, Derivative) and t.variable.name in names for t in walk(self)):
            from tensorgrad.api import expand

            return expand(self).substitute(variable, value)
        for t in walk(self):
            if isinstance(t, Expectation) and t.variable.name in names and t.depends_on(variable):
                raise EdgeError(
                    f"cannot substitute {variable.name} inside an expectation over {t.variable.name}, "
                    "which is not that of the value; rename that variable"
                )
        return rebuild(self, lambda t: aligned if isinstance(t, Variable) and t.name == variable.name else None)

    def simplify(self, **options: Any) -> Tensor:
        """The simplest equal form found; the result remembers its derivation (`explain`). Options: `tg.simplify`.

        >>> A = Variable("A", i="n", j="n", facts="orthogonal")
        >>> print((A @ A.rename(i="k")).simplify())
        I[n]
        """
        from tensorgrad.api import simplify

        return simplify(self, **options).tensor

    def full_simplify(self, expand: bool = True) -> Tensor:
        """The expanded polynomial normal form, or with `expand=False` the simplest form found.

        >>> x, y = Variable("x", i="n"), Variable("y", i="n")
        >>> print(((x + y) @ (x + y)).full_simplify())
        y @ y + 2 * x @ y + x @ x
        """
        from tensorgrad.api import full_simplify

        return full_simplify(self, expand=expand)

    def explain(self) -> Derivation:
        """How this tensor was derived, one rule a step (empty if it was written, not simplified).

        >>> x = Variable("x", i="n")
        >>> print((x @ x).grad(x).simplify().explain())
          grad(x @ x, x)
        = 2 * x            differentiate  [built in]
        """
        from tensorgrad.api import explain

        return explain(self)

    def cost(self, dims: Mapping[Any, int] | None = None) -> Any:
        """Operations of the best contraction order of the expression as it stands.

        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> print((A @ x).cost({"n": 10, "m": 20}))
        400 flops, peak 10 entries
        >>> print((A @ x).cost())
        2*m*n flops, peak n entries
        """
        from tensorgrad.api import cost

        return cost(self, dims)

    def is_isomorphic(self, other: Tensor, match_edges: bool = False) -> bool:
        """Whether the diagrams agree up to names of free edges (`match_edges=True`: names must agree too).

        >>> A = Variable("A", i="n", j="n")
        >>> A.is_isomorphic(A.rename(i="k")), A.is_isomorphic(A.rename(i="k"), match_edges=True)
        (True, False)
        """
        from tensorgrad.equality import isomorphic

        return isomorphic(self, other, match_edges)

    def isomorphisms(self, other: Tensor) -> Iterator[dict[str, str]]:
        """All maps of free edges to free edges that carry this diagram to the other.

        >>> S = Variable("S", i="n", j="n", facts="symmetric")
        >>> list(S.isomorphisms(S.rename(i="k", j="l")))
        [{'i': 'k', 'j': 'l'}, {'i': 'l', 'j': 'k'}]
        """
        from tensorgrad.equality import isomorphisms

        return isomorphisms(self, other)

    @property
    def symmetries(self) -> frozenset[frozenset[str]]:
        """Orbits of the free edges under the automorphisms of the diagram.

        >>> x, y = Variable("x", i="n"), Variable("y", j="n")
        >>> sorted(map(sorted, (x * y).symmetries))
        [['i'], ['j']]
        >>> sorted(map(sorted, (x * x.rename(i="j")).symmetries))
        [['i', 'j']]
        """
        from tensorgrad.equality import symmetries

        return symmetries(self)

    def show(self) -> None:
        """Show the diagram: in a notebook as a picture, else as text on stdout.

        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> (A @ x).show()
        i:n ──[A]─m─[x]
        """
        from tensorgrad.show import show

        show(self)

    def _repr_html_(self) -> str:
        from tensorgrad.show import to_html

        return to_html(self)

    def _repr_svg_(self) -> str:
        from tensorgrad.show import to_svg

        return to_svg(self)

    def _repr_latex_(self) -> str:
        from tensorgrad.show import to_latex

        return f"$\\displaystyle {to_latex(self)}$"

    @property
    def declarations(self) -> str:
        """The `let` text of its variables: `tg.parse(repr(t), let=t.declarations) == t`.

        >>> A, x = Variable("A", i="n", j="n", facts="symmetric"), Variable("x", j="n")
        >>> print((A @ x).declarations)
        A : n n symmetric ; x : n
        """
        from tensorgrad.notation import declarations

        return declarations(self)


@dataclass_transform(frozen_default=True, eq_default=False)
def _node(cls: type[_T]) -> type[_T]:
    return dataclass(frozen=True, eq=False, repr=False)(cls)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Variable(Tensor):
    """A named tensor. `Variable("X", b, x)` names edges after symbols; `Variable("A", i="n", j=3)` names them.

    Args: name; symbols (an edge named after each); edge=size; facts, a text as in a declaration ("symmetric pd");
    edges={"name": n} for edge names that collide with parameters.
    Raises EdgeError for two edges of one name (say `i=n, j=n`) and for an integer without a name; SizeError for a
    variable called as one of its sizes.

    >>> Variable("A", i="n", j="m").edges
    ('i', 'j')
    """

    name: str
    edges: tuple[str, ...]
    dims: tuple[Poly, ...]
    facts: tuple[Fact, ...]
    equations: tuple[tuple[Tensor, Tensor], ...]

    def __init__(
        self,
        name: str,
        *symbols: SizeLike,
        facts: str | Iterable[Fact] = (),
        edges: Mapping[str, SizeLike] | None = None,
        equations: Iterable[tuple[Tensor, Tensor]] = (),
        **named: SizeLike,
    ) -> None:
        if not name.isidentifier():
            raise EdgeError(f"{name!r} is not a variable name: use a Python identifier")
        pairs: list[tuple[str, SizeLike]] = []
        for symbol in symbols:
            if isinstance(symbol, int):
                raise EdgeError(f"the size {symbol} of {name} needs an edge name: write i={symbol}")
            pairs.append((str(symbol), symbol))
        pairs += [*(edges or {}).items(), *named.items()]
        names = [edge for edge, _ in pairs]
        for edge in names:
            if names.count(edge) > 1:
                raise EdgeError(
                    f"{name} has two edges named {edge!r}: give them names, Variable({name!r}, i={edge}, j={edge})"
                )
        dims = tuple(size(s) for _, s in pairs)
        for edge, dim in zip(names, dims, strict=True):
            if name in dim.symbols:
                raise SizeError(
                    f"{name} is the name of the variable and a size of it ({edge}={dim}), and would mean two things in one "
                    "expression: rename one of the two"
                )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "edges", tuple(names))
        object.__setattr__(self, "dims", dims)
        if isinstance(facts, str):
            from tensorgrad.notation import parse_facts

            facts = parse_facts(facts, self.dims, name)
        object.__setattr__(self, "facts", tuple(facts))
        object.__setattr__(self, "equations", tuple(equations))

    def with_symmetries(self, groups: str) -> Variable:
        """The variable with edges that may be exchanged: `"i j, k l"` states i with j, and k with l.

        >>> Variable("T", i="n", j="n", k="m").with_symmetries("i j, k").symmetries == {frozenset("ij"), frozenset("k")}
        True
        """
        facts: list[Fact] = []
        for group in (text.split() for text in groups.split(",")):
            for edge in group:
                if edge not in self.edges:
                    raise EdgeError(f"{self.name} has no edge {edge!r}, it has {_listed(self.edges)}")
                if self.sizes[edge] is not self.sizes[group[0]]:
                    raise SizeError(
                        f"{self.name} cannot be symmetric in {_listed(group)}: their sizes are "
                        f"{', '.join(str(self.sizes[e]) for e in group)}"
                    )
            if len(group) > 1:
                facts.append(Fact("symmetric", tuple((self.edges.index(e),) for e in group)))
        return Variable(self.name, edges=dict(self.sizes), facts=(*self.facts, *facts), equations=self.equations)

    def with_eq_constraint(self, left: Tensor, right: Tensor) -> Variable:
        """The variable with an equation that it satisfies: known wherever an expression with it is simplified or proved.

        >>> Q = Variable("Q", i="n", j="n")
        >>> Q = Q.with_eq_constraint(Q @ Q.rename(j="k"), Delta("n", "j", "k"))
        >>> print((Q @ Q.rename(j="k")).simplify())
        I[n]
        """
        if not (left.depends_on(self) or right.depends_on(self)):
            raise EdgeError(f"an equation for {self.name} must contain it")
        if set(left.edges) != set(right.edges):
            raise EdgeError(
                f"the sides of an equation for {self.name} have the edges {_listed(left.edges)} and {_listed(right.edges)}"
            )
        _same_sizes(left, right, "=")
        equations = (*self.equations, (left, align(right, left.edges)))
        return Variable(self.name, edges=dict(self.sizes), facts=self.facts, equations=equations)

    def has(self, fact: str) -> bool:
        """Whether a fact of this name is declared.

        >>> Variable("S", i="n", j="n", facts="symmetric pd").has("pd")
        True
        """
        return any(f.name == fact for f in self.facts)


@_node
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
        _distinct(self.edges, "a copy tensor")

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
        _distinct(self.edges, "Zero")


@_node
class Sum(Tensor):
    """`weights[0] * terms[0] + ...`; all terms have the same edges (any order). `add` broadcasts, this does not.

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
            _same_sizes(self.terms[0], term, "+")
            if set(term.edges) != set(first):
                raise EdgeError(f"cannot add tensors with edges {_listed(tuple(first))} and {_listed(term.edges)}")
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
                        f"the edge {edge!r} has size {found[edge]} in one factor, {_bound(other)}, and {dim} in another, "
                        f"{_bound(factor)}; rename it in one of them, or give both one size"
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
                raise EdgeError(f"no factor has the edge {edge!r}; there are {_listed(tuple(found))}")
        _distinct(tuple(edges), "a product")
        object.__setattr__(self, "factors", listed)
        object.__setattr__(self, "edges", tuple(edges))
        object.__setattr__(self, "dims", tuple(found[e] for e in edges))

    @property
    def children(self) -> tuple[Tensor, ...]:
        return self.factors


Groups = tuple[tuple[str, ...], ...]
"""Groups of edge names, in declared order."""


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
                    raise EdgeError(f"{function} cannot act on {edge!r}: its argument has {_listed(arg.edges)}")
            for edge, dim in arg.sizes.items():
                if edge not in bound and batch.setdefault(edge, dim) is not dim:
                    raise SizeError(
                        f"the edge {edge!r} has sizes {batch[edge]} and {dim} in the arguments of {function}"
                    )
        flat = [(arg.sizes, group) for arg, groups in zip(args, acted, strict=True) for group in groups]
        group_dims = [tuple(sizes[e] for e in group) for sizes, group in flat]
        if function.square and _volume(group_dims[0]) is not _volume(group_dims[1]):
            raise SizeError(
                f"{function} needs a square matrix; its argument is {_volume(group_dims[0])} by {_volume(group_dims[1])}"
            )
        own: list[Poly] = []
        for group, source in zip(produced, function.produces, strict=True):
            dims = (source,) if isinstance(source, Poly) else group_dims[source]
            if len(group) != len(dims):
                of = f"of size {source}" if isinstance(source, Poly) else f"in place of {flat[source][1]}"
                raise EdgeError(f"{function} produces {len(dims)} edges {of}, not {group}")
            own += dims
        edges = (*batch, *(e for group in produced for e in group))
        _distinct(edges, f"the result of {function}")
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "args", args)
        object.__setattr__(self, "acted", acted)
        object.__setattr__(self, "produced", produced)
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "dims", (*batch.values(), *own))

    @property
    def children(self) -> tuple[Tensor, ...]:
        return self.args


@_node
class Flat(Tensor):
    """`flat[p, i, j, ...]`: 1 where p = i * size(j) + j (row-major): fuses the edges after the first into the first."""

    edges: tuple[str, ...]
    parts: tuple[Poly, ...]

    def __post_init__(self) -> None:
        _distinct(self.edges, "flat")

    @property
    def dims(self) -> tuple[Poly, ...]:  # type: ignore[override]
        return (_volume(self.parts), *self.parts)


@_node
class Convolution(Tensor):
    """`conv[i, j, k]`: 1 where i = j + k; size(i) = size(j) + size(k) - 1 unless said otherwise.

    In general 1 where the first index is `offset` + the sum of the others, each times its step: strides, dilations,
    padding (an offset below 0), and with two edges windows (i = j + offset) and their transposes, which concatenate.
    """

    edges: tuple[str, ...]
    dims: tuple[Poly, ...]
    steps: tuple[int, ...] = (1, 1)
    offset: Poly = ZERO

    def __post_init__(self) -> None:
        _distinct(self.edges, "conv")
        if len(self.steps) != len(self.edges) - 1 or any(step < 1 for step in self.steps):
            raise EdgeError(f"conv needs a step of at least 1 for each edge after the first, not {self.steps}")


@_node
class LeviCivita(Tensor):
    """`lc[i, j, ...]`: the Levi-Civita symbol of k indices of size k."""

    edges: tuple[str, ...]

    @property
    def dims(self) -> tuple[Poly, ...]:  # type: ignore[override]
        return (Poly.constant(len(self.edges)),) * len(self.edges)


@_node
class Unit(Tensor):
    """`e[index, n]` on one edge: 1 at position `index` (an integer expression of order 0), 0 elsewhere."""

    index: Tensor
    size: Poly
    edges: tuple[str, ...]

    @property
    def dims(self) -> tuple[Poly, ...]:  # type: ignore[override]
        return (self.size,)

    @property
    def children(self) -> tuple[Tensor, ...]:
        return (self.index,)


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Derivative(Tensor):
    """The derivative of `tensor` with respect to the entries of `variable`: its edges, then the variable's, renamed.

    The entries are independent whatever the variable's facts. New names: the variable's, primed with `_` until free.

    >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
    >>> Derivative(A @ x, x).edges
    ('i', 'j')
    >>> print(Derivative(A @ x, x).simplify())
    A
    """

    tensor: Tensor
    variable: Variable
    names: tuple[str, ...]

    def __init__(
        self, tensor_: Tensor, variable: Variable, new_names: Mapping[str, str] | Sequence[str] | None = None
    ) -> None:
        if not isinstance(variable, Variable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise EdgeError("differentiate with respect to a Variable; substitute one for the expression first")
        if isinstance(new_names, Mapping):
            new_names = [new_names.get(e, e) for e in variable.edges]
        names: list[str] = list(new_names) if new_names is not None else []
        if new_names is None:
            taken = set(tensor_.edges)
            for edge in variable.edges:
                while edge in taken:
                    edge += "_"
                taken.add(edge)
                names.append(edge)
        if len(names) != len(variable.edges):
            raise EdgeError(f"{variable.name} has {len(variable.edges)} edges, {len(names)} new names were given")
        object.__setattr__(self, "tensor", tensor_)
        object.__setattr__(self, "variable", variable)
        object.__setattr__(self, "names", tuple(names))
        object.__setattr__(self, "edges", (*tensor_.edges, *names))
        object.__setattr__(self, "dims", (*tensor_.dims, *variable.dims))
        _distinct(self.edges, "a derivative")

    @property
    def children(self) -> tuple[Tensor, ...]:
        return (self.tensor, self.variable)


@dataclass(frozen=True, slots=True)
class Law:
    """The law of a random variable: kind "N", "law" or "iid" and its two parameters (`N(mu, Sigma)`)."""

    kind: str
    parameters: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Expectation(Tensor):
    """`E[x](y)` (one argument), `Var[x](y)`, `Cov[x](y, z)`; `law` is None when x may have any law.

    `edges` are those of the arguments in order; for Var of a vector or matrix written by position they are two copies.
    `Expectation(t, x, mu, covar, covar_names)` is E of t over a normal x: mean `mu` with the edges of x (default zero),
    covariance `covar` (default identity) with the edges of x and once more as many, the second copies: `covar_names`
    says how it calls them, by edge of x; without it they are its other edges, in order.

    >>> x = Variable("x", i="n")
    >>> Expectation(x @ x, x) == Delta("n")
    True
    """

    kind: Literal["E", "Var", "Cov"]
    args: tuple[Tensor, ...]
    variable: Variable
    law: Law | None
    edges: tuple[str, ...]
    dims: tuple[Poly, ...]

    def __init__(
        self,
        t: TensorLike,
        x: Variable,
        mu: TensorLike | None = None,
        covar: Tensor | None = None,
        covar_names: Mapping[str, str] | None = None,
    ) -> None:
        y = tensor(t)
        if not isinstance(x, Variable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise EdgeError("an expectation is over a Variable; substitute one for the expression first")
        mean, covariance = _mean(x, mu), _covariance(x, covar, covar_names)
        self._set("E", (y,), x, Law("N", (mean, covariance)), y.edges, y.dims)

    @classmethod
    def of(
        cls,
        kind: Literal["E", "Var", "Cov"],
        args: tuple[Tensor, ...],
        variable: Variable,
        law: Law | None,
        edges: tuple[str, ...],
        dims: tuple[Poly, ...],
    ) -> Expectation:
        """The node with these fields; a law of None leaves the law open.

        >>> x = Variable("x", i="n")
        >>> print(Expectation.of("E", (x,), x, None, x.edges, x.dims))
        E[x](x)
        """
        node = object.__new__(cls)
        node._set(kind, args, variable, law, edges, dims)
        return node

    @classmethod
    def gaussian(cls, t: TensorLike, x: Variable, mu: TensorLike | None = None, std: TensorLike = 1) -> Expectation:
        """E of t where the entries of x are independent and normal: means `mu` (a number: of all), deviation `std`.

        >>> x = Variable("x", i="n")
        >>> print(Expectation.gaussian(x @ x, x, mu=1, std=2).simplify())
        5*n
        """
        mean = None if mu is None else broadcast(tensor(mu), x.sizes)
        names = _second(x.edges)
        scale = power(tensor(std), 2)
        return cls(t, x, mean, Product((scale, *_identity(x, names)), (*x.edges, *names)))

    def _set(self, *fields: Any) -> None:
        for name, value in zip(("kind", "args", "variable", "law", "edges", "dims"), fields, strict=True):
            object.__setattr__(self, name, value)

    @property
    def children(self) -> tuple[Tensor, ...]:
        return (*self.args, self.variable, *(self.law.parameters if self.law else ()))


def _second(edges: Sequence[str]) -> tuple[str, ...]:
    """Names for the second copies of edges: primed with `_` until free."""
    found: list[str] = []
    for edge in edges:
        while edge in edges or edge in found:
            edge += "_"
        found.append(edge)
    return tuple(found)


def _identity(x: Variable, names: Sequence[str]) -> list[Tensor]:
    return [Delta(dim, edge, name) for (edge, dim), name in zip(x.sizes.items(), names, strict=True)]


def _mean(x: Variable, mu: TensorLike | None) -> Tensor:
    if mu is None:
        return Zero(edges=x.sizes) if x.order else Scalar(0)
    mean = tensor(mu)
    if set(mean.edges) != set(x.edges):
        raise EdgeError(
            f"the mean of {x.name} has the edges {_listed(mean.edges)}, {x.name} has {_listed(x.edges)}; rename them"
        )
    _same_sizes(x, mean, f"the mean of {x.name}")
    return align(mean, x.edges)


def _covariance(x: Variable, covar: Tensor | None, covar_names: Mapping[str, str] | None) -> Tensor:
    if covar is None:
        names = _second(x.edges)
        return Product(_identity(x, names), (*x.edges, *names)) if x.order else Scalar(1)
    covar = tensor(covar)
    missing = [e for e in x.edges if e not in covar.edges]
    if missing or covar.order != 2 * x.order:
        raise EdgeError(
            f"the covariance of {x.name} needs the edges {_listed(x.edges)} and a second copy of each, "
            f"{2 * x.order} in all; found {_listed(covar.edges)}: rename them"
        )
    if covar_names is None:
        covar_names = dict(zip(x.edges, (e for e in covar.edges if e not in x.edges), strict=True))
    unknown = [e for e in x.edges if covar_names.get(e) not in covar.edges or covar_names[e] in x.edges]
    names = tuple(covar_names.get(e, "") for e in x.edges)
    if unknown or len(set(names)) < len(names):
        raise EdgeError(
            f"covar_names must give, for each edge of {x.name}, an edge of the covariance "
            f"({_listed([e for e in covar.edges if e not in x.edges])}); found {dict(covar_names)}"
        )
    for edge, name in zip(x.edges, names, strict=True):
        for e in (edge, name):
            if covar.sizes[e] is not x.sizes[edge]:
                raise SizeError(
                    f"the covariance of {x.name} has size {covar.sizes[e]} on its edge {e!r}, "
                    f"{x.name} has {x.sizes[edge]} on {edge!r}"
                )
    return align(covar, (*x.edges, *names))


def _listed(edges: Sequence[str]) -> str:
    return ", ".join(edges) if edges else "none"


def _distinct(edges: Sequence[str], what: str) -> None:
    for edge in edges:
        if edges.count(edge) > 1:
            raise EdgeError(f"{what} cannot have two edges named {edge!r}; rename one")


def _bound(t: Tensor) -> str:
    """A tensor as an error shows it: its name, where it has one, and its edges with their sizes."""
    name = t.name if isinstance(t, Variable) else "a tensor"
    return f"{name} ({', '.join(f'{e}={dim}' for e, dim in t.sizes.items())})"


def _is_zero(number: TensorLike) -> bool:
    """Whether this is the number 0 as Python writes it: adding it changes nothing, whatever the edges."""
    return isinstance(number, Real) and number == 0


def _same_sizes(left: Tensor, right: Tensor, what: str) -> None:
    sizes = left.sizes
    for edge, dim in right.sizes.items():
        if edge in sizes and sizes[edge] is not dim:
            raise SizeError(
                f"{what}: the edge {edge!r} has size {sizes[edge]} on one side, {_bound(left)}, and {dim} on the other, "
                f"{_bound(right)}; rename it on one side, or give both one size"
            )


def _volume(dims: Iterable[Poly]) -> Poly:
    total = ONE
    for dim in dims:
        total = total * dim
    return total


def tensor(value: TensorLike) -> Tensor:
    """A number, a size or a tensor as a tensor of order 0 or itself."""
    return value if isinstance(value, Tensor) else Scalar(value)


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


def renamed(t: Tensor, edges: tuple[str, ...]) -> Tensor:
    """`t` with its edges, in order, called `edges`; chains of renamings are merged."""
    if edges == t.edges:
        return t
    _distinct(edges, "a renamed tensor")
    if isinstance(t, Rename):
        return renamed(t.tensor, edges)
    if isinstance(t, Delta):
        return Delta(t.size, *edges)
    return Rename(t, edges)


def align(t: Tensor, edges: tuple[str, ...]) -> Tensor:
    """`t` with the same edges in the order `edges` (matters only where positions count: `Rename`, evaluation)."""
    return t if t.edges == edges else Product((t,), edges)


def broadcast(t: Tensor, sizes: Mapping[str, Poly]) -> Tensor:
    """`t` with an edge of ones for each edge of `sizes` that it lacks."""
    missing = [Delta(dim, edge) for edge, dim in sizes.items() if edge not in t.edges]
    return Product((t, *missing), (*t.edges, *(d.edges[0] for d in missing))) if missing else t


def add(terms: Sequence[Tensor], weights: Sequence[Fraction]) -> Tensor:
    """A weighted sum; where one term's edges contain another's, the other is broadcast over the missing ones.

    Raises EdgeError when no term has all the edges; names both.
    """
    widest = max(terms, key=lambda t: t.order)
    for term in terms:
        if not set(term.edges) <= set(widest.edges):
            raise EdgeError(
                f"cannot add tensors with edges {_listed(widest.edges)} and {_listed(term.edges)}: one side's edges must "
                "contain the other's; rename, or multiply by ones (Delta of order 1)"
            )
        _same_sizes(widest, term, "+")
    return Sum(tuple(broadcast(t, widest.sizes) for t in terms), tuple(Fraction(w) for w in weights))


def power(base: Tensor, exponent: TensorLike) -> Tensor:
    """`base ** exponent`, entry by entry."""
    return Apply(FUNCTIONS["pow"], (base, tensor(exponent)))


def walk(t: Tensor) -> Iterator[Tensor]:
    """Every distinct node of the expression, children after their first parent, each once."""
    seen: set[int] = set()
    stack = [t]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        stack.extend(reversed(node.children))


def postorder(t: Tensor) -> list[Tensor]:
    """Every distinct node once, children before parents; no recursion, so nesting may be thousands deep."""
    done: set[int] = set()
    order: list[Tensor] = []
    stack: list[tuple[Tensor, bool]] = [(t, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif id(node) not in done:
            done.add(id(node))
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node.children))
    return order


def rebuild(t: Tensor, replace: Any) -> Tensor:
    """The expression with `replace(node)` put for every node for which it is not None; shared parts stay shared."""
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        new = replace(node)
        done[id(node)] = with_children(node, tuple(done[id(c)] for c in node.children)) if new is None else new
    return done[id(t)]


def with_children(t: Tensor, children: tuple[Tensor, ...]) -> Tensor:
    """`t` with other children of the same edges; `t` itself if they are the same objects."""
    if all(a is b for a, b in zip(t.children, children, strict=True)):
        return t
    match t:
        case Rename():
            return renamed(align(children[0], t.tensor.edges), t.edges)
        case Sum():
            return Sum(children, t.weights)
        case Product():
            return Product(children, t.edges)
        case Apply():
            return Apply(t.function, children, t.acted, t.produced)
        case Unit():
            return Unit(children[0], t.size, t.edges)
        case Derivative():
            return Derivative(children[0], _variable(children[1], t.variable), t.names)
        case Expectation():
            args, rest = children[: len(t.args)], children[len(t.args) :]
            law = Law(t.law.kind, rest[1:]) if t.law else None
            return Expectation.of(t.kind, args, _variable(rest[0], t.variable), law, t.edges, t.dims)
        case _:
            return t


def _variable(new: Tensor, old: Variable) -> Variable:
    if not isinstance(new, Variable):
        raise EdgeError(f"{old.name} is what a derivative or expectation is taken over: it cannot be replaced there")
    return new


def resize(t: Tensor, sizes: Mapping[str, Poly], replace: Mapping[str, Tensor] | None = None) -> Tensor:
    """`t` with size symbols replaced everywhere, and variables by tensors of the same edges (of the new sizes)."""
    done: dict[int, Tensor] = {}
    for node in postorder(t):
        children = tuple(done[id(c)] for c in node.children)
        match node:
            case Variable():
                own = {e: d.substitute(sizes) for e, d in node.sizes.items()}
                given = (replace or {}).get(node.name)
                new = given if given is not None else Variable(node.name, edges=own, facts=node.facts)
            case Delta():
                new = Delta(node.size.substitute(sizes), *node.edges)
            case Scalar():
                new = Scalar(node.value.substitute(sizes))
            case Zero():
                new = Zero(edges={e: d.substitute(sizes) for e, d in node.sizes.items()})
            case Flat():
                new = Flat(node.edges, tuple(d.substitute(sizes) for d in node.parts))
            case Convolution():
                dims = tuple(d.substitute(sizes) for d in node.dims)
                new = Convolution(node.edges, dims, node.steps, node.offset.substitute(sizes))
            case Unit():
                new = Unit(children[0], node.size.substitute(sizes), node.edges)
            case Product():
                new = Product(children, node.edges)
            case Rename():
                new = renamed(align(children[0], node.tensor.edges), node.edges)
            case Apply():
                sized = node.function.with_sizes(lambda d: d.substitute(sizes))
                new = Apply(sized, children, node.acted, node.produced)
            case Expectation():
                moved = with_children(node, children)
                assert isinstance(moved, Expectation)
                dims = tuple(d.substitute(sizes) for d in node.dims)
                new = Expectation.of(node.kind, moved.args, moved.variable, moved.law, node.edges, dims)
            case _:
                new = with_children(node, children)
        done[id(node)] = new
    return done[id(t)]
