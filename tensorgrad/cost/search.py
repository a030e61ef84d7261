"""Orders for large contractions, found by opt_einsum or cotengra; deterministic."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from tensorgrad.cost.edges import Pair, bits, union
from tensorgrad.errors import InputError

DYNAMIC = 18

COTENGRA_TRIES = 64
"""Random greedy orders that cotengra compares before it improves the best one."""


def search(
    masks: Sequence[int], kept: int, dims: Sequence[int], tries: int, optimizer: str = "auto"
) -> tuple[Pair, ...]:
    """An order for a large component: opt_einsum's dynamic programming; beyond, so many tries of its seeded random
    greedy, or cotengra's."""
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
        elif optimizer == "cotengra":
            return tuple(_as_pairs(_cotengra(inputs, output, sizes), len(masks)))
        else:
            found = RandomGreedy(max_repeats=min(tries, 6400 // len(masks) or 1))(inputs, output, sizes)
    finally:
        random.setstate(state)
    return tuple(_as_pairs(linear_to_ssa(found), len(masks)))


def _cotengra(
    inputs: Sequence[frozenset[str]], output: frozenset[str], sizes: dict[str, int]
) -> Sequence[Sequence[int]]:
    """cotengra's order, in numbers of tensors: seeded random greedy and, where it helps, subtree reconfiguration."""
    try:
        cotengra: Any = import_module("cotengra")
    except ModuleNotFoundError:
        raise InputError("optimizer='cotengra' needs the package: pip install 'tensorgrad[cotengra]'") from None
    ordered = [tuple(sorted(legs)) for legs in inputs]
    search = cotengra.RandomGreedyOptimizer(max_repeats=COTENGRA_TRIES, seed=0, parallel=False)
    tree = search.search(ordered, tuple(sorted(output)), sizes)
    tree.subtree_reconfigure_(minimize="flops", seed=0)
    return tree.get_ssa_path()


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
