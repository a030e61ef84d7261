"""All members of every class, evaluated on one random instance by the numeric oracle: they must agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorgrad import numeric
from tensorgrad.diagram.expression import Expressions, axis_names
from tensorgrad.egraph.graph import EGraph
from tensorgrad.numeric.sample import names_of
from tensorgrad.tensor import Tensor

LARGEST = 4096


def instance(tensors: Sequence[Tensor], conditions: Sequence[Any], seed: int) -> tuple[dict[str, Any], dict[str, int]]:
    """Random values of every name, facts and conditions honoured, on distinct small sizes."""
    variables, functions = names_of(tensors)
    symbols = numeric.size_symbols(*tensors)
    dims = {s: 2 + k % 3 for k, s in enumerate(symbols)}
    rng = np.random.default_rng(seed)
    return numeric.sample(variables, [f for f, _ in functions], conditions, dims, rng), dims


def disagreements(graph: EGraph, values: dict[str, Any], dims: dict[str, int], most: int = 400) -> list[str]:
    """Members whose value differs from that of their class's first member; members undefined on the instance are skipped."""
    expressions = Expressions(graph, graph.own_node)
    first: dict[int, np.ndarray] = {}
    wrong: list[str] = []
    for handle in range(1, min(len(graph.nodes), most)):
        sizes = [int(d.evaluate(dims)) for d in graph.dims[handle]]
        if np.prod(sizes, initial=1) > LARGEST:
            continue
        t = expressions.tensor(handle)
        try:
            value = numeric.evaluate(t, values, dims)
        except MemoryError:
            continue
        if not np.all(np.isfinite(value)):
            continue
        root = graph.root(handle)
        perm = graph.oriented(handle)
        names = axis_names(len(perm))
        value = np.transpose(value, [t.edges.index(names[a]) for a in range(len(perm))])
        at_root = np.transpose(value, np.argsort(perm)) if len(perm) else value
        known = first.setdefault(root, at_root)
        scale = 1 + np.max(np.abs(known), initial=0)
        if known.shape != at_root.shape or np.max(np.abs(known - at_root), initial=0) > 1e-6 * scale:
            wrong.append(f"{t} (handle {handle}, class {root})")
    return wrong
