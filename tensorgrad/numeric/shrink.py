"""Making a counterexample simple: the smallest sizes, then small integer entries."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from tensorgrad.errors import BudgetError
from tensorgrad.numeric.facts import exchanges
from tensorgrad.numeric.hunt import Dims, Hunt
from tensorgrad.numeric.sample import admissible
from tensorgrad.tensor import Variable

_SIMPLE = ("ones", "minus", "zeros", "bits", "small", "small", "naturals", "integers", "integers", "interval")
_TIED = ("symmetric", "skew", "antisymmetric", "pd", "psd")
_MOST_ENTRIES = 40


def shrink(hunt: Hunt, dims: Dims, values: dict[str, Any], kind: str) -> tuple[Dims, dict[str, Any]]:
    """Sizes and values of a simpler instance with the same outcome."""
    for smaller in _smaller(hunt, dims):
        found = _simple(hunt, smaller, kind)
        if found is not None:
            dims, values = smaller, found
            break
    return dims, values if hunt.kinked else _simplified(hunt, dims, values, kind)


def _smaller(hunt: Hunt, dims: Dims) -> list[Dims]:
    """Sizes no larger than these, smallest first, these last."""
    largest = [min(dims[s], 3) for s in hunt.symbols]
    options = sorted(product(*(range(1, top + 1) for top in largest)), key=lambda o: (sum(o), o))[:24]
    found = [{**dims, **dict(zip(hunt.symbols, o, strict=True))} for o in options]
    return [d for d in [*found, dims] if hunt.fits(d)]


def _simple(hunt: Hunt, dims: Dims, kind: str) -> dict[str, Any] | None:
    """An instance of integer entries with this outcome, if a short search finds one."""
    for style in ("generic", "interval") if hunt.kinked else _SIMPLE:
        values, found = hunt.attempt(dims, style)
        if values is not None and found == kind:
            return values
    return None


def _simplified(hunt: Hunt, dims: Dims, values: dict[str, Any], kind: str) -> dict[str, Any]:
    """Entries replaced by 0, 1, -1, 2 or a rounded one, one at a time, while the outcome stays."""
    for variable in hunt.variables:
        array = np.asarray(values[variable.name], dtype=np.float64)
        if array.size > _MOST_ENTRIES:
            continue
        for place in np.ndindex(*array.shape):
            for candidate in _simpler(float(array[place])):
                trial = array.copy()
                for image, sign in _images(variable, place):
                    trial[image] = sign * candidate
                if _stays(hunt, dims, {**values, variable.name: trial}, kind):
                    values, array = {**values, variable.name: trial}, trial
                    break
    return values


def _stays(hunt: Hunt, dims: Dims, values: dict[str, Any], kind: str) -> bool:
    try:
        return admissible(hunt.variables, hunt.conditions, values, dims) and hunt.outcome(values, dims).kind == kind
    except BudgetError:
        return False


def _simpler(value: float) -> list[float]:
    """Values to try in place of an entry, simplest first, up to the entry itself."""
    order = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, float(np.round(value)), float(np.round(value, 1))]
    return order[: order.index(value)] if value in order else order


def _images(variable: Variable, place: tuple[int, ...]) -> list[tuple[tuple[int, ...], int]]:
    """The entries that the variable's symmetry ties to this one."""
    found = {place: 1}
    for fact in variable.facts:
        if fact.axes or (variable.order == 2 and fact.name in _TIED):
            for axes, sign in exchanges(fact, variable.order):
                found.setdefault(tuple(place[k] for k in axes), sign if fact.name not in ("pd", "psd") else 1)
    return list(found.items())
