"""Orders for large contractions, found by opt_einsum; deterministic."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from tensorgrad.cost.edges import Pair, bits, union

DYNAMIC = 18


def search(masks: Sequence[int], kept: int, dims: Sequence[int], tries: int) -> tuple[Pair, ...]:
    """opt_einsum's order for a large component: dynamic programming, then so many tries of seeded random greedy."""
    from opt_einsum.path_random import RandomGreedy
    from opt_einsum.paths import DynamicProgramming, linear_to_ssa

    names = {e: chr(0x4E00 + e) for e in bits(union(masks))}
    inputs = [frozenset(names[e] for e in bits(mask)) for mask in masks]
    output = frozenset(names[e] for e in bits(kept & union(masks)))
    sizes = {name: dims[e] for e, name in names.items()}
    state = random.getstate()
    try:
        if len(masks) <= DYNAMIC:
            found = DynamicProgramming(minimize="flops")(inputs, output, sizes)
        else:
            found = RandomGreedy(max_repeats=min(tries, 1600 // len(masks) or 1))(inputs, output, sizes)
    finally:
        random.setstate(state)
    return tuple(_as_pairs(linear_to_ssa(found), len(masks)))


def _as_pairs(ssa: Iterable[Sequence[int]], count: int) -> Iterable[Pair]:
    """Steps of more than two tensors as chains of pairs, numbers adjusted."""
    number = list(range(count))
    made = count
    for step in ssa:
        current = number[step[0]]
        for other in step[1:]:
            yield current, number[other]
            current, made = made, made + 1
        number.append(current)
