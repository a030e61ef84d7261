"""All members of every class, evaluated on one random instance by the numeric oracle: they must agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import numpy as np

from tensorgrad import numeric
from tensorgrad.diagram.expression import Expressions, axis_names
from tensorgrad.egraph.graph import EGraph
from tensorgrad.errors import BudgetError, FactError, SizeError
from tensorgrad.numeric import SamplingError
from tensorgrad.numeric.sample import condition_tensors, names_of
from tensorgrad.tensor import Derivative, Expectation, Tensor, walk

LARGEST = 4096


def instance(tensors: Sequence[Tensor], conditions: Sequence[Any], seed: int) -> tuple[dict[str, Any], dict[str, int]]:
    """Random values of every name, facts and conditions honoured, on distinct small sizes.

    Which symbol has which size is tried in turn: `U : n k orthonormal` exists for n >= k only, and `inv(X.T @ X)` too;
    sizes at which the tensors have finite values are preferred.
    """
    everything = [*tensors, *condition_tensors(conditions)]
    variables, functions = names_of(everything)
    symbols = numeric.size_symbols(*everything)
    last: Exception | None = None
    first: tuple[dict[str, Any], dict[str, int]] | None = None
    for order in permutations(range(len(symbols))) if len(symbols) < 5 else [tuple(range(len(symbols)))]:
        dims = {s: 2 + k % 3 for s, k in zip(symbols, order, strict=True)}
        try:
            rng = np.random.default_rng(seed)
            values = numeric.sample(variables, [f for f, _ in functions], conditions, dims, rng)
        except (SamplingError, FactError, SizeError) as error:
            last = error
            continue
        if all(_finite(t, values, dims) for t in tensors):
            return values, dims
        first = first or (values, dims)
    if first is not None:
        return first
    raise last or SamplingError("no sizes")


def _finite(t: Tensor, values: dict[str, Any], dims: dict[str, int]) -> bool:
    with np.errstate(all="ignore"):
        return any(isinstance(n, Derivative | Expectation) for n in walk(t)) or bool(
            np.isfinite(numeric.evaluate(t, values, dims)).all()
        )


@dataclass
class Census:
    """What was seen of the members of all classes: how many agree with their class's first, differ, say nothing.

    `undefined` members have no finite value on the instance, `unclear` ones differ by what rounding explains, `large` ones
    were not evaluated; `alone` is the first of its class.
    """

    wrong: list[str] = field(default_factory=list)
    agreeing: int = 0
    alone: int = 0
    undefined: int = 0
    unclear: int = 0
    large: int = 0

    @property
    def silent(self) -> float:
        """The share of members that say nothing."""
        nothing = self.undefined + self.unclear + self.large
        return nothing / max(1, nothing + self.agreeing + self.alone + len(self.wrong))


def census(graph: EGraph, values: dict[str, Any], dims: dict[str, int], most: int = 400) -> Census:
    """All members compared with their class's first member on one instance."""
    expressions = Expressions(graph, graph.own_node)
    first: dict[int, tuple[np.ndarray, Tensor]] = {}
    seen = Census()
    for handle in range(1, min(len(graph.nodes), most)):
        sizes = [int(d.evaluate(dims)) for d in graph.dims[handle]]
        if np.prod(sizes, initial=1) > LARGEST:
            seen.large += 1
            continue
        t = expressions.tensor(handle)
        if not {v.name for v in t.variables} <= values.keys():
            continue  # inside an expectation: a random variable has no one value
        try:
            with np.errstate(all="ignore"):
                value = numeric.evaluate(t, values, dims)
        except (MemoryError, BudgetError):
            seen.large += 1
            continue
        if not np.all(np.isfinite(value)):
            seen.undefined += 1
            continue
        root = graph.root(handle)
        perm = graph.oriented(handle)
        names = axis_names(len(perm))
        value = np.transpose(value, [t.edges.index(names[a]) for a in range(len(perm))])
        at_root = np.transpose(value, np.argsort(perm)) if len(perm) else value
        known, shown = first.setdefault(root, (at_root, t))
        scale = 1 + np.max(np.abs(known), initial=0)
        gap = np.max(np.abs(known - at_root), initial=0) if known.shape == at_root.shape else np.inf
        if gap <= 1e-6 * scale:
            seen.agreeing += shown is not t
            seen.alone += shown is t
        elif gap > 100 * max(_noise(t, values, dims), _noise(shown, values, dims)):
            seen.wrong.append(f"{t} (handle {handle}, class {root}) is not {shown}")
        else:
            seen.unclear += 1
        seen.wrong += _false_symmetries(graph, handle, value, t)
    return seen


def _noise(t: Tensor, values: dict[str, Any], dims: dict[str, int]) -> float:
    """How far the value moves when every entry moves by one part in 10**11: cancellation makes it unclear."""
    rng = np.random.default_rng(0)
    moved = {
        name: v * (1 + 1e-11 * rng.standard_normal(np.shape(v))) if isinstance(v, np.ndarray) else v
        for name, v in values.items()
    }
    with np.errstate(all="ignore"):
        change = np.abs(numeric.evaluate(t, moved, dims) - numeric.evaluate(t, values, dims))
    return float(np.max(change, initial=0)) if np.all(np.isfinite(change)) else np.inf


def _false_symmetries(graph: EGraph, handle: int, value: np.ndarray, t: Tensor) -> list[str]:
    """Axis exchanges that the class claims of the tensor and its value has not."""
    own = graph.oriented(handle)
    wrong: list[str] = []
    for permutation, sign in graph.group_of(graph.root(handle)).generators:
        position = {p: a for a, p in enumerate(own)}
        moved = np.transpose(value, [position[permutation[p]] for p in own]) if len(own) else value
        if moved.shape != value.shape or np.max(np.abs(moved - sign * value), initial=0) > 1e-6 * (
            1 + np.abs(value).max(initial=0)
        ):
            wrong.append(f"{t} (handle {handle}) has not the symmetry {permutation} with sign {sign}")
    return wrong
