"""Do two expressions agree on one instance? Undefined values, overflow and rounding are told apart from difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from mpmath import isfinite

from tensorgrad.errors import BudgetError, UnsupportedError
from tensorgrad.numeric.differences import Differences
from tensorgrad.numeric.modular import Modular, NonRationalError, UndefinedError
from tensorgrad.numeric.precise import DIGITS, evaluate_precisely
from tensorgrad.tensor import Apply, Derivative, Tensor, walk

Array = Any
Kind = Literal["equal", "different", "left undefined", "right undefined", "both undefined", "unclear"]

TOLERANCE = 1e-7
_NUDGE = 1e-10

_DRAWS = 3
"""Nudges of each value where nothing but float64 can be asked: one of them may round as the instance itself does."""


@dataclass(frozen=True)
class Outcome:
    """How two sides compare on one instance, and their values (axes of both in the left side's order)."""

    kind: Kind
    left: Array
    right: Array


class Comparison:
    """Compares two expressions on many instances."""

    def __init__(self, left: Tensor, right: Tensor, tolerance: float = TOLERANCE) -> None:
        self.left, self.right = left, right
        self.order = [right.edges.index(e) for e in left.edges]
        self.derivatives = any(isinstance(n, Derivative) for side in (left, right) for n in walk(side))
        found = (*left.variables, *right.variables)
        self.still = frozenset(v.name for v in found if v.has("integer") or v.has("onehot"))
        # Central differences are good to 10 digits, those of a Hessian to 7.
        self.tolerance = max(tolerance, 1e-5) if self.derivatives else tolerance

    def __call__(self, values: Mapping[str, Any], dims: Mapping[str, int]) -> Outcome:
        """The outcome on one instance. A difference is believed only if rounding cannot explain it."""
        left, right = self.sides(values, dims)
        if left is None or right is None or np.isinf(left).any() or np.isinf(right).any():
            return Outcome("unclear", left, right)
        without = (bool(np.isnan(left).any()), bool(np.isnan(right).any()))
        if without == (True, True):
            return Outcome("both undefined", left, right)
        if without == (False, False):
            kind: Kind = "equal" if self.close(left, right) else "different"
            if kind == "different" and not self.believable(left, right, values, dims):
                kind = "unclear"
            return Outcome(kind, left, right)
        kind = "left undefined" if without[0] else "right undefined"
        return Outcome(kind if self.one_sided(left, right, values, dims) else "unclear", left, right)

    def sides(self, values: Mapping[str, Any], dims: Mapping[str, int]) -> tuple[Array | None, Array | None]:
        """Both values; None for one that overflows."""
        return self.value(self.left, values, dims), self.value(self.right, values, dims)

    def value(self, side: Tensor, values: Mapping[str, Any], dims: Mapping[str, int]) -> Array | None:
        """One side's value, axes in the left side's order; None when it overflows."""
        try:
            with np.errstate(over="raise"):
                value = Differences(values, dims).evaluate(side)
        except FloatingPointError:
            return None
        return value if side is self.left else value.transpose(self.order)

    def close(self, left: Array, right: Array) -> bool:
        """Equal up to the tolerance, relative to the larger side's largest entry."""
        return bool(np.abs(left - right).max() <= self.tolerance * _scale(left, right))

    def believable(self, left: Array, right: Array, values: Mapping[str, Any], dims: Mapping[str, int]) -> bool:
        """Whether the difference is far above rounding: exactly, where rational; else with many digits; and always by
        nudging the values, which need not satisfy the facts to the last digit."""
        exact = self.exactly(values, dims) or self.precisely(values, dims)
        if exact not in (None, "different"):
            return False
        if not _is_exact(values) and self.close(
            *(self.snapped(side, values, dims) for side in (self.left, self.right))
        ):
            return False
        draws = _DRAWS if exact is None else 1
        return self.noise(values, dims, (left, right), draws) <= 0.01 * float(np.abs(left - right).max())

    def one_sided(self, left: Array, right: Array, values: Mapping[str, Any], dims: Mapping[str, int]) -> bool:
        """Whether one side really is undefined where the other is defined: not an artefact of rounding."""
        undefined_left = bool(np.isnan(left).any())
        exact = self.exactly(values, dims) or self.precisely(values, dims)
        if exact not in (None, "left undefined" if undefined_left else "right undefined"):
            return False
        defined = right if undefined_left else left
        certain = _is_exact(values)
        if certain and exact is not None:
            return True
        if self.noise(values, dims, (None, right) if undefined_left else (left, None), 1) > 0.01 * _scale(defined):
            return False
        if certain:
            return True
        domain = [bool(np.isnan(self.snapped(side, values, dims)).any()) for side in (self.left, self.right)]
        if domain != [undefined_left, not undefined_left]:
            return False
        nudged = [self.sides(moved, dims)[0 if undefined_left else 1] for moved in self.nudges(values, 1)]
        return all(side is not None and np.isnan(side).any() for side in nudged)

    def snapped(self, side: Tensor, values: Mapping[str, Any], dims: Mapping[str, int]) -> Array:
        """One side's value with tiny arguments of functions taken for zeros, axes in the left side's order."""
        value = _Snapped(values, dims).evaluate(side)
        return value if side is self.left else value.transpose(self.order)

    def noise(
        self, values: Mapping[str, Any], dims: Mapping[str, int], sides: tuple[Array | None, Array | None], draws: int
    ) -> float:
        """How much the defined sides move when values move in the tenth digit: the same cancellation shows in both.

        Values that leave the domain when moved say nothing (an integer exponent of a negative number) if the
        instance is exact, and everything if it is not.
        """
        worst = 0.0
        for moved in self.nudges(values, draws):
            for now, before in zip(self.sides(moved, dims), sides, strict=True):
                if before is None:
                    continue
                if now is None or not np.isfinite(now).all():
                    worst = worst if _is_exact(values) else np.inf
                else:
                    worst = max(worst, float(np.abs(now - before).max()))
        return worst

    def nudges(self, values: Mapping[str, Any], draws: int) -> list[dict[str, Any]]:
        """The instance with one value at a time moved by about one part in 10**10; zeros and integers stay.

        Entries below 1 move by 10**-10: equations among the conditions are solved to an absolute precision only, so
        an entry of 10**-13 may be a zero.
        """
        rng = np.random.default_rng(1)
        found: list[dict[str, Any]] = []
        for name, value in values.items():
            if not callable(value) and name not in self.still:
                array = np.asarray(value, dtype=np.float64)
                size = np.where(array == 0, 0.0, _NUDGE * np.maximum(np.abs(array), 1.0))
                moved = (array + size * rng.standard_normal(array.shape) for _ in range(draws))
                found += [{**values, name: m} for m in moved]
        return found

    def exactly(self, values: Mapping[str, Any], dims: Mapping[str, int]) -> Kind | None:
        """The outcome modulo a prime, when both sides are rational and the values exact; None when not."""
        if self.derivatives or not _is_exact(values):
            return None
        sides: list[Array | None] = []
        for side in (self.left, self.right):
            try:
                sides.append(Modular(values, dims).evaluate(side))
            except UndefinedError:
                sides.append(None)
            except NonRationalError:
                return None
        left, right = sides
        if left is None or right is None:
            return "both undefined" if left is right else "left undefined" if left is None else "right undefined"
        return "equal" if (left == right.transpose(self.order)).all() else "different"

    def precisely(self, values: Mapping[str, Any], dims: Mapping[str, int]) -> Kind | None:
        """The outcome with many digits; None where a function is not evaluated so, or the arrays are large."""
        try:
            kinds: list[Kind] = [self._with_digits(digits, values, dims) for digits in DIGITS]
        except (UnsupportedError, BudgetError):
            return None
        return kinds[0] if kinds[0] == kinds[1] else "unclear"

    def _with_digits(self, digits: int, values: Mapping[str, Any], dims: Mapping[str, int]) -> Kind:
        left, right = (evaluate_precisely(side, values, dims, digits) for side in (self.left, self.right))
        defined = [all(isfinite(x) for x in side.ravel()) for side in (left, right)]
        if not all(defined):
            if not any(defined):
                return "both undefined"
            return "left undefined" if defined[1] else "right undefined"
        gap = max((abs(x) for x in np.ravel(left - right.transpose(self.order))), default=0)
        scale = max(1e-3, *(abs(x) for side in (left, right) for x in side.ravel()))
        return "equal" if gap <= self.tolerance * scale else "different"


class _Snapped(Differences):
    """The evaluator that takes tiny arguments of functions for zeros: facts hold but for the last digits of the values."""

    def _apply(self, t: Apply, args: Sequence[Array]) -> Array:
        return super()._apply(t, [np.where(np.abs(a) <= 1e-12, 0.0, a) for a in args])


def _scale(*sides: Array) -> float:
    return max(1e-3, *(float(np.abs(side).max()) for side in sides))


def _is_exact(values: Mapping[str, Any]) -> bool:
    """Whether all values are small multiples of 1/8 (and there are no sampled functions)."""
    for value in values.values():
        if callable(value):
            return False
        eighths = np.asarray(value, dtype=np.float64) * 8
        if np.abs(eighths).max() > 8000 or (eighths != np.round(eighths)).any():
            return False
    return True


def agree(left: Tensor, right: Tensor, values: Sequence[tuple[Mapping[str, Any], Mapping[str, int]]]) -> bool:
    """Whether two expressions are equal on all the instances (values, dims) where both are defined."""
    compare = Comparison(left, right)
    return all(compare(v, d).kind != "different" for v, d in values)
