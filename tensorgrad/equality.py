"""Equality and isomorphism of tensors: questions that canonical form alone answers (no rules, no e-graph)."""

from __future__ import annotations

from collections.abc import Iterator

from tensorgrad.calculus import expand
from tensorgrad.diagram import Store, insert
from tensorgrad.diagram.symmetry import closure
from tensorgrad.tensor import Tensor


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have the same edges, sizes and diagram: names of summed edges and order do not count."""
    if a.sizes != b.sizes:
        return False
    store = Store()
    handle, perm = insert(store, expand(a))
    other, other_perm = insert(store, expand(b))
    axis = dict(zip(b.edges, other_perm, strict=True))
    return store.same((handle, perm), (other, tuple(axis[e] for e in a.edges)))


def isomorphisms(a: Tensor, b: Tensor) -> Iterator[dict[str, str]]:
    """All maps of a's free edges to b's that carry one diagram to the other."""
    store = Store()
    handle, perm = store.resolve(insert(store, expand(a)))
    other, other_perm = store.resolve(insert(store, expand(b)))
    if handle != other:
        return
    edge = dict(zip(other_perm, b.edges, strict=True))
    group = store.group_of(handle)
    elements = group.elements if group.elements and group.whole else closure(group.order, group.generators)
    for permutation, sign in elements:
        if sign > 0:
            yield {e: edge[permutation[p]] for e, p in zip(a.edges, perm, strict=True)}


def isomorphic(a: Tensor, b: Tensor, match_edges: bool = False) -> bool:
    """Whether the diagrams agree up to names of free edges, or with `match_edges` names included."""
    if match_edges:
        return same(a, b)
    store = Store()
    return insert(store, expand(a))[0] == insert(store, expand(b))[0]


def symmetries(t: Tensor) -> frozenset[frozenset[str]]:
    """Orbits of the free edges under the automorphisms of the diagram."""
    orbits: dict[str, set[str]] = {e: {e} for e in t.edges}
    store = Store()
    handle, perm = insert(store, expand(t))
    edge = dict(zip(perm, t.edges, strict=True))
    for permutation, sign in store.group_of(handle).generators:
        if sign > 0:
            for a, b in enumerate(permutation):
                joined = orbits[edge[a]] | orbits[edge[b]]
                for e in joined:
                    orbits[e] = joined
    return frozenset(frozenset(o) for o in orbits.values())
