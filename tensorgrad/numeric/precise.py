"""Evaluation with many digits, by mpmath: tells a difference from the rounding of float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

from tensorgrad.errors import UnsupportedError
from tensorgrad.function import Function
from tensorgrad.numeric.batches import Operand, each_entry, spread
from tensorgrad.numeric.closed import symbolic_derivative
from tensorgrad.numeric.dense import Array, Dense
from tensorgrad.numeric.differences import STENCIL
from tensorgrad.numeric.precise_functions import CONSTANTS, ELEMENTWISE, LINES, MATRICES, power
from tensorgrad.numeric.unknown import Smooth
from tensorgrad.tensor import Apply, Derivative, Tensor, Unit, walk

DIGITS = (60, 180)
"""Numbers of digits that are tried: what is zero but for rounding is so with both, what is only small with one."""

_STEP = 10.0**-6
"""Step of the central differences, whose error is its sixth power: 36 digits are right."""


def evaluate_precisely(t: Tensor, values: Mapping[str, Any], dims: Mapping[str, int], digits: int = DIGITS[0]) -> Array:
    """The value of `t` as an array of mpmath numbers, NaN where undefined; the values given count as exact.

    Raises UnsupportedError for functions that are not evaluated so, BudgetError for large arrays.

    >>> from tensorgrad.tensor import Variable, power
    >>> x = Variable("x")
    >>> float(evaluate_precisely((x + 10**20) - 10**20, {"x": 1.0}, {}))
    1.0
    """
    with mpmath.workdps(digits):
        return Precise(values, dims).evaluate(t)


class Precise(Dense):
    """The evaluator over mpmath numbers; to be used inside `mpmath.workdps`."""

    largest = 1 << 15

    def _number(self, value: Fraction) -> Array:
        return _one(mpmath.mpf(value.numerator) / value.denominator)

    def _entries(self, array: Array) -> Array:
        if array.dtype == object:
            return array
        return _array([mpmath.mpf(v) for v in array.ravel().tolist()], array.shape)

    def _pair(self, a: Operand, b: Operand, keep: tuple[str, ...]) -> Operand:
        names = tuple(dict.fromkeys((*a[1], *b[1])))
        return self._total((np.asarray(spread(a, names) * spread(b, names), dtype=object), names), keep)

    def _total(self, a: Operand, keep: tuple[str, ...]) -> Operand:
        axes = tuple(k for k, e in enumerate(a[1]) if e not in keep)
        summed = np.asarray(a[0].sum(axis=axes), dtype=object) if axes else a[0]
        left = [e for e in a[1] if e in keep]
        return summed.transpose([left.index(e) for e in keep]), keep

    def _add(self, arrays: Sequence[Array], weights: Sequence[Fraction]) -> Array:
        result = arrays[0] * self._number(weights[0])
        for array, weight in zip(arrays[1:], weights[1:], strict=True):
            result = result + array * self._number(weight)
        return np.asarray(result, dtype=object)

    def _unit(self, t: Unit, index: Array, /) -> Array:
        place, length = float(index.item()), self._size(t.size)
        inside = place == np.floor(place) and 0 <= place < length
        return self._entries(np.eye(length)[int(place)] if inside else np.full(length, np.nan))

    def _apply(self, t: Apply, args: Sequence[Array]) -> Array:
        sizes = dict(zip(t.edges, (self._size(d) for d in t.dims), strict=True))
        meaning = _meaning(t.function, self.values)

        def one(parts: list[Array]) -> Any:
            if any(not mpmath.isfinite(x) for part in parts for x in part.ravel()):
                return mpmath.nan
            return meaning(*parts)

        return each_entry(t, args, sizes, one, object)

    def _derivative(self, t: Derivative) -> Array:
        if any(isinstance(node, Derivative) for node in walk(t.tensor)):
            raise UnsupportedError("second differences with many digits")
        point = np.asarray(self.values[t.variable.name], dtype=np.float64)
        columns = [self._column(t, point, place) for place in np.ndindex(*point.shape)]
        return np.stack(columns, axis=-1).reshape((*columns[0].shape, *point.shape))

    def _column(self, t: Derivative, point: Array, place: tuple[int, ...]) -> Array:
        total: Array = 0
        for steps, weight in STENCIL:
            for sign in (1, -1):
                moved = self._entries(point).copy()
                moved[place] += sign * steps * mpmath.mpf(_STEP)
                inner = Precise({**self.values, t.variable.name: moved}, self.dims).evaluate(t.tensor)
                total = total + inner * (sign * self._number(weight).item() / mpmath.mpf(_STEP))
        return np.asarray(total, dtype=object)


def _one(value: Any) -> Array:
    return _array([value], ())


def _array(values: Sequence[Any], shape: tuple[int, ...]) -> Array:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out.reshape(shape)


def _meaning(function: Function, values: Mapping[str, Any]) -> Callable[..., Any]:
    """The function of one batch entry: numbers, lines and matrices as arrays."""
    name = function.name
    if not function.known:
        given = values.get(name)
        if isinstance(given, Smooth):
            return lambda x: _smooth(given, x.item(), function.derivative)
    elif function.derivative:
        form = symbolic_derivative(function)
        if form is not None:
            return lambda x: ELEMENTWISE[name](x.item()) * 0 + form(x.item())
    elif name in CONSTANTS:
        return CONSTANTS[name]
    elif name in ELEMENTWISE:
        return lambda x: ELEMENTWISE[name](x.item())
    elif name == "pow":
        return lambda x, p: power(x.item(), p.item())
    elif name in LINES:
        return LINES[name]
    elif name in MATRICES:
        return MATRICES[name]
    raise UnsupportedError(f"the value of {function} with many digits")


def _smooth(f: Smooth, x: Any, derivative: int) -> Any:
    wave = f.a * mpmath.mpf(f.b) ** derivative * mpmath.sin(f.b * x + f.c + derivative * mpmath.pi / 2)
    polynomial = [f.d * x**2 + f.e * x + f.g, 2 * f.d * x + f.e, mpmath.mpf(2 * f.d)]
    return wave + (polynomial[derivative] if derivative < 3 else 0)
