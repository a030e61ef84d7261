"""Functions that act entry by entry."""

from __future__ import annotations

from tensorgrad.function import FUNCTIONS
from tensorgrad.tensor import Apply, Tensor, TensorLike, power, tensor

# ruff: noqa: A001 - the names are those of the mathematics, as in NumPy and torch


def _apply(name: str, t: TensorLike) -> Tensor:
    return Apply(FUNCTIONS[name], (tensor(t),))


def exp(t: TensorLike) -> Tensor:
    """e to the power of each entry."""
    return _apply("exp", t)


def log(t: TensorLike) -> Tensor:
    """Natural logarithm, defined for positive entries."""
    return _apply("log", t)


def sqrt(t: TensorLike) -> Tensor:
    """Square root, defined for nonnegative entries."""
    return _apply("sqrt", t)


def sin(t: TensorLike) -> Tensor:
    """Sine."""
    return _apply("sin", t)


def cos(t: TensorLike) -> Tensor:
    """Cosine."""
    return _apply("cos", t)


def tan(t: TensorLike) -> Tensor:
    """Tangent."""
    return _apply("tan", t)


def sinh(t: TensorLike) -> Tensor:
    """Hyperbolic sine."""
    return _apply("sinh", t)


def cosh(t: TensorLike) -> Tensor:
    """Hyperbolic cosine."""
    return _apply("cosh", t)


def tanh(t: TensorLike) -> Tensor:
    """Hyperbolic tangent."""
    return _apply("tanh", t)


def abs(t: TensorLike) -> Tensor:
    """Absolute value."""
    return _apply("abs", t)


def sign(t: TensorLike) -> Tensor:
    """-1, 0 or 1."""
    return _apply("sign", t)


def relu(t: TensorLike) -> Tensor:
    """The entry where it is positive, else 0."""
    return _apply("relu", t)


def sigmoid(t: TensorLike) -> Tensor:
    """1 / (1 + exp(-t))."""
    return _apply("sigmoid", t)


def softplus(t: TensorLike) -> Tensor:
    """log(1 + exp(t))."""
    return _apply("softplus", t)


def erf(t: TensorLike) -> Tensor:
    """The error function."""
    return _apply("erf", t)


def gelu(t: TensorLike) -> Tensor:
    """t * (1 + erf(t / sqrt(2))) / 2."""
    return _apply("gelu", t)


def gt0(t: TensorLike) -> Tensor:
    """1 where the entry is positive, else 0 (`step` in the notation)."""
    return _apply("step", t)


def gt(left: TensorLike, right: TensorLike) -> Tensor:
    """1 where `left` is greater than `right`, else 0."""
    return gt0(tensor(left) - right)


def equal(left: TensorLike, right: TensorLike) -> Tensor:
    """1 where two entries are equal, else 0."""
    return 1 - _apply("sign", tensor(left) - right) ** 2


def maximum(left: TensorLike, right: TensorLike) -> Tensor:
    """The greater of two entries: right + relu(left - right)."""
    return tensor(right) + relu(tensor(left) - right)


def pow(base: TensorLike, exponent: TensorLike) -> Tensor:
    """`base ** exponent`; a non-integer exponent needs positive entries."""
    return power(tensor(base), exponent)
