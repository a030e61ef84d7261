"""The functions of the notation on mpmath numbers, one batch entry at a time; NaN where undefined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

Array = Any
Number = Any


def is_zero(x: Number, scale: Number = 1) -> bool:
    """Whether a number is zero but for rounding, which is thought to spoil a quarter of the digits."""
    return bool(abs(x) <= mpmath.mpf(2) ** (-0.75 * mpmath.mp.prec) * scale)


def power(base: Number, exponent: Number) -> Number:
    """base ** exponent, with the domain of notation.md."""
    whole = mpmath.nint(exponent)
    if is_zero(exponent - whole):
        if is_zero(base):
            return mpmath.nan if whole < 0 else mpmath.mpf(whole == 0)
        return base ** int(whole) if abs(whole) < 10**6 else mpmath.sign(base) ** int(whole) * abs(base) ** whole
    if is_zero(base):
        return mpmath.mpf(0) if exponent > 0 else mpmath.nan
    return base**exponent if base > 0 else mpmath.nan


def _sign(x: Number) -> Number:
    return mpmath.mpf(0) if is_zero(x) else mpmath.sign(x)


def _sigmoid(x: Number) -> Number:
    return 1 / (1 + mpmath.exp(-x))


def _sqrt(x: Number) -> Number:
    return power(x, mpmath.mpf(1) / 2)


CONSTANTS: dict[str, Callable[[], Number]] = {"pi": lambda: +mpmath.pi}
"""Numbers that have a name, rounded to the digits in use."""

ELEMENTWISE: dict[str, Callable[[Number], Number]] = {
    "exp": mpmath.exp,
    "log": lambda x: mpmath.log(x) if x > 0 and not is_zero(x) else mpmath.nan,
    "sqrt": _sqrt,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "tanh": mpmath.tanh,
    "abs": abs,
    "sign": _sign,
    "relu": lambda x: max(x, mpmath.mpf(0)),
    "step": lambda x: mpmath.mpf(_sign(x) > 0),
    "sigmoid": _sigmoid,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "erf": mpmath.erf,
    "gelu": lambda x: x * (1 + mpmath.erf(x / mpmath.sqrt(2))) / 2,
}


def _logsumexp(x: Array) -> Number:
    top = max(x)
    return top + mpmath.log(sum(mpmath.exp(v - top) for v in x))


def _softmax(x: Array) -> Array:
    powers = np.asarray([mpmath.exp(v - max(x)) for v in x], dtype=object)
    return powers / sum(powers)


LINES: dict[str, Callable[[Array], Any]] = {
    "softmax": _softmax,
    "log_softmax": lambda x: x - _logsumexp(x),
    "logsumexp": _logsumexp,
    "max": max,
    "prod": mpmath.fprod,
}


def eliminate(matrix: Array) -> tuple[Number, Array | None]:
    """Determinant, and the inverse if it is not 0, by elimination with the largest pivots."""
    n = matrix.shape[0]
    work = np.concatenate([matrix, _identity(n)], axis=1)
    determinant = mpmath.mpf(1)
    for k in range(n):
        row = max(range(k, n), key=lambda r: abs(work[r, k]))
        if is_zero(work[row, k], max(abs(v) for v in matrix.ravel())):
            return mpmath.mpf(0), None
        if row != k:
            work[[k, row]] = work[[row, k]]
            determinant = -determinant
        determinant = determinant * work[k, k]
        work[k] = work[k] / work[k, k]
        for r in range(n):
            if r != k:
                work[r] = work[r] - work[r, k] * work[k]
    return determinant, work[:, n:]


def _identity(n: int) -> Array:
    out = np.empty((n, n), dtype=object)
    for place in np.ndindex(n, n):
        out[place] = mpmath.mpf(place[0] == place[1])
    return out


def _inverse(matrix: Array) -> Any:
    found = eliminate(matrix)[1]
    return mpmath.nan if found is None else found


def _logdet(matrix: Array) -> Number:
    determinant = eliminate(matrix)[0]
    return mpmath.log(abs(determinant)) if determinant else mpmath.nan


def _adjugate(matrix: Array) -> Array:
    n = matrix.shape[0]
    out = _identity(n)
    for i, j in np.ndindex(n, n):
        if n > 1:
            out[i, j] = (-1) ** (i + j) * eliminate(np.delete(np.delete(matrix, j, axis=0), i, axis=1))[0]
    return out


def _matpow(matrix: Array, exponent: Array) -> Any:
    steps = mpmath.nint(exponent.item())
    base = _inverse(matrix) if steps < 0 else matrix
    if not is_zero(exponent.item() - steps) or not isinstance(base, np.ndarray):
        return mpmath.nan
    return np.linalg.matrix_power(base, abs(int(steps))) if steps else _identity(matrix.shape[0])


def _rank(matrix: Array) -> int:
    work, rank = matrix.copy(), 0
    for column in range(work.shape[1]):
        below = [r for r in range(rank, work.shape[0]) if not is_zero(work[r, column])]
        if below:
            pivot = max(below, key=lambda r: abs(work[r, column]))
            work[[rank, pivot]] = work[[pivot, rank]]
            for r in range(rank + 1, work.shape[0]):
                work[r] = work[r] - work[r, column] / work[rank, column] * work[rank]
            rank += 1
    return rank


def _eigvals(matrix: Array) -> Any:
    if not all(is_zero(gap) for gap in (matrix - matrix.T).flat):
        return mpmath.nan
    return np.asarray(sorted(mpmath.eigsy(mpmath.matrix(matrix.tolist()), eigvals_only=True)), dtype=object)


def _by_mpmath(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    return lambda matrix: np.asarray(function(mpmath.matrix(matrix.tolist())).tolist(), dtype=object)


MATRICES: dict[str, Callable[..., Any]] = {
    "det": lambda matrix: eliminate(matrix)[0],
    "inv": _inverse,
    "logdet": _logdet,
    "adj": _adjugate,
    "matpow": _matpow,
    "rank": _rank,
    "eigvals": _eigvals,
    "expm": _by_mpmath(mpmath.expm),
    "sinm": _by_mpmath(mpmath.sinm),
    "cosm": _by_mpmath(mpmath.cosm),
}
"""The matrix functions that need no spectrum, or a real one: where an eigenvalue is on a branch cut, digits do not help."""
