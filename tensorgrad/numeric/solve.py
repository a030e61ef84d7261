"""Values that satisfy equations between expressions: Gauss-Newton from a random start, on the entries of variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tensorgrad.numeric.evaluate import Float
from tensorgrad.numeric.facts import symmetrised
from tensorgrad.tensor import Fact, Tensor, Variable, align

Array = Any
Equation = tuple[Tensor, Tensor]

_STEPS = 25

SMALLEST = 1e-3
"""The least size of a tensor that is not zero: equations are solved to an absolute precision."""


def solve(
    equations: Sequence[Equation], variables: Sequence[Variable], values: Mapping[str, Any], dims: Mapping[str, int]
) -> dict[str, Any] | None:
    """`values` moved to a nearby solution of all the equations; None when the iteration does not arrive.

    Facts that are linear (symmetric, diagonal, ...) are kept on the way; the caller checks the others.
    """
    left_out: list[Equation] = []
    found = dict(values)
    for left, right in equations:
        assigned = _assignment(left, right, found, dims) or _assignment(right, left, found, dims)
        if assigned is None:
            left_out.append((left, right))
        else:
            found.update(assigned)
    if not left_out:
        return found
    moving = [v for v in variables if any(v.name == w.name for pair in equations for t in pair for w in t.variables)]
    return _newton(equations, moving, found, dims)


def distinct(arrays: Iterable[Array]) -> bool:
    """Whether no array is nearly, but not quite, zero: A @ x = lam * x then holds to rounding for every lam."""
    largest = [float(np.abs(a).max(initial=0.0)) for a in arrays]
    return all(size == 0 or size >= SMALLEST for size in largest)


def _assignment(
    name: Tensor, value: Tensor, values: Mapping[str, Any], dims: Mapping[str, int]
) -> dict[str, Any] | None:
    """`S = A + B` with S a bare variable that A + B lacks and without facts: computed, not solved for."""
    if not isinstance(name, Variable) or value.depends_on(name) or name.facts:
        return None
    return {name.name: Float(values, dims).evaluate(align(value, name.edges))}


def _newton(
    equations: Sequence[Equation], moving: Sequence[Variable], values: Mapping[str, Any], dims: Mapping[str, int]
) -> dict[str, Any] | None:
    shapes = [np.shape(values[v.name]) for v in moving]
    cuts = np.cumsum([int(np.prod(s, dtype=int)) for s in shapes])[:-1]

    def unpack(flat: Array) -> dict[str, Any]:
        parts = np.split(flat, cuts)
        return {**values, **{v.name: p.reshape(s) for v, p, s in zip(moving, parts, shapes, strict=True)}}

    def project(flat: Array) -> Array:
        parts = [
            _projected(p.reshape(s), v.facts) for v, p, s in zip(moving, np.split(flat, cuts), shapes, strict=True)
        ]
        return np.concatenate([p.ravel() for p in parts])

    def residual(flat: Array) -> Array:
        oracle = Float(unpack(flat), dims)
        sides = [(oracle.evaluate(a), oracle.evaluate(align(b, a.edges))) for a, b in equations]
        return np.concatenate([np.ravel(a - b) for a, b in sides])

    x = project(np.concatenate([np.ravel(np.asarray(values[v.name], float)) for v in moving]))
    for _ in range(_STEPS):
        now = residual(x)
        if not np.isfinite(now).all():
            return None
        if np.abs(now).max() <= 1e-13 * max(1.0, float(np.abs(x).max()) ** 2):
            return unpack(x) if distinct(np.split(x, cuts)) else None
        jacobian = np.stack([_directional(residual, x, project(e)) for e in np.eye(len(x))], axis=1)
        if not np.isfinite(jacobian).all():
            return None
        step = project(np.linalg.lstsq(jacobian, now, rcond=1e-9)[0])
        if np.abs(step).max() <= 1e-12 or np.abs(step).max() > 1e3:
            return None
        x = x - step
    return None


def _directional(residual: Any, x: Array, direction: Array) -> Array:
    h = 1e-5
    return (residual(x + h * direction) - residual(x - h * direction)) / (2 * h)


def _projected(x: Array, facts: Sequence[Fact]) -> Array:
    for fact in facts:
        if fact.name == "diagonal":
            x = x * np.eye(*x.shape)
        elif fact.name in ("upper", "lower"):
            x = np.triu(x) if fact.name == "upper" else np.tril(x)
    exchanging = [f for f in facts if f.name in ("symmetric", "skew", "antisymmetric")]
    return symmetrised(x, exchanging) if exchanging else x
