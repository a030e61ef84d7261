"""Points and weights of the laws of random variables: Gauss-Hermite grids, and discrete laws with given moments.

Shares nothing with `calculus`: a law is turned into atoms, and an expectation is the sum over them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np

from tensorgrad.errors import BudgetError

Array = Any
Atoms = tuple[Array, Array]
"""Points (the first axis counts them) and their weights."""

MOST_POINTS = 10_000

_PER_AXIS = (60, 28, 12, 8)
"""Gauss-Hermite points an axis for smooth integrands, by the number of entries."""

_MOST_DIVIDED = 200_000

_BESIDE = (20, 10)
"""The same for the entries along which an integrand with kinks has none."""

_REACH = 9.0
"""A standard normal number is this far from 0 less often than a rounding error."""


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
    if degree is not None:
        nodes, weights = _hermite(degree // 2 + 1)
    elif entries <= len(_PER_AXIS):
        nodes, weights = _hermite(_PER_AXIS[entries - 1] - 2 * coarse)
    else:
        raise BudgetError(f"quadrature over {entries} entries of an integrand that is no polynomial: take fewer")
    grid, mass = _grid(nodes, weights, entries)
    return mean + (grid @ root.T).reshape(-1, *mean.shape), mass


def divided(
    mean: Array, covariance: Array, kinks: Callable[[Array], Array] | None, coarse: bool = False
) -> Atoms | None:
    """A normal law on panels, many points for steep integrands of one or two entries; `coarse` as for `normal`.

    With `kinks`, for an integrand that is smooth but where one of these affine functions is 0: they map points (the
    first axis counts them) to values, one row a point, and the domain is divided at their zeros. BudgetError where these
    vary in more than two directions.
    """
    root = _root(covariance, mean.shape)
    if root is None:
        return None
    size = mean.size
    if kinks is None:
        points, mass = _grid(*_panels(np.zeros(0), coarse), size)
        return mean + (points @ root.T).reshape(-1, *mean.shape), mass
    there = kinks(mean + np.concatenate([np.zeros((1, size)), root.T]).reshape(-1, *mean.shape))
    slopes = (there[1:] - there[0]).T
    moving = np.abs(slopes).max(axis=1, initial=0.0) > 1e-12 * (1 + np.abs(there[0]))
    slopes, constants = slopes[moving], there[0][moving]
    _, scales, turn = np.linalg.svd(slopes, full_matrices=True) if len(slopes) else (None, np.zeros(0), np.eye(size))
    rank = int((scales > 1e-10 * scales.max(initial=0.0)).sum())
    if rank > 2 or size - rank > len(_BESIDE):
        raise BudgetError(f"quadrature of an integrand with kinks across {rank} of {size} directions: take fewer")
    points, mass = _divided(slopes @ turn.T[:, :rank], constants, coarse)
    if size > rank:
        smooth, rest = _grid(*_hermite(_BESIDE[size - rank - 1] - 2 * coarse), size - rank)
        _affordable(len(points) * len(smooth))
        points = np.concatenate([np.repeat(points, len(smooth), axis=0), np.tile(smooth, (len(points), 1))], axis=1)
        mass = np.multiply.outer(mass, rest).ravel()
    return mean + (points @ turn @ root.T).reshape(-1, *mean.shape), mass


def _divided(slopes: Array, constants: Array, coarse: bool) -> Atoms:
    """Points and weights of a standard normal law of 0 to 2 coordinates, divided where constants + slopes @ t is 0."""
    rank = slopes.shape[1]
    if rank == 0:
        return np.zeros((1, 0)), np.ones(1)
    if rank == 1:
        nodes, weights = _panels(-constants / slopes[:, 0], coarse)
        return nodes[:, None], weights
    crossings = [
        (slopes[j, 1] * constants[i] - slopes[i, 1] * constants[j]) / across
        for i in range(len(slopes))
        for j in range(i)
        if abs(across := slopes[i, 1] * slopes[j, 0] - slopes[j, 1] * slopes[i, 0]) > 1e-12
    ]
    steep = np.abs(slopes[:, 1]) <= 1e-12 * np.abs(slopes).max()
    turns = [t for c, (one, two) in zip(constants, slopes, strict=True) for t in _turns(c, one, two)]
    outer, mass = _panels(np.asarray([*crossings, *turns]), coarse)
    points: list[Array] = []
    weights: list[Array] = []
    for t, w in zip(outer, mass, strict=True):
        inner, own = _panels(-(constants[~steep] + slopes[~steep, 0] * t) / slopes[~steep, 1], coarse)
        points.append(np.stack([np.full(len(inner), t), inner], axis=1))
        weights.append(w * own)
        _affordable(len(inner) * len(outer))
    return np.concatenate(points), np.concatenate(weights)


def _turns(constant: float, outer: float, inner: float) -> list[float]:
    """Where the integral over the inner coordinate turns: around the zero of a function that falls steeply there."""
    if abs(inner) > abs(outer):
        return []
    return [(-constant + k * abs(inner)) / outer for k in (-5, -1.5, 1.5, 5)]


def _panels(cuts: Array, coarse: bool) -> Atoms:
    """Gauss-Legendre points of a standard normal number on panels that end at the cuts; coarse ones reach less far, too."""
    reach = _REACH - coarse
    inside = cuts[np.abs(cuts) < reach]
    ends = np.unique(np.concatenate([np.linspace(-reach, reach, 8), inside]))
    nodes, weights = np.polynomial.legendre.leggauss(12 - 2 * coarse)
    half = np.diff(ends) / 2
    points = (ends[:-1, None] + half[:, None] * (1 + nodes)).ravel()
    mass = (half[:, None] * weights).ravel() * np.exp(-(points**2) / 2)
    return points, mass / np.sqrt(2 * np.pi)


@lru_cache(maxsize=64)
def _hermite(count: int) -> Atoms:
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, weights / weights.sum()


def _affordable(points: int) -> None:
    if points > _MOST_DIVIDED:
        raise BudgetError(f"quadrature with {points} points of an integrand with kinks: use smaller sizes")


def any_law(mean: Array, covariance: Array, name: str) -> Atoms | None:
    """A discrete law with this mean and covariance, skew and far from normal, the same for each name and shape."""
    root = _root(covariance, mean.shape)
    if root is None:
        return None
    p = np.random.default_rng((crc32(name.encode()), *mean.shape)).uniform(0.2, 0.4)
    nodes = np.asarray([np.sqrt((1 - p) / p), -np.sqrt(p / (1 - p))])
    grid, mass = _grid(nodes, np.asarray([p, 1 - p]), mean.size)
    return mean + (grid @ root.T).reshape(-1, *mean.shape), mass


def independent(mean: Array, variance: Array, shape: tuple[int, ...], name: str) -> Atoms | None:
    """Independent entries with this mean and variance; three values each, so that no moment is special."""
    if not (variance >= 0 and np.isfinite(mean)):
        return None
    rng = np.random.default_rng((crc32(name.encode()), *shape))
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
    places = np.indices((len(nodes),) * axes).reshape(axes, -1).T
    return nodes[places], weights[places].prod(axis=1)


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
