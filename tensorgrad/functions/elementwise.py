"""Functions that act entry by entry."""

from __future__ import annotations

from tensorgrad.function import FUNCTIONS
from tensorgrad.tensor import Apply, Tensor, TensorLike, power, tensor

# ruff: noqa: A001 - the names are those of the mathematics, as in NumPy and torch


def _apply(name: str, t: TensorLike) -> Tensor:
    return Apply(FUNCTIONS[name], (tensor(t),))


pi: Tensor = Apply(FUNCTIONS["pi"], ())
"""The number pi, exact and of order 0: `F.log(2 * F.pi)`."""


def exp(t: TensorLike) -> Tensor:
    """e to the power of each entry.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.exp(x)).grad(x).simplify())
    exp(x)
    """
    return _apply("exp", t)


def log(t: TensorLike) -> Tensor:
    """Natural logarithm, defined for positive entries.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.log(x)).grad(x).simplify())
    1 / x
    """
    return _apply("log", t)


def sqrt(t: TensorLike) -> Tensor:
    """Square root, defined for nonnegative entries.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.sqrt(x)).grad(x).simplify())
    1 / (2 * sqrt(x))
    """
    return _apply("sqrt", t)


def sin(t: TensorLike) -> Tensor:
    """Sine.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.sin(x)).grad(x).simplify())
    cos(x)
    """
    return _apply("sin", t)


def cos(t: TensorLike) -> Tensor:
    """Cosine.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.cos(x)).grad(x).simplify())
    -sin(x)
    """
    return _apply("cos", t)


def tan(t: TensorLike) -> Tensor:
    """Tangent.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.tan(x)).grad(x).simplify())
    tan(x) ** 2 + 1
    """
    return _apply("tan", t)


def sinh(t: TensorLike) -> Tensor:
    """Hyperbolic sine.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.sinh(x)).grad(x).simplify())
    cosh(x)
    """
    return _apply("sinh", t)


def cosh(t: TensorLike) -> Tensor:
    """Hyperbolic cosine.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.cosh(x)).grad(x).simplify())
    sinh(x)
    """
    return _apply("cosh", t)


def tanh(t: TensorLike) -> Tensor:
    """Hyperbolic tangent.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.tanh(x)).grad(x).simplify())
    1 - tanh(x) ** 2
    """
    return _apply("tanh", t)


def abs(t: TensorLike) -> Tensor:
    """Absolute value.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.abs(x)).grad(x).simplify())
    sign(x)
    """
    return _apply("abs", t)


def sign(t: TensorLike) -> Tensor:
    """-1, 0 or 1.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sign(x) * F.abs(x), "=", (F.sign(x) * F.abs(x)).simplify())
    sign(x) * abs(x) = x
    """
    return _apply("sign", t)


def relu(t: TensorLike) -> Tensor:
    """The entry where it is positive, else 0.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.relu(x)).grad(x).simplify())
    step(x)
    """
    return _apply("relu", t)


def sigmoid(t: TensorLike) -> Tensor:
    """1 / (1 + exp(-t)).

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.sigmoid(x)).grad(x).simplify())
    sigmoid(x) - sigmoid(x) ** 2
    """
    return _apply("sigmoid", t)


def softplus(t: TensorLike) -> Tensor:
    """log(1 + exp(t)).

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.softplus(x)).grad(x).simplify())
    sigmoid(x)
    """
    return _apply("softplus", t)


def erf(t: TensorLike) -> Tensor:
    """The error function.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.erf(x)).grad(x).simplify())
    2 * exp(-x ** 2) / sqrt(pi)
    """
    return _apply("erf", t)


def gelu(t: TensorLike) -> Tensor:
    """t * (1 + erf(t / sqrt(2))) / 2.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.sum(F.gelu(x)).grad(x).simplify())
    (erf(sqrt(2) * x / 2) + 1 + sqrt(2) * x * exp(-x ** 2 / 2) / sqrt(pi)) / 2
    """
    return _apply("gelu", t)


def gt0(t: TensorLike) -> Tensor:
    """1 where the entry is positive, else 0 (`step` in the notation).

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.gt0(x) * x)
    step(x) * x
    """
    return _apply("step", t)


def gt(left: TensorLike, right: TensorLike) -> Tensor:
    """1 where `left` is greater than `right`, else 0.

    >>> from tensorgrad import F, Variable
    >>> x, y = Variable("x", i="n"), Variable("y", i="n")
    >>> print(F.gt(x, y))
    step(x - y)
    """
    return gt0(tensor(left) - right)


def equal(left: TensorLike, right: TensorLike) -> Tensor:
    """1 where two entries are equal, else 0.

    >>> from tensorgrad import F, Variable
    >>> x, y = Variable("x", i="n"), Variable("y", i="n")
    >>> print(F.equal(x, y))
    1 - sign(x - y) ** 2
    """
    return 1 - _apply("sign", tensor(left) - right) ** 2


def maximum(left: TensorLike, right: TensorLike) -> Tensor:
    """The greater of two entries: relu(left - right) + right.

    >>> from tensorgrad import F, Variable
    >>> x, y = Variable("x", i="n"), Variable("y", i="n")
    >>> print(F.maximum(x, y), "and", F.maximum(x, x).simplify())
    relu(x - y) + y and x
    """
    return relu(tensor(left) - right) + right


def pow(base: TensorLike, exponent: TensorLike) -> Tensor:
    """`base ** exponent`; a non-integer exponent needs positive entries.

    >>> from tensorgrad import F, Variable
    >>> x = Variable("x", i="n")
    >>> print(F.pow(x, 3) * F.pow(x, -1), "=", (F.pow(x, 3) * F.pow(x, -1)).simplify())
    x ** 3 / x = x ** 2
    """
    return power(tensor(base), exponent)
