"""Is the covariance of a law one? Symmetric under exchange of its halves; refused where it is known not to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tensorgrad.diagram import Store, insert
from tensorgrad.errors import FactError, TensorgradError
from tensorgrad.numeric import evaluate, sample, size_symbols
from tensorgrad.tensor import Apply, Derivative, Expectation, Law, Product, Rename, Scalar, Tensor, Variable, walk

if TYPE_CHECKING:
    from tensorgrad.notation import Condition

_TRIES = 3


def require_covariance(x: Variable, law: Law, conditions: Sequence[Condition]) -> None:
    """FactError for a second parameter that is no variance or covariance: negative, or not symmetric under exchange.

    What is not a diagram with the symmetry is tried on random values that satisfy the facts and conditions.
    """
    covariance = law.parameters[1]
    if isinstance(covariance, Scalar) and covariance.value.is_constant and covariance.value.number < 0:
        raise FactError(f"the variance of {x.name} is {covariance}, which is negative")
    half = covariance.order // 2
    if not half or law.kind == "iid":
        return
    swapped = (*covariance.edges[half:], *covariance.edges[:half])
    if any(isinstance(n, Derivative | Expectation) for n in walk(covariance)) or _symmetric(covariance, swapped):
        return
    name = bare(covariance)
    if name is not None:
        for fact in ("skew", "upper", "lower"):
            if name.has(fact):
                raise FactError(_refusal(x, covariance, f"{name.name} is declared {fact}"))
        return
    sizes = _asymmetric(covariance, half, conditions)
    if sizes is not None:
        raise FactError(_refusal(x, covariance, f"exchanging them changes it{sizes}"))


def _refusal(x: Variable, covariance: Tensor, why: str) -> str:
    return (
        f"the covariance of {x.name}, {covariance}, is not symmetric in its two halves: {why}; "
        "give a symmetric one, such as A @ A.T or (C + C.T) / 2, or state the fact that makes it so"
    )


def _symmetric(covariance: Tensor, swapped: tuple[str, ...]) -> bool:
    """Whether the diagram is its own exchange."""
    store = Store()
    handle, perm = insert(store, covariance)
    axis = dict(zip(covariance.edges, perm, strict=True))
    return store.same((handle, perm), (handle, tuple(axis[e] for e in swapped)))


def bare(t: Tensor) -> Variable | None:
    """The variable that `t` is, up to names and order of edges."""
    while isinstance(t, Rename) or (
        isinstance(t, Product) and len(t.factors) == 1 and len(t.edges) == t.factors[0].order
    ):
        t = t.children[0]
    return t if isinstance(t, Variable) else None


def places_in(t: Tensor, variable: Variable) -> tuple[int, ...]:
    """For each edge of `t`, a variable up to names and order of edges, the axis of the variable that it is."""
    names = t.edges
    while t is not variable:
        inner = t.children[0]
        if isinstance(t, Rename):
            back = dict(zip(t.edges, inner.edges, strict=True))
            names = tuple(back[e] for e in names)
        t = inner
    return tuple(variable.edges.index(e) for e in names)


def _asymmetric(covariance: Tensor, half: int, conditions: Sequence[Condition]) -> str | None:
    """Sizes for which random values make it asymmetric, as text; None if none do or none were found."""
    symbols = size_symbols(covariance)
    functions = [n.function for n in walk(covariance) if isinstance(n, Apply) and not n.function.known]
    for seed in range(_TRIES):
        sizes = {s: 2 + (k + seed) % 3 for k, s in enumerate(symbols)}
        try:
            values = sample(covariance.variables, functions, conditions, sizes, np.random.default_rng(seed))
            value = evaluate(covariance, values, sizes)
        except TensorgradError:
            continue
        if not np.isfinite(value).all():
            continue
        other = value.transpose([*range(half, 2 * half), *range(half)])
        if not np.allclose(value, other, rtol=1e-6, atol=1e-9 * max(1.0, float(np.abs(value).max(initial=0.0)))):
            shown = ", ".join(f"{s} = {n}" for s, n in sizes.items())
            return f" (random values, {shown})" if shown else " (random values)"
    return None
