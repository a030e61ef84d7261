"""Does an array have a fact? One definition a fact, entry by entry, as in notation.md."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorgrad.notation.facts import exchanged
from tensorgrad.tensor import Fact

Array = Any


def holds(fact: Fact, array: Any, tolerance: float = 1e-8, margin: float = 1e-9) -> bool:
    """Whether `array` has the fact; never for NaN or infinity.

    Equalities may be off by `tolerance`, relative to the largest entry; what must not vanish (the least eigenvalue of
    a pd matrix, the reciprocal condition of an invertible one, an entry that is nonzero) must exceed `margin`.

    >>> holds(Fact("symmetric"), np.eye(3)), holds(Fact("skew"), np.eye(3))
    (True, False)
    """
    x = np.asarray(array, dtype=np.float64)
    if not np.isfinite(x).all():
        return False
    small = tolerance * max(1.0, float(np.abs(x).max()))
    if fact.name in ("symmetric", "antisymmetric", "skew"):
        return all(bool(np.abs(x - sign * x.transpose(axes)).max() <= small) for axes, sign in exchanges(fact, x.ndim))
    if fact.name == "nonzero":
        return bool((np.abs(x) > margin).all())
    if fact.name in _ENTRYWISE:
        return bool(_ENTRYWISE[fact.name](x).all())
    if fact.name in ("unit", "simplex", "onehot"):
        return _vector(fact.name, x, small)
    return _matrix(fact.name, x, small, margin)


_ENTRYWISE: dict[str, Any] = {
    "positive": lambda x: x > 0,
    "nonnegative": lambda x: x >= 0,
    "integer": lambda x: x == np.round(x),
}


def exchanges(fact: Fact, order: int) -> list[tuple[tuple[int, ...], int]]:
    """The axis permutations under which a tensor of this order with the fact is unchanged up to the sign given.

    Generators only: exchanging the first block with each other one.
    """
    blocks = exchanged(fact)
    sign = 1 if fact.name == "symmetric" else -1
    found: list[tuple[tuple[int, ...], int]] = []
    for other in blocks[1:]:
        axes = list(range(order))
        for a, b in zip(blocks[0], other, strict=True):
            axes[a], axes[b] = axes[b], axes[a]
        found.append((tuple(axes), sign))
    return found


def symmetrised(x: Array, facts: list[Fact], mean: bool = True) -> Array:
    """The average (or sum) of `x` over the group of axis permutations (with signs) that the facts generate."""
    generators = [g for fact in facts for g in exchanges(fact, x.ndim)]
    group: dict[tuple[int, ...], int] = {tuple(range(x.ndim)): 1}
    frontier = list(group)
    while frontier:
        axes = frontier.pop()
        for more, sign in generators:
            product = tuple(axes[k] for k in more)
            if product not in group:
                group[product] = group[axes] * sign
                frontier.append(product)
    total = sum(sign * x.transpose(axes) for axes, sign in group.items())
    # What cancels but for rounding is zero: its sign would be arbitrary.
    total = np.where(np.abs(total) <= 1e-13 * np.abs(x).max(initial=0.0), 0.0, total)
    return total / len(group) if mean else total


def _vector(name: str, x: Array, small: float) -> bool:
    if name == "unit":
        return bool(np.abs((x * x).sum(axis=-1) - 1).max() <= small)
    if name == "onehot" and not np.isin(x, (0.0, 1.0)).all():
        return False
    return bool((x >= 0).all() and np.abs(x.sum(axis=-1) - 1).max() <= small)


def _matrix(name: str, x: Array, small: float, margin: float) -> bool:
    if name in ("pd", "psd"):
        side = int(np.prod(x.shape[: x.ndim // 2], dtype=int))
        return _definite(x.reshape(side, side), small, margin if name == "pd" else None)
    rows, columns = x.shape
    match name:
        case "diagonal":
            return bool(np.abs(x * (1 - np.eye(rows))).max() <= small)
        case "upper":
            return bool(np.abs(np.tril(x, -1)).max() <= small)
        case "lower":
            return bool(np.abs(np.triu(x, 1)).max() <= small)
        case "orthogonal" | "orthonormal":
            return rows >= columns and bool(np.abs(x.T @ x - np.eye(columns)).max() <= small)
        case "idempotent":
            return bool(np.abs(x @ x - x).max() <= small * max(1.0, float(np.abs(x).max())))
        case "invertible":
            return rows == columns and bool(np.linalg.cond(x) < 1 / margin)
        case _:
            raise ValueError(f"no such fact: {name}")


def _definite(x: Array, small: float, margin: float | None) -> bool:
    if np.abs(x - x.T).max() > small:
        return False
    least = float(np.linalg.eigvalsh((x + x.T) / 2).min())
    return least >= -small if margin is None else least > margin * max(1.0, float(np.abs(x).max()))
