"""Exact evaluation modulo a prime, for expressions that are rational in the entries of their variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tensorgrad.errors import TensorgradError
from tensorgrad.numeric.batches import Operand, each_entry, spread
from tensorgrad.numeric.dense import Array, Dense
from tensorgrad.numeric.evaluate import Values, read_sizes
from tensorgrad.tensor import Apply, Expectation, Tensor, Unit, Variable, walk

PRIME = 2**31 - 1

TRANSCENDENTAL = {"pi": 1_729_618_031}
"""Residues for numbers that are the root of no polynomial: what is rational in such a number holds exactly where it
holds with a variable in its place, so any residue will do, drawn once so that both sides of an equation have it."""


class NonRationalError(TensorgradError):
    """The expression is not rational in its entries, so it has no value modulo a prime; names the function."""


class UndefinedError(TensorgradError):
    """The expression is undefined modulo the prime: a division by 0, the inverse of a singular matrix."""


def evaluate_mod(t: Tensor, values: Values, dims: Mapping[str, int] | None = None, p: int = PRIME) -> Array:
    """The value of `t` modulo the prime p < 2**31, as int64 residues, axes in the order of `t.edges`.

    Values are integers, or floats and Fractions, which are taken exactly. Sums, products, structure, det, inv, adj and
    powers with integer exponents. Raises NonRationalError for anything else, UndefinedError where t has no value.

    >>> from tensorgrad.tensor import Variable, power
    >>> int(evaluate_mod(power(Variable("x"), -1), {"x": 2}, p=7))
    4
    """
    return Modular(values, {**read_sizes(t, values), **(dims or {})}, p).evaluate(t)


class Modular(Dense):
    """The evaluator over the integers modulo p."""

    def __init__(self, values: Values, dims: Mapping[str, int], p: int = PRIME) -> None:
        super().__init__(values, dims)
        self.p = p

    def _residue(self, value: Any) -> int:
        exact = Fraction(value)
        denominator = exact.denominator % self.p
        if not denominator:
            raise UndefinedError(f"{exact} has no value modulo {self.p}")
        return exact.numerator * pow(denominator, -1, self.p) % self.p

    def _number(self, value: Fraction) -> Array:
        return np.asarray(self._residue(value), dtype=np.int64)

    def _entries(self, array: Array) -> Array:
        if array.dtype.kind in "iu":
            return (array % self.p).astype(np.int64)
        flat = [self._residue(v if array.dtype == object else float(v)) for v in array.ravel()]
        return np.asarray(flat, dtype=np.int64).reshape(array.shape)

    def _pair(self, a: Operand, b: Operand, keep: tuple[str, ...]) -> Operand:
        names = tuple(dict.fromkeys((*a[1], *b[1])))
        return self._total((spread(a, names) * spread(b, names) % self.p, names), keep)

    def _total(self, a: Operand, keep: tuple[str, ...]) -> Operand:
        axes = tuple(k for k, e in enumerate(a[1]) if e not in keep)
        summed = a[0].sum(axis=axes) % self.p if axes else a[0]
        left = [e for e in a[1] if e in keep]
        return summed.transpose([left.index(e) for e in keep]), keep

    def _add(self, arrays: Sequence[Array], weights: Sequence[Fraction]) -> Array:
        result = np.zeros_like(arrays[0])
        for array, weight in zip(arrays, weights, strict=True):
            result = (result + self._residue(weight) * array) % self.p
        return result

    def _expectation(self, t: Expectation) -> Array:
        raise NonRationalError(f"an expectation over {t.variable.name} has no value modulo {self.p}")

    def _unit(self, t: Unit, _index: Array, /) -> Array:
        place, length = int(self._integers(t.index)), self._size(t.size)
        if not 0 <= place < length:
            raise UndefinedError(f"position {place} of a unit vector of size {length}")
        return np.eye(length, dtype=np.int64)[place]

    def _integers(self, t: Tensor) -> Array:
        """The value of an exponent or a position, as plain integers; they may depend on `integer` variables only."""
        from tensorgrad.numeric.evaluate import Float

        for node in walk(t):
            if isinstance(node, Variable) and not node.has("integer"):
                raise NonRationalError(f"an exponent with {node.name}, which is not declared integer, is not rational")
        with np.errstate(over="ignore"):
            value = Float(self.values, self.dims).evaluate(t)
        if not np.isfinite(value).all() or (value != np.round(value)).any() or np.abs(value).max() > 2.0**40:
            raise NonRationalError("an exponent that is not an integer is not rational")
        return value.astype(np.int64)

    def _apply(self, t: Apply, args: Sequence[Array]) -> Array:
        name = t.function.name
        if name in TRANSCENDENTAL:
            return np.asarray(TRANSCENDENTAL[name] % self.p, dtype=np.int64)
        if not t.function.known or t.function.derivative or name not in ("pow", "inv", "det", "adj", "matpow"):
            raise NonRationalError(f"{t.function} is not rational: it has no value modulo a prime")
        args = list(args)
        if name in ("pow", "matpow"):
            args[1] = self._integers(t.args[1])
        sizes = dict(zip(t.edges, (self._size(d) for d in t.dims), strict=True))
        return each_entry(t, args, sizes, lambda parts: self._one(name, parts), np.int64)

    def _one(self, name: str, args: list[Array]) -> Array | int:
        match name:
            case "pow":
                return self._power(int(args[0]), int(args[1]))
            case "det":
                return self._eliminate(args[0])[0]
            case "adj":
                return self._adjugate(args[0])
            case "inv":
                return self._inverse(args[0])
            case _:
                return self._matrix_power(args[0], int(args[1]))

    def _power(self, base: int, exponent: int) -> int:
        if exponent < 0 and base % self.p == 0:
            raise UndefinedError("0 to a negative power")
        return pow(base, exponent, self.p)

    def _eliminate(self, matrix: Array) -> tuple[int, Array | None]:
        """Determinant, and the inverse if it is not 0, by Gauss-Jordan elimination."""
        n, p = matrix.shape[0], self.p
        work = np.concatenate([matrix % p, np.eye(n, dtype=np.int64)], axis=1)
        determinant = 1
        for k in range(n):
            pivot = next((r for r in range(k, n) if work[r, k]), None)
            if pivot is None:
                return 0, None
            if pivot != k:
                work[[k, pivot]] = work[[pivot, k]]
                determinant = -determinant
            determinant = determinant * int(work[k, k]) % p
            work[k] = work[k] * pow(int(work[k, k]), -1, p) % p
            for r in range(n):
                if r != k:
                    work[r] = (work[r] - work[r, k] * work[k]) % p
        return determinant % p, work[:, n:]

    def _inverse(self, matrix: Array) -> Array:
        result = self._eliminate(matrix)[1]
        if result is None:
            raise UndefinedError("the inverse of a singular matrix")
        return result

    def _adjugate(self, matrix: Array) -> Array:
        n = matrix.shape[0]
        result = np.ones_like(matrix)
        for i, j in np.ndindex(n, n):
            if n > 1:
                minor = np.delete(np.delete(matrix, j, axis=0), i, axis=1)
                result[i, j] = (-1) ** (i + j) * self._eliminate(minor)[0] % self.p
        return result

    def _matrix_power(self, matrix: Array, exponent: int) -> Array:
        base = self._inverse(matrix) if exponent < 0 else matrix
        result, left = np.eye(matrix.shape[0], dtype=np.int64), abs(exponent)
        while left:
            if left % 2:
                result = self._matmul(result, base)
            base, left = self._matmul(base, base), left // 2
        return result

    def _matmul(self, a: Array, b: Array) -> Array:
        return (a[:, :, None] * b[None, :, :] % self.p).sum(axis=1) % self.p
