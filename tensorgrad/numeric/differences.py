"""Derivatives by central differences: independent of `calculus`, for checking it and the rules for derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from tensorgrad.function import Function
from tensorgrad.numeric.evaluate import Float, Values, read_sizes
from tensorgrad.tensor import Derivative, Tensor, Variable, postorder, walk

Array = Any

STENCIL = ((1, Fraction(3, 4)), (2, Fraction(-3, 20)), (3, Fraction(1, 60)))
"""Sixth-order central differences: f' = sum(w * (f(x + k*h) - f(x - k*h))) / h."""


_POINTS = 24
"""Evaluations that the derivative by one entry mostly takes."""


def evaluations(t: Tensor, dims: Mapping[str, int]) -> int:
    """About how many evaluations the differences of a tensor take: derivatives of derivatives multiply.

    >>> x = Variable("x", i="n")
    >>> evaluations((x @ x).grad(x).grad(x), {"n": 2})
    2304
    """
    cost: dict[int, int] = {}
    for node in postorder(t):
        cost[id(node)] = max((cost[id(child)] for child in node.children), default=1)
        if isinstance(node, Derivative):
            cost[id(node)] *= _POINTS * prod(int(d.evaluate(dims)) for d in node.variable.dims)
    return cost[id(t)]


class _Moved(Float):
    """The evaluator of what is differentiated: its entries have moved independently, so that a matrix that is to be
    symmetric stands for its symmetric part."""

    symmetrise = True

    def _derivative(self, t: Derivative) -> Array:
        here = type(self)(self.values, self.dims).evaluate(t.tensor)
        return _gradient(t.tensor, t.variable, self.values, self.dims, here)


class Differences(_Moved):
    """The float64 evaluator with derivative nodes by central differences (about 10 digits, 7 for a Hessian).

    Outside of derivatives a function of a symmetric matrix is undefined where the matrix is not symmetric.
    """

    def _meaning(self, function: Function, args: Sequence[Array]) -> Callable[..., Any]:
        meaning = super()._meaning(function, args)
        if function.domain not in ("pd", "symmetric"):
            return meaning
        axes = tuple(range(-len(function.produces), 0))
        return lambda x: np.where(np.expand_dims(_symmetric(x), axes), meaning(x), np.nan)


def _symmetric(x: Array) -> Array:
    """Whether matrices are symmetric but for rounding, and for how comparisons nudge them."""
    gap = np.abs(x - x.swapaxes(-1, -2)).max(axis=(-1, -2))
    return gap <= 1e-8 * np.maximum(np.abs(x).max(axis=(-1, -2)), 1.0)


def finite_gradient(t: Tensor, variable: Variable, values: Values, dims: Mapping[str, int] | None = None) -> Array:
    """The derivative of `t` by the entries of `variable`, axes of t then of the variable, by central differences.

    The entries move independently whatever the variable's facts. NaN where t is undefined at the point
    or on one side of it.

    >>> x = Variable("x", i="n")
    >>> [round(float(g), 6) for g in finite_gradient(x @ x, x, {"x": [1.0, 2.0]})]
    [2.0, 4.0]
    """
    sizes = {**read_sizes(t, values), **(dims or {})}
    with np.errstate(over="ignore"):
        return _gradient(t, variable, values, sizes, _Moved(values, sizes).evaluate(t))


def _gradient(t: Tensor, variable: Variable, values: Values, dims: Mapping[str, int], here: Array) -> Array:
    point = np.asarray(values[variable.name], dtype=np.float64)
    columns: list[Array] = []
    for place in np.ndindex(*point.shape):
        h = 0.02 * max(0.1, min(1.0, abs(float(point[place]))))
        column = _column(t, variable.name, values, dims, place, h)
        columns.append(np.where(np.isfinite(here), column, np.nan))
    return np.stack(columns, axis=-1).reshape((*here.shape, *point.shape))


def _column(t: Tensor, name: str, values: Values, dims: Mapping[str, int], place: tuple[int, ...], h: float) -> Array:
    """The derivative by one entry: the step shrinks until two steps agree, or the one where they agree best."""
    best, gap = None, np.inf
    # The derivative inside is itself a difference, good to 10 digits.
    enough = 1e-5 if any(isinstance(node, Derivative) for node in walk(t)) else 1e-8
    last = _difference(t, name, values, dims, place, h)
    for _ in range(4):
        h /= 6
        now = _difference(t, name, values, dims, place, h)
        apart = np.abs(now - last)
        moved = float(np.max(apart / (1e-3 + np.abs(now)))) if np.isfinite(apart).all() else np.inf
        if best is None or moved < gap:
            best, gap = now, moved
        if gap < enough:
            break
        last = now
    return best


def _difference(
    t: Tensor, name: str, values: Values, dims: Mapping[str, int], place: tuple[int, ...], h: float
) -> Array:
    total: Array = 0.0
    for k, weight in STENCIL:
        ahead, behind = (_moved(t, name, values, dims, place, sign * k * h) for sign in (1, -1))
        total = total + float(weight) * (ahead - behind)
    return total / h


def _moved(t: Tensor, name: str, values: Values, dims: Mapping[str, int], place: tuple[int, ...], step: float) -> Array:
    point = np.array(values[name], dtype=np.float64)
    point[place] += step
    return _Moved({**values, name: point}, dims).evaluate(t)
