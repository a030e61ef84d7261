"""Arrays that have given facts by construction, generic or special (zeros, ones, singular, integer entries, ...)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.numeric.facts import holds, symmetrised
from tensorgrad.tensor import Fact

Array = Any
Rng = np.random.Generator

WELL_CONDITIONED = 200.0


def _outer(shape: tuple[int, ...], rng: Rng) -> Array:
    result = np.ones(())
    for length in shape:
        result = np.multiply.outer(result, rng.integers(-2, 3, length).astype(float))
    return result


def _eye(shape: tuple[int, ...], upper: int = 0) -> Array:
    return np.eye(*shape, k=upper) if len(shape) == 2 else np.ones(shape)


def _shuffled(shape: tuple[int, ...], rng: Rng) -> Array:
    if len(shape) == 2 and shape[0] == shape[1]:
        return np.eye(shape[0])[rng.permutation(shape[0])]
    return rng.integers(0, 2, shape).astype(float)


def _from(values: Sequence[float]) -> Callable[[tuple[int, ...], Rng], Array]:
    return lambda shape, rng: rng.choice(np.asarray(values, float), shape)


STYLES: dict[str, Callable[[tuple[int, ...], Rng], Array]] = {
    "generic": lambda shape, rng: rng.standard_normal(shape),
    "large": lambda shape, rng: 6 * rng.standard_normal(shape),
    "positive": lambda shape, rng: np.abs(rng.standard_normal(shape)) + 0.2,
    "negative": lambda shape, rng: -np.abs(rng.standard_normal(shape)) - 0.2,
    "interval": lambda shape, rng: rng.uniform(0.05, 0.95, shape),
    "equal": lambda shape, rng: np.full(shape, rng.choice([2.0, -2.0, 0.5, 3.0])),
    "halves": _from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0]),
    "integers": lambda shape, rng: rng.integers(-3, 4, shape).astype(float),
    "naturals": lambda shape, rng: rng.integers(1, 4, shape).astype(float),
    "small": _from([-1.0, 0.0, 1.0]),
    "bits": _from([0.0, 1.0]),
    "zeros": lambda shape, _: np.zeros(shape),
    "ones": lambda shape, _: np.ones(shape),
    "minus": lambda shape, _: -np.ones(shape),
    "identity": lambda shape, _: _eye(shape),
    "singular": _outer,
    "nilpotent": lambda shape, _: _eye(shape, 1),
    "permutation": _shuffled,
}
"""Ways of drawing entries, by name; facts are imposed afterwards."""

FIXED = ("zeros", "ones", "minus", "identity", "nilpotent")
"""Styles that draw the same array every time."""

EXACT = (*FIXED, "integers", "naturals", "small", "bits", "singular", "permutation")
"""Styles of integer entries: float64 computes sums and products of them without rounding."""


def draw(shape: tuple[int, ...], facts: Sequence[Fact], style: str, rng: Rng) -> Array | None:
    """An array of this shape with all the facts, or None when this draw has no such array.

    >>> q = draw((3, 3), [Fact("orthogonal"), Fact("symmetric")], "generic", np.random.default_rng(0))
    >>> bool(np.allclose(q @ q, np.eye(3)))
    True
    """
    names = frozenset(f.name for f in facts if not f.axes)
    exchanging = [f for f in facts if f.axes]
    x = _integers(shape, style, rng) if "integer" in names else STYLES[style](shape, rng)
    x = _entries(x, names)
    if names & {"onehot", "simplex", "unit"}:
        x = _vector(x, names, rng)
    elif len(shape) > 2 and names & {"pd", "psd"}:
        side = int(np.prod(shape[: len(shape) // 2]))
        x = _definite(x.reshape(side, side), names).reshape(shape)
    elif len(shape) == 2 and names & _SHAPES:
        x = _matrix(x, names, style, rng)
    if x is not None and exchanging:
        x = symmetrised(x, exchanging, mean=style not in EXACT)
    return x if x is not None and all(holds(f, x) for f in facts) else None


_SHAPES = frozenset("symmetric skew diagonal upper lower orthogonal orthonormal invertible idempotent pd psd".split())


def _integers(shape: tuple[int, ...], style: str, rng: Rng) -> Array:
    if style in EXACT:
        return STYLES[style](shape, rng)
    return rng.integers(0 if not shape else -3, 4, shape).astype(float)


def _entries(x: Array, names: frozenset[str]) -> Array:
    if names & {"positive", "nonnegative"}:
        x = np.abs(x)
    return np.where(x == 0, 1.0, x) if names & {"positive", "nonzero"} else x


def _vector(x: Array, names: frozenset[str], rng: Rng) -> Array:
    one = np.zeros_like(x)
    one[..., int(rng.integers(x.shape[-1]))] = 1.0
    if "onehot" in names or ("simplex" in names and "unit" in names) or not x.any():
        return one
    if "simplex" in names:
        return np.abs(x) / np.abs(x).sum(axis=-1, keepdims=True)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def _structured(x: Array, names: frozenset[str]) -> Array:
    """Symmetry and zeros imposed by copying entries, so integers stay integers."""
    triangles = names & {"upper", "lower"}
    if "skew" in names and names & {"symmetric", "diagonal", "upper", "lower", "pd", "psd"}:
        return np.zeros_like(x)
    if "diagonal" in names or len(triangles) == 2 or (triangles and "symmetric" in names):
        x = x * np.eye(*x.shape)
    elif "upper" in names:
        x = np.triu(x)
    elif "lower" in names:
        x = np.tril(x)
    if "symmetric" in names:
        x = np.triu(x) + np.triu(x, 1).T
    if "skew" in names:
        x = np.triu(x, 1) - np.triu(x, 1).T
    return x


def _matrix(x: Array, names: frozenset[str], style: str, rng: Rng) -> Array | None:
    if names & {"orthogonal", "orthonormal"}:
        rows, columns = x.shape
        return _orthogonal(x, names, style, rng)[:, :columns] if rows >= columns else None
    if "idempotent" in names:
        return _idempotent(x, names, style, rng)
    if names & {"pd", "psd"} and "skew" not in names:
        return _definite(x, names)
    x = _structured(x, names)
    return _regular(x, names) if "invertible" in names else x


def _regular(x: Array, names: frozenset[str]) -> Array | None:
    """`x` moved away from the singular matrices, along a matrix of the same structure."""
    n = x.shape[0]
    if "skew" in names and n % 2:
        return None
    step = _structured(np.fliplr(np.eye(n)), names) if "skew" in names else np.eye(n)
    for k in range(8):
        if np.linalg.cond(x + k * step) < WELL_CONDITIONED:
            return x + k * step
    return None


def _definite(x: Array, names: frozenset[str]) -> Array:
    floor = 0.0 if "psd" in names and "pd" not in names and "invertible" not in names else 1.0
    if names & {"diagonal", "upper", "lower"}:
        return np.abs(x) * np.eye(*x.shape) + floor * np.eye(*x.shape)
    return x @ x.T + floor * np.eye(*x.shape)


def _orthogonal(x: Array, names: frozenset[str], style: str, rng: Rng) -> Array:
    n = x.shape[0]
    if names & {"idempotent", "pd", "psd"} or style == "identity":
        return np.eye(n)
    signs = np.ones(n) if names & {"positive", "nonnegative"} else rng.choice([1.0, -1.0], n)
    if names & {"diagonal", "upper", "lower"} or ("symmetric" in names and style in EXACT):
        return np.diag(signs)
    shuffle = np.eye(n)[rng.permutation(n)]
    if style in EXACT or names & {"positive", "nonnegative", "integer"}:
        q = shuffle
    else:
        q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    if "symmetric" in names:
        return (q * signs) @ q.T
    if "skew" in names:
        turn = np.zeros((n, n))
        for k in range(0, n - 1, 2):
            turn[k, k + 1], turn[k + 1, k] = 1.0, -1.0
        return q @ turn @ q.T
    return q * signs


def _idempotent(x: Array, names: frozenset[str], style: str, rng: Rng) -> Array:
    n = x.shape[0]
    kept = {"zeros": np.zeros(n), "identity": np.ones(n), "ones": np.ones(n)}.get(style)
    kept = rng.integers(0, 2, n).astype(float) if kept is None else kept
    if names & {"invertible", "pd"}:
        return np.eye(n)
    if "skew" in names:
        return np.zeros((n, n))
    if "diagonal" in names or len(names & {"upper", "lower", "symmetric"}) > 1:
        return np.diag(kept)
    if names & {"symmetric", "psd"}:
        basis = np.eye(n)[rng.permutation(n)] if style in EXACT else np.linalg.qr(rng.standard_normal((n, n)))[0]
        return (basis * kept) @ basis.T
    # A product of unit triangular matrices has an integer inverse when its entries are integers.
    corner = rng.integers(-1, 2, (n, n)) if style in EXACT else rng.standard_normal((n, n)) / 2
    lower, upper = np.tril(corner, -1) + np.eye(n), np.triu(corner, 1) + np.eye(n)
    basis = lower if "lower" in names else upper if "upper" in names else lower @ upper
    result = (basis * kept) @ np.linalg.inv(basis)
    return np.round(result) if style in EXACT else result
