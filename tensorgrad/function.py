"""Declarations of functions: for each one its name, the axes it acts on, its numeric meaning, cost and domain.

A function takes arguments whose axes are either *batch* axes (aligned by name, the function is applied entry by
entry over them) or *acted* axes, in groups: `inv` acts on two groups (rows, columns), `softmax` on one, `exp` on none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from tensorgrad import meaning
from tensorgrad.meaning import Numeric
from tensorgrad.sizes import Poly


@dataclass(frozen=True, slots=True)
class Function:
    """One function: `acts[k]` groups of axes of argument k are acted on, `produces` are the result's own groups.

    `produces` lists, for each produced group, the acted group whose sizes it has, acted groups being counted through the
    arguments, or a size of its own (one axis): `inv` produces `(1, 0)` (its rows are as many as its argument's columns),
    `softmax` `(0,)`, `det` and `logsumexp` none, `onehot` the length of its vectors.
    `by` are the arguments it has been differentiated in, ascending: for each one the groups of that argument are
    produced once more, after the function's own, in this order. So mixed derivatives in either order are one function.
    `transpose` says what exchanging the two acted groups does: "commutes" (inv(A.T) = inv(A).T), "invariant"
    (det(A.T) = det(A)) or nothing known. `domain` is the fact of argument 0 that makes the value defined.
    `cost` is (c, e): c * size**e operations an application (per batch entry), size being that of the first group.
    """

    name: str
    acts: tuple[int, ...] = (0,)
    produces: tuple[int | Poly, ...] = ()
    transpose: Literal["", "commutes", "invariant"] = ""
    domain: str = ""
    cost: tuple[Fraction, int] = (Fraction(1), 0)
    by: tuple[int, ...] = ()
    known: bool = True
    meaning: Numeric | None = field(default=None, compare=False, repr=False)

    @property
    def elementwise(self) -> bool:
        """Whether it acts on no axes and produces none: applied entry by entry."""
        return not any(self.acts) and not self.produces

    @property
    def nullary(self) -> bool:
        """Whether it takes no argument: a number that has a name."""
        return not self.acts

    @property
    def square(self) -> bool:
        """Whether its two acted groups must have the same sizes."""
        return self.known and self.acts[:1] == (2,) and self.name not in ("pinv", "rank")

    @property
    def own_sizes(self) -> bool:
        """Whether it produces axes whose sizes are not those of its arguments."""
        return bool(self.own_dims)

    @property
    def own_dims(self) -> tuple[Poly, ...]:
        """The sizes of these axes."""
        return tuple(p for p in self.produces if isinstance(p, Poly))

    @property
    def derivative(self) -> int:
        """How often it has been differentiated."""
        return len(self.by)

    @property
    def own(self) -> int:
        """How many groups it produced before it was differentiated."""
        return len(self.produces) - sum(self.acts[k] for k in self.by)

    def place(self, argument: int) -> int:
        """Where, among the groups produced, those of a further derivative in this argument stand."""
        return self.own + sum(self.acts[k] for k in self.by if k <= argument)

    def differentiate(self, argument: int = 0) -> Function:
        """`d(f)`: the derivative function; it produces the groups of the argument once more, at `place(argument)`."""
        place, start = self.place(argument), sum(self.acts[:argument])
        groups = range(start, start + self.acts[argument])
        grown = (*self.produces[:place], *groups, *self.produces[place:])
        return replace(self, by=tuple(sorted((*self.by, argument))), produces=grown, meaning=None)

    def with_sizes(self, change: Callable[[Poly], Poly]) -> Function:
        """The function with the sizes of its own changed."""
        if not self.own_sizes:
            return self
        return replace(self, produces=tuple(change(p) if isinstance(p, Poly) else p for p in self.produces))

    def __str__(self) -> str:
        if len(self.acts) > 1 and self.by:
            return f"d[{', '.join(map(str, self.by))}]({self.name})"
        return "d(" * self.derivative + self.name + ")" * self.derivative


def _elementwise(name: str, meaning: Numeric, domain: str = "") -> Function:
    return Function(name, domain=domain, meaning=meaning)


def _matrix(
    name: str,
    meaning: Numeric,
    produces: tuple[int, ...],
    cost: Fraction | int,
    domain: str = "",
    acts: tuple[int, ...] = (2,),
) -> Function:
    transpose: Literal["commutes", "invariant"] = "commutes" if produces else "invariant"
    return Function(name, acts, produces, transpose, domain, (Fraction(cost), 3), meaning=meaning)


_DECLARED = (
    Function("pi", (), cost=(Fraction(0), 0), meaning=lambda np: np.asarray(np.pi)),
    _elementwise("exp", lambda np, x: np.exp(x)),
    _elementwise("log", meaning.where(lambda x: x > 0, lambda np, x: np.log(x)), "positive"),
    _elementwise("sqrt", meaning.where(lambda x: x >= 0, lambda np, x: np.sqrt(x)), "nonnegative"),
    _elementwise("sin", lambda np, x: np.sin(x)),
    _elementwise("cos", lambda np, x: np.cos(x)),
    _elementwise("tan", lambda np, x: np.tan(x)),
    _elementwise("sinh", lambda np, x: np.sinh(x)),
    _elementwise("cosh", lambda np, x: np.cosh(x)),
    _elementwise("tanh", lambda np, x: np.tanh(x)),
    _elementwise("abs", lambda np, x: np.abs(x)),
    _elementwise("sign", lambda np, x: np.sign(x)),
    _elementwise("relu", lambda np, x: np.maximum(x, 0.0)),
    _elementwise("step", lambda _, x: (x > 0) * 1.0),
    _elementwise("sigmoid", meaning.sigmoid),
    _elementwise("softplus", lambda np, x: np.logaddexp(x, 0.0)),
    _elementwise("erf", meaning.erf),
    _elementwise("gelu", lambda np, x: x * (1 + meaning.erf(np, x / np.sqrt(2.0))) / 2),
    Function("pow", (0, 0), meaning=meaning.power),
    Function("softmax", (1,), (0,), cost=(Fraction(3), 1), meaning=meaning.softmax),
    Function(
        "log_softmax", (1,), (0,), cost=(Fraction(3), 1), meaning=lambda np, x: x - meaning.logsumexp(np, x)[..., None]
    ),
    Function("logsumexp", (1,), cost=(Fraction(2), 1), meaning=meaning.logsumexp),
    Function("max", (1,), cost=(Fraction(1), 1), meaning=lambda _, x: x.max(axis=-1)),
    Function("prod", (1,), cost=(Fraction(1), 1), meaning=lambda _, x: x.prod(axis=-1)),
    Function("hardmax", (1,), (0,), cost=(Fraction(1), 1), meaning=meaning.hardmax),
    Function("argmax", (1,), cost=(Fraction(1), 1), meaning=meaning.argmax),
    Function("argsort", (1,), (0,), cost=(Fraction(10), 1), meaning=meaning.argsort),
    _matrix("inv", meaning.inverse, (1, 0), 2, "invertible"),
    _matrix("pinv", lambda np, x: np.linalg.pinv(x), (1, 0), 10),
    _matrix("adj", meaning.adjugate, (1, 0), 3),
    _matrix("expm", meaning.expm, (0, 1), 20),
    _matrix("sinm", meaning.sinm, (0, 1), 40),
    _matrix("cosm", meaning.cosm, (0, 1), 40),
    _matrix("logm", meaning.principal("logm", lambda np, v: np.log(v)), (0, 1), 30),
    _matrix("sqrtm", meaning.principal("sqrtm", lambda np, v: np.sqrt(v)), (0, 1), 30),
    _matrix("matpow", meaning.matpow, (0, 1), 4, acts=(2, 0)),
    Function("cholesky", (2,), (0, 1), "", "pd", (Fraction(1, 3), 3), meaning=meaning.cholesky),
    Function("eigvals", (2,), (0,), "invariant", "symmetric", (Fraction(4, 3), 3), meaning=meaning.eigenvalues),
    _matrix("rank", meaning.rank, (), 4),
    _matrix("det", meaning.det, (), Fraction(2, 3)),
    _matrix("logdet", meaning.logdet, (), Fraction(2, 3), "invertible"),
)

FUNCTIONS: dict[str, Function] = {f.name: f for f in _DECLARED}
"""Every function of the notation that is not structure, by name."""


STABLE = frozenset(("softmax", "log_softmax", "logsumexp", "sigmoid", "softplus", "tanh"))
"""Functions that neither overflow nor cancel where what they are defined by does."""

PLACES = frozenset(["argmax", "argsort"])
"""Functions whose values are positions: constant where they are defined, and integers."""


def onehot(length: Poly) -> Function:
    """The function of a position that is 1 there and 0 elsewhere: an index as a vector of this length."""
    return Function("onehot", (0,), (length,), cost=(Fraction(1), 0), meaning=meaning.onehot)


def unknown(name: str, acts: tuple[int, ...] = (0,), produces: tuple[Poly, ...] = ()) -> Function:
    """An unknown smooth function: elementwise, or acting on this many axes of each argument, with axes of its own."""
    return Function(name, acts, produces, known=False)
