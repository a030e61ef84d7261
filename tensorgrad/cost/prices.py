"""Prices of everything but the order of a contraction: functions, sums, fused edges, costs in symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod

from tensorgrad.cost.edges import bits, mask_of, path_masks, volume
from tensorgrad.cost.network import NetworkPlan, network_cost
from tensorgrad.function import Function
from tensorgrad.sizes import ONE, ZERO, Poly


def without_flats(
    operands: Sequence[tuple[int, Sequence[int]]], boundary: Sequence[int]
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Legs and boundary of a network whose fused edges are replaced by their parts, which costs nothing.

    Operands with negative handles are flats, (fused, *parts). An edge that is fused in two ways keeps the second as an
    operand: there something has to be formed.
    """
    parts: dict[int, tuple[int, ...]] = {}
    rest: list[Sequence[int]] = []
    for handle, legs in operands:
        if handle < 0 and legs[0] not in parts:
            parts[legs[0]] = tuple(legs[1:])
        else:
            rest.append(legs)
    if not parts:
        return tuple(map(tuple, rest)), tuple(boundary)
    replaced = tuple(tuple(q for e in legs for q in parts.get(e, (e,))) for legs in rest)
    return replaced, tuple(q for e in boundary for q in parts.get(e, (e,)))


def application_cost(function: Function, batch: Iterable[int], group: Iterable[int] = ()) -> int:
    """Operations of a function: `batch` are the sizes of the result's batch axes, `group` of the first acted group."""
    factor, exponent = function.cost
    return prod(batch) * ceil(factor * prod(group) ** exponent)


def total_cost(entries: int, weights: Sequence[Poly], smallest: Sequence[int] = ()) -> int:
    """Operations of a weighted sum: additions, and a multiplication for each weight other than 1 and -1.

    `smallest[k]` is the number of entries that weight k multiplies (that of the smallest factor of the term; the whole
    term by default). One sign costs when no term is positive.
    """
    sizes = smallest or [entries] * len(weights)
    flops = entries * max(0, len(weights) - 1)
    for weight, size in zip(weights, sizes, strict=True):
        if not (weight.is_constant and abs(weight.number) == 1):
            flops += size
    if weights and all(w.is_constant and w.number == -1 for w in weights):
        flops += min(sizes)
    return flops


def default_dims(symbols: Iterable[str]) -> dict[str, int]:
    """Large, pairwise different sizes to choose an order by when none are given."""
    return {s: 1009 + 38 * k for k, s in enumerate(sorted(symbols))}


def symbolic_cost(
    legs: Sequence[Sequence[int]],
    boundary: Sequence[int],
    dims: Sequence[Poly],
    coefficient: bool = False,
    values: Mapping[str, int] | None = None,
) -> Poly:
    """The operations of a contraction as a polynomial in the sizes; the order is that for `values` (or default sizes).

    >>> n = Poly.symbol("n")
    >>> str(symbolic_cost([(0, 1), (1, 2)], (0, 2), (n, n, n)))
    '2*n**3'
    """
    values = values or default_dims({s for d in dims for s in d.symbols})
    numbers = [int(d.evaluate(values)) if d is not ONE else 1 for d in dims]
    plan = network_cost(legs, boundary, numbers, coefficient)
    steps = network_steps(legs, boundary, numbers, plan)
    total = ZERO
    for step in steps:
        cost = Poly.constant(step.factor)
        for e in bits(step.edges):
            cost = cost * dims[e]
        total = total + cost
    return total


@dataclass(frozen=True, slots=True)
class CostStep:
    """One priced operation of a contraction: factor * volume(edges), leaving the edges `kept`.

    `inputs` are numbers as in a path; one input is a private sum or (`kept` = `edges`) a coefficient.
    """

    inputs: tuple[int, ...]
    edges: int
    kept: int
    factor: int


def network_steps(
    legs: Sequence[Sequence[int]], boundary: Sequence[int], dims: Sequence[int], plan: NetworkPlan
) -> list[CostStep]:
    """Every operation that a plan pays for, in order."""
    whole = [mask_of(edges, dims) for edges in legs]
    kept = mask_of(boundary, dims)
    reduced = _without_private(whole, kept)
    steps = [CostStep((k,), m, r, 1) for k, (m, r) in enumerate(zip(whole, reduced, strict=True)) if m != r]
    masks = path_masks(reduced, plan.path, kept)
    if 0 <= plan.scaled < len(whole):
        steps.append(CostStep((plan.scaled,), masks[plan.scaled], masks[plan.scaled], 1))
    for k, (a, b) in enumerate(plan.path, len(whole)):
        union = masks[a] | masks[b]
        steps.append(CostStep((a, b), union, masks[k], 2 if union != masks[k] else 1))
        if plan.scaled == k:
            steps.append(CostStep((k,), masks[k], masks[k], 1))
    return steps


def network_traffic(
    legs: Sequence[Sequence[int]], boundary: Sequence[int], dims: Sequence[int], plan: NetworkPlan
) -> list[tuple[int, int]]:
    """For every step of a plan its operations, and the entries that it reads and writes."""
    steps = network_steps(legs, boundary, dims, plan)
    masks = dict(enumerate(path_masks([mask_of(edges, dims) for edges in legs], plan.path, mask_of(boundary, dims))))
    found: list[tuple[int, int]] = []
    for step in steps:
        read = step.edges if len(step.inputs) == 1 else 0
        moved = volume(step.kept, dims) + sum(volume(read or masks[k], dims) for k in step.inputs)
        found.append((step.factor * volume(step.edges, dims), moved))
    return found


def _without_private(masks: Sequence[int], kept: int) -> list[int]:
    once = several = 0
    for mask in masks:
        several |= once & mask
        once |= mask
    private = once & ~several & ~kept
    return [mask & ~private for mask in masks]
