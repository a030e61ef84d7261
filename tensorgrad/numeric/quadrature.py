"""Points and weights of the laws of random variables: Gauss-Hermite grids, and discrete laws with given moments.

Shares nothing with `calculus`: a law is turned into atoms, and an expectation is the sum over them.
"""

from __future__ import annotations

from itertools import product
from typing import Any
from zlib import crc32

import numpy as np

from tensorgrad.errors import BudgetError

Array = Any
Atoms = tuple[Array, Array]
"""Points (the first axis counts them) and their weights."""

MOST_POINTS = 4_100

_PER_AXIS = (60, 28, 12, 8)
"""Gauss-Hermite points an axis for smooth integrands, by the number of entries."""


def normal(mean: Array, covariance: Array, degree: int | None, coarse: bool = False) -> Atoms | None:
    """A normal law; exact for polynomials of this degree (None: no polynomial). None where the covariance is none.

    `coarse` takes fewer points where it is not exact, to see how far the value may be trusted.

    >>> points, weights = normal(np.zeros(2), np.eye(2), 4)
    >>> round(float((weights * points[:, 0] ** 4).sum()), 9)
    3.0
    """
    root = _root(covariance, mean.shape)
    if root is None:
        return None
    entries = mean.size
    if degree is None:
        if entries > len(_PER_AXIS):
            raise BudgetError(f"quadrature over {entries} entries of an integrand that is no polynomial: take fewer")
        per_axis = _PER_AXIS[max(entries - 1, 0)] - 2 * coarse
    else:
        per_axis = degree // 2 + 1
    nodes, weights = np.polynomial.hermite_e.hermegauss(per_axis)
    grid, mass = _grid(nodes, weights / weights.sum(), entries)
    return mean + (grid @ root.T).reshape(-1, *mean.shape), mass


def any_law(mean: Array, covariance: Array, name: str) -> Atoms | None:
    """A discrete law with this mean and covariance, skew and far from normal, the same for each name."""
    root = _root(covariance, mean.shape)
    if root is None:
        return None
    p = np.random.default_rng(crc32(name.encode())).uniform(0.2, 0.4)
    nodes = np.asarray([np.sqrt((1 - p) / p), -np.sqrt(p / (1 - p))])
    grid, mass = _grid(nodes, np.asarray([p, 1 - p]), mean.size)
    return mean + (grid @ root.T).reshape(-1, *mean.shape), mass


def independent(mean: Array, variance: Array, shape: tuple[int, ...], name: str) -> Atoms | None:
    """Independent entries with this mean and variance; three values each, so that no moment is special."""
    if not (variance >= 0 and np.isfinite(mean)):
        return None
    rng = np.random.default_rng(crc32(name.encode()))
    weights = rng.dirichlet([3.0, 3.0, 3.0])
    nodes = np.asarray([-1.0, 0.3, 1.4])
    nodes = nodes - weights @ nodes
    nodes = nodes / np.sqrt(weights @ nodes**2)
    grid, mass = _grid(nodes, weights, int(np.prod(shape, dtype=int)))
    return float(mean) + np.sqrt(variance) * grid.reshape(-1, *shape), mass


def around(centre: Array, name: str) -> Atoms:
    """Some law near a value: a few atoms that move along with it, so that small changes of it stay small."""
    rng = np.random.default_rng((crc32(name.encode()), *centre.shape))
    count = 5
    return centre + rng.standard_normal((count, *centre.shape)), rng.dirichlet([2.0] * count)


def _grid(nodes: Array, weights: Array, axes: int) -> Atoms:
    if len(nodes) ** axes > MOST_POINTS:
        raise BudgetError(f"quadrature with {len(nodes)} points for each of {axes} entries: use smaller sizes")
    points = np.asarray(list(product(nodes, repeat=axes)), dtype=np.float64).reshape(-1, axes)
    mass = np.asarray([np.prod(w) for w in product(weights, repeat=axes)], dtype=np.float64)
    return points, mass


def _root(covariance: Array, shape: tuple[int, ...]) -> Array | None:
    """R with R R' the covariance as a matrix; None unless that is symmetric and positive semidefinite."""
    size = int(np.prod(shape, dtype=int))
    matrix = np.asarray(covariance).reshape(size, size)
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-12):
        return None
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if values.min(initial=0.0) < -1e-9 * max(1.0, float(np.abs(values).max(initial=0.0))):
        return None
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
