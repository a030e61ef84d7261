"""Arguments of a function application lined up: batch axes first, one axis a group; and functions of one batch entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from tensorgrad.tensor import Apply, Tensor

Array = Any
Operand = tuple[Array, tuple[str, ...]]
"""An array and the name of each of its axes."""


def lined(array: Array, arg: Tensor, acted: Sequence[Sequence[str]], batch: tuple[str, ...]) -> Array:
    """Axes: one a batch edge (of length 1 where the argument lacks it), then one a group, fused row-major."""
    own = [e for e in batch if e in arg.edges and not any(e in group for group in acted)]
    order = [*own, *(e for group in acted for e in group)]
    sizes = dict(zip(arg.edges, array.shape, strict=True))
    array = array.transpose([arg.edges.index(e) for e in order])
    lead = [sizes[e] if e in own else 1 for e in batch]
    fused = [int(np.prod([sizes[e] for e in group], dtype=int)) for group in acted]
    return array.reshape((*lead, *fused))


def each_entry(
    t: Apply, args: Sequence[Array], sizes: Mapping[str, int], one: Callable[[list[Array]], Any], dtype: Any
) -> Array:
    """`one` at every batch entry: its arguments have one axis a group of acted edges, its result one a produced group."""
    produced = sum(len(group) for group in t.produced)
    batch = t.edges[: len(t.edges) - produced]
    lead = tuple(sizes[e] for e in batch)
    parts = [lined(a, c, g, batch) for a, c, g in zip(args, t.args, t.acted, strict=True)]
    parts = [np.broadcast_to(a, lead + a.shape[len(batch) :]) for a in parts]
    own = tuple(prod(sizes[e] for e in group) for group in t.produced)
    result = np.zeros((*lead, *own), dtype=dtype)
    for place in np.ndindex(*lead):
        result[place] = one([np.asarray(a[place], dtype=dtype) for a in parts])
    return result.reshape(tuple(sizes[e] for e in t.edges))


def spread(a: Operand, names: tuple[str, ...]) -> Array:
    """The operand with an axis for each of the names, of length 1 for those that it lacks."""
    own = [e for e in names if e in a[1]]
    array = a[0].transpose([a[1].index(e) for e in own])
    return array.reshape([array.shape[own.index(e)] if e in own else 1 for e in names])
