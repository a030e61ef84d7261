"""Linear programs of the layout: HiGHS by its dual simplex method, which answers corners and is deterministic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Entries = Sequence[tuple[int, int, float]]
"""(row, variable, coefficient)."""


def minimise(cost: Any, entries: Entries, limits: Sequence[float], bounds: Any) -> np.ndarray:
    """The variables of least cost with `rows <= limits` within the bounds."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    if not limits:
        return np.asarray([low for low, _ in bounds], float)
    rows, variables, values = zip(*entries, strict=True)
    matrix = coo_array((values, (rows, variables)), shape=(len(limits), len(cost))).tocsr()
    done = linprog(cost, A_ub=matrix, b_ub=np.asarray(limits, float), bounds=bounds, method="highs-ds")
    if not done.success:
        raise RuntimeError(f"the layout has no solution, which is a bug of tensorgrad: {done.message}")
    return np.asarray(done.x)
