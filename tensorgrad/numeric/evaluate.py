"""Dense evaluation in float64: NaN where an expression is undefined, and NaN spreads honestly (0 * NaN is NaN)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import inf, isinf
from typing import Any

import numpy as np

from tensorgrad.errors import UnsupportedError, ValueMismatchError
from tensorgrad.function import Function
from tensorgrad.numeric.batches import Operand, lined
from tensorgrad.numeric.closed import derivative
from tensorgrad.numeric.dense import Array, Dense
from tensorgrad.numeric.expectations import expectation
from tensorgrad.numeric.unknown import Smooth, SmoothMap, SmoothVector
from tensorgrad.sizes import Poly
from tensorgrad.tensor import Apply, Delta, Expectation, Scalar, Tensor, Unit, walk

Values = Mapping[str, Any]
"""A value for every variable (an array, axes in declared order) and every unknown function (a callable)."""


def evaluate(t: Tensor, values: Values, dims: Mapping[str, int] | None = None) -> Array:
    """The value of `t` as a float64 array, axes in the order of `t.edges`; NaN where undefined.

    Args: t, without Derivative nodes; values; dims, sizes of the symbols (read off the values where a
    variable's size is a bare symbol).
    Raises ValueMismatchError for missing or misshapen values, SizeError for a symbol without a size, UnsupportedError
    for nodes without a numeric meaning.

    >>> from tensorgrad.tensor import Variable
    >>> A, x = Variable("A", i="n", j="m"), Variable("x", j="m")
    >>> evaluate(A @ x, {"A": [[1, 2], [3, 4]], "x": [1, 1]})
    array([3., 7.])
    """
    sizes = {**read_sizes(t, values), **(dims or {})}
    with np.errstate(over="ignore"):
        return Float(values, sizes).evaluate(t)


def read_sizes(t: Tensor, values: Values) -> dict[str, int]:
    """The sizes that the values' shapes give to the bare symbols among the variables' sizes.

    Raises ValueMismatchError when two values disagree, naming both.
    """
    found: dict[str, tuple[int, str]] = {}
    for variable in t.variables:
        if variable.name not in values:
            continue
        shape = np.shape(values[variable.name])
        if len(shape) != variable.order:
            raise ValueMismatchError(f"{variable.name} has order {variable.order}, its value has shape {shape}")
        for dim, length in zip(variable.dims, shape, strict=True):
            if not is_symbol(dim):
                continue
            known, by = found.setdefault(str(dim), (length, variable.name))
            if known != length:
                raise ValueMismatchError(f"{by} gives the size {dim} = {known}, {variable.name} gives {dim} = {length}")
    return {symbol: length for symbol, (length, _) in found.items()}


def is_symbol(dim: Poly) -> bool:
    """Whether a size is a bare symbol."""
    return len(dim.symbols) == 1 and dim is Poly.symbol(dim.symbols[0])


def size_symbols(*tensors: Tensor) -> tuple[str, ...]:
    """All size symbols that occur in the expressions, in sizes and as numbers, sorted."""
    found: dict[str, None] = {}
    for t in tensors:
        for node in walk(t):
            extra = (
                (node.value,) if isinstance(node, Scalar) else (node.size,) if isinstance(node, Delta | Unit) else ()
            )
            for dim in (*node.dims, *extra):
                found.update(dict.fromkeys(dim.symbols))
    return tuple(sorted(found))


def as_float(value: Fraction) -> float:
    """The nearest float64. Too large or too small a number is an overflow, left to `np.errstate(over=...)`."""
    try:
        result = float(value)
    except OverflowError:
        result = inf if value > 0 else -inf
    if (isinf(result) or (value and not result)) and np.geterr()["over"] == "raise":
        raise FloatingPointError(f"a number beyond float64, near 10**{_magnitude(value)}")
    return result


def _magnitude(value: Fraction) -> int:
    return round((abs(value.numerator).bit_length() - value.denominator.bit_length()) * 0.30103)


class Float(Dense):
    """The float64 evaluator. Overflow is left to the caller's `np.errstate(over=...)`."""

    symmetrise = False
    """Whether a covariance that is not symmetric stands for its symmetric part."""

    def _number(self, value: Fraction) -> Array:
        return np.asarray(as_float(value))

    def _entries(self, array: Array) -> Array:
        return np.asarray(array, dtype=np.float64)

    def _pair(self, a: Operand, b: Operand, keep: tuple[str, ...]) -> Operand:
        label = {e: k for k, e in enumerate(dict.fromkeys((*a[1], *b[1])))}
        spec = [a[0], [label[e] for e in a[1]], b[0], [label[e] for e in b[1]], [label[e] for e in keep]]
        with np.errstate(invalid="ignore", under="ignore"):
            return np.einsum(*spec), keep

    def _total(self, a: Operand, keep: tuple[str, ...]) -> Operand:
        axes = tuple(k for k, e in enumerate(a[1]) if e not in keep)
        with np.errstate(invalid="ignore"):
            return (a[0].sum(axis=axes), keep) if axes else a

    def _add(self, arrays: Sequence[Array], weights: Sequence[Fraction]) -> Array:
        with np.errstate(invalid="ignore", under="ignore"):
            result = as_float(weights[0]) * arrays[0]
            for array, weight in zip(arrays[1:], weights[1:], strict=True):
                result = result + as_float(weight) * array
            return result

    def _unit(self, t: Unit, index: Array, /) -> Array:
        place, length = float(index), self._size(t.size)
        if place != np.floor(place) or not 0 <= place < length:
            return np.full(length, np.nan)
        return np.eye(length)[int(place)]

    def _expectation(self, t: Expectation) -> Array:
        shape = tuple(self._size(d) for d in t.variable.dims)
        return expectation(
            t, self.values, shape, lambda y, values: type(self)(values, self.dims).evaluate(y), self.symmetrise
        )

    def _apply(self, t: Apply, args: Sequence[Array]) -> Array:
        groups = sum(len(group) for group in t.produced)
        batch = t.edges[: len(t.edges) - groups]
        parts = [lined(a, c, g, batch) for a, c, g in zip(args, t.args, t.acted, strict=True)]
        sizes = dict(zip(t.edges, (self._size(d) for d in t.dims), strict=True))
        lead = tuple(sizes[e] for e in batch)
        undefined = np.zeros((1,) * len(batch), dtype=bool)
        for array, acted in zip(parts, t.acted, strict=True):
            bad = ~np.isfinite(array)
            undefined = undefined | (bad.any(axis=tuple(range(-len(acted), 0))) if acted else bad)
        result = _defined(self._meaning(t.function, parts), parts, [len(acted) for acted in t.acted])
        result = np.where(undefined.reshape(undefined.shape + (1,) * (result.ndim - len(batch))), np.nan, result)
        whole = np.broadcast_to(result, (*lead, *result.shape[len(batch) :]))
        return whole.reshape(tuple(sizes.values()))

    def _meaning(self, function: Function, args: Sequence[Array]) -> Callable[..., Any]:
        if not function.known:
            return self._unknown(function, args)
        if function.derivative:
            return derivative(function)
        meaning = function.meaning
        if meaning is None:
            raise UnsupportedError(f"the numeric value of {function}")
        own = [self._size(p) for p in function.produces if isinstance(p, Poly)]
        return lambda *a: meaning(np, *a, *own)

    def _unknown(self, function: Function, args: Sequence[Array]) -> Callable[..., Any]:
        given = self.values.get(function.name)
        if given is None:
            raise ValueMismatchError(f"no value for the function {function.name}; give a callable, or a numeric.Smooth")
        if isinstance(given, SmoothMap):
            groups = [n for a, k in zip(args, function.acts, strict=True) for n in a.shape[a.ndim - k :]]
            own = function.produces[: function.own]
            outputs = tuple(self._size(p) if isinstance(p, Poly) else groups[p] for p in own)
            return lambda *a: given.at(a, function.acts, function.by, outputs)
        if function.derivative == 0:
            return given
        if not isinstance(given, Smooth | SmoothVector):
            raise UnsupportedError(
                f"{function} of a plain callable: give a numeric.Smooth, which knows its derivatives"
            )
        return lambda x: given.at(x, function.derivative)


def _defined(meaning: Callable[..., Any], args: list[Array], acts: list[int]) -> Array:
    """`meaning(*args)` with undefined batch entries replaced by ones (identities), which the caller masks again."""
    clean: list[Array] = []
    for array, groups in zip(args, acts, strict=True):
        filler = np.eye(*array.shape[-2:]) if groups == 2 else np.ones(array.shape[array.ndim - groups :])
        bad = ~np.isfinite(array)
        bad = bad.any(axis=tuple(range(-groups, 0)), keepdims=True) if groups else bad
        clean.append(np.where(bad, filler, array))
    with np.errstate(divide="ignore", invalid="ignore", under="ignore"):
        return np.asarray(meaning(*clean))
