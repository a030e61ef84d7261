"""The base of all tensor expressions: free edges, sizes, and the operators a user writes.

A module of nodes imports this one; what the operators make is imported where it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import TYPE_CHECKING, Any, Self, Union

from tensorgrad.errors import EdgeError
from tensorgrad.sizes import Poly
from tensorgrad.tensor.edges import names_of

if TYPE_CHECKING:
    from tensorgrad.api import Derivation
    from tensorgrad.tensor.variable import Variable

Number = Union[int, float, Fraction]
TensorLike = Union["Tensor", Number, Poly]


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
        if cls is not Tensor:
            return object.__new__(cls)
        from tensorgrad.tensor.nodes import Scalar

        return object.__new__(Scalar)  # type: ignore[return-value]

    @property
    def order(self) -> int:
        """Number of free edges.

        >>> from tensorgrad import Variable
        >>> Variable("A", i="n", j="m").order
        2
        """
        return len(self.edges)

    @property
    def sizes(self) -> dict[str, Poly]:
        """Free edge -> size, in the order of `edges`.

        >>> from tensorgrad import Variable
        >>> {edge: str(dim) for edge, dim in Variable("A", i="n", j=3).sizes.items()}
        {'i': 'n', 'j': '3'}
        """
        return dict(zip(self.edges, self.dims, strict=True))

    @property
    def shape(self) -> dict[str, Any]:
        """Free edge -> size as an int or a sympy expression.

        >>> from tensorgrad import Variable
        >>> Variable("A", i="n", j=3).shape
        {'i': n, 'j': 3}
        """
        return {edge: dim.sympy() for edge, dim in self.sizes.items()}

    @property
    def children(self) -> tuple[Tensor, ...]:
        """The tensors this node is made of.

        >>> from tensorgrad import Variable
        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> (A @ x).children == (A, x), A.children
        (True, ())
        """
        return ()

    def rename(self, mapping: Mapping[str, str] | None = None, /, **names: str) -> Tensor:
        """Give free edges new names, all at once: `t.rename(i="j")`, or with a mapping for odd names.

        Raises EdgeError for an edge that is not there, or for two edges of one name.

        >>> from tensorgrad import Variable
        >>> Variable("A", i="n", j="n").rename(i="j", j="i").edges
        ('j', 'i')
        """
        from tensorgrad.tensor.arithmetic import renamed

        changes = {**(mapping or {}), **names}
        for old in changes:
            if old not in self.edges:
                raise EdgeError(f"cannot rename {old!r}: the tensor has the edges {names_of(self.edges)}")
        return renamed(self, tuple(changes.get(e, e) for e in self.edges))

    def __add__(self, other: TensorLike) -> Tensor:
        from tensorgrad.tensor.arithmetic import add, tensor

        return self if _is_zero(other) else add([self, tensor(other)], [Fraction(1), Fraction(1)])

    def __radd__(self, other: TensorLike) -> Tensor:
        from tensorgrad.tensor.arithmetic import tensor

        return self if _is_zero(other) else tensor(other) + self

    def __sub__(self, other: TensorLike) -> Tensor:
        from tensorgrad.tensor.arithmetic import add, tensor

        return self if _is_zero(other) else add([self, tensor(other)], [Fraction(1), Fraction(-1)])

    def __rsub__(self, other: TensorLike) -> Tensor:
        from tensorgrad.tensor.arithmetic import tensor

        return -self if _is_zero(other) else tensor(other) - self

    def __neg__(self) -> Tensor:
        from tensorgrad.tensor.nodes import Sum

        return Sum((self,), (Fraction(-1),))

    def __matmul__(self, other: TensorLike) -> Tensor:
        """Contract all shared edges."""
        from tensorgrad.tensor.arithmetic import tensor
        from tensorgrad.tensor.nodes import Product

        right = tensor(other)
        shared = set(self.edges) & set(right.edges)
        names = [e for e in (*self.edges, *right.edges) if e not in shared]
        return Product((self, right), tuple(names))

    def __rmatmul__(self, other: TensorLike) -> Tensor:
        from tensorgrad.tensor.arithmetic import tensor

        return tensor(other) @ self

    def __mul__(self, other: TensorLike) -> Tensor:
        """Align shared edges (Hadamard), outer over the others."""
        from tensorgrad.tensor.arithmetic import tensor
        from tensorgrad.tensor.nodes import Product

        right = tensor(other)
        return Product((self, right), tuple(dict.fromkeys((*self.edges, *right.edges))))

    def __rmul__(self, other: TensorLike) -> Tensor:
        from tensorgrad.tensor.arithmetic import tensor

        return tensor(other) * self

    def __truediv__(self, other: TensorLike) -> Tensor:
        from tensorgrad.tensor.arithmetic import power, tensor

        return self * power(tensor(other), -1)

    def __rtruediv__(self, other: TensorLike) -> Tensor:
        from tensorgrad.tensor.arithmetic import tensor

        return tensor(other) / self

    def __pow__(self, exponent: TensorLike) -> Tensor:
        """Entry by entry."""
        from tensorgrad.tensor.arithmetic import power

        return power(self, exponent)

    def __rpow__(self, base: TensorLike) -> Tensor:
        from tensorgrad.tensor.arithmetic import tensor

        return tensor(base) ** self

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

        >>> from tensorgrad import Variable
        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> A.depends_on(A), (A @ A).depends_on(x)
        (True, False)
        """
        return any(v.name == variable.name for v in self.variables)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables that occur, in order of first occurrence.

        >>> from tensorgrad import Variable
        >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
        >>> [v.name for v in (A @ x + A @ x).variables]
        ['A', 'x']
        """
        from tensorgrad.tensor.traversal import walk
        from tensorgrad.tensor.variable import Variable

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

        >>> from tensorgrad import Variable
        >>> x = Variable("x", i="n")
        >>> (x * x).grad(x).edges
        ('i', 'i_')
        >>> print((x @ x).grad(x).simplify())
        2 * x
        """
        if structured:
            from tensorgrad.api import grad

            return grad(self, variable, new_names, structured=structured)
        from tensorgrad.tensor.derivative import Derivative

        return Derivative(self, variable, new_names)

    def substitute(self, variable: Variable, value: Tensor) -> Tensor:
        """Replace a variable by a tensor that has the variable's edges and sizes.

        Derivatives by the variable, or by one that the value contains, are taken first: what is substituted is not
        differentiated. Raises EdgeError where an expectation is over such a variable.

        >>> from tensorgrad import Variable
        >>> x, y = Variable("x"), Variable("y")
        >>> print((x * y).grad(y).substitute(x, y + 1).simplify())
        y + 1
        """
        from tensorgrad.tensor.substitution import substituted

        return substituted(self, variable, value)

    def simplify(self, **options: Any) -> Tensor:
        """The simplest equal form found; the result remembers its derivation (`explain`). Options: `tg.simplify`.

        >>> from tensorgrad import Variable
        >>> A = Variable("A", i="n", j="n", facts="orthogonal")
        >>> print((A @ A.rename(i="k")).simplify())
        I[n]
        """
        from tensorgrad.api import simplify

        return simplify(self, **options).tensor

    def full_simplify(self, expand: bool = True) -> Tensor:
        """The expanded polynomial normal form, or with `expand=False` the simplest form found.

        >>> from tensorgrad import Variable
        >>> x, y = Variable("x", i="n"), Variable("y", i="n")
        >>> print(((x + y) @ (x + y)).full_simplify())
        y @ y + 2 * x @ y + x @ x
        """
        from tensorgrad.api import full_simplify

        return full_simplify(self, expand=expand)

    def explain(self) -> Derivation:
        """How this tensor was derived, one rule a step (empty if it was written, not simplified).

        >>> from tensorgrad import Variable
        >>> x = Variable("x", i="n")
        >>> print((x @ x).grad(x).simplify().explain())
          grad(x @ x, x)
        = 2 * x            differentiate  [built in]
        """
        from tensorgrad.api import explain

        return explain(self)

    def cost(self, dims: Mapping[Any, int] | None = None) -> Any:
        """Operations of the best contraction order of the expression as it stands.

        >>> from tensorgrad import Variable
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

        >>> from tensorgrad import Variable
        >>> A = Variable("A", i="n", j="n")
        >>> A.is_isomorphic(A.rename(i="k")), A.is_isomorphic(A.rename(i="k"), match_edges=True)
        (True, False)
        """
        from tensorgrad.equality import isomorphic

        return isomorphic(self, other, match_edges)

    def isomorphisms(self, other: Tensor) -> Iterator[dict[str, str]]:
        """All maps of free edges to free edges that carry this diagram to the other.

        >>> from tensorgrad import Variable
        >>> S = Variable("S", i="n", j="n", facts="symmetric")
        >>> list(S.isomorphisms(S.rename(i="k", j="l")))
        [{'i': 'k', 'j': 'l'}, {'i': 'l', 'j': 'k'}]
        """
        from tensorgrad.equality import isomorphisms

        return isomorphisms(self, other)

    @property
    def symmetries(self) -> frozenset[frozenset[str]]:
        """Orbits of the free edges under the automorphisms of the diagram.

        >>> from tensorgrad import Variable
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

        >>> from tensorgrad import Variable
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

        >>> from tensorgrad import Variable
        >>> A, x = Variable("A", i="n", j="n", facts="symmetric"), Variable("x", j="n")
        >>> print((A @ x).declarations)
        A : n n symmetric ; x : n
        """
        from tensorgrad.notation import declarations

        return declarations(self)


def _is_zero(number: TensorLike) -> bool:
    """Whether this is the number 0 as Python writes it: adding it changes nothing, whatever the edges."""
    return isinstance(number, Real) and number == 0
