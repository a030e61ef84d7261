"""Taylor polynomials and coefficients of polynomials."""

from __future__ import annotations

from fractions import Fraction
from math import factorial

from tensorgrad.errors import EdgeError, InputError, UnsupportedError
from tensorgrad.functions.edges import fresh
from tensorgrad.tensor import Apply, Derivative, Product, Scalar, Tensor, Variable, Zero, walk
from tensorgrad.tensor.edges import check_same_sizes

LARGEST_DEGREE = 16


def taylor(t: Tensor, x: Variable, step: Tensor, order: int) -> Tensor:
    """The Taylor polynomial of `t` at x + step: its derivatives up to `order` contracted with powers of `step`.

    >>> from tensorgrad import F, Variable
    >>> x, h = Variable("x", i="n"), Variable("h", i="n")
    >>> print(F.taylor(F.sum(F.exp(x)), x, h, 2).simplify())
    (2 * h + 2 + h ** 2) @ exp(x) / 2
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"taylor: order={order!r} is no order of a polynomial, an integer of at least 0")
    _variable(x, "taylor")
    if set(step.edges) != set(x.edges):
        raise EdgeError(
            f"taylor: the step has the edges {', '.join(step.edges) or 'none'}, "
            f"{x.name} has {', '.join(x.edges) or 'none'}; rename them"
        )
    check_same_sizes(x, step, f"the step of taylor from {x.name}")
    total, term = t, t
    for k in range(1, order + 1):
        names = fresh(x.edges, term.edges)
        derivative = Derivative(term, x, names)
        moved = step.rename(dict(zip(x.edges, names, strict=True)))
        term = Product((derivative, moved), t.edges)
        total = total + term * Fraction(1, factorial(k))
    return total


def collect(t: Tensor, x: Variable) -> tuple[Tensor, ...]:
    """The coefficients of a polynomial in x by degree: t = c[0] + c[1] @ x + c[2] @ x @ x + ...

    Coefficient k has the edges of t and k times those of x (primed), in which it is symmetric.
    Raises UnsupportedError where t is no polynomial in x, or one of a degree above 16.

    >>> x = Variable("x")
    >>> [str(c) for c in collect((x + 2) ** 2, x)]
    ['4', '4', '1']
    """
    _variable(x, "collect")
    _polynomial(t, x)
    zero = Zero(edges=x.sizes) if x.order else Scalar(0)
    coefficients: list[Tensor] = []
    derivative = t.full_simplify()
    while len(coefficients) <= LARGEST_DEGREE:
        scale = Fraction(1, factorial(len(coefficients)))
        coefficients.append((derivative.substitute(x, zero) * scale).full_simplify())
        if not derivative.depends_on(x):
            return tuple(coefficients)
        derivative = Derivative(derivative, x).full_simplify()
    raise UnsupportedError(f"the coefficients of a polynomial in {x.name} of degree above {LARGEST_DEGREE}")


def _variable(x: object, what: str) -> None:
    if not isinstance(x, Variable):
        raise EdgeError(f"{what} is in powers of a Variable; substitute one for the expression first")


def _polynomial(t: Tensor, x: Variable) -> None:
    for node in walk(t):
        if not (isinstance(node, Apply) and any(arg.depends_on(x) for arg in node.args)):
            continue
        exponent = node.args[1] if node.function.name == "pow" else None
        value = exponent.value if isinstance(exponent, Scalar) else None
        whole = value is not None and value.is_constant and value.number.denominator == 1 and value.number >= 0
        if not whole:
            raise UnsupportedError(
                f"the coefficients of an expression that is no polynomial in {x.name}: it stands under "
                f"{node.function}; take F.taylor"
            )
