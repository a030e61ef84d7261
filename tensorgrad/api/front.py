"""Which form is best for what: the front of operations and memory, and regimes of symbolic sizes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from tensorgrad.api.inputs import Conditions, check_arguments, read_dims, read_expression, symbols_of
from tensorgrad.api.plans import Priced
from tensorgrad.calculus import expand, lines_of
from tensorgrad.errors import SizeError
from tensorgrad.rule import RuleSet, library
from tensorgrad.runtime import plan as plan_of
from tensorgrad.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tensorgrad.egraph.exploration import Exploration
    from tensorgrad.egraph.pricing import Objective
    from tensorgrad.runtime import Plan

MOST_LIMITS = 24
"""Limits on the largest tensor that are tried, each just below what the form before it needed."""


def pareto(
    expression: Tensor | str,
    dims: Mapping[Any, int],
    *,
    let: str = "",
    if_: Conditions = "",
    rules: RuleSet | None = None,
    seconds: float = 5.0,
    nodes: int = 20_000,
) -> list[Priced]:
    """The forms of an expression that no other one beats in both operations and peak memory, the fewest operations first.

    Arguments as for `plan`. Raises SizeError when a symbol has no size.

    >>> for way in pareto("(A @ B + A @ C) @ x", {"n": 1000}, let="A B C : n n ; x : n"):
    ...     print(way.tensor, way.flops, way.peak)
    A @ (B + C) @ x 5000000 1001000
    A @ (C @ x + B @ x) 6001000 3000
    """
    check_arguments(let, if_, rules, seconds, nodes)
    t, conditions = read_expression(expression, let, if_)
    symbols = symbols_of([t], conditions)
    sizes = read_dims(dims, symbols)
    if symbols and not sizes:
        raise SizeError(f"a front needs a size for each of {', '.join(symbols)}; give dims")
    from tensorgrad.egraph import search

    loaded = rules if rules is not None else library()
    explored = search.simplify(
        expand(t, lines_of(rules), conditions),
        conditions=conditions,
        dims=sizes,
        rules=loaded,
        seconds=seconds,
        nodes=nodes,
    )
    front: list[Priced] = []
    for _, tensors, found in _by_limit(explored, sizes):
        if not front or found.peak < min(way.peak for way in front):
            front = [way for way in front if way.flops < found.flops]
            front.append(Priced(f"form {len(front) + 1}", tensors[0], found.flops, found.peak, found.steps))
    return front


def least_memory(explored: Exploration, sizes: Mapping[str, int]) -> Objective:
    """The limit whose forms together need the least memory; of equals, the fewest operations."""
    return min(_by_limit(explored, sizes), key=lambda found: (found[2].peak, found[2].flops))[0]


def _by_limit(explored: Exploration, sizes: Mapping[str, int]) -> Iterator[tuple[Objective, tuple[Tensor, ...], Plan]]:
    """The cheapest forms without a limit on the largest tensor, then with one below what they needed, and so on."""
    return islice(_descending(explored, sizes), MOST_LIMITS)


def _descending(
    explored: Exploration, sizes: Mapping[str, int]
) -> Iterator[tuple[Objective, tuple[Tensor, ...], Plan]]:
    from tensorgrad.egraph.pricing import Objective

    limit: int | None = None
    while True:
        objective = Objective(limit=limit)
        tensors = explored.cheapest(sizes, objective)
        found = plan_of({f"t{k}": t for k, t in enumerate(tensors)}, sizes)
        if limit is not None and found.largest > limit:
            return
        yield objective, tensors, found
        limit = found.largest - 1
